/** The connection as the page shows it: quiet about blips, clear about trouble and about the end. */

import { computed, signal } from "@preact/signals";
import type { Client, ClientState } from "../../../client/src/index.ts";

/** Trouble shorter than this is not worth a word. */
export const PATIENCE_MS = 2_000;

export type Ending = "signedOut" | "outdated" | "stopped";

export const state = signal<ClientState>("idle");
export const retryAt = signal<number | null>(null);
export const attempt = signal(0);
/** Set while there has been no connection for longer than the patience. */
export const troubled = signal(false);
export const ending = signal<Ending | null>(null);
/** The server speaks another revision of the protocol than this page. */
export const outdated = signal(false);
/** Counts corrections of the server's clock, so that what depends on it is computed again. */
export const clockMoves = signal(0);

export const connected = computed(() => state.value === "connected");

/** SESSION_ENDED and UNAUTHENTICATED of the protocol's table. */
const SIGNED_OUT_CODES = [4502, 4504];
/** BAD_FRAME and OUT_OF_ORDER: this page and the server do not understand each other. */
const OUTDATED_CODES = [4500, 4501];

/** What a final close means for a person. Code 0: there was nobody to connect as. */
export function endingOf(code: number): Ending {
  if (code === 0 || SIGNED_OUT_CODES.includes(code)) return "signedOut";
  return OUTDATED_CODES.includes(code) ? "outdated" : "stopped";
}

let patience: ReturnType<typeof setTimeout> | null = null;

function wait(): void {
  patience ??= setTimeout(() => (troubled.value = true), PATIENCE_MS);
}

function settle(): void {
  if (patience !== null) clearTimeout(patience);
  patience = null;
  troubled.value = false;
}

/** Follows a client until it is replaced by another. */
export function watch(client: Client): void {
  ending.value = null;
  settle();
  client.on("state", (change) => {
    state.value = change.to;
    retryAt.value = change.retryAt;
    attempt.value = change.attempt;
    if (change.to === "connecting" || change.to === "waiting") wait();
    else settle();
    // Neither code nor reason: the page itself has closed it.
    if (change.to === "closed" && (change.code !== 0 || change.reason !== "")) ending.value = endingOf(change.code);
  });
  client.on("clock", () => (clockMoves.value += 1));
  client.on("welcome", (welcome) => (outdated.value = welcome.outdated));
}
