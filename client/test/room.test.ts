import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "../src/client.ts";
import { CommandError } from "../src/errors.ts";
import type { Room } from "../src/room.ts";
import { ADA, INFO, START, UMA, World, log, settle } from "./world.ts";

/** A client in a room whose stream is at `offset`. */
async function joined(offset = 3): Promise<{ world: World; client: Client; room: Room; heard: number[] }> {
  const world = new World();
  const client = await world.connected();
  const room = client.room("r");
  const heard: number[] = [];
  room.on("event", (event) => heard.push(event.offset));
  void room.join();
  world.socket.admit("r", offset);
  await settle();
  return { world, client, room, heard };
}

/** Loses the connection and gets the next one up to its welcome. */
async function reconnected(world: World): Promise<void> {
  await world.socket.end(1006);
  await world.advance(500);
  await world.welcome();
}

test("a room is the same object for the same id", async () => {
  const client = await new World().connected();
  assert.equal(client.room("a"), client.room("a"));
  assert.notEqual(client.room("a"), client.room("b"));
});

test("join resolves with the snapshot, and pushes follow in order", async () => {
  const { world, room, heard } = await joined(3);
  await room.join();
  assert.equal(room.state, "joined");
  assert.deepEqual(room.position, { history: 1, offset: 3 });
  const messages = log(room, "message.create");
  world.socket.say("r", 4, "four");
  world.socket.say("r", 5, "five");
  assert.deepEqual(heard, [4, 5]);
  assert.deepEqual(messages.map(({ text }) => text), ["four", "five"]);
});

test("join before the connection waits for it", async () => {
  const world = new World();
  const client = world.client();
  const room = client.room("r");
  const done = room.join();
  assert.equal(room.state, "joining");
  void client.connect();
  await world.welcome();
  assert.equal(world.socket.all("room.join").length, 1);
  world.socket.admit("r", 1);
  await done;
});

test("joins are counted: only the first asks, only the last leave unsubscribes", async () => {
  const { world, room } = await joined();
  await room.join();
  assert.equal(world.socket.all("room.join").length, 1);
  room.leave();
  assert.equal(room.state, "joined");
  room.leave();
  room.leave();
  assert.equal(room.state, "idle");
  assert.equal(world.socket.all("room.leave").length, 1);
  world.socket.say("r", 4);
  assert.equal(room.position, null);
});

test("a room that was left is not joined again after a reconnect", async () => {
  const { world, room } = await joined();
  room.leave();
  await reconnected(world);
  assert.deepEqual(world.socket.last("hello").resume, []);
  assert.deepEqual(world.socket.all("room.join"), []);
});

test("leaving while the join is under way and joining anew ends up joined", async () => {
  const world = new World();
  const client = await world.connected();
  const room = client.room("r");
  const first = room.join();
  room.leave();
  await assert.rejects(first, /left/);
  void room.join();
  world.socket.admit("r", 7);
  assert.equal(room.state, "joined");
});

test("a position comes with hello, and what was missed follows once", async () => {
  const { world, room, heard } = await joined(3);
  const events = log(room, "joined");
  world.socket.say("r", 4);
  await world.socket.end(1006);
  assert.equal(room.state, "joining");
  await world.advance(500);
  await world.welcome();
  assert.deepEqual(world.socket.last("hello").resume, [{ room: "r", position: { history: 1, offset: 4 } }]);
  assert.deepEqual(world.socket.all("room.join"), []);
  world.socket.admit("r", 6, { recovery: "recovered" });
  [4, 5, 6, 7].forEach((offset) => world.socket.say("r", offset));
  assert.deepEqual(heard, [4, 5, 6, 7]);
  assert.deepEqual([events[0]?.recovered, events[0]?.missed], [true, 0]);
});

test("a gap is told and stepped over", async () => {
  const { world, room, heard } = await joined(3);
  const events = log(room, "joined");
  await reconnected(world);
  world.socket.admit("r", 900, { recovery: "gap", gap: { first: 4, last: 897 } });
  [898, 899, 900].forEach((offset) => world.socket.say("r", offset));
  assert.deepEqual(heard, [898, 899, 900]);
  assert.deepEqual([events[0]?.recovered, events[0]?.missed], [false, 894]);
  assert.equal(world.socket.all("room.join").length, 0);
});

test("a gap in the middle of a replay is stepped over when it is reached", async () => {
  const { world, heard } = await joined(3);
  await reconnected(world);
  world.socket.admit("r", 9, { recovery: "gap", gap: { first: 5, last: 8 } });
  [4, 9].forEach((offset) => world.socket.say("r", offset));
  assert.deepEqual(heard, [4, 9]);
});

