/** The HTTP API of what one does against others: blocks and reports. Every failure is an `ApiError`. */

import { ask, call } from "./api.ts";
import type { Principal } from "./protocol.ts";

/** Somebody who is blocked, as they are called today. `blockedAt` in milliseconds; names are empty where there is nobody any more. */
export interface Blocked extends Principal {
  name: string;
  username: string | null;
  blockedAt: number;
}

export const REPORT_KINDS = ["spam", "abuse", "sexual", "violence", "self-harm", "illegal", "other"] as const;
export type ReportKind = (typeof REPORT_KINDS)[number];

/** Code points of what one says about it. */
export const MAX_REPORT = 500;

/** A message by its room and offset, or somebody. */
export type Reported = { room: string; message: number } | { person: Principal };

/** As paths and bodies name somebody. */
export const whoOf = ({ actorType, actorId }: Principal): string => `${actorType}:${actorId}`;

const blockPath = (person: Principal): string => `/v1/blocks/${encodeURIComponent(whoOf(person))}`;

export const readBlocks = async (): Promise<Blocked[]> => (await call<{ blocks: Blocked[] }>("GET", "/v1/blocks")).blocks;
export const addBlock = (person: Principal): Promise<void> => call("PUT", blockPath(person));
export const dropBlock = (person: Principal): Promise<void> => call("DELETE", blockPath(person));

/** Tells the admins; false: we have told them already, and it is open still. */
export async function sendReport(thing: Reported, kind: ReportKind, text: string): Promise<boolean> {
  const named = "person" in thing ? { user: whoOf(thing.person) } : thing;
  return (await ask("POST", "/v1/reports", { ...named, kind, text })).status === 201;
}
