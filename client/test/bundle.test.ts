/** The files that pages load: shortened names must not have broken them. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { runInThisContext } from "node:vm";
import type * as Surface from "../src/index.ts";
import { World, log, settle } from "./world.ts";

const file = (name: string): URL => new URL(`../../../commonroom/http/static/${name}`, import.meta.url);

async function module(): Promise<typeof Surface> {
  return await import(file("client.js").href);
}

function script(): typeof Surface {
  runInThisContext(readFileSync(file("client.iife.js"), "utf8"));
  return (globalThis as unknown as { Commonroom: typeof Surface }).Commonroom;
}

for (const [name, load] of [["client.js", module], ["client.iife.js", script]] as const) {
  test(`${name} connects, joins, sends, comes back and closes`, async () => {
    const { Client, NotConnected } = await load();
    const world = new World();
    const client = world.client({}, Client);
    void client.connect();
    await world.welcome();
    const room = client.room("r");
    const events = log(room, "event");
    void room.join();
    world.socket.admit("r", 1);
    const { sent } = room.send("hello");
    world.socket.refuse("message.send", 160, "RETRY");
    await world.socket.end(1006);
    await world.advance(500);
    assert.equal(world.socket.url, "ws://server/v1/ws/r");
    await world.welcome();
    world.socket.admit("r", 2, { recovery: "recovered" });
    world.socket.say("r", 2);
    await world.advance(500);
    world.socket.push("reply", { ref: world.socket.last("message.send").ref, offset: 3 });
    assert.deepEqual(await sent, { offset: 3 });
    assert.equal(events.length, 1);
    world.socket.push("heartbeat", { serverTime: world.time, heads: [["r", 2]] });
    const failed = assert.rejects(room.timer("start"), NotConnected);
    client.close();
    await failed;
    await settle();
    assert.equal(world.pending, 0);
  });
}