test("a reset history is taken whole, though its offsets are lower", async () => {
  const { world, room, heard } = await joined(50);
  const events = log(room, "joined");
  await reconnected(world);
  world.socket.admit("r", 10, { recovery: "reset", position: { history: 2, offset: 10 } });
  world.socket.say("r", 11);
  assert.deepEqual(heard, [11]);
  assert.deepEqual([events[0]?.recovered, events[0]?.missed], [false, null]);
  assert.equal(room.position?.history, 2);
});

test("repeats are dropped, a jump joins again from the last event", async () => {
  const { world, room, heard } = await joined(3);
  [4, 4, 3, 1].forEach((offset) => world.socket.say("r", offset));
  world.socket.say("r", 7);
  assert.equal(room.state, "joining");
  await world.advance(0);
  assert.deepEqual(world.socket.last("room.join").resume, { history: 1, offset: 4 });
  world.socket.admit("r", 7, { recovery: "recovered" });
  [5, 6, 7].forEach((offset) => world.socket.say("r", offset));
  assert.deepEqual(heard, [4, 5, 6, 7]);
});

test("events that still arrive while joining again are told once", async () => {
  const { world, heard } = await joined(3);
  world.socket.say("r", 5);
  world.socket.say("r", 4);
  world.socket.say("r", 6);
  await world.advance(0);
  world.socket.admit("r", 6, { recovery: "recovered" });
  [4, 5, 6].forEach((offset) => world.socket.say("r", offset));
  assert.deepEqual(heard, [4, 5, 6]);
});

test("skip counts as an event", async () => {
  const { world, room, heard } = await joined(3);
  world.socket.push("skip", { room: "r", offset: 4 });
  world.socket.say("r", 5);
  assert.deepEqual(heard, [5]);
  assert.equal(room.state, "joined");
});

test("every kind of durable event is told under its own name", async () => {
  const { world, room } = await joined(0);
  const base = { room: "r", at: START, author: ADA, nonce: null };
  const settings = { focusMs: 60_000, shortBreakMs: 60_000, longBreakMs: 60_000, longEvery: 4, autoStart: true };
  const timer = { version: 1, status: "running", phase: "focus", remainingMs: 1, endsAt: 2, focusDone: 0, settings, lengthMs: 60_000 } as const;
  const seen = [log(room, "message.update"), log(room, "message.delete"), log(room, "timer.update")];
  const all = log(room, "event");
  world.socket.push("room.created", { ...base, offset: 1, info: INFO, timer: settings });
  world.socket.push("message.update", { ...base, offset: 2, message: 1, text: "x", deleted: false });
  world.socket.push("message.delete", { ...base, offset: 3, message: 1 });
  world.socket.push("timer.update", { ...base, offset: 4, cause: "start", timer });
  assert.deepEqual(seen.map((events) => events.length), [1, 1, 1]);
  assert.deepEqual(all.map(({ type }) => type), ["room.created", "message.update", "message.delete", "timer.update"]);
});

test("X5 a heartbeat's head that stays ahead joins again; one that is caught up does not", async () => {
  const { world, room } = await joined(3);
  world.socket.push("heartbeat", { serverTime: world.time, heads: [["r", 4], ["unknown", 9]] });
  world.socket.say("r", 4);
  await world.advance(1_000);
  assert.equal(world.socket.all("room.join").length, 1);
  world.socket.push("heartbeat", { serverTime: world.time, heads: [["r", 6]] });
  await world.advance(1_000);
  assert.equal(room.state, "joining");
  assert.deepEqual(world.socket.last("room.join").resume, { history: 1, offset: 4 });
});

test("X5 joining again and again slows down until a heartbeat finds the room in step", async () => {
  const { world } = await joined(3);
  const jump = async (offset: number): Promise<void> => {
    world.socket.say("r", offset);
    await world.advance(0);
  };
  await jump(9);
  assert.equal(world.socket.all("room.join").length, 2);
  world.socket.admit("r", 9);
  await jump(20);
  assert.equal(world.socket.all("room.join").length, 2);
  await world.advance(500);
  assert.equal(world.socket.all("room.join").length, 3);
  world.socket.admit("r", 20);
  world.socket.push("heartbeat", { serverTime: world.time, heads: [["r", 20]] });
  await jump(30);
  assert.equal(world.socket.all("room.join").length, 4);
});

test("presence applies the next revision, drops old ones, joins again on a jump or a new activation", async () => {
  const update = { room: "r", activation: "a", count: 2, joined: [], left: [] };
  for (const [jump, lost] of [[{ rev: 4 }, true], [{ rev: 1, activation: "b" }, true], [{ rev: 2 }, false]] as const) {
    const { world, room } = await joined();
    const told = log(room, "presence.update");
    world.socket.push("presence.update", { ...update, rev: 1 });
    world.socket.push("presence.update", { ...update, rev: 2 });
    assert.deepEqual(told.map(({ rev }) => rev), [2]);
    world.socket.push("presence.update", { ...update, ...jump });
    assert.equal(room.state, lost ? "joining" : "joined");
  }
});

