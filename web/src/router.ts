/** Addresses of the app: `/`, `/rooms`, `/r/{id}`, `/login`, `/login/link`, `/setup-username`, `/admin`. */

import { batch, signal } from "@preact/signals";

export type Route = { page: Named | "unknown" } | { page: "room"; id: string };

type Named = "home" | "rooms" | "login" | "link" | "username" | "admin";

const ROOM_ID = /^[A-Za-z0-9._~-]{1,120}$/;
/** Crockford's base 32: no I, L, O or U; who types one of the first three means 1, 1 or 0. */
const INVITE_CODE = /^[0-9a-tv-z]{10}$/;
const NAMED: Readonly<Record<string, Named>> = {
  "/": "home",
  "/rooms": "rooms",
  "/login": "login",
  "/login/link": "link",
  "/setup-username": "username",
  "/admin": "admin",
};
/** One slash, then visible ASCII without a backslash, which browsers take for a slash. */
const LOCAL_PATH = /^\/(?!\/)[!-[\]-~]{0,511}$/;

export function parse(path: string): Route {
  const named = Object.entries(NAMED).find(([known]) => path === known || path === `${known}/`);
  if (named) return { page: named[1] };
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

/** The invitation code in what a person typed: of a link, or alone, with spaces and hyphens or without. Null if there is none. */
export function codeIn(typed: string): string | null {
  const inLink = /[?&]invite=([^&#\s]+)/.exec(typed)?.[1];
  const code = (inLink ?? typed).replace(/[\s-]/g, "").toLowerCase();
  return INVITE_CODE.test(code) ? code : null;
}

/** A path of this site to go on to; `/` for anything that could lead elsewhere, or back to signing in. */
export const localPath = (path: string | null): string =>
  path && LOCAL_PATH.test(path) && !/^\/(login|setup-username|v1)\b/.test(path) ? path : "/";

/** What the address says under that name; who draws by it draws again when that changes. */
export const parameter = (name: string): string | null => new URLSearchParams(search.value).get(name);

/** Where to go on to after this page: its `next`. */
export const nextPath = (): string => localPath(parameter("next"));

/** The address of a page after which one comes back here, or to where one wanted to go. */
export const withReturn = (path: string, back: string): string => (back === "/" ? path : `${path}?next=${encodeURIComponent(back)}`);

export const roomPath = (id: string): string => `/r/${id}`;
export const invitePath = (room: string, code: string): string => `${roomPath(room)}?invite=${encodeURIComponent(code)}`;
export const inviteUrl = (room: string, code: string): string => new URL(invitePath(room, code), location.href).href;
/** Where a code is typed already, for who has to say a name first. */
export const codePath = (code: string): string => `/?code=${encodeURIComponent(code)}`;
export const roomUrl = (id: string): string => new URL(roomPath(id), location.href).href;

export const route = signal<Route>({ page: "unknown" });
export const search = signal("");

function follow(): void {
  batch(() => {
    route.value = parse(location.pathname);
    search.value = location.search;
  });
}

export function navigate(path: string): void {
  if (path !== location.pathname + location.search) history.pushState(null, "", path);
  follow();
  scrollTo(0, 0);
}

/** As `navigate`, in place of the page that is shown: "back" does not come here again. */
export function replace(path: string): void {
  history.replaceState(null, "", path);
  follow();
}

/** Follows the address bar, and links of this origin without loading a page. */
export function startRouter(): void {
  follow();
  addEventListener("popstate", follow);
  document.addEventListener("click", followLink);
}

function followLink(event: MouseEvent): void {
  const modified = event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  if (modified || event.defaultPrevented || !(event.target instanceof Element)) return;
  const link = event.target.closest<HTMLAnchorElement>("a[data-local]");
  if (!link || link.origin !== location.origin) return;
  event.preventDefault();
  navigate(link.pathname + link.search);
}
