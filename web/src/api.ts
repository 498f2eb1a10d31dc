/** The HTTP API as typed functions. Every failure is an `ApiError`. */

import { type Ban, ban } from "./ban.ts";
import type { Message, Principal } from "./protocol.ts";
import { offerSignIn } from "./unlock.ts";

const TIMEOUT_MS = 15_000;
const REFRESHED_ELSEWHERE_MS = 500;
const SIGN_IN_NEEDED = "SIGN_IN_NEEDED";

/** A refusal or a lost connection. `status` is 0 when there was no answer. */
export class ApiError extends Error {
  readonly status: number;
  /** Stable name of the problem, as `NOT_FOUND`. */
  readonly problem: string;
  /** Which part of what was sent is wrong, as `$.email`; empty if that is not told. */
  readonly field: string;
  /** After so many milliseconds it may go well; null if that is not told. */
  readonly retryAfterMs: number | null;
  /** An admin keeps us out; null: that is not what is wrong. */
  readonly ban: Ban | null;

  constructor(status: number, problem: string, message: string, { field = "", retryAfterMs, reason, until }: Problem = {}) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.problem = problem;
    this.field = field;
    this.retryAfterMs = retryAfterMs || null;
    this.ban = status === 403 && reason !== undefined ? { reason, until: until ?? null } : null;
  }
}

export interface Me {
  principal: Principal;
  name: string;
  /** Ids of the guests that this user was: what they wrote is ours. */
  guests: string[];
  /** ADMIN or USER; guests may be told none. */
  role?: string;
}

/** What a sign-in answers. The refresh token is in a cookie, out of our reach. */
export interface Session extends Me {
  accessToken: string;
}

export interface HistoryMessage extends Message {
  /** `user`: the account that this actor is, or became. */
  author: Principal & { name: string | null; user?: string | null };
}

/** As HTTP says it: the message's id is its offset. */
type HistoryRow = Omit<HistoryMessage, "offset"> & { id: number | string };

export interface History {
  messages: HistoryMessage[];
  hasMore: boolean;
}

/** A piece of a list. `cursor` null: there is no more. */
export interface Page<T> {
  rows: T[];
  cursor: string | null;
}

interface Problem {
  name?: string;
  title?: string;
  detail?: string;
  field?: string;
  retryAfterMs?: number;
  reason?: string;
  until?: number;
}

/** What the body says; of somebody on the way who sent none of ours, at least how long to wait. */
async function problemOf(response: Response): Promise<Problem> {
  const type = response.headers.get("content-type") ?? "";
  const waitS = Number(response.headers.get("retry-after"));
  const told: Problem = waitS > 0 ? { retryAfterMs: waitS * 1000 } : {};
  return type.includes("json") ? { ...told, ...((await response.json()) as Problem) } : told;
}

/** Proves who we are for a quarter of an hour; kept in memory alone. */
let access: string | null = null;
let refreshing: Promise<Me> | null = null;

interface Answer<T> {
  status: number;
  said: T;
}

/** As `ask`, for who wants to know no more than what was said. */
export const call = async <T>(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<T> =>
  (await ask<T>(method, path, body, headers)).said;

/** One request with the access token, which is renewed once if it is over. */
export async function ask<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer<T>> {
  const used = access;
  if (used === null) return exchange(method, path, body, headers);
  try {
    return await exchange<T>(method, path, body, { ...headers, authorization: `Bearer ${used}` });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    if (access === used) await refreshSession();
    return exchange(method, path, body, { ...headers, authorization: `Bearer ${access}` });
  }
}

/** One request without the access token: the cookie, where the path is one it goes to, says who asks. */
export const send = async <T>(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<T> =>
  (await exchange<T>(method, path, body, headers)).said;

async function exchange<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer<T>> {
  const init: RequestInit = { method, headers, credentials: "same-origin", signal: AbortSignal.timeout(TIMEOUT_MS) };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { ...headers, "content-type": "application/json" };
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    throw new ApiError(0, "OFFLINE", String(error));
  }
  if (response.ok) {
    const said = await response.text();
    return { status: response.status, said: (said ? JSON.parse(said) : undefined) as T };
  }
  const problem = await problemOf(response);
  const name = problem.name ?? problem.title ?? String(response.status);
  if (name === SIGN_IN_NEEDED) offerSignIn();
  const refusal = new ApiError(response.status, name, problem.detail ?? response.statusText, problem);
  if (refusal.ban) ban.value = refusal.ban;
  throw refusal;
}

export const query = (values: Record<string, string | number | null>): string => {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}` : "";
};

/** Of the API; the page of a room has another one. */
export const apiOf = (room: string): string => `/v1/rooms/${encodeURIComponent(room)}`;

export const createGuest = async (name: string): Promise<Me> => taken(await send<Session>("POST", "/v1/guests", { name }));

/** Proves who we are. The cookie goes along, so that a guest stays where it is and becomes the user. */
export const signInBy = async <T extends Session>(path: string, proof: object): Promise<Omit<T, "accessToken">> =>
  taken(await send<T>("POST", `/v1/auth/${path}`, proof));

/** The login session of this browser's cookie goes on with a new access token. One at a time, whoever asks. */
export function refreshSession(): Promise<Me> {
  refreshing ??= refresh().finally(() => (refreshing = null));
  return refreshing;
}

async function refresh(triesLeft = 3): Promise<Me> {
  try {
    return taken(await send<Session>("POST", "/v1/auth/refresh"));
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) access = null;
    if (!(error instanceof ApiError) || error.status !== 409 || triesLeft === 0) throw error;
    await new Promise((done) => setTimeout(done, REFRESHED_ELSEWHERE_MS)); // another tab was faster: its cookie is ours
    return refresh(triesLeft - 1);
  }
}

/** Speaks with these tokens from now on. */
export function taken<T extends Session>({ accessToken, ...person }: T): Omit<T, "accessToken"> {
  access = accessToken;
  return person;
}

/** Without tokens from now on. */
export function dropTokens(): void {
  access = null;
}

export const readMe = (): Promise<Me> => call("GET", "/v1/me");
export const renameMe = (name: string): Promise<Me> => call("PATCH", "/v1/me", { name });
export const wsToken = (): Promise<{ token: string; expiresAt: number }> => call("POST", "/v1/ws-token", {});
export async function readHistory(id: string, before: number | null, limit = 50): Promise<History> {
  const page = await call<{ messages: HistoryRow[]; hasMore: boolean }>("GET", `${apiOf(id)}/messages${query({ before, limit })}`);
  return { hasMore: page.hasMore, messages: page.messages.map(({ id: offset, ...rest }) => ({ ...rest, offset: Number(offset) })) };
}
