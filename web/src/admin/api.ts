/** The HTTP API of admins. Every failure is an `ApiError`. Times in milliseconds. */

import { call, type Page, query } from "../api.ts";
import { type ReportKind, whoOf } from "../moderation.ts";
import type { Principal } from "../protocol.ts";
import type { RoomSummary } from "../rooms.ts";

/** Somebody with the name of today; empty: they are gone. `user`: the account that they are, or became. */
export interface Author extends Principal {
  name: string;
  user: string | null;
}

export interface CopiedMessage {
  id: number;
  at: number;
  author: Author;
  text: string;
  deleted: boolean;
}

export type Outcome = "dismissed" | "acted";

/** `copy` null: it is about no message, or too old. */
export interface Report {
  id: string;
  at: number;
  kind: ReportKind;
  text: string;
  reporter: Author | null;
  subject: Author;
  room: string | null;
  message: number | null;
  copy: CopiedMessage[] | null;
  resolvedAt: number | null;
  resolvedBy: string | null;
  outcome: Outcome | null;
  note: string | null;
}

export type SanctionKind = "ban" | "mute" | "shadow";

/** `until` null: until it is lifted. */
export interface Imposition {
  kind: SanctionKind;
  reason: string;
  until: number | null;
}

export interface Sanction extends Imposition {
  id: string;
  who: Author;
  at: number;
  by: string;
  liftedAt: number | null;
}

export interface User {
  id: string;
  username: string | null;
  name: string;
  email: string | null;
  role: string;
  createdAt: number;
}

/** All that is kept about a person; `account` null: a guest. */
export interface Dossier {
  principal: Principal;
  name: string;
  account: User | null;
  guests: string[];
  sessions: { sessionId: string; agent: string; createdAt: number; lastSeen: number }[];
  sanctions: Sanction[];
  reportsAbout: Report[];
  reportsBy: Report[];
  rooms: AdminRoom[];
}

export interface AdminRoom extends RoomSummary {
  visibility: string;
}

export interface AuditEntry {
  id: number;
  at: number;
  outcome: "denied" | "done";
  actorType: string;
  actorId: string;
  action: string;
  target: string;
  why: string;
}

export interface Limit {
  name: string;
  amount: number;
  periodS: number;
  by: string[];
  of: string | null;
}

export interface Limits {
  scale: number;
  shared: Limit[];
  local: Limit[];
  counters: Record<string, number>;
}

/** A feature that is on for a share of the people, in per cent. `setAt` and `setBy` null: no admin said anything, `configured` counts. */
export interface Flag {
  name: string;
  about: string;
  share: number;
  configured: number;
  setAt: number | null;
  setBy: string | null;
}

export interface Cluster {
  quiet: boolean;
  members: { id: string; name: string; host: string; version: string; here: boolean; slots: number; state: string }[];
  moving: number[];
  unowned: number;
  laneRows: number;
  loopLagMs: number;
}

type Raw<K extends string, T> = Record<K, T[]> & { nextCursor: string | null };
type Given = Record<string, string | null>;

async function page<K extends string, T>(path: string, key: K, given: Given, cursor: string | null): Promise<Page<T>> {
  const raw = await call<Raw<K, T>>("GET", `/v1/admin/${path}${query({ ...given, cursor })}`);
  return { rows: raw[key], cursor: raw.nextCursor };
}

const personPath = (who: string): string => `/v1/admin/users/${encodeURIComponent(who)}`;
const naming = ({ kind, reason, until }: Imposition) => ({ kind, reason, ...(until === null ? {} : { until }) });

export const listReports = (state: string) => (cursor: string | null) => page<"reports", Report>("reports", "reports", { state }, cursor);
export const listSanctions = (state: string) => (cursor: string | null) => page<"sanctions", Sanction>("sanctions", "sanctions", { state }, cursor);
export const findUsers = (q: string) => (cursor: string | null) => page<"users", User>("users", "users", { q }, cursor);
export const listRooms = (visibility: string) => (cursor: string | null) => page<"rooms", AdminRoom>("rooms", "rooms", { visibility }, cursor);
export const searchAudit = (actor: string, action: string) => (cursor: string | null) =>
  page<"entries", AuditEntry>("audit", "entries", { actor, action }, cursor);

export const readPerson = (who: string): Promise<Dossier> => call("GET", personPath(who));
export const endSessions = (who: string): Promise<void> => call("DELETE", `${personPath(who)}/sessions`);
export const impose = (who: Principal, sanction: Imposition): Promise<Sanction> =>
  call("POST", "/v1/admin/sanctions", { who: whoOf(who), ...naming(sanction) });
export const lift = (id: string): Promise<void> => call("DELETE", `/v1/admin/sanctions/${encodeURIComponent(id)}`);
export const resolve = (id: string, outcome: Outcome, note: string, sanction: Imposition | null): Promise<Report> =>
  call("POST", `/v1/admin/reports/${encodeURIComponent(id)}/resolve`, { outcome, note, ...(sanction ? { sanction: naming(sanction) } : {}) });
export const readLimits = (): Promise<Limits> => call("GET", "/v1/admin/limits");
export const readFlags = async (): Promise<Flag[]> => (await call<{ flags: Flag[] }>("GET", "/v1/admin/flags")).flags;
/** `share` null: as the settings say. */
export const setFlag = (name: string, share: number | null): Promise<void> => call("PUT", `/v1/admin/flags/${encodeURIComponent(name)}`, { share });
export const readCluster = (): Promise<Cluster> => call("GET", "/v1/admin/cluster");
