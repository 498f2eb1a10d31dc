/** Who is shown as here. Somebody who leaves stays for a moment, so that a reload makes nobody flicker. */

import { computed, signal } from "@preact/signals";
import type { Person, PresenceSnapshot, PresenceUpdate, Principal, PrincipalUpgraded, Role } from "../protocol.ts";
import { change, keyOf, NOBODY } from "./presence.ts";

export const LINGER_MS = 10_000;

export class Roster {
  private readonly presence = signal(NOBODY);
  private readonly leaving = signal<ReadonlyMap<string, Person>>(new Map());
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();

  /** Called when people have come, or have left for good: not for snapshots, nor for who was away for a moment. */
  onMove: (came: readonly Person[], left: readonly Person[]) => void = () => {};

  readonly people = computed<readonly Person[]>(() => [...this.presence.value.people, ...this.leaving.value.values()]);
  readonly count = computed(() => this.presence.value.count + this.leaving.value.size);

  /** A snapshot says all there is: nobody lingers beyond it but who is in their moment of leaving. */
  reset(presence: PresenceSnapshot): void {
    presence.people.forEach((person) => this.stay(keyOf(person.principal)));
    this.presence.value = presence;
  }

  /** A change; one that does not follow is dropped, as the client joins again then and a snapshot comes. */
  apply(delta: PresenceUpdate): void {
    const before = this.presence.value;
    const next = change(before, delta);
    if (next === "stale" || next === before) return;
    const gone = new Set(delta.left.map(keyOf));
    const shown = new Set(this.people.value.map((person) => keyOf(person.principal)));
    const came = delta.joined.filter((person) => !shown.has(keyOf(person.principal)));
    before.people.filter((person) => gone.has(keyOf(person.principal))).forEach((person) => this.linger(person));
    delta.joined.forEach((person) => this.stay(keyOf(person.principal)));
    this.presence.value = next;
    if (came.length > 0) this.onMove(came, []);
  }

  /** Somebody has another role. */
  promote(principal: Principal, role: Role): void {
    const key = keyOf(principal);
    const people = this.presence.value.people.map((person) => (keyOf(person.principal) === key ? { ...person, role } : person));
    this.presence.value = { ...this.presence.value, people };
  }

  /** A guest is a user now: in the same place, without leaving it for a moment. */
  upgrade(delta: PrincipalUpgraded): void {
    const next = change(this.presence.value, delta);
    if (next === "stale" || next === this.presence.value) return;
    this.stay(keyOf(delta.former));
    this.stay(keyOf(delta.person.principal));
    this.presence.value = next;
  }

  close(): void {
    this.timers.forEach((timer) => clearTimeout(timer));
    this.timers.clear();
  }

  private linger(person: Person): void {
    const key = keyOf(person.principal);
    this.stay(key);
    this.leaving.value = new Map(this.leaving.value).set(key, person);
    this.timers.set(
      key,
      setTimeout(() => {
        this.stay(key);
        this.onMove([], [person]);
      }, LINGER_MS),
    );
  }

  /** Ends the lingering of a person, who is here again or gone for good. */
  private stay(key: string): void {
    clearTimeout(this.timers.get(key));
    if (!this.timers.delete(key)) return;
    const rest = new Map(this.leaving.value);
    rest.delete(key);
    this.leaving.value = rest;
  }
}
