/** The token of a letter's link. It leaves the address bar at once: what stays there ends in histories and screenshots. */

import { signal } from "@preact/signals";

const LINK_PATH = /^\/login\/link\/?$/;

export const linkToken = signal("");

/** Takes the token out of the address, now and whenever another link is opened in this tab. */
export function takeLinks(): void {
  takeLink();
  addEventListener("hashchange", takeLink);
}

function takeLink(): void {
  if (!LINK_PATH.test(location.pathname) || location.hash.length < 2) return;
  linkToken.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
}
