import assert from "node:assert/strict";
import { test } from "node:test";
import { AuthError } from "../src/errors.ts";
import type { TokenReason } from "../src/types.ts";
import { ADA, LIMITS, UMA, World, log, settle } from "./world.ts";

/** A source of tokens that remembers why it was asked. */
function source(): { reasons: TokenReason[]; getToken: (request: { reason: TokenReason }) => Promise<string> } {
  const reasons: TokenReason[] = [];
  return { reasons, getToken: async ({ reason }) => `token ${reasons.push(reason)}` };
}

test("a token is asked for once and used again while it holds", async () => {
  const world = new World();
  const { reasons, getToken } = source();
  await world.connected({ getToken });
  await world.socket.end(1006);
  await world.advance(500);
  await world.welcome();
  assert.deepEqual(reasons, ["missing"]);
  assert.equal(world.socket.last("hello").token, "token 1");
});

test("an expired token is replaced before the next attempt", async () => {
  const world = new World();
  const { reasons, getToken } = source();
  await world.connected({ getToken });
  await world.tellPage("hide");
  world.sleep(300_000);
  await world.tellPage("wake");
  await world.welcome();
  assert.deepEqual(reasons, ["missing", "expired"]);
  assert.equal(world.socket.last("hello").token, "token 2");
});

test("TOKEN_EXPIRED asks for a new one", async () => {
  const world = new World();
  const { reasons, getToken } = source();
  await world.connected({ getToken });
  await world.socket.end(4010);
  await world.advance(500);
  assert.deepEqual(reasons, ["missing", "expired"]);
});

test("a refused token is not used again when the person retries", async () => {
  const world = new World();
  const { reasons, getToken } = source();
  const client = await world.connected({ getToken });
  await world.socket.end(4502);
  assert.equal(client.state, "closed");
  client.reconnect();
  await settle();
  assert.deepEqual(reasons, ["missing", "rejected"]);
});

test("it is renewed on the live socket when four fifths of its life are over", async () => {
  const world = new World();
  const { reasons, getToken } = source();
  const client = await world.connected({ getToken });
  const tokens = log(client, "token");
  for (const [round, beats] of [[1, 8], [2, 8]] as const) {
    for (let beat = 0; beat < beats; beat++) {
      await world.advance(30_000);
      world.socket.push("heartbeat", { serverTime: world.time, heads: [] });
    }
    await settle();
    assert.equal(world.socket.all("refresh").length, round);
    await world.refreshed();
  }
  assert.deepEqual(reasons, ["missing", "refresh", "refresh"]);
  assert.deepEqual(tokens, [{ reason: "refresh" }, { reason: "refresh" }]);
  assert.equal(world.sockets.length, 1);
  await world.socket.end(1006);
  await world.advance(500);
  await world.welcome();
  assert.equal(world.socket.last("hello").token, "token 3");
});

test("a machine whose clock is wrong renews in time all the same", async () => {
  for (const ahead of [3_600_000, -3_600_000]) {
    const world = new World();
    const client = world.client();
    void client.connect();
    await settle();
    const limits = { ...LIMITS, tokenExpiresAt: world.time + ahead + 300_000 };
    await world.welcome({ serverTime: world.time + ahead, limits });
    for (let renewal = 1; renewal <= 3; renewal++) {
      for (let beat = 0; beat < 8; beat++) {
        await world.advance(30_000);
        world.socket.push("heartbeat", { serverTime: world.time + ahead, heads: [] });
      }
      await settle();
      assert.equal(world.socket.all("refresh").length, renewal);
      await world.refreshed({ tokenExpiresAt: world.time + ahead + 300_000 });
    }
  }
});

test("the answer says how long the new token lives", async () => {
  const world = new World();
  const { reasons, getToken } = source();
  const client = await world.connected({ getToken });
  client.refresh();
  await world.advance(0);
  await world.refreshed({ tokenExpiresAt: world.time + 20_000 });
  await world.advance(15_999);
  assert.equal(reasons.length, 2);
  await world.advance(1);
  assert.equal(reasons.length, 3);
});

test("a guest who signed in speaks as the user on the same socket", async () => {
  const world = new World();
  const { reasons, getToken } = source();
  const client = await world.connected({ getToken });
  const told: unknown[] = [];
  client.on("token", () => told.push([client.principal, client.name]));
  client.refresh();
  await world.advance(0);
  assert.equal(world.socket.last("refresh").token, "token 2");
  assert.deepEqual([client.principal, client.name], [ADA, "Ada"]);
  await world.refreshed({ principal: UMA, name: "Uma" });
  assert.deepEqual([client.principal, client.name, told], [UMA, "Uma", [[UMA, "Uma"]]]);
  assert.deepEqual([reasons, world.sockets.length, client.state], [["missing", "refresh"], 1, "connected"]);
  await world.socket.end(1006);
  await world.advance(500);
  await world.welcome();
  assert.equal(world.socket.last("hello").token, "token 2");
});

