/** The two hidden live regions: polite ones are gathered, at most one every two seconds; urgent ones are said at once. */

import { signal } from "@preact/signals";

export const polite = signal("");
export const urgent = signal("");

const PAUSE_MS = 2_000;
let waiting: string[] = [];
let quietUntil = 0;
let timer: ReturnType<typeof setTimeout> | null = null;

export function announce(message: string): void {
  waiting.push(message);
  timer ??= setTimeout(flush, Math.max(100, quietUntil - performance.now()));
}

export function announceUrgently(message: string): void {
  // A repeated text is no change to a live region: alternate an invisible mark.
  urgent.value = urgent.value === message ? `${message}\u200b` : message;
}

function flush(): void {
  timer = null;
  const message = waiting.join(" ");
  waiting = [];
  quietUntil = performance.now() + PAUSE_MS;
  polite.value = polite.value === message ? `${message}\u200b` : message;
}
