/** What was done in a room, as its log tells it. */

import type { RoomInfo, RoomModerated, RoomUpdated } from "./protocol.ts";
import type { RoomStore } from "./store/room.ts";
import { text } from "./text.ts";

/** The line for it; empty: nobody here needs one. Who was kept from what, and why, is told to who keeps order, and to whom it was done. */
export function describe(store: RoomStore, event: RoomModerated | RoomUpdated, before: RoomInfo | null): string {
  const by = event.author === null ? "" : store.isMe(event.author) ? text.people.youSubject : (store.nameOf(event.author) ?? text.chat.someone);
  return "info" in event ? changed(event, before, by) : measured(store, event, by);
}

function measured(store: RoomStore, { action, person, role, why }: RoomModerated, by: string): string {
  const who = store.nameOf(person) ?? text.chat.someone;
  if (action === "role") return role ? text.measures.role[role](who) : "";
  const concerned = store.standing.isStaff.value || store.isMe(person);
  return concerned ? text.measures.told[action](by || text.measures.rule, who, why) : "";
}

function changed({ info }: RoomUpdated, before: RoomInfo | null, by: string): string {
  const words = text.room.changed;
  const who = by || text.measures.rule;
  if (!before) return "";
  if (info.archivedAt !== before.archivedAt) return info.archivedAt === null ? words.reopened(who) : by ? words.archived(who) : words.byRule;
  const differs = (name: keyof RoomInfo): boolean => info[name] !== before[name];
  const lines = [
    differs("title") && words.title(who, info.title),
    differs("topic") && words.topic(who, info.topic),
    differs("locked") && (info.locked ? words.locked(who) : words.unlocked(who)),
    differs("slowMs") && (info.slowMs > 0 ? words.slow(who, text.room.seconds(info.slowMs / 1000)) : words.fast(who)),
    differs("timerPolicy") && words.policy(who, text.room.policies[info.timerPolicy]),
    differs("visibility") && words.visibility(who, text.room.whom[info.visibility]),
  ];
  return lines.filter(Boolean).join(" · ");
}
