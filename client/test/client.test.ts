import assert from "node:assert/strict";
import { test } from "node:test";
import { AuthError, NotConnected } from "../src/errors.ts";
import { PROTOCOL_HASH } from "../src/protocol.gen.ts";
import { START, World, log, settle } from "./world.ts";

test("connecting says hello first, and is over with the welcome", async () => {
  const world = new World();
  const client = world.client();
  const states = log(client, "state");
  const connected = client.connect();
  await settle();
  assert.deepEqual(world.socket.protocols, ["commonroom.v1"]);
  assert.equal(client.state, "connecting");
  await world.welcome();
  await connected;
  const hello = world.socket.received[0];
  assert.deepEqual(hello, { name: "hello", ref: 1, token: "token", resume: [], protocol: PROTOCOL_HASH, client: "commonroom-js/0.1.0" });
  assert.deepEqual(states.map(({ from, to }) => `${from}>${to}`), ["idle>connecting", "connecting>connected"]);
  assert.deepEqual([client.principal?.actorId, client.name, client.session], ["ada", "Ada", "s"]);
});

test("the JSON subprotocol speaks the same messages", async () => {
  const world = new World();
  const client = await world.connected({ codec: "json" });
  assert.deepEqual(world.socket.protocols, ["commonroom.v1.json"]);
  assert.equal(client.state, "connected");
  assert.equal(world.socket.last("hello").token, "token");
});

test("a welcome of another revision is called outdated", async () => {
  const world = new World();
  const client = world.client();
  const welcomes = log(client, "welcome");
  void client.connect();
  await world.welcome({ protocol: "0000" });
  await world.socket.end(1006);
  await world.advance(500);
  await world.welcome({ protocol: PROTOCOL_HASH });
  assert.deepEqual(welcomes.map(({ outdated }) => outdated), [true, false]);
});

test("a lost connection waits with growing pauses, and tells until when", async () => {
  const world = new World();
  world.luck = 0.5;
  const client = await world.connected();
  const waits = log(client, "state");
  await world.socket.end(1006, "gone");
  assert.equal(client.state, "waiting");
  assert.equal(client.retryAt, START + 750);
  assert.deepEqual([waits[0]?.code, waits[0]?.reason, waits[0]?.attempt], [1006, "gone", 1]);
  const pauses: number[] = [];
  for (let attempt = 0; attempt < 6; attempt++) {
    pauses.push(client.retryAt! - world.time);
    await world.advance(client.retryAt! - world.time);
    await settle();
    assert.equal(client.retryAt, null);
    await world.socket.end(1006);
  }
  assert.deepEqual(pauses, [750, 1000, 1500, 2500, 4500, 4500]);
});

test("only a connection that held ten seconds makes the next pause short again", async () => {
  const world = new World();
  const client = await world.connected();
  await world.socket.end(1006);
  await world.advance(500);
  await world.welcome();
  await world.advance(9_999);
  assert.equal(client.attempt, 1);
  await world.socket.end(1006);
  assert.equal(client.attempt, 2);
  await world.advance(500);
  await world.welcome();
  await world.advance(10_000);
  assert.equal(client.attempt, 0);
});

test("codes 4500 to 4999 stop, all others come back", async () => {
  for (const code of [1000, 1001, 1005, 1006, 1011, 3500, 4000, 4001, 4010, 4499, 5000]) {
    const world = new World();
    const client = await world.connected();
    await world.socket.end(code);
    assert.equal(client.state, "waiting", String(code));
  }
  for (const code of [4500, 4502, 4504, 4999]) {
    const world = new World();
    const client = await world.connected();
    await world.socket.end(code, "stop");
    assert.equal(client.state, "closed", String(code));
    assert.equal(world.pending, 0);
  }
});

test("a hint in the close reason spreads the return", async () => {
  const world = new World();
  world.luck = 0.5;
  const client = await world.connected();
  await world.socket.end(4000, "the server restarts; retry_after_ms=6000");
  assert.equal(client.retryAt, START + 3500);
});

