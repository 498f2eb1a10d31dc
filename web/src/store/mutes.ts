/** Whom hosts have muted, as far as we may know: they are told the list, and all who are there what is done. */

import { signal } from "@preact/signals";
import { ApiError } from "../api.ts";
import type { Principal, RoomModerated } from "../protocol.ts";
import { readMutes } from "../rooms.ts";
import { samePrincipal } from "./identity.ts";

interface Mute {
  person: Principal;
  /** Server time, milliseconds; null: until it is lifted. */
  until: number | null;
}

export class Mutes {
  /** null: not known. */
  readonly standing = signal<readonly Mute[] | null>(null);
  /** How often it changed, or may have: a list that was asked for before that may be an old one. */
  private changes = 0;

  /** `now`: who somebody is by now. */
  constructor(
    private readonly room: string,
    private readonly now: (principal: Principal) => Principal,
  ) {}

  /** What was decided since may have been missed. */
  forget(): void {
    this.changes += 1;
    this.standing.value = null;
  }

  /** For host and co-hosts. What cannot be read stays unknown. */
  async load(): Promise<void> {
    try {
      const before = this.changes;
      const mutes = await readMutes(this.room);
      if (before !== this.changes) return await this.load();
      this.standing.value = mutes.map(({ actorType, actorId, until }) => ({ person: { actorType, actorId }, until }));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }

  moderated({ action, person, until }: Pick<RoomModerated, "action" | "person" | "until">): void {
    if (action !== "mute" && action !== "unmute") return;
    this.changes += 1;
    if (!this.standing.value) return;
    const others = this.standing.value.filter((mute) => !this.same(mute.person, person));
    this.standing.value = action === "mute" ? [...others, { person, until }] : others;
  }

  /** `at`: server time. null: not known. */
  has(person: Principal, at: number): boolean | null {
    return this.standing.value?.some((mute) => this.same(mute.person, person) && (mute.until === null || at < mute.until)) ?? null;
  }

  private same(one: Principal, other: Principal): boolean {
    return samePrincipal(this.now(one), this.now(other));
  }
}
