import assert from "node:assert/strict";
import { test } from "node:test";
import { CommandError, NotConnected, OutboxFull, Timeout, TooLarge } from "../src/errors.ts";
import { LIMITS, World, settle } from "./world.ts";

async function joined(options = {}): Promise<{ world: World; client: Awaited<ReturnType<World["connected"]>>; room: ReturnType<Awaited<ReturnType<World["connected"]>>["room"]> }> {
  const world = new World();
  const client = await world.connected(options);
  const room = client.room("r");
  void room.join();
  world.socket.admit("r", 0);
  await settle();
  return { world, client, room };
}

/** Answers the newest command of the name. */
const reply = (world: World, name: "message.send" | "message.edit" | "message.delete" | "timer.pause", offset: number): void =>
  world.socket.push("reply", { ref: world.socket.last(name).ref, offset });

test("send gives the nonce at once and the offset when it is durable", async () => {
  const { world, room } = await joined();
  const { nonce, sent } = room.send("hello");
  const command = world.socket.last("message.send");
  assert.deepEqual([command.room, command.text, command.nonce], ["r", "hello", nonce]);
  reply(world, "message.send", 9);
  assert.deepEqual(await sent, { offset: 9 });
});

test("answers find their requests in any order", async () => {
  const { world, room } = await joined();
  const [one, two] = [room.send("one"), room.send("two")];
  const [first, second] = world.socket.all("message.send");
  world.socket.push("reply", { ref: second!.ref, offset: 2 });
  world.socket.push("reply", { ref: first!.ref, offset: 1 });
  world.socket.push("reply", { ref: 4711, offset: 3 });
  assert.deepEqual([await one.sent, await two.sent], [{ offset: 1 }, { offset: 2 }]);
});

test("a message survives a lost connection under the same nonce, after its room is back", async () => {
  const { world, room } = await joined();
  const { nonce, sent } = room.send("hello");
  await world.socket.end(1006);
  await world.advance(500);
  await world.welcome();
  assert.deepEqual(world.socket.all("message.send"), []);
  world.socket.admit("r", 1, { recovery: "recovered" });
  assert.equal(world.socket.last("message.send").nonce, nonce);
  reply(world, "message.send", 1);
  assert.deepEqual(await sent, { offset: 1 });
});

test("messages written while offline leave in their order", async () => {
  const { world, room } = await joined();
  await world.socket.end(1006);
  const texts = ["a", "b", "c"];
  texts.forEach((text) => room.send(text));
  await world.advance(500);
  await world.welcome();
  world.socket.admit("r", 0, { recovery: "recovered" });
  assert.deepEqual(world.socket.all("message.send").map(({ text }) => text), texts);
});

test("RETRY is repeated with pauses, and later messages of the room wait behind it", async () => {
  const { world, room } = await joined();
  const first = room.send("first");
  world.socket.refuse("message.send", 160, "RETRY", 2_000);
  room.send("second");
  assert.equal(world.socket.all("message.send").length, 1);
  await world.advance(1_999);
  assert.equal(world.socket.all("message.send").length, 1);
  await world.advance(1);
  assert.deepEqual(world.socket.all("message.send").map(({ text }) => text), ["first", "first", "second"]);
  assert.equal(new Set(world.socket.all("message.send").map(({ nonce }) => nonce)).size, 2);
  world.socket.push("reply", { ref: world.socket.all("message.send")[1]!.ref, offset: 1 });
  assert.deepEqual(await first.sent, { offset: 1 });
});

test("other refusals are final", async () => {
  const { world, room } = await joined();
  for (const [code, name] of [[101, "INVALID"], [120, "FORBIDDEN"], [151, "RATE_LIMITED"], [190, "INTERNAL"]] as const) {
    const { sent } = room.send("x");
    world.socket.refuse("message.send", code, name, 7, 0);
    await assert.rejects(sent, ({ message, ...told }: CommandError) => {
      assert.deepEqual([told.code, told.name, message, told.retryAfterMs, told.remaining], [code, name, "no", 7, 0]);
      return true;
    });
  }
});

test("NOT_JOINED of a wanted room joins again and repeats", async () => {
  const { world, room } = await joined();
  const { sent } = room.send("x");
  world.socket.refuse("message.send", 131, "NOT_JOINED");
  assert.equal(room.state, "joining");
  await world.advance(500);
  world.socket.admit("r", 0, { recovery: "recovered" });
  reply(world, "message.send", 1);
  assert.deepEqual(await sent, { offset: 1 });
});

test("NOT_JOINED of a room nobody wants is final", async () => {
  const { world, client } = await joined();
  const sent = client.request("message.send", { room: "elsewhere", text: "x" }, { reliable: true });
  world.socket.refuse("message.send", 131, "NOT_JOINED");
  await assert.rejects(sent, CommandError);
});

