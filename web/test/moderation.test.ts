import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { CommandError } from "../../client/src/index.ts";
import { ADA, settle, World } from "../../client/test/world.ts";
import { ApiError } from "../src/api.ts";
import { explain, freeAgainAt, otherwise } from "../src/explain.ts";
import { agoOf, fullTimeOf } from "../src/format.ts";
import type { Principal } from "../src/protocol.ts";
import { block, unblock } from "../src/store/blocks.ts";
import { RoomStore } from "../src/store/room.ts";

const kept = new Map<string, string>();
const storage = {
  getItem: (key: string) => kept.get(key) ?? null,
  setItem: (key: string, value: string) => kept.set(key, value),
  removeItem: (key: string) => kept.delete(key),
};
const asked: string[] = [];
const history = { messages: [1, 2, 3].map((id) => ({ id, at: id, author: { ...JON(), name: "Jon" }, text: `old ${id}`, nonce: null, editedAt: null, deleted: false })), hasMore: false };

/** Answers as the server would. */
async function answer(path: string, { method }: RequestInit): Promise<Response> {
  asked.push(`${method} ${path}`);
  return path.includes("/messages") ? Response.json(history) : new Response(null, { status: 200 });
}

Object.assign(globalThis, { localStorage: storage, fetch: answer });
afterEach(() => {
  kept.clear();
  asked.length = 0;
});

function JON(): Principal {
  return { actorType: "guest", actorId: "jon" };
}

const people = [
  { principal: ADA, name: "Ada", role: "host" },
  { principal: JON(), name: "Jon", role: "participant" },
] as const;

async function opened(): Promise<{ world: World; store: RoomStore }> {
  const world = new World();
  const store = new RoomStore("r", { principal: ADA }, await world.connected());
  world.socket.admit("r", 0, { presence: { activation: "a", rev: 1, count: 2, people: [...people] } });
  world.socket.say("r", 1, "hello", JON());
  await settle();
  return { world, store };
}

const shown = (store: RoomStore): string[] => store.chat.shown.value.confirmed.map(({ text }) => text);

test("who is blocked is gone from messages, places, count, writing and unread, and comes back with what was said meanwhile", async (context) => {
  const { world, store } = await opened();
  context.after(() => store.close());
  world.socket.push("typing", { room: "r", person: JON(), active: true });
  const before = [shown(store), store.people.value.length, store.count.value, store.typists.value, store.chat.unread.value];
  await block(JON());
  const during = [shown(store), store.people.value.length, store.count.value, store.typists.value, store.chat.unread.value];
  await unblock(JON());
  await settle();
  assert.deepEqual(before, [["hello"], 2, 2, ["guest:jon"], 1]);
  assert.deepEqual(during, [[], 1, 1, [], 0]);
  assert.deepEqual(shown(store), ["old 1", "old 2", "old 3"]);
  assert.deepEqual(asked, ["PUT /v1/blocks/guest%3Ajon", "DELETE /v1/blocks/guest%3Ajon", "GET /v1/rooms/r/messages?limit=50"]);
});

test("who is not in a fresh list of people writes no more", async (context) => {
  const { world, store } = await opened();
  context.after(() => store.close());
  world.socket.push("typing", { room: "r", person: JON(), active: true });
  world.socket.push("presence.reset", { room: "r", presence: { activation: "a", rev: 1, count: 1, people: [people[0]] } });
  await settle();
  assert.deepEqual([store.typists.value, store.people.value.map(({ name }) => name)], [[], ["Ada"]]);
});

test("a message that was too fast is kept over the page's end, with the moment from which it may be sent again", async () => {
  const { world, store } = await opened();
  const from = Date.now();
  store.chat.send("in a hurry");
  world.socket.refuse("message.send", 151, "RATE_LIMITED", 3_000, 0);
  await settle();
  store.close();
  const again = new RoomStore("r", { principal: ADA }, await new World().connected());
  const [failed] = again.chat.messages.value.outgoing;
  again.close();
  assert.deepEqual([failed?.text, failed?.state], ["in a hurry", "failed"]);
  assert.ok(failed?.freeAt && failed.freeAt >= from + 3_000 && failed.freeAt <= Date.now() + 3_000);
});

