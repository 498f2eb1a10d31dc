/** Who is in a room: a snapshot and numbered changes to it. */

import type { Person, PresenceSnapshot, PresenceUpdate, Principal } from "../protocol.ts";

export const NOBODY: PresenceSnapshot = { activation: "", rev: 0, count: 0, people: [] };

export const keyOf = (principal: Principal): string => `${principal.actorType}:${principal.actorId}`;

/** The presence after a change; `stale` when changes were missed and a snapshot is needed. */
export function change(state: PresenceSnapshot, delta: Omit<PresenceUpdate, "room">): PresenceSnapshot | "stale" {
  if (delta.activation !== state.activation) return "stale";
  if (delta.rev <= state.rev) return state;
  if (delta.rev > state.rev + 1) return "stale";
  const people = new Map(state.people.map((person) => [keyOf(person.principal), person]));
  for (const principal of delta.left) people.delete(keyOf(principal));
  for (const person of delta.joined) people.set(keyOf(person.principal), person);
  return { activation: state.activation, rev: delta.rev, count: delta.count, people: [...people.values()] };
}

/** Oneself first, then hosts, then by name. */
export function sorted(people: readonly Person[], me: Principal | null): Person[] {
  const rank = (person: Person): number => (me && keyOf(person.principal) === keyOf(me) ? 0 : person.role === "host" ? 1 : 2);
  return [...people].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
}