test("a reliable request without an answer is repeated, and gives up after its time to live", async () => {
  const { world, room } = await joined();
  const { sent } = room.send("x");
  const failed = assert.rejects(sent, Timeout);
  await world.advance(10_500);
  assert.equal(world.socket.all("message.send").length, 2);
  for (let beat = 0; beat < 3; beat++) {
    world.socket.push("heartbeat", { serverTime: world.time, heads: [] });
    await world.advance(20_000);
  }
  await failed;
});

test("an outbox waits its time to live for a connection, no longer", async () => {
  const { world, room } = await joined({ outbox: { ttl: 5_000 } });
  await world.tellPage("hide");
  const failed = assert.rejects(room.send("x").sent, Timeout);
  await world.advance(5_000);
  await failed;
  await world.tellPage("wake");
  await world.welcome();
  world.socket.admit("r", 0);
  assert.deepEqual(world.socket.all("message.send"), []);
});

test("the outbox is bounded in number and in bytes", async () => {
  const { world, room } = await joined({ outbox: { max: 2 } });
  await world.tellPage("hide");
  room.send("1");
  room.send("2");
  await assert.rejects(room.send("3").sent, OutboxFull);
  const heavy = await joined({ outbox: { bytes: 1000 } });
  await heavy.world.tellPage("hide");
  heavy.room.send("x".repeat(900));
  await assert.rejects(heavy.room.send("x".repeat(100)).sent, OutboxFull);
});

test("edit and remove are reliable", async () => {
  const { world, room } = await joined();
  const edited = room.edit(4, "new");
  const removed = room.remove(5);
  assert.deepEqual([world.socket.last("message.edit").message, world.socket.last("message.delete").message], [4, 5]);
  reply(world, "message.edit", 6);
  reply(world, "message.delete", 7);
  assert.deepEqual([await edited, await removed], [{ offset: 6 }, { offset: 7 }]);
  await world.tellPage("hide");
  void room.edit(4, "later");
  await world.tellPage("wake");
  await world.welcome();
  world.socket.admit("r", 7);
  assert.equal(world.socket.last("message.edit").text, "later");
});

test("the timer is not: offline it fails at once", async () => {
  const { world, room } = await joined();
  const paused = room.timer("pause", 3);
  assert.deepEqual([world.socket.last("timer.pause").version, world.socket.last("timer.pause").nonce.length >= 8], [3, true]);
  reply(world, "timer.pause", 8);
  assert.deepEqual(await paused, { offset: 8 });
  void room.timer("start").catch(() => {});
  assert.equal(world.socket.last("timer.start").version, null);
  await world.socket.end(1006);
  await assert.rejects(room.timer("pause"), NotConnected);
});

test("an ordinary request fails with its connection: the outcome is unknown", async () => {
  const { world, room } = await joined();
  const paused = assert.rejects(room.timer("pause"), NotConnected);
  await world.socket.end(1006);
  await paused;
});

test("an ordinary request gives up after its timeout", async () => {
  const { world, client } = await joined();
  const failed = assert.rejects(client.request("timer.skip", { room: "r" }, { timeout: 2_000 }), Timeout);
  await world.advance(2_000);
  await failed;
});

test("an aborted request rejects with the signal's reason", async () => {
  const { world, client } = await joined();
  const controller = new AbortController();
  const failed = assert.rejects(client.request("timer.skip", { room: "r" }, { signal: controller.signal }), /enough/);
  controller.abort(new Error("enough"));
  await failed;
  world.socket.push("reply", { ref: world.socket.last("timer.skip").ref, offset: 1 });
  await assert.rejects(client.request("timer.skip", { room: "r" }, { signal: controller.signal }), /enough/);
});

test("a nonce of one's own is used", async () => {
  const { world, client } = await joined();
  void client.request("message.send", { room: "r", text: "x", nonce: "mine-0001" }, { reliable: true });
  assert.equal(world.socket.last("message.send").nonce, "mine-0001");
  void client.request("message.send", { room: "r", text: "x" }, { reliable: true, nonce: "mine-0002" });
  assert.equal(world.socket.last("message.send").nonce, "mine-0002");
});

test("what the server would close the socket for is not sent", async () => {
  const { world, room } = await joined();
  await assert.rejects(room.send("x".repeat(LIMITS.messageBytes)).sent, TooLarge);
  assert.deepEqual(world.socket.all("message.send"), []);
});

test("a field of a wrong type rejects at once", async () => {
  const { client } = await joined();
  await assert.rejects(client.request("message.send", { room: "r", text: 7 as never }), TypeError);
});

test("closing rejects all that waits", async () => {
  const { client, room } = await joined();
  const { sent } = room.send("x");
  client.close();
  await assert.rejects(sent, NotConnected);
});
