/** Messages laid out for reading: day separators, dividers, and which rows continue the one above. */

import type { Message, Principal } from "../protocol.ts";
import type { Happening } from "./happenings.ts";
import { samePrincipal } from "./identity.ts";
import type { Messages, Outgoing } from "./messages.ts";

export type Row =
  | { kind: "day"; key: string; at: number }
  | { kind: "gap"; key: string }
  | { kind: "unread"; key: string }
  | { kind: "happening"; key: string; happening: Happening }
  | { kind: "message"; key: string; message: Message; continues: boolean }
  | { kind: "outgoing"; key: string; message: Outgoing; continues: boolean };

/** Messages of one author closer than this stand under one name. */
const TOGETHER_MS = 5 * 60_000;

const sameDay = (a: number, b: number): boolean => new Date(a).toDateString() === new Date(b).toDateString();

const itself = (principal: Principal): Principal => principal;

/** Rows from top to bottom. `unreadAt` is the first unread offset, null when all was read; `now` says who an author is by now. */
export function layOut(state: Messages, me: Principal | null, unreadAt: number | null, now = itself, happenings: readonly Happening[] = []): Row[] {
  const rows: Row[] = [];
  const waiting = [...happenings];
  let above: { at: number; author: Principal | null } | null = null;

  const place = (at: number, author: Principal | null, dividers: Row[]): boolean => {
    const newDay = above === null || !sameDay(above.at, at);
    if (newDay) rows.push({ kind: "day", key: `day-${new Date(at).toDateString()}`, at });
    rows.push(...dividers);
    const continues: boolean = !newDay && dividers.length === 0 && above !== null && samePrincipal(above.author, author) && at - above.at < TOGETHER_MS;
    above = { at, author };
    return continues;
  };

  /** What happened before that message. */
  const happened = (offset: number): void => {
    while (waiting[0] && waiting[0].after < offset) {
      const happening = waiting.shift() as Happening;
      rows.push({ kind: "happening", key: `h-${happening.id}`, happening });
      if (above) above = { ...above, author: null }; // what follows begins anew
    }
  };

  let unreadShown = false;
  let gapShown = false;
  for (const message of state.confirmed) {
    happened(message.offset);
    const dividers: Row[] = [];
    if (!gapShown && state.gapAt !== null && message.offset >= state.gapAt) {
      gapShown = true;
      dividers.push({ kind: "gap", key: "gap" });
    }
    if (!unreadShown && unreadAt !== null && message.offset >= unreadAt) {
      unreadShown = true;
      dividers.push({ kind: "unread", key: "unread" });
    }
    const continues = place(message.at, now(message.author), dividers);
    rows.push({ kind: "message", key: message.nonce ?? `m-${message.offset}`, message, continues });
  }
  happened(Infinity);
  for (const message of state.outgoing) {
    rows.push({ kind: "outgoing", key: message.nonce, message, continues: place(message.at, me, []) });
  }
  return rows;
}
