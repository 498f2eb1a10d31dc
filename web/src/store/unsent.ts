/** What is on its way or was refused outlives the page: under its old nonce it can be tried again, and arrives once. */

import { keep, recall, recallJson } from "../storage.ts";
import type { Outgoing } from "./messages.ts";

const keyOf = (room: string): string => `unsent:${room}`;

/** As failed: whether it arrived is not known here, until the message is seen. */
export const recallUnsent = (room: string): Outgoing[] => (recallJson<Outgoing[]>(keyOf(room)) ?? []).map((message) => ({ ...message, state: "failed" }));

export function keepUnsent(room: string, outgoing: readonly Outgoing[]): void {
  const json = outgoing.length === 0 ? "" : JSON.stringify(outgoing);
  if (json !== (recall(keyOf(room)) ?? "")) keep(keyOf(room), json);
}