test("an upgrade is a change of presence: told once, and a jump joins again", async () => {
  for (const [jump, told] of [[{ rev: 3 }, 2], [{ rev: 4 }, 1], [{ rev: 3, activation: "b" }, 1]] as const) {
    const { world, room } = await joined();
    const update = { room: "r", activation: "a", count: 1, former: ADA, person: { principal: UMA, name: "Uma", role: "host" as const } };
    const upgrades = log(room, "principal.upgraded");
    world.socket.push("principal.upgraded", { ...update, rev: 1 });
    world.socket.push("principal.upgraded", { ...update, rev: 2 });
    assert.deepEqual(upgrades.map(({ former, person }) => [former, person.principal]), [[ADA, UMA]]);
    world.socket.push("principal.upgraded", { ...update, ...jump });
    assert.deepEqual([upgrades.length, room.state], [told, told === 2 ? "joined" : "joining"]);
  }
});

test("a presence reset is the new count", async () => {
  const { world, room } = await joined();
  const resets = log(room, "presence.reset");
  const updates = log(room, "presence.update");
  world.socket.push("presence.reset", { room: "r", presence: { activation: "b", rev: 7, count: 9, people: [] } });
  world.socket.push("presence.update", { room: "r", activation: "b", rev: 8, count: 10, joined: [], left: [] });
  assert.deepEqual([resets.length, updates.length, room.state], [1, 1, "joined"]);
});

test("room.reset joins again with the position", async () => {
  const { world, room } = await joined(3);
  world.socket.push("room.reset", { room: "r" });
  assert.equal(room.state, "joining");
  await world.advance(0);
  assert.deepEqual(world.socket.last("room.join").resume, { history: 1, offset: 3 });
});

test("a refused join fails the room, and says why", async () => {
  const world = new World();
  const client = await world.connected();
  const room = client.room("r");
  const errors = log(room, "error");
  const done = room.join();
  world.socket.refuse("room.join", 130, "NOT_FOUND");
  await assert.rejects(done, CommandError);
  assert.equal(room.state, "failed");
  assert.equal((room.error as CommandError).name, "NOT_FOUND");
  assert.equal(errors.length, 1);
  void room.join();
  assert.equal(world.socket.all("room.join").length, 2);
});

test("refusals that pass are tried again, after the time the server asks for", async () => {
  const world = new World();
  const client = await world.connected();
  const room = client.room("r");
  void room.join();
  for (const [name, code] of [["RETRY", 160], ["INTERNAL", 190], ["CONFLICT", 140]] as const) {
    world.socket.refuse("room.join", code, name);
    await world.advance(500);
  }
  world.socket.refuse("room.join", 151, "RATE_LIMITED", 3_000);
  await world.advance(2_999);
  assert.equal(world.socket.all("room.join").length, 4);
  await world.advance(1);
  assert.equal(world.socket.all("room.join").length, 5);
  assert.equal(room.state, "joining");
});

test("a join without an answer is repeated", async () => {
  const world = new World();
  const client = await world.connected();
  void client.room("r").join();
  await world.advance(10_500);
  assert.equal(world.socket.all("room.join").length, 2);
});

test("a room of hello that is not admitted is asked for by name", async () => {
  const { world, room } = await joined(3);
  await reconnected(world);
  await world.advance(5_000);
  assert.deepEqual(world.socket.last("room.join").resume, { history: 1, offset: 3 });
  world.socket.refuse("room.join", 120, "FORBIDDEN");
  assert.equal(room.state, "failed");
});

test("an error without a ref after hello asks for what is still missing", async () => {
  const { world } = await joined(3);
  await reconnected(world);
  world.socket.push("error", { ref: 0, code: 130, name: "NOT_FOUND", message: "no", retryAfterMs: null, remaining: null });
  assert.equal(world.socket.all("room.join").length, 1);
});

test("a grant goes with every join of its room, which hello cannot carry", async () => {
  const world = new World();
  const client = await world.connected();
  void client.room("r").join({ grant: "bound" });
  assert.equal(world.socket.last("room.join").grant, "bound");
  world.socket.admit("r", 3);
  await reconnected(world);
  assert.deepEqual(world.socket.last("hello").resume, []);
  assert.equal(world.socket.last("room.join").grant, "bound");
  assert.deepEqual(world.socket.last("room.join").resume, { history: 1, offset: 3 });
});

