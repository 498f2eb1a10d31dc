/** One thing that is worth telling beside what the page shows. It goes by itself, is dismissed, or another takes its place. */

import { signal } from "@preact/signals";

export interface Notice {
  words: string;
  /** What can be done about it. */
  action?: { label: string; run: () => void };
}

/** So long it is shown to who neither points at it nor is in it with the keyboard. */
export const SHOWN_MS = 12_000;

export const notice = signal<Notice | null>(null);

let expiry: ReturnType<typeof setTimeout> | undefined;
let lasts = false;
let held = false;

export const tellOnce = (words: string, action?: Notice["action"]): void => tell(words, action, false);

/** As `tellOnce`, but it stays until somebody has seen it: what failed, or what is not told again. */
export const tellLasting = (words: string, action?: Notice["action"]): void => tell(words, action, true);

export function dismiss(): void {
  notice.value = null;
  held = false; // what is gone tells nobody that the pointer has left it
  clearTimeout(expiry);
}

/** Somebody is at it: it stays. */
export function hold(): void {
  held = true;
  clearTimeout(expiry);
}

/** They are there no longer: it is shown for as long as a new one. */
export function release(): void {
  held = false;
  expire();
}

function tell(words: string, action: Notice["action"], isLasting: boolean): void {
  notice.value = action ? { words, action } : { words };
  lasts = isLasting;
  expire();
}

function expire(): void {
  clearTimeout(expiry);
  if (!lasts && !held) expiry = setTimeout(dismiss, SHOWN_MS);
}