test("connect rejects when the server says stop", async () => {
  const world = new World();
  const client = world.client();
  const connected = client.connect();
  await settle();
  await world.socket.end(4502, "forged");
  await assert.rejects(connected, NotConnected);
});

test("an aborted connect closes", async () => {
  const world = new World();
  const client = world.client();
  const controller = new AbortController();
  const connected = client.connect({ signal: controller.signal });
  await settle();
  controller.abort(new Error("enough"));
  await assert.rejects(connected, /enough/);
  assert.equal(client.state, "closed");
  assert.ok(world.socket.closed);
  await assert.rejects(client.connect({ signal: controller.signal }), /enough/);
});

test("reconnect does not wait, and starts a closed client again", async () => {
  const world = new World();
  world.luck = 1;
  const client = await world.connected();
  await world.socket.end(1006);
  client.reconnect();
  await settle();
  assert.equal(client.state, "connecting");
  assert.equal(world.sockets.length, 2);
  client.close();
  assert.equal(client.state, "closed");
  client.reconnect();
  await world.welcome();
  assert.equal(client.state, "connected");
  client.reconnect();
  assert.equal(world.sockets.length, 3);
});

test("close leaves no timer, no listener and no socket", async () => {
  const world = new World();
  const client = await world.connected();
  client.room("r").join();
  void client.room("r").send("x");
  client.close();
  assert.equal(world.pending, 0);
  assert.ok(world.socket.closed);
  await world.advance(600_000);
  assert.equal(world.sockets.length, 1);
});

test("a socket that never gets its welcome is given up", async () => {
  const world = new World();
  const client = world.client();
  void client.connect();
  await settle();
  world.socket.open();
  await world.advance(10_000);
  assert.equal(client.state, "waiting");
  assert.ok(world.socket.closed);
});

test("heartbeats are answered, and silence beyond them drops the socket", async () => {
  const world = new World();
  const client = await world.connected();
  await world.advance(25_000);
  world.socket.push("heartbeat", { serverTime: world.time, heads: [] });
  assert.equal(world.socket.last("heartbeat.reply").ref, 0);
  await world.advance(32_999);
  assert.equal(client.state, "connected");
  const states = log(client, "state");
  await world.advance(1);
  assert.equal(client.state, "waiting");
  assert.equal(states[0]?.code, 4002);
  assert.ok(world.sockets[0]?.closed);
});

test("any frame counts as life", async () => {
  const world = new World();
  const client = await world.connected();
  for (let turn = 0; turn < 5; turn++) {
    await world.advance(30_000);
    world.socket.push("typing", { room: "elsewhere", person: { actorType: "user", actorId: "u" }, active: true });
  }
  assert.equal(client.state, "connected");
});

test("the deadline of a dead socket does not reach the next one", async () => {
  const world = new World();
  const client = await world.connected();
  await world.advance(32_000);
  await world.socket.end(1006);
  await world.advance(500);
  await world.welcome();
  await world.advance(32_000);
  assert.equal(client.state, "connected");
});

test("what an old socket still says is not heard", async () => {
  const world = new World();
  const client = await world.connected();
  const old = world.socket;
  await world.advance(33_000);
  await world.advance(500);
  await world.welcome();
  old.onclose?.({ code: 4504, reason: "late" });
  old.push("heartbeat", { serverTime: 1, heads: [] });
  await settle();
  assert.equal(client.state, "connected");
});

test("X2 after a long sleep the socket is replaced at once, without a pause", async () => {
  const world = new World();
  const client = await world.connected();
  world.sleep(3_600_000);
  await world.tellPage("wake");
  assert.equal(client.state, "connecting");
  assert.equal(world.sockets.length, 2);
  await world.welcome();
  await world.tellPage("wake");
  assert.equal(world.sockets.length, 2);
});

test("waking up does not wait for the end of a pause", async () => {
  const world = new World();
  const client = await world.connected();
  await world.socket.end(1006);
  await world.tellPage("wake");
  assert.equal(client.state, "connecting");
  assert.equal(client.attempt, 0);
});

