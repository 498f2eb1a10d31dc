import assert from "node:assert/strict";
import { mock, test, type TestContext } from "node:test";
import type { Client } from "../../client/src/index.ts";
import type { UserStatus } from "../src/protocol.ts";
import { chooseStatus, statuses as shown, statusOf } from "../src/status.ts";
import { IDLE_MS, Idleness } from "../src/store/idleness.ts";
import { GATHER_MS, MAX_WATCHED, PAUSE_MS, Statuses } from "../src/store/statuses.ts";

function virtualTime(context: TestContext): void {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  context.after(() => mock.timers.reset());
}

/** Statuses with a connection, and what was asked on it. */
function connected(): [Statuses, string[][]] {
  const statuses = new Statuses();
  const asked: string[][] = [];
  statuses.connected((users) => Promise.resolve(asked.push(users) > 0));
  return [statuses, asked];
}

const settle = (): void => mock.timers.tick(PAUSE_MS + GATHER_MS);

test("P20 those in sight are asked for together, and who leaves it is not asked for any more", (context) => {
  virtualTime(context);
  const [statuses, asked] = connected();
  const ends = ["ada", "bob", "ada"].map((user) => statuses.look(user));
  assert.deepEqual(asked, []);
  mock.timers.tick(GATHER_MS);
  assert.deepEqual(asked, [["ada", "bob"]]);
  ends[0]?.();
  settle();
  assert.equal(asked.length, 1); // she is shown elsewhere still
  ends[2]?.();
  settle();
  assert.deepEqual(asked[1], ["bob"]);
});

test("P20 however fast one scrolls, the server is asked no oftener than it takes it, and no more than it takes", (context) => {
  virtualTime(context);
  const [statuses, asked] = connected();
  for (let at = 0; at < 10_000; at += 100) {
    statuses.look(`user-${at}`);
    mock.timers.tick(100);
  }
  settle();
  assert.ok(asked.length <= 10, String(asked.length));
  assert.equal(asked.at(-1)?.length, 100);
  for (let number = 0; number < 300; number += 1) statuses.look(`more-${number}`);
  settle();
  assert.equal(asked.at(-1)?.length, MAX_WATCHED);
});

test("P20 a new connection is asked again at once, and one that refused after a while", async (context) => {
  virtualTime(context);
  const [statuses, asked] = connected();
  statuses.look("ada");
  settle();
  statuses.lost();
  statuses.look("bob");
  settle();
  assert.deepEqual(asked, [["ada"]]);
  let isFirst = true;
  statuses.connected((users) => {
    asked.push(users);
    const taken = !isFirst;
    isFirst = false;
    return Promise.resolve(taken);
  });
  await Promise.resolve();
  assert.deepEqual(asked[1], ["ada", "bob"]);
  settle();
  await Promise.resolve();
  assert.deepEqual(asked[2], ["ada", "bob"]);
  settle();
  assert.equal(asked.length, 3);
});

test("P20 nobody is looked at while the page is not seen, and what was known is there when it is again", (context) => {
  virtualTime(context);
  const [statuses, asked] = connected();
  const end = statuses.look("ada");
  settle();
  const status = { user: "ada", status: "busy", lastSeen: null, room: null } as const;
  statuses.told([status, { ...status, user: "eve" }]); // of Eve nobody wants to know by now
  assert.deepEqual([...statuses.known.value.keys()], ["ada"]);
  statuses.show(false);
  settle();
  statuses.show(true);
  settle();
  assert.deepEqual(asked.slice(1), [[], ["ada"]]);
  assert.equal(statuses.known.value.get("ada")?.status, "busy");
  end();
  settle();
  assert.equal(statuses.known.value.size, 0);
});

test("P20 a device is idle after five minutes without a touch, and at once not any more", (context) => {
  virtualTime(context);
  const idleness = new Idleness();
  const told: boolean[] = [];
  idleness.start();
  idleness.idle.subscribe((idle) => void told.push(idle));
  mock.timers.tick(IDLE_MS - 1_000);
  idleness.touched();
  mock.timers.tick(IDLE_MS - 1_000);
  assert.deepEqual(told, [false]);
  mock.timers.tick(1_000);
  assert.deepEqual(told, [false, true]);
  for (let count = 0; count < 100; count += 1) idleness.touched();
  assert.deepEqual(told, [false, true, false]);
  mock.timers.tick(IDLE_MS);
  assert.deepEqual(told, [false, true, false, true]);
});

test("P20 what is chosen shows at once, and who is busy is not shown as online for choosing it", async (context) => {
  virtualTime(context);
  const client = { request: () => Promise.resolve() } as unknown as Client;
  context.after(shown.look("ada"));
  const choose = async (before: UserStatus["status"], choice: "online" | "dnd"): Promise<string | null> => {
    shown.told([{ user: "ada", status: before, lastSeen: null, room: null }]);
    await chooseStatus(client, "ada", choice);
    return statusOf("ada");
  };
  assert.deepEqual([await choose("online", "dnd"), await choose("busy", "dnd"), await choose("dnd", "online")], ["dnd", "dnd", "online"]);
  assert.deepEqual([await choose("busy", "online"), await choose("idle", "online")], ["busy", "idle"]); // the server has nothing new to say
});