test("C5 typing speaks at most every four seconds, and stops once", async () => {
  const { world, room } = await joined();
  room.typing(false);
  room.typing(true);
  room.typing(true);
  await world.advance(3_999);
  room.typing(true);
  assert.equal(world.socket.all("typing.start").length, 1);
  await world.advance(1);
  room.typing(true);
  assert.equal(world.socket.all("typing.start").length, 2);
  room.typing(false);
  room.typing(false);
  assert.equal(world.socket.all("typing.stop").length, 1);
});

test("a sent message ends typing, so that the next key says it again", async () => {
  const { world, room } = await joined();
  room.typing(true);
  void room.send("done");
  room.typing(false);
  room.typing(true);
  assert.deepEqual(world.socket.all("typing.stop"), []);
  assert.equal(world.socket.all("typing.start").length, 2);
});

test("a cast goes out as it is and asks for no answer, and those of others are told", async () => {
  const { world, room, heard } = await joined();
  const casts = log(room, "cast");
  room.cast("cursor", "3,4");
  room.cast("", "🎉");
  const sent = world.socket.all("cast.send").map(({ ref, room: where, key, data }) => [ref, where, key, data]);
  assert.deepEqual(sent, [[0, "r", "cursor", "3,4"], [0, "r", "", "🎉"]]);
  const cast = { room: "r", person: ADA, key: "cursor", data: "5,6" };
  world.socket.push("cast", cast);
  assert.deepEqual(casts.map(({ person, key, data }) => ({ room: "r", person, key, data })), [cast]);
  assert.deepEqual(heard, []);
});

test("a cast in a room that is not joined goes nowhere, also not later", async () => {
  const { world, room } = await joined();
  await world.socket.end(1006);
  room.cast("", "lost");
  await world.advance(500);
  await world.welcome();
  room.cast("", "lost too");
  world.socket.admit("r", 3);
  assert.deepEqual(world.socket.all("cast.send"), []);
  room.leave();
  room.cast("", "and this");
  assert.deepEqual(world.socket.all("cast.send"), []);
});

test("nobody hears of typing in a room that is not joined", async () => {
  const { world, room } = await joined();
  room.leave();
  room.typing(true);
  assert.deepEqual(world.socket.all("typing.start"), []);
});

test("P35 who has to leave is told why, stays away over reconnects, and comes again when asked to", async () => {
  const { world, client, room } = await joined(3);
  const removed = log(room, "room.removed");
  const errors = log(room, "error");
  world.socket.push("room.removed", { room: "r", code: 125, name: "BANNED", message: "you are banned" });
  assert.deepEqual([room.state, removed.length, errors.map(({ name }) => name)], ["failed", 1, ["BANNED"]]);
  world.socket.say("r", 4);
  await world.socket.end(1006);
  await world.advance(500);
  await world.welcome();
  assert.equal(room.state, "failed");
  assert.deepEqual([world.socket.all("room.join"), world.socket.last("hello").resume], [[], []]);
  const again = client.room("r").join();
  world.socket.admit("r", 5);
  await again;
  assert.equal(room.state, "joined");
});

test("what hosts decide is told in order, by name and as an event", async () => {
  const { world, room } = await joined(0);
  const base = { room: "r", at: START, author: UMA, nonce: null };
  const names = ["room.updated", "room.moderated", "room.member_added", "invite.created"] as const;
  const seen = names.map((name) => log(room, name));
  const all = log(room, "event");
  world.socket.push("room.updated", { ...base, offset: 1, info: { ...INFO, locked: true }, why: "" });
  world.socket.push("room.moderated", { ...base, offset: 2, action: "mute", person: ADA, guests: [], role: null, until: null, why: "loud" });
  world.socket.push("room.member_added", { ...base, offset: 3, person: ADA, invite: null });
  world.socket.push("invite.created", { ...base, offset: 4, invite: "i", expiresAt: null, uses: null });
  assert.deepEqual(seen.map((events) => events.length), [1, 1, 1, 1]);
  assert.deepEqual(all.map(({ type }) => type), [...names]);
});

test("the list's changes are told by the client, as they belong to no room that it follows", async () => {
  const world = new World();
  const client = await world.connected();
  const updates = log(client, "listing.update");
  const rooms = [{ room: "r", present: 3, phase: null, endsAt: null, ended: false }];
  world.socket.push("listing.update", { rooms });
  assert.deepEqual(updates.map((update) => update.rooms), [rooms]);
});

test("an invitation's code is answered to whoever made it", async () => {
  const { world, client } = await joined(0);
  const made = client.request("invite.create", { room: "r" });
  world.socket.push("invite.code", { ref: world.socket.last("invite.create").ref, invite: "i", code: "0123456789", offset: 1, expiresAt: null, uses: null });
  assert.deepEqual(await made, { invite: "i", code: "0123456789", offset: 1, expiresAt: null, uses: null });
});
