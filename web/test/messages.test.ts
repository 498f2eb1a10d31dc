import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message, Principal } from "../src/protocol.ts";
import { samePrincipal } from "../src/store/identity.ts";
import * as list from "../src/store/messages.ts";

const mara: Principal = { actorType: "guest", actorId: "mara" };
const jon: Principal = { actorType: "guest", actorId: "jon" };

const message = (offset: number, fields: Partial<Message> = {}): Message => ({
  offset,
  at: offset * 1000,
  author: jon,
  text: `text ${offset}`,
  nonce: `nonce-${offset}`,
  editedAt: null,
  deleted: false,
  ...fields,
});

const offsets = (state: list.Messages): number[] => state.confirmed.map((m) => m.offset);

test("messages are in order of their offsets, whatever order they came in, each once", () => {
  let state = list.merge(list.EMPTY, [message(7), message(3)]);
  state = list.merge(state, [message(5), message(3)]);
  assert.deepEqual(offsets(state), [3, 5, 7]);
});

test("an optimistic message is replaced by the push with its nonce", () => {
  let state = list.send(list.EMPTY, "n1", "hello", 10);
  assert.equal(state.outgoing[0]?.state, "pending");
  state = list.merge(state, [message(4, { nonce: "n1", author: mara })]);
  assert.deepEqual([offsets(state), state.outgoing.length], [[4], 0]);
});

test("reply and push of one message show it once, in either order", () => {
  const sent = list.send(list.EMPTY, "n1", "hello", 10);
  const push = message(4, { nonce: "n1", author: mara, text: "hello" });
  const replyFirst = list.merge(list.confirm(sent, "n1", 4, mara), [push]);
  const pushFirst = list.confirm(list.merge(sent, [push]), "n1", 4, mara);
  for (const state of [replyFirst, pushFirst]) assert.deepEqual([offsets(state), state.outgoing.length], [[4], 0]);
});

test("a failed message keeps its nonce through a retry and can be discarded", () => {
  let state = list.fail(list.send(list.EMPTY, "n1", "hello", 10), "n1", "too late");
  assert.equal(state.outgoing[0]?.state, "failed");
  state = list.send(state, "n1", "hello", 20);
  assert.deepEqual(state.outgoing.map((m) => [m.nonce, m.state]), [["n1", "pending"]]);
  assert.equal(list.discard(state, "n1").outgoing.length, 0);
});

test("an edit and a deletion keep the message's place", () => {
  let state = list.merge(list.EMPTY, [message(1), message(2), message(3)]);
  state = list.update(state, 2, "better", 99);
  assert.deepEqual([state.confirmed[1]?.text, state.confirmed[1]?.editedAt], ["better", 99]);
  state = list.remove(state, 2);
  assert.deepEqual([offsets(state), state.confirmed[1]?.deleted, state.confirmed[1]?.text], [[1, 2, 3], true, ""]);
});

test("a replayed edit does not bring a deleted message back", () => {
  const gone = list.remove(list.merge(list.EMPTY, [message(1)]), 1);
  assert.equal(list.update(gone, 1, "zombie", 5).confirmed[0]?.deleted, true);
  assert.equal(list.merge(gone, [message(1)]).confirmed[0]?.deleted, true);
});

test("a change to a message that is not loaded waits for it", () => {
  const early = list.remove(list.update(list.EMPTY, 8, "better", 99), 9);
  const state = list.merge(early, [message(8), message(9)]);
  assert.equal(state.confirmed[0]?.text, "better");
  assert.equal(state.confirmed[1]?.deleted, true);
  assert.equal(state.late.size, 0);
});

test("changes to unloaded messages are remembered up to a bound", () => {
  let state = list.EMPTY;
  for (let offset = 1; offset <= 300; offset++) state = list.remove(state, offset);
  assert.equal(state.late.size, 200);
});

test("an older page of history does not undo a newer edit", () => {
  const edited = list.update(list.merge(list.EMPTY, [message(1)]), 1, "better", 99);
  assert.equal(list.merge(edited, [message(1)]).confirmed[0]?.text, "better");
});

test("a restart after a gap drops what was known, but not what is still to be sent", () => {
  const before = list.send(list.merge(list.EMPTY, [message(1)]), "n9", "unsent", 5);
  const state = list.restart(before, [message(50)], 20, true);
  assert.deepEqual([offsets(state), state.outgoing.length, state.gapAt, state.hasMore], [[50], 1, 20, true]);
});

test("trimming keeps the newest and says that there is more", () => {
  const state = list.trim(list.merge(list.EMPTY, [message(1), message(2), message(3)]), 2);
  assert.deepEqual([offsets(state), state.hasMore], [[2, 3], true]);
});

const isMara: list.IsMe = (principal) => samePrincipal(principal, mara);

test("the last own message is one that still has a text", () => {
  const state = list.remove(list.merge(list.EMPTY, [message(1, { author: mara }), message(2, { author: mara }), message(3)]), 2);
  assert.equal(list.lastOwn(state, isMara)?.offset, 1);
});

test("unread are the others' messages beyond the read position", () => {
  const state = list.merge(list.EMPTY, [message(1), message(2, { author: mara }), message(3), message(4, { deleted: true })]);
  assert.equal(list.countAfter(state, 0, isMara), 2);
  assert.equal(list.countAfter(state, 1, isMara), 1);
});
