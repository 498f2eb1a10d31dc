/** Rooms that somebody came into, as a list that forgets. */

import type { OwnRoom } from "../rooms.ts";

const KEPT_MS = 24 * 3600 * 1000;
const MAX_KEPT = 50;

export interface Visit extends OwnRoom {
  at: number;
}

/** What of it is young enough, the latest first, once each. */
export function remember(visits: readonly Visit[], visit: Visit | null, now: number): Visit[] {
  const others = visits.filter(({ id }) => id !== visit?.id);
  const all = visit ? [visit, ...others] : others;
  return all.filter(({ at }) => at > now - KEPT_MS).slice(0, MAX_KEPT);
}
