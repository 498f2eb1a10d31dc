/** Which room the path of a new socket names. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { World, settle } from "./world.ts";

/** The path of the first socket of a client that wants one room. */
async function path(url: string, room: string): Promise<string> {
  const world = new World();
  const client = world.client({ url });
  void client.connect();
  void client.room(room).join();
  await settle();
  client.close();
  return world.socket.url.replace("ws://server", "");
}

/** A connection that holds long enough to count as a good one. */
async function stable(world: World): Promise<void> {
  await world.welcome();
  await world.advance(10_000);
}

/** Loses the connection and waits until the next socket is opened. */
async function again(world: World): Promise<string> {
  const before = world.sockets.length;
  await world.socket.end(1006);
  while (world.sockets.length === before) await world.advance(500);
  return world.socket.url;
}

test("a client that wants no room names none", async () => {
  const world = new World();
  const client = world.client();
  client.room("looked at");
  void client.connect();
  await settle();
  assert.equal(world.socket.url, "ws://server/v1/ws");
});

test("a room that is wanted before the socket opens is named in its path", async () => {
  assert.equal(await path("ws://server/v1/ws", "01hroom"), "/v1/ws/01hroom");
});

test("the room that was wanted last is named", async () => {
  const world = new World();
  const client = await world.connected();
  void client.room("a").join();
  void client.room("b").join();
  void client.room("a").join();
  assert.equal(await again(world), "ws://server/v1/ws/a");
});

test("a room that was left is not named, another one that is wanted is", async () => {
  const world = new World();
  const client = await world.connected();
  void client.room("a").join();
  const last = client.room("b");
  void last.join();
  void last.join();
  last.leave();
  assert.equal(await again(world), "ws://server/v1/ws/b");
  await stable(world);
  last.leave();
  assert.equal(await again(world), "ws://server/v1/ws/a");
});

test("every third attempt in a row names no room, in case the way knows only the short path", async () => {
  const world = new World();
  const client = world.client();
  void client.room("r").join();
  void client.connect();
  await settle();
  const urls = [world.socket.url];
  while (urls.length < 6) urls.push(await again(world));
  const [long, short] = ["ws://server/v1/ws/r", "ws://server/v1/ws"];
  assert.deepEqual(urls, [long, long, short, long, long, short]);
});

test("after a stable connection the room is named again", async () => {
  const world = new World();
  const client = world.client();
  void client.room("r").join();
  void client.connect();
  await settle();
  await again(world);
  assert.equal(await again(world), "ws://server/v1/ws");
  await stable(world);
  assert.equal(await again(world), "ws://server/v1/ws/r");
});

test("an id that is more than letters and digits stays one part of the path", async () => {
  assert.equal(await path("ws://server/v1/ws", "isbn 978/3?a=b#c&ü%"), "/v1/ws/isbn%20978%2F3%3Fa%3Db%23c%26%C3%BC%25");
});

for (const [url, expected] of [
  ["ws://server/behind/a/prefix", "/behind/a/prefix/r"],
  ["ws://server/v1/ws?tenant=7", "/v1/ws/r?tenant=7"],
  ["ws://server/v1/ws#top", "/v1/ws/r#top"],
  ["ws://server/v1/ws?back=/x/?#/y", "/v1/ws/r?back=/x/?#/y"],
  ["ws://server", "/r"],
  ["ws://server/v1/ws/", "/v1/ws/r"],
  ["http://server/v1/ws", "/v1/ws/r"],
] as const) {
  test(`the room is appended to the path of ${url}`, async () => {
    assert.equal(await path(url, "r"), expected);
  });
}
