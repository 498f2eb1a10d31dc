/** The dialog of a room that is open; null: none is. What it shows is loaded when it is wanted. */

import { signal } from "@preact/signals";
import type { Principal, Role } from "../protocol.ts";
import type { RoomStore } from "../store/room.ts";

export type Measure = "kick" | "ban" | "unban" | "mute" | "unmute" | "cohost" | "participant" | "host";

export interface Subject {
  principal: Principal;
  name: string;
  role: Role;
}

export type RoomDialog = { store: RoomStore } & ({ what: "settings" } | { what: "invites" } | { what: "members" } | { what: "measure"; measure: Measure; person: Subject });

export const roomDialog = signal<RoomDialog | null>(null);

export const closeRoomDialog = (): void => void (roomDialog.value = null);
