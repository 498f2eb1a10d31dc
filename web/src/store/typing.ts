/** Who is writing: names that expire by themselves when the "stop" is lost. */

import type { Principal } from "../protocol.ts";
import { keyOf } from "./presence.ts";

/** The server forgets a start after 8 s; a little more here covers the way. */
export const TYPING_TTL_MS = 8_500;

/** Principal key to the moment it expires, in milliseconds of the page's clock. */
export type Typing = ReadonlyMap<string, number>;

export function mark(state: Typing, person: Principal, active: boolean, now: number): Typing {
  const next = new Map(state);
  if (active) next.set(keyOf(person), now + TYPING_TTL_MS);
  else next.delete(keyOf(person));
  return next;
}

/** Without those who are not here: nobody says that they have stopped. */
export function only(state: Typing, here: readonly Principal[]): Typing {
  const keys = new Set(here.map(keyOf));
  return new Map([...state].filter(([key]) => keys.has(key)));
}

export function expire(state: Typing, now: number): Typing {
  const next = new Map([...state].filter(([, until]) => until > now));
  return next.size === state.size ? state : next;
}

/** Milliseconds until the next entry expires; null while nobody writes. */
export function nextExpiry(state: Typing, now: number): number | null {
  if (state.size === 0) return null;
  return Math.max(0, Math.min(...state.values()) - now);
}