test("a page that leaves closes by itself, and comes back with the page", async () => {
  const world = new World();
  const client = await world.connected();
  await world.tellPage("hide");
  assert.ok(world.socket.closed);
  assert.deepEqual([client.state, client.retryAt], ["waiting", null]);
  await world.advance(60_000);
  assert.equal(world.sockets.length, 1);
  await world.tellPage("wake");
  await world.welcome();
  assert.equal(client.state, "connected");
});

test("an unreadable frame is told and costs the connection, not the client", async () => {
  const world = new World();
  const client = await world.connected();
  const errors = log(client, "error");
  world.socket.raw(Uint8Array.of(0xc1));
  await settle();
  assert.equal(errors[0]?.name, "BadFrame");
  assert.equal(client.state, "waiting");
});

test("messages of unknown types are ignored", async () => {
  const world = new World();
  const client = await world.connected();
  world.socket.raw(Uint8Array.of(0x92, 0xcd, 0x0f, 0xff, 0x80));
  assert.equal(client.state, "connected");
});

test("what is asked for while the state is being told goes out once", async () => {
  const world = new World();
  const client = world.client();
  const room = client.room("r");
  const answers: Promise<unknown>[] = [];
  client.on("state", ({ to }) => {
    if (to === "connected") void room.join();
    if (to === "waiting") answers.push(assert.rejects(client.request("timer.start", { room: "r" }), NotConnected));
  });
  room.on("state", ({ state }) => state === "joining" && client.state === "connected" && void room.send("in between"));
  void client.connect();
  await world.welcome();
  assert.equal(world.socket.all("room.join").length, 1);
  world.socket.admit("r", 0);
  await world.socket.end(1006);
  await Promise.all(answers);
  await world.advance(500);
  await world.welcome();
  world.socket.admit("r", 0, { recovery: "recovered" });
  // The one of the first connection was not answered, the other was said while that one ended.
  assert.equal(world.socket.all("message.send").length, 2);
  assert.equal(new Set(world.socket.all("message.send").map(({ nonce }) => nonce)).size, 2);
});

test("a listener that throws harms no other", async (context) => {
  const world = new World();
  const thrown: unknown[] = [];
  context.mock.method(globalThis, "queueMicrotask", (task: () => void) => {
    try {
      task();
    } catch (error) {
      thrown.push(error);
    }
  });
  const client = world.client();
  client.on("state", () => {
    throw new Error("mine");
  });
  const states = log(client, "state");
  const off = client.on("state", () => assert.fail("it was taken off"));
  off();
  void client.connect();
  await settle();
  assert.equal(states.length, 1);
  assert.equal((thrown[0] as Error).message, "mine");
});

test("server time is told from the welcome and corrected by heartbeats", async () => {
  const world = new World();
  const client = world.client();
  const clocks = log(client, "clock");
  void client.connect();
  await settle();
  world.socket.open();
  world.sleep(100);
  await world.welcome({ serverTime: world.time + 5_000 });
  assert.equal(client.serverNow() - world.time, 5_000);
  world.socket.push("heartbeat", { serverTime: world.time + 5_000, heads: [] });
  assert.deepEqual(clocks.at(-1), { offset: 5_000, rtt: 0 });
});

test("a client without any WebSocket says so", () => {
  const world = new World();
  assert.throws(() => world.client({ websocket: undefined as never }), /pass one as `websocket`/);
});

test("an address may be http or relative to the page", async () => {
  const world = new World();
  const urls: string[] = [];
  class Endpoint {
    constructor(url: string) {
      urls.push(url);
      throw new AuthError("seen");
    }
  }
  const { Client } = await import("../src/client.ts");
  const client = new Client("https://rooms.example/v1/ws", { getToken: async () => "t", websocket: Endpoint as never, environment: world });
  await assert.rejects(client.connect(), /seen/);
  assert.deepEqual(urls, ["wss://rooms.example/v1/ws"]);
});
