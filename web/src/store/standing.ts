/** What we may do in a room: our role, and what hosts have decided about us. */

import { computed, signal } from "@preact/signals";
import type { CommandError } from "../../../client/src/index.ts";
import type { Role, RoomInfo, RoomModerated } from "../protocol.ts";

/** What was imposed on us. Milliseconds of the page's clock; null: until it is lifted. */
export interface Imposed {
  until: number | null;
  why: string;
}

export class Standing {
  readonly role = signal<Role>("participant");
  readonly isHost = computed(() => this.role.value === "host");
  /** Host or co-host: who keeps order. */
  readonly isStaff = computed(() => this.role.value !== "participant");
  /** Somebody has muted us; null: not that we know. */
  readonly muted = signal<Imposed | null>(null);
  /** We had to leave, by a ban or without; null: not that we know. */
  readonly sentAway = signal<Imposed | null>(null);
  /** When slow mode lets us write again, on the page's clock; null: now. */
  readonly freeAt = signal<number | null>(null);

  mayTime(info: RoomInfo | null): boolean {
    const policy = info?.timerPolicy ?? "everyone";
    return policy === "everyone" || this.isHost.value || (policy === "cohosts" && this.isStaff.value);
  }

  /** Something was done about us. `ahead`: the server's clock minus the page's. */
  moderated({ action, role, until, why }: RoomModerated, ahead: number): void {
    if (action === "role" && role) this.role.value = role;
    const imposed = { until: until === null ? null : until - ahead, why };
    if (action === "mute") this.muted.value = imposed;
    if (action === "unmute") this.muted.value = null;
    if (action === "kick" || action === "ban") this.sentAway.value = imposed;
  }

  /** What we said was heard: nobody keeps us from it, but for the pause of slow mode. */
  heard(info: RoomInfo | null): void {
    this.muted.value = null;
    this.freeAt.value = this.pauseMs(info) > 0 ? Date.now() + this.pauseMs(info) : null;
  }

  /** What we said was refused. Who is in the room and may not write is muted. */
  refused(error: CommandError, info: RoomInfo | null): void {
    const until = error.retryAfterMs === null ? null : Date.now() + error.retryAfterMs;
    if (error.name === "FORBIDDEN") this.muted.value = { until, why: this.muted.value?.why ?? "" };
    if (error.name === "RATE_LIMITED" && this.pauseMs(info) > 0) this.freeAt.value = until;
  }

  /** The pause that we still have to make, by what the room says now. */
  reconsider(info: RoomInfo): void {
    const free = this.freeAt.value;
    if (free !== null) this.freeAt.value = this.pauseMs(info) === 0 ? null : Math.min(free, Date.now() + this.pauseMs(info));
  }

  private pauseMs(info: RoomInfo | null): number {
    return this.isStaff.value ? 0 : (info?.slowMs ?? 0);
  }
}
