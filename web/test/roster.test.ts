import assert from "node:assert/strict";
import { mock, test } from "node:test";
import type { Person } from "../src/protocol.ts";
import { LINGER_MS, Roster } from "../src/store/roster.ts";

const person = (name: string): Person => ({ principal: { actorType: "guest", actorId: name }, name, role: "participant" });
const names = (roster: Roster): string[] => roster.people.value.map((p) => p.name);
const change = (rev: number, joined: string[], left: string[], count: number) => ({
  room: "r",
  activation: "a",
  rev,
  count,
  joined: joined.map(person),
  left: left.map((name) => person(name).principal),
});

function openRoster(): Roster {
  const roster = new Roster();
  roster.reset({ activation: "a", rev: 1, count: 2, people: [person("mara"), person("jon")] });
  return roster;
}

test("somebody who leaves stays for ten seconds, in list and count", (context) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  context.after(() => mock.timers.reset());
  const roster = openRoster();
  roster.apply(change(2, [], ["jon"], 1));
  assert.deepEqual([names(roster), roster.count.value], [["mara", "jon"], 2]);
  mock.timers.tick(LINGER_MS);
  assert.deepEqual([names(roster), roster.count.value], [["mara"], 1]);
});

test("somebody who reloads never leaves, and is not listed twice", (context) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  context.after(() => mock.timers.reset());
  const roster = openRoster();
  roster.apply(change(2, [], ["jon"], 1));
  roster.apply(change(3, ["jon"], [], 2));
  assert.deepEqual([names(roster), roster.count.value], [["mara", "jon"], 2]);
  mock.timers.tick(LINGER_MS);
  assert.deepEqual([names(roster), roster.count.value], [["mara", "jon"], 2]);
});

test("a guest who becomes a user does not linger besides", (context) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  context.after(() => mock.timers.reset());
  const roster = openRoster();
  roster.apply(change(2, [], ["jon"], 1));
  const user: Person = { principal: { actorType: "user", actorId: "1" }, name: "Jon J.", role: "participant" };
  roster.upgrade({ room: "r", activation: "a", rev: 3, count: 2, former: person("jon").principal, person: user });
  assert.deepEqual([names(roster), roster.count.value], [["mara", "Jon J."], 2]);
  mock.timers.tick(LINGER_MS);
  assert.deepEqual([names(roster), roster.count.value], [["mara", "Jon J."], 2]);
});

test("a snapshot that lists a leaver ends the lingering", () => {
  const roster = openRoster();
  roster.apply(change(2, [], ["jon"], 1));
  roster.reset({ activation: "b", rev: 1, count: 2, people: [person("mara"), person("jon")] });
  assert.deepEqual([names(roster), roster.count.value], [["mara", "jon"], 2]);
  roster.close();
});
