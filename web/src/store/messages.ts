/** The message list of one room as a pure structure: what arrives in any order, shown once and in order.
 *
 * `confirmed` is what the server knows, sorted by offset without repeats. `outgoing` is what this page has sent
 * and not yet seen back, in the order of writing. A nonce links the two, so a message never stands in both.
 */

import type { Message, Principal } from "../protocol.ts";

export interface Outgoing {
  nonce: string;
  at: number;
  text: string;
  state: "pending" | "failed";
  /** Why it failed, for a person; empty while pending. */
  problem: string;
  /** When it may be tried again, on the page's clock; null: at once. */
  freeAt: number | null;
}

/** A change that came before the message it is about: kept until that one is loaded. */
interface LatePatch {
  text: string;
  editedAt: number | null;
  deleted: boolean;
}

export interface Messages {
  confirmed: readonly Message[];
  outgoing: readonly Outgoing[];
  late: ReadonlyMap<number, LatePatch>;
  /** Whether the server may have older messages than the first one here. */
  hasMore: boolean;
  /** First offset after an unrecovered gap, for a divider; null if there was none. */
  gapAt: number | null;
}

/** How many changes to unloaded messages are remembered; beyond it the oldest is dropped, as history reads are current. */
const MAX_LATE = 200;

export const EMPTY: Messages = { confirmed: [], outgoing: [], late: new Map(), hasMore: false, gapAt: null };

/** Adds messages from a snapshot, a page of history or a push. */
export function merge(state: Messages, incoming: readonly Message[]): Messages {
  if (incoming.length === 0) return state;
  const byOffset = new Map(state.confirmed.map((message) => [message.offset, message]));
  const late = new Map(state.late);
  for (const message of incoming) {
    const known = byOffset.get(message.offset);
    byOffset.set(message.offset, settle(known, message, late.get(message.offset)));
    late.delete(message.offset);
  }
  const confirmed = [...byOffset.values()].sort((a, b) => a.offset - b.offset);
  return { ...state, confirmed, late, outgoing: withoutArrived(state.outgoing, incoming) };
}

/** Starts again from a snapshot because events were lost; what is still on its way out stays. */
export function restart(state: Messages, snapshot: readonly Message[], gapAt: number | null, hasMore: boolean): Messages {
  const fresh: Messages = { ...EMPTY, outgoing: state.outgoing, hasMore, gapAt };
  return merge(fresh, snapshot);
}

export function update(state: Messages, offset: number, text: string, editedAt: number): Messages {
  return patch(state, offset, { text, editedAt, deleted: false });
}

export function remove(state: Messages, offset: number): Messages {
  return patch(state, offset, { text: "", editedAt: null, deleted: true });
}

/** An optimistic message: shown at once, before the server has it. */
export function send(state: Messages, nonce: string, text: string, at: number): Messages {
  const rest = state.outgoing.filter((message) => message.nonce !== nonce);
  return { ...state, outgoing: [...rest, { nonce, text, at, state: "pending", problem: "", freeAt: null }] };
}

export function fail(state: Messages, nonce: string, problem: string, freeAt: number | null = null): Messages {
  return { ...state, outgoing: state.outgoing.map((m) => (m.nonce === nonce ? { ...m, state: "failed", problem, freeAt } : m)) };
}

/** What did not make it: it can be tried again. */
export const failed = (state: Messages): readonly Outgoing[] => state.outgoing.filter((message) => message.state === "failed");

/** As somebody sees it who does not see these authors. */
export function without(state: Messages, isHidden: (author: Principal) => boolean): Messages {
  const confirmed = state.confirmed.filter((message) => !isHidden(message.author));
  return confirmed.length === state.confirmed.length ? state : { ...state, confirmed };
}

/** Gives up on an optimistic message. */
export function discard(state: Messages, nonce: string): Messages {
  return { ...state, outgoing: state.outgoing.filter((message) => message.nonce !== nonce) };
}

/** The reply came before the push, or instead of it: the message has its place. */
export function confirm(state: Messages, nonce: string, offset: number, author: Principal): Messages {
  const sent = state.outgoing.find((message) => message.nonce === nonce);
  if (!sent) return state;
  return merge(state, [{ offset, nonce, author, at: sent.at, text: sent.text, editedAt: null, deleted: false }]);
}

/** Drops the oldest beyond `most`; they can be loaded again. */
export function trim(state: Messages, most: number): Messages {
  if (state.confirmed.length <= most) return state;
  return { ...state, confirmed: state.confirmed.slice(-most), hasMore: true };
}

/** Whether somebody is the reader, or a guest that the reader was. */
export type IsMe = (principal: Principal) => boolean;

/** One's own last message that can still be edited, for the up-arrow key. */
export function lastOwn(state: Messages, isMe: IsMe): Message | null {
  return state.confirmed.findLast((message) => !message.deleted && isMe(message.author)) ?? null;
}

/** How many messages of others lie beyond `offset`. */
export function countAfter(state: Messages, offset: number, isMe: IsMe): number {
  return state.confirmed.filter((m) => m.offset > offset && !m.deleted && !isMe(m.author)).length;
}

function patch(state: Messages, offset: number, change: LatePatch): Messages {
  const index = state.confirmed.findIndex((message) => message.offset === offset);
  const message = state.confirmed[index];
  if (!message) return { ...state, late: remember(state.late, offset, change) };
  const confirmed = [...state.confirmed];
  confirmed[index] = apply(message, change);
  return { ...state, confirmed };
}

function remember(late: ReadonlyMap<number, LatePatch>, offset: number, change: LatePatch): Map<number, LatePatch> {
  const next = new Map(late);
  if (!next.get(offset)?.deleted) next.set(offset, change);
  const oldest = next.keys().next();
  if (next.size > MAX_LATE && !oldest.done) next.delete(oldest.value);
  return next;
}

/** Deletion is final: no replayed edit brings a text back. */
function apply(message: Message, change: LatePatch): Message {
  return message.deleted ? message : { ...message, ...change };
}

/** The newer of two sightings of one message, and a change that had come before both. */
function settle(known: Message | undefined, seen: Message, late: LatePatch | undefined): Message {
  let message = seen;
  if (known?.deleted || (known && (known.editedAt ?? 0) > (seen.editedAt ?? 0))) message = { ...known, nonce: known.nonce ?? seen.nonce };
  return late && (late.deleted || (late.editedAt ?? 0) >= (message.editedAt ?? 0)) ? apply(message, late) : message;
}

function withoutArrived(outgoing: readonly Outgoing[], incoming: readonly Message[]): readonly Outgoing[] {
  const arrived = new Set(incoming.map((message) => message.nonce));
  const rest = outgoing.filter((message) => !arrived.has(message.nonce));
  return rest.length === outgoing.length ? outgoing : rest;
}
