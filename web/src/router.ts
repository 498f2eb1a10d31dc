/** Addresses of the app: `/`, `/rooms`, `/r/{id}`. */

import { signal } from "@preact/signals";

export type Route = { page: "home" } | { page: "rooms" } | { page: "room"; id: string } | { page: "unknown" };

const ROOM_ID = /^[A-Za-z0-9._~-]{1,120}$/;

export function parse(path: string): Route {
  if (path === "/") return { page: "home" };
  if (/^\/rooms\/?$/.test(path)) return { page: "rooms" };
  const id = /^\/r\/([^/]+)\/?$/.exec(path)?.[1];
  return id && ROOM_ID.test(id) ? { page: "room", id } : { page: "unknown" };
}

/** The room id in what a person pasted: a link, a path or the bare id. Null if there is none. */
export function roomIdIn(pasted: string): string | null {
  const given = pasted.trim();
  const inLink = /\/r\/([^/?#\s]+)/.exec(given)?.[1];
  const id = inLink ?? given;
  return ROOM_ID.test(id) ? id : null;
}

export const roomPath = (id: string): string => `/r/${id}`;
export const roomUrl = (id: string): string => new URL(roomPath(id), location.href).href;

export const route = signal<Route>({ page: "unknown" });

export function navigate(path: string): void {
  if (path !== location.pathname) history.pushState(null, "", path);
  route.value = parse(location.pathname);
  scrollTo(0, 0);
}

/** Follows the address bar, and links of this origin without loading a page. */
export function startRouter(): void {
  route.value = parse(location.pathname);
  addEventListener("popstate", () => (route.value = parse(location.pathname)));
  document.addEventListener("click", follow);
}

function follow(event: MouseEvent): void {
  const modified = event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  if (modified || event.defaultPrevented || !(event.target instanceof Element)) return;
  const link = event.target.closest<HTMLAnchorElement>("a[data-local]");
  if (!link || link.origin !== location.origin) return;
  event.preventDefault();
  navigate(link.pathname);
}
