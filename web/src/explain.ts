/** Failures in words for a person. */

import { CommandError, NotConnected, Timeout } from "../../client/src/index.ts";
import { ApiError } from "./api.ts";
import { fullTimeOf } from "./format.ts";
import { text } from "./text.ts";

/** A failure as the page tells it, at the place where it happened. */
export interface Refusal {
  words: string;
  /** When the server takes the next try, on the page's clock; null: at once, or nobody knows. */
  freeAt: number | null;
}

export const refusalOf = (error: unknown): Refusal => ({ words: explain(error), freeAt: freeAgainAt(error) });

/** As `refusalOf`, in the page's own words unless it was too fast. */
export function otherwise(error: unknown, words: string): Refusal {
  return isTooFast(error) ? refusalOf(error) : { words, freeAt: null };
}

/** When what was too fast may be tried again, on the page's clock; null: that is not what is wrong. */
export function freeAgainAt(error: unknown): number | null {
  return isTooFast(error) && error.retryAfterMs !== null ? Date.now() + error.retryAfterMs : null;
}

export function explain(error: unknown): string {
  if (isTooFast(error)) return text.errors.tooFast(error.retryAfterMs === null ? null : Math.ceil(error.retryAfterMs / 1000));
  if (needsSignIn(error)) return text.unlock.needed;
  const measure = measureOf(error);
  if (measure) return measure;
  if (error instanceof NotConnected || error instanceof Timeout) return text.errors.offline;
  if (!(error instanceof ApiError)) return text.errors.other(error instanceof Error ? error.message : String(error));
  if (error.ban) return text.ending.ban.sentence(error.ban.until === null ? null : fullTimeOf(error.ban.until), error.ban.reason);
  if (error.status === 0) return text.errors.offline;
  if (error.status === 503) return text.errors.busy;
  return text.errors.other(error.message);
}

const nameOf = (error: unknown): string => (error instanceof ApiError ? error.problem : error instanceof CommandError ? error.name : "");

/** It is closed to guests: signing in lifts that. */
export const needsSignIn = (error: unknown): boolean => nameOf(error) === "SIGN_IN_NEEDED";

/** Somebody keeps us out, or silent, until a time, which the server tells in its own clock's words. Empty: that is not what is wrong. */
function measureOf(error: unknown): string {
  if (!(error instanceof ApiError || error instanceof CommandError) || error.retryAfterMs === null) return "";
  const until = fullTimeOf(Math.round((Date.now() + error.retryAfterMs) / 1000) * 1000); // the answer was on its way for some of it
  if (nameOf(error) === "FORBIDDEN") return text.errors.muted(until);
  return nameOf(error) === "BANNED" ? text.errors.roomBan(until) : "";
}

const isTooFast = (error: unknown): error is ApiError | CommandError =>
  (error instanceof ApiError && error.status === 429) || (error instanceof CommandError && error.name === "RATE_LIMITED");