test("what was on its way when the page ended is shown as not sent, until it is seen", async () => {
  const { store } = await opened();
  store.chat.send("last words");
  store.close();
  const world = new World();
  const again = new RoomStore("r", { principal: ADA }, await world.connected());
  const [unsent] = again.chat.messages.value.outgoing;
  assert.deepEqual([unsent?.text, unsent?.state], ["last words", "failed"]);
  world.socket.admit("r", 0);
  world.socket.push("message.create", { room: "r", offset: 1, at: 1, author: ADA, nonce: unsent?.nonce ?? "", text: "last words", deleted: false });
  await settle();
  assert.deepEqual([again.chat.messages.value.outgoing, shown(again)], [[], ["last words"]]);
  again.close();
  assert.equal(kept.get("commonroom:unsent:r"), undefined);
});

test("what was sent again in the end is not kept", async (context) => {
  const { world, store } = await opened();
  context.after(() => store.close());
  store.chat.send("in a hurry");
  world.socket.refuse("message.send", 151, "RATE_LIMITED", 3_000, 0);
  await settle();
  const { nonce } = world.socket.last("message.send");
  store.chat.retry(nonce);
  await settle();
  world.socket.push("reply", { ref: world.socket.last("message.send").ref, offset: 2 });
  await settle();
  assert.equal(world.socket.last("message.send").nonce, nonce);
  assert.equal(kept.get("commonroom:unsent:r"), undefined);
  assert.deepEqual(store.chat.messages.value.outgoing, []);
});

test("who is muted learns of it by the refusal, and of its end by the next message", async (context) => {
  const { world, store } = await opened();
  context.after(() => store.close());
  store.chat.send("anybody?");
  world.socket.refuse("message.send", 120, "FORBIDDEN");
  await settle();
  assert.deepEqual(store.standing.muted.value, { until: null, why: "" });
  store.chat.send("and now?");
  world.socket.push("reply", { ref: world.socket.last("message.send").ref, offset: 2 });
  await settle();
  assert.equal(store.standing.muted.value, null);
});

test("a refusal that waiting lifts says how long, whatever the page would say otherwise", () => {
  const fast = new ApiError(429, "RATE_LIMITED", "wait", { retryAfterMs: 2_500_000 });
  assert.equal(explain(fast), "You are doing that too fast. Wait 42 minutes.");
  assert.equal(otherwise(fast, "It did not work.").words, explain(fast));
  assert.deepEqual(otherwise(new ApiError(503, "RETRY", "down"), "It did not work."), { words: "It did not work.", freeAt: null });
  assert.equal(freeAgainAt(new ApiError(503, "RETRY", "down", { retryAfterMs: 1_000 })), null);
});

test("a mute or a ban of a room is told in the page's words and time", () => {
  const wait = { retryAfterMs: 3_600_000 };
  const refused = (name: string, retryAfterMs: number | null) => new CommandError({ code: 120, name, message: "until 2026-11-24 18:30 UTC", retryAfterMs, remaining: null });
  for (const error of [refused("FORBIDDEN", wait.retryAfterMs), new ApiError(403, "FORBIDDEN", "muted", wait)]) {
    assert.match(explain(error), /^You are muted until [A-Z][a-z]+day.*:\d\d/);
    assert.doesNotMatch(explain(error), /UTC/);
  }
  assert.match(explain(refused("BANNED", wait.retryAfterMs)), /^You are banned from this room until /);
  assert.equal(explain(refused("FORBIDDEN", null)), "That did not work: until 2026-11-24 18:30 UTC");
});

test("dates are in the language of the words around them", () => {
  assert.match(fullTimeOf(new Date(2026, 10, 24, 18, 30).getTime()), /Tuesday.*November/);
  assert.equal(agoOf(0, 120_000), "2 minutes ago");
});

test("a ban says until when and why", () => {
  const until = new Date(2026, 10, 24, 18, 30).getTime();
  const banned = new ApiError(403, "FORBIDDEN", "banned", { reason: "Sold essays", until });
  assert.match(explain(banned), /^You are banned until .*24.*2026.*30.*\. Reason: Sold essays$/);
  assert.equal(new ApiError(403, "FORBIDDEN", "no").ban, null);
});
