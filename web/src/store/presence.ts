/** Who is in a room: a snapshot and numbered changes to it. */

import type { Person, PresenceSnapshot, PresenceUpdate, Principal, PrincipalUpgraded, Role } from "../protocol.ts";

export const NOBODY: PresenceSnapshot = { activation: "", rev: 0, count: 0, people: [] };

export const keyOf = (principal: Principal): string => `${principal.actorType}:${principal.actorId}`;

type Update = Omit<PresenceUpdate, "room">;
type Upgrade = Omit<PrincipalUpgraded, "room">;

/** The presence after a change; `stale` when changes were missed and a snapshot is needed. */
export function change(state: PresenceSnapshot, delta: Update | Upgrade): PresenceSnapshot | "stale" {
  if (delta.activation !== state.activation) return "stale";
  if (delta.rev <= state.rev) return state;
  if (delta.rev > state.rev + 1) return "stale";
  const people = "former" in delta ? upgraded(state.people, delta) : moved(state.people, delta);
  return { activation: state.activation, rev: delta.rev, count: delta.count, people };
}

function moved(before: readonly Person[], { joined, left }: Update): Person[] {
  const people = new Map(before.map((person) => [keyOf(person.principal), person]));
  for (const principal of left) people.delete(keyOf(principal));
  for (const person of joined) people.set(keyOf(person.principal), person);
  return [...people.values()];
}

/** The first place of the two that are one now is kept. */
function upgraded(before: readonly Person[], { former, person }: Upgrade): Person[] {
  const both = [keyOf(former), keyOf(person.principal)];
  const first = before.findIndex(({ principal }) => both.includes(keyOf(principal)));
  const others = before.filter(({ principal }) => !both.includes(keyOf(principal)));
  others.splice(first < 0 ? others.length : first, 0, person);
  return others;
}

const RANKS: Readonly<Record<Role, number>> = { host: 1, cohost: 2, participant: 3 };

/** Oneself first, then the host, co-hosts, and by name. */
export function sorted(people: readonly Person[], isMe: (principal: Principal) => boolean): Person[] {
  const rank = (person: Person): number => (isMe(person.principal) ? 0 : (RANKS[person.role] ?? 3));
  return [...people].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
}
