/** What a host or co-host can do about somebody. */

import type { MenuItem } from "../menu.ts";
import type { Principal, Role, RoomInfo } from "../protocol.ts";
import type { RoomStore } from "../store/room.ts";
import { text } from "../text.ts";
import type { IconName } from "./icon.tsx";
import { type Measure, roomDialog, type Subject } from "./roomdialog.ts";

const ICONS: Readonly<Record<Measure, IconName>> = {
  kick: "leave",
  ban: "block",
  unban: "check",
  mute: "silent",
  unmute: "check",
  cohost: "shield",
  participant: "people",
  host: "crown",
};
const HARSH: readonly Measure[] = ["kick", "ban"];

/** A public room has its host among users. */
export const mayHost = ({ actorType }: Principal, info: RoomInfo | null): boolean => actorType === "user" || info?.visibility !== "public";

/** Nobody acts on the host, nor a co-host on another. `muted` null: nobody knows. */
export function measuresOn(role: Role, mine: Role, muted: boolean | null = null, canHost = true): Measure[] {
  if (mine === "participant" || role === "host" || (mine === "cohost" && role === "cohost")) return [];
  const roles: Measure[] = mine === "host" ? [role === "cohost" ? "participant" : "cohost", ...(canHost ? (["host"] as const) : [])] : [];
  const mutes: Measure[] = muted === null ? ["mute", "unmute"] : [muted ? "unmute" : "mute"];
  return [...roles, ...mutes, "kick", "ban"];
}

export function measureItems(store: RoomStore, person: Subject): MenuItem[] {
  const muted = store.mutes.has(person.principal, store.serverNow());
  return measuresOn(person.role, store.standing.role.peek(), muted, mayHost(person.principal, store.info.peek())).map((measure) => ({
    id: `measure-${measure}`,
    label: text.measures.actions[measure](person.name),
    icon: ICONS[measure],
    danger: HARSH.includes(measure),
    run: () => void (roomDialog.value = { what: "measure", store, measure, person }),
  }));
}
