import assert from "node:assert/strict";
import { test } from "node:test";
import { effect } from "@preact/signals";
import { ADA, UMA, World, settle } from "../../client/test/world.ts";
import type { Principal } from "../src/protocol.ts";
import { RoomStore } from "../src/store/room.ts";

const kept = new Map<string, string>();
Object.assign(globalThis, { localStorage: { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => kept.set(key, value) } });

const JON: Principal = { actorType: "guest", actorId: "jon" };
const ADA_HERE = { principal: ADA, name: "Ada", role: "host" } as const;
const UMA_HERE = { principal: UMA, name: "Uma", role: "host" } as const;
const JON_HERE = { principal: JON, name: "Jon", role: "participant" } as const;
const presence = { activation: "a", rev: 1, count: 2, people: [ADA_HERE, JON_HERE] };
const upgrade = { room: "r", activation: "a", rev: 2, count: 2, former: ADA, person: UMA_HERE };

/** Ada's page in the room where she and Jon said something. */
async function opened(): Promise<{ world: World; store: RoomStore; refresh: () => void }> {
  const world = new World();
  const client = await world.connected();
  const store = new RoomStore("r", { principal: ADA }, client);
  world.socket.admit("r", 0, { presence });
  world.socket.say("r", 1, "mine", ADA);
  world.socket.say("r", 2, "yours", JON);
  await settle();
  return { world, store, refresh: () => client.refresh() };
}

const own = (store: RoomStore): boolean[] => store.chat.messages.value.confirmed.map((message) => store.isMe(message.author));
const authors = (store: RoomStore): (string | null)[] => store.chat.messages.value.confirmed.map((message) => store.nameOf(message.author));
const people = (store: RoomStore): string[] => store.roster.people.value.map(({ name }) => name);

test("signing in keeps one's messages, place and count, without a moment of anything else", async (context) => {
  const { world, store, refresh } = await opened();
  context.after(() => store.close());
  const shown: string[] = [];
  context.after(effect(() => void shown.push(JSON.stringify([own(store), people(store), store.roster.count.value, store.chat.unread.value]))));
  refresh();
  await world.advance(0);
  await world.refreshed({ principal: UMA, name: "Uma" });
  assert.deepEqual([store.me, own(store)], [UMA, [true, false]]);
  world.socket.push("principal.upgraded", upgrade);
  world.socket.say("r", 3, "still mine", UMA);
  await settle();
  assert.deepEqual([own(store), authors(store)], [[true, false, true], ["Uma", "Jon", "Uma"]]);
  const steps = [...new Set(shown)].map((one) => JSON.parse(one));
  assert.deepEqual(steps, [
    [[true, false], ["Ada", "Jon"], 2, 1],
    [[true, false], ["Uma", "Jon"], 2, 1],
    [[true, false, true], ["Uma", "Jon"], 2, 1],
  ]);
});

test("another person's upgrade renames what they wrote", async (context) => {
  const { world, store } = await opened();
  context.after(() => store.close());
  const person = { principal: { actorType: "user", actorId: "j" }, name: "Jon J.", role: "participant" } as const;
  world.socket.push("principal.upgraded", { ...upgrade, former: JON, person });
  assert.deepEqual([own(store), authors(store), people(store)], [[true, false], ["Ada", "Jon J."], ["Ada", "Jon J."]]);
});

test("a tab whose guest was signed in by another tab takes a token of the user", async (context) => {
  const { world, store } = await opened();
  context.after(() => store.close());
  world.socket.push("principal.upgraded", upgrade);
  await world.advance(0);
  assert.equal(world.socket.all("refresh").length, 1);
  await world.refreshed({ principal: UMA, name: "Uma" });
  assert.deepEqual([store.me, own(store)], [UMA, [true, false]]);
});
