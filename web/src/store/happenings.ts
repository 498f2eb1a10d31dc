/** What happens in a room beside what is said: people come and go, hosts decide. Kept while the page is open, folded where it is a lot. */

import type { Person } from "../protocol.ts";
import { keyOf } from "./presence.ts";

/** At most so many are kept; the oldest go. */
const MAX_KEPT = 50;

interface Place {
  id: number;
  /** The offset of the last message before it. */
  after: number;
}

/** Names by key, so that who comes and goes again leaves no trace. */
interface Movement extends Place {
  kind: "movement";
  came: ReadonlyMap<string, string>;
  left: ReadonlyMap<string, string>;
}

interface Told extends Place {
  kind: "told";
  words: string;
}

export type Happening = Movement | Told;

export type Happenings = readonly Happening[];

const named = (people: readonly Person[]): [string, string][] => people.map(({ principal, name }) => [keyOf(principal), name]);

/** Those of `people` that were not there the other way; they are taken from there. */
function cancel(people: readonly Person[], other: Map<string, string>): [string, string][] {
  return named(people).filter(([key]) => !other.delete(key));
}

function next(list: Happenings): number {
  return (list.at(-1)?.id ?? 0) + 1;
}

/** People came and left. Movements between two messages are one happening. */
export function move(list: Happenings, after: number, came: readonly Person[], left: readonly Person[]): Happenings {
  const last = list.at(-1);
  const joins = last?.kind === "movement" && last.after === after ? last : null;
  const arrivals = new Map(joins?.came);
  const departures = new Map(joins?.left);
  for (const [key, name] of cancel(came, departures)) arrivals.set(key, name);
  for (const [key, name] of cancel(left, arrivals)) departures.set(key, name);
  const rest = joins ? list.slice(0, -1) : list;
  if (arrivals.size + departures.size === 0) return rest;
  return [...rest, { kind: "movement" as const, id: joins?.id ?? next(list), after, came: arrivals, left: departures }].slice(-MAX_KEPT);
}

export function tell(list: Happenings, after: number, words: string): Happenings {
  return [...list, { kind: "told" as const, id: next(list), after, words }].slice(-MAX_KEPT);
}
