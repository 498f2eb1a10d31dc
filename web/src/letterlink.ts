/** A letter's link: what it is about and its token. It leaves the address bar at once: what stays there ends in histories and screenshots. */

import { signal } from "@preact/signals";
import type { Purpose } from "./account.ts";

const LINK_PATH = /^\/login\/link\/?$/;
const FRAGMENT = /^#(register|sign-in|address|reset)=(.+)$/;

export interface LetterLink {
  purpose: Purpose;
  token: string;
}

/** The one that was opened; null: none, or it is used up. */
export const letterLink = signal<LetterLink | null>(null);

export function parseFragment(fragment: string): LetterLink | null {
  const [, purpose, token] = FRAGMENT.exec(fragment) ?? [];
  return purpose && token ? { purpose: purpose as Purpose, token } : null;
}

/** Takes the token out of the address, now and whenever another link is opened in this tab. */
export function takeLinks(): void {
  takeLink();
  addEventListener("hashchange", takeLink);
}

function takeLink(): void {
  if (!LINK_PATH.test(location.pathname) || location.hash.length < 2) return;
  letterLink.value = parseFragment(location.hash);
  history.replaceState(null, "", location.pathname);
}