test("an answer that is late says who we are all the same", async () => {
  const world = new World();
  const client = await world.connected({ requestTimeout: 1000 });
  client.refresh();
  await world.advance(1000);
  await world.refreshed({ principal: UMA, name: "Uma" });
  assert.deepEqual(client.principal, UMA);
});

test("a refresh between two connections takes a new token to the next one", async () => {
  const world = new World();
  const { reasons, getToken } = source();
  const client = await world.connected({ getToken });
  await world.socket.end(1006);
  client.refresh();
  await world.advance(500);
  await world.welcome();
  assert.deepEqual([reasons, world.socket.last("hello").token], [["missing", "refresh"], "token 2"]);
});

test("a refresh while a connection opens with the old token follows at once", async () => {
  const world = new World();
  const { reasons, getToken } = source();
  const client = world.client({ getToken });
  void client.connect();
  await settle();
  client.refresh();
  await world.welcome();
  await world.advance(0);
  assert.deepEqual([reasons, world.socket.last("refresh").token], [["missing", "refresh"], "token 2"]);
});

test("a refused refresh is told, and the connection goes on as who it was", async () => {
  const world = new World();
  const client = await world.connected();
  const errors = log(client, "error");
  client.refresh();
  await world.advance(0);
  world.socket.refuse("refresh", 120, "FORBIDDEN");
  await settle();
  assert.deepEqual([errors.length, client.state, client.principal], [1, "connected", ADA]);
  await world.advance(5_000);
  assert.equal(world.socket.all("refresh").length, 2);
});

test("a renewal that fails is told and tried again", async () => {
  const world = new World();
  let works = true;
  const client = await world.connected({
    getToken: async () => {
      if (!works) throw new Error("the endpoint is away");
      return "token";
    },
  });
  const errors = log(client, "error");
  works = false;
  for (let beat = 0; beat < 8; beat++) {
    await world.advance(30_000);
    world.socket.push("heartbeat", { serverTime: world.time, heads: [] });
  }
  await settle();
  assert.equal(errors[0]?.message, "the endpoint is away");
  works = true;
  await world.advance(5_000);
  assert.equal(world.socket.all("refresh").length, 1);
});

test("a token that cannot be had is asked for again, with pauses", async () => {
  const world = new World();
  let asked = 0;
  const client = world.client({
    getToken: async () => {
      if (++asked < 3) throw new Error("503");
      return "token";
    },
  });
  const errors = log(client, "error");
  void client.connect();
  await settle();
  assert.equal(client.state, "waiting");
  await world.advance(500);
  await world.advance(500);
  await world.welcome();
  assert.equal(client.state, "connected");
  assert.deepEqual(errors.map(({ message }) => message), ["503", "503"]);
});

test("AuthError stops: there is nobody to connect as", async () => {
  const world = new World();
  const client = world.client({
    getToken: async () => {
      throw new AuthError("signed out");
    },
  });
  await assert.rejects(client.connect(), AuthError);
  assert.equal(client.state, "closed");
  assert.equal(world.pending, 0);
});

test("AuthError while renewing stops too", async () => {
  const world = new World();
  let reason: TokenReason | null = null;
  const client = await world.connected({
    getToken: async (request) => {
      reason = request.reason;
      if (reason === "refresh") throw new AuthError("signed out");
      return "token";
    },
  });
  for (let beat = 0; beat < 8; beat++) {
    await world.advance(30_000);
    if (client.state === "connected") world.socket.push("heartbeat", { serverTime: world.time, heads: [] });
  }
  await settle();
  assert.equal(client.state, "closed");
});

test("a token that never comes does not hold the client up", async () => {
  const world = new World();
  let first = true;
  const client = world.client({
    getToken: () => {
      if (!first) return Promise.resolve("second");
      first = false;
      return new Promise(() => {});
    },
  });
  void client.connect();
  await world.advance(10_000);
  assert.equal(client.state, "waiting");
  await world.advance(500);
  await world.welcome();
  assert.equal(world.socket.last("hello").token, "second");
});

test("a token that comes after the client was closed opens nothing", async () => {
  const world = new World();
  let give = (_: string): void => {};
  const client = world.client({ getToken: () => new Promise((resolve) => (give = resolve)) });
  void client.connect();
  await settle();
  client.close();
  give("late");
  await settle();
  assert.equal(world.sockets.length, 0);
  assert.equal(client.state, "closed");
});
