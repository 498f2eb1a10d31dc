/** The HTTP API of rooms: founding, finding, inviting. Every failure is an `ApiError`. */

import { ApiError, apiOf, call, type Page, query } from "./api.ts";
import type { Phase, Principal, Role, RoomInfo, TimerSettings } from "./protocol.ts";

export type Visibility = RoomInfo["visibility"];
export type Theme = RoomInfo["theme"];
export type TimerPolicy = RoomInfo["timerPolicy"];

export const SIZES = ["small", "medium", "large"] as const;
export const STATES = ["active", "idle"] as const;
export const SORTS = ["activity", "newest"] as const;

/** A room in a list. Times in milliseconds. */
export interface RoomSummary {
  id: string;
  title: string;
  topic: string;
  language: string;
  tags: string[];
  theme: Theme;
  /** People at once; 0: no limit of the room's own. */
  sizeLimit: number;
  createdAt: number;
  createdBy: Principal;
  /** People who are here now. */
  present: number;
  /** Those of a running timer; null: none runs. */
  phase: Phase | null;
  endsAt: number | null;
  /** active: the timer runs, or somebody is here and something happened a while ago at most. */
  status: (typeof STATES)[number];
}

export interface RoomPage {
  rooms: RoomSummary[];
  nextCursor: string | null;
}

/** What a list is narrowed to; an empty text: not by that. */
export interface Filters {
  q: string;
  language: string;
  tag: string;
  size: "" | (typeof SIZES)[number];
  status: "" | (typeof STATES)[number];
  sort: (typeof SORTS)[number];
}

export interface NewRoom {
  title: string;
  topic: string;
  language: string;
  visibility: Visibility;
  tags: string[];
  timer: TimerSettings;
}

/** An invite as hosts see it: never its code. */
export interface Invite {
  id: string;
  createdAt: number;
  /** null: somebody whom we do not see. */
  createdBy: Principal | null;
  /** null: never. */
  expiresAt: number | null;
  /** How many it may bring in all, null: any number. */
  uses: number | null;
  /** How many it has brought. */
  used: number;
}

/** Somebody whom a room keeps out, or has say nothing. `name` is empty where there is nobody any more. */
export interface Penalized extends Principal {
  name: string;
  /** Milliseconds; null: until it is lifted. */
  until: number | null;
}

interface KeeperRow extends Principal {
  name: string;
  role: Role;
}

interface MemberRow extends Principal {
  name: string;
  since: number;
}

interface MemberPage {
  keepers: KeeperRow[];
  members: MemberRow[];
  nextCursor: string | null;
}

/** Whoever comes into a room whatever becomes of it. `since`: when an invitation made them a member, milliseconds; null: none did, or that is on a later page. */
export interface Member extends KeeperRow {
  since: number | null;
}

/** `key` makes a repeated request found the same room. `challenge`: a token of the widget, empty: there is none. */
export const createRoom = (room: NewRoom, key: string, challenge: string): Promise<{ id: string }> =>
  call("POST", "/v1/rooms", { ...room, challenge }, { "idempotency-key": key });

export const listRooms = (filters: Filters, cursor: string | null, limit: number): Promise<RoomPage> =>
  call("GET", `/v1/rooms${query({ ...filters, cursor, limit })}`);

/** A room as a list of one's own shows it. `at`: when we last came in, milliseconds; null: that is not told. */
export interface OwnRoom {
  id: string;
  title: string;
  theme: Theme;
  at: number | null;
}

/** Where a user was in the last 24 hours, the latest first. */
export async function readRecent(): Promise<OwnRoom[]> {
  const { rooms } = await call<{ rooms: { room: RoomSummary; visitedAt: number }[] }>("GET", "/v1/rooms/recent");
  return rooms.map(({ room: { id, title, theme }, visitedAt }) => ({ id, title, theme, at: visitedAt }));
}

/** What this browser kept while somebody was a guest. */
export const mergeRecent = (rooms: { id: string; at: number }[]): Promise<void> => call("PUT", "/v1/rooms/recent", { rooms });

/** Those that let us in; the others are kept all the same. */
export async function readFavourites(): Promise<OwnRoom[]> {
  const { rooms } = await call<{ rooms: { room: RoomSummary | null }[] }>("GET", "/v1/rooms/favourites");
  return rooms.flatMap(({ room }) => (room ? [{ id: room.id, title: room.title, theme: room.theme, at: null }] : []));
}

export const setFavourite = (room: string, on: boolean): Promise<void> => call(on ? "PUT" : "DELETE", `${apiOf(room)}/favourite`);

export const readInvites = async (room: string): Promise<Invite[]> => (await call<{ invites: Invite[] }>("GET", `${apiOf(room)}/invites`)).invites;
export const revokeInvite = (room: string, invite: string): Promise<void> => call("DELETE", `${apiOf(room)}/invites/${encodeURIComponent(invite)}`);

/** For host and co-hosts. */
export const readBans = async (room: string): Promise<Penalized[]> => (await call<{ bans: Penalized[] }>("GET", `${apiOf(room)}/bans`)).bans;
export const readMutes = async (room: string): Promise<Penalized[]> => (await call<{ mutes: Penalized[] }>("GET", `${apiOf(room)}/mutes`)).mutes;

/** Those who keep order first, then those of longest standing. A second old at most. */
export const readMembers = (room: string) => async (cursor: string | null): Promise<Page<Member>> => {
  const { keepers, members, nextCursor } = await call<MemberPage>("GET", `${apiOf(room)}/members${query({ cursor })}`);
  const first = cursor === null ? keepers.map((keeper) => ({ ...keeper, since: sinceIn(members, keeper) })) : [];
  return { rows: [...first, ...without(members, keepers)], cursor: nextCursor };
};

/** Host and co-hosts are told with each page, and may be members as well. */
const without = (members: MemberRow[], keepers: KeeperRow[]): Member[] =>
  members.filter((one) => !keepers.some((keeper) => isSame(keeper, one))).map((one) => ({ ...one, role: "participant" }));
const sinceIn = (members: MemberRow[], keeper: Principal): number | null => members.find((one) => isSame(one, keeper))?.since ?? null;
const isSame = (one: Principal, other: Principal): boolean => one.actorId === other.actorId && one.actorType === other.actorType;

/** Leaves the room for good, on all devices. */
export const quitRoom = (room: string): Promise<void> => call("DELETE", `${apiOf(room)}/members/me`);

/** null: no end, any number. The code is told this once. */
export const createInvite = (room: string, expiresInMs: number | null, uses: number | null): Promise<{ id: string; code: string }> =>
  call("POST", `${apiOf(room)}/invites`, { expiresInMs, uses });

/** Answers the room that the code opens. Where `room` is known, a code is taken as soon as it was made. */
export const acceptInvite = (code: string, room: string | null = null): Promise<{ id: string }> =>
  call("POST", `/v1/invites/${encodeURIComponent(code)}${query({ room })}`, {});

/** The code is over, or does not let us in: it is of no use to ask again. */
export const isWorthless = (error: unknown): error is ApiError =>
  error instanceof ApiError && (error.status === 404 || error.problem === "BANNED" || error.problem === "FORBIDDEN");
