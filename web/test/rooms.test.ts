import assert from "node:assert/strict";
import { test } from "node:test";
import { ADA, INFO, UMA, World, settle } from "../../client/test/world.ts";
import { measuresOn } from "../src/components/measureitems.ts";
import { LENGTHS, settingsOf } from "../src/components/lengths.tsx";
import { tagsOf, tagsWrong } from "../src/components/tags.tsx";
import { ApiError } from "../src/api.ts";
import { changesOf, draftOf, sizeWrong, timerWith } from "../src/dialogs/draft.ts";
import { filtersIn, pathOf } from "../src/filters.ts";
import type { Person, Principal } from "../src/protocol.ts";
import { acceptInvite, isWorthless, type Member, readMembers, type RoomSummary } from "../src/rooms.ts";
import { codeIn } from "../src/router.ts";
import { type Happenings, move, tell } from "../src/store/happenings.ts";
import { append, apply, NO_FILTERS } from "../src/store/listing.ts";
import { EMPTY, merge } from "../src/store/messages.ts";
import { Mutes } from "../src/store/mutes.ts";
import { RoomStore } from "../src/store/room.ts";
import { layOut } from "../src/store/rows.ts";
import { Standing } from "../src/store/standing.ts";
import { remember } from "../src/store/visits.ts";

const kept = new Map<string, string>();
Object.assign(globalThis, { localStorage: { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => kept.set(key, value) } });

const person = (name: string): Person => ({ principal: { actorType: "guest", actorId: name }, name, role: "participant" });
const [mara, jon, ana] = [person("mara"), person("jon"), person("ana")];

test("people who come and go between two messages are one line, and who was away for a moment leaves no trace", () => {
  const moves = (...steps: [Person[], Person[]][]): Happenings => steps.reduce<Happenings>((list, [came, left]) => move(list, 7, came, left), []);
  const names = (list: Happenings): string[][][] => list.map((one) => (one.kind === "movement" ? [[...one.came.values()], [...one.left.values()]] : []));
  assert.deepEqual(names(moves([[mara], []], [[jon], []], [[], [ana]])), [[["mara", "jon"], ["ana"]]]);
  assert.deepEqual(moves([[mara], []], [[], [mara]]), []);
  assert.deepEqual(names(moves([[], [mara]], [[mara, jon], []])), [[["jon"], []]]);
  assert.equal(move(move([], 7, [mara], []), 8, [jon], []).length, 2);
});

test("happenings stand behind the message they followed, begin the next one anew, and are not kept for ever", () => {
  const say = (offset: number) => ({ offset, at: 1_000_000 + offset, author: mara.principal, text: "x", nonce: null, editedAt: null, deleted: false });
  const rows = layOut(merge(EMPTY, [say(1), say(2), say(5)]), null, null, undefined, tell(tell([], 2, "locked"), 5, "unlocked"));
  assert.deepEqual(rows.map(({ kind }) => kind), ["day", "message", "message", "happening", "message", "happening"]);
  assert.deepEqual(rows.flatMap((row) => (row.kind === "message" ? [row.continues] : [])), [false, true, false]);
  const many = Array.from({ length: 80 }).reduce<Happenings>((list) => tell(list, 1, "x"), []);
  assert.deepEqual([many.length, many[0]?.id, new Set(many.map(({ id }) => id)).size], [50, 31, 50]);
});

const room = (id: string): RoomSummary => ({
  ...{ id, title: id, topic: "", language: "en", tags: [], theme: "plain", sizeLimit: 0, createdAt: 1 },
  ...{ createdBy: mara.principal, present: 0, phase: null, endsAt: null, status: "idle" },
});

test("P18 a page has no room twice, and what is told live changes its room in its place", () => {
  const listed = append(append([], [room("a"), room("b")]), [room("b"), room("c")]);
  assert.deepEqual(listed.map(({ id }) => id), ["a", "b", "c"]);
  const after = apply(listed, [{ room: "b", present: 3, phase: "focus", endsAt: 9, ended: false }, { room: "a", present: 0, phase: null, endsAt: null, ended: true }]);
  assert.deepEqual(after.map(({ id, present, endsAt, ended }) => [id, present, endsAt, ended]), [["a", 0, null, true], ["b", 3, 9, false], ["c", 0, null, false]]);
});

test("P18 the address says the filters, and what it does not know narrows nothing", () => {
  const filters = { ...NO_FILTERS, q: "two words", tag: "caf\u00e9", status: "active", sort: "newest" } as const;
  assert.deepEqual(filtersIn(pathOf(filters).slice("/rooms".length)), filters);
  assert.equal(pathOf(NO_FILTERS), "/rooms");
  assert.deepEqual(filtersIn("?size=huge&sort=magic&status=asleep"), NO_FILTERS);
});

test("P19 a guest's browser keeps a day's rooms, the latest first, once each", () => {
  const hour = 3_600_000;
  const visit = (id: string, at: number) => ({ id, title: id, theme: "plain" as const, at });
  const visits = remember([visit("a", 30 * hour), visit("b", 5 * hour)], visit("a", 31 * hour), 31 * hour);
  assert.deepEqual(visits.map(({ id }) => id), ["a"]);
  const many = Array.from({ length: 60 }, (_, index) => visit(`r${index}`, index + 1));
  assert.equal(remember(many, null, 100).length, 50);
});

test("tags are words between commas, as the server takes them", () => {
  assert.deepEqual(tagsOf(" #Field Work, maths,, MATHS,日本 "), ["field-work", "maths", "日本"]);
  for (const wrong of ["a,b,c,d,e,f", "x".repeat(25), "what?", "-a"]) assert.ok(tagsWrong(wrong), wrong);
  for (const right of ["", "español, ελληνικά", "c-3"]) assert.ok(!tagsWrong(right), right);
});

test("P17 a code is found in a link or alone, however it was typed", () => {
  for (const typed of ["https://h/r/abc?invite=50D0FVGD17", "50d0f-vgd17", " 50D0 FVGD 17 "]) assert.equal(codeIn(typed), "50d0fvgd17");
  for (const typed of ["https://h/r/abc", "two words", "", "50d0fvgd1u"]) assert.equal(codeIn(typed), null);
});

test("P17 a code goes to the room that its link names, and is kept unless it is worthless", async (context) => {
  const fetched = context.mock.method(globalThis, "fetch", async () => Response.json({ id: "abc" }));
  await acceptInvite("50d0fvgd17", "abc");
  await acceptInvite("50d0fvgd17");
  assert.deepEqual(fetched.mock.calls.map((call) => call.arguments[0]), ["/v1/invites/50d0fvgd17?room=abc", "/v1/invites/50d0fvgd17"]);
  const refusal = (status: number, name: string): ApiError => new ApiError(status, name, "");
  for (const over of [refusal(404, "NOT_FOUND"), refusal(403, "BANNED"), refusal(403, "FORBIDDEN")]) assert.ok(isWorthless(over), over.problem);
  for (const passing of [refusal(0, "OFFLINE"), refusal(429, "RATE_LIMITED"), refusal(503, "RETRY"), refusal(409, "ROOM_LOCKED"), new Error()]) assert.ok(!isWorthless(passing));
});

test("P17 those who keep order are the first of all members, and nobody is there twice", async (context) => {
  const row = (actorId: string) => ({ actorType: "guest", actorId, name: actorId });
  const keepers = [{ ...row("ada"), role: "host" }, { ...row("bob"), role: "cohost" }];
  const pages = [
    { keepers, members: [{ ...row("bob"), since: 5 }, { ...row("eve"), since: 6 }], nextCursor: "next" },
    { keepers, members: [{ ...row("ada"), since: 7 }, { ...row("max"), since: 8 }], nextCursor: null },
  ];
  context.mock.method(globalThis, "fetch", async () => Response.json(pages.shift()));
  const [first, second] = [await readMembers("abc")(null), await readMembers("abc")("next")];
  const told = (members: Member[]) => members.map(({ actorId, role, since }) => [actorId, role, since]);
  assert.deepEqual(told(first.rows), [["ada", "host", null], ["bob", "cohost", 5], ["eve", "participant", 6]]);
  assert.deepEqual([told(second.rows), second.cursor], [[["max", "participant", 8]], null]);
});

test("P35 who is muted is known to who keeps order, by who they are now and until it ends", async (context) => {
  const uma: Principal = { actorType: "user", actorId: "uma" };
  const mutes = new Mutes("abc", ({ actorType, actorId }) => (actorId === "mara" ? uma : { actorType, actorId }));
  const has = (at: number, ...people: Principal[]) => people.map((one) => mutes.has(one, at));
  assert.deepEqual(has(1, uma), [null]);
  mutes.moderated({ action: "mute", person: uma, until: null }); // of the others nothing is known still
  assert.deepEqual(has(1, uma), [null]);
  context.mock.method(globalThis, "fetch", async () => Response.json({ mutes: [{ ...mara.principal, name: "", until: 10 }] }));
  await mutes.load();
  assert.deepEqual([has(9, uma, jon.principal), has(10, uma)], [[true, false], [false]]);
  mutes.moderated({ action: "mute", person: jon.principal, until: null });
  mutes.moderated({ action: "unmute", person: uma, until: null });
  mutes.moderated({ action: "kick", person: jon.principal, until: null });
  assert.deepEqual(has(1, uma, jon.principal), [false, true]);
});

test("P35 what is decided while the list of the muted is on its way is not missed", async (context) => {
  const mutes = new Mutes("abc", ({ actorType, actorId }) => ({ actorType, actorId }));
  const muted = { ...jon.principal, name: "", until: null };
  const answers = [[], [muted], []];
  context.mock.method(globalThis, "fetch", async () => {
    const { length } = answers;
    if (length === 3) mutes.moderated({ action: "mute", person: jon.principal, until: null });
    if (length === 2) mutes.forget();
    return Response.json({ mutes: answers.shift() });
  });
  await mutes.load();
  assert.deepEqual([mutes.has(jon.principal, 1), answers.length], [false, 0]);
});

test("lengths that were left alone stay as they are now, though others changed them or they are finer than minutes", () => {
  const now = { ...settingsOf(LENGTHS), focusMs: 1_500, longEvery: 6 };
  assert.equal(timerWith(now, LENGTHS, { ...LENGTHS }), null);
  assert.deepEqual(timerWith(now, LENGTHS, { ...LENGTHS, short: "7" }), { ...now, shortBreakMs: 420_000 });
});

test("a form sends what it says otherwise than the room, and nothing else", () => {
  const info = { ...INFO, title: "Old", tags: ["a"], sizeLimit: 5 };
  const draft = draftOf(info, LENGTHS);
  assert.deepEqual(changesOf(info, draft), {});
  assert.deepEqual(changesOf(info, { ...draft, title: " New ", tags: "a, b", sizeLimit: "" }), { title: "New", tags: ["a", "b"], sizeLimit: 0 });
  assert.deepEqual(["", "2", "5000"].map(sizeWrong), [false, false, false]);
  assert.deepEqual(["1", "5001", "two", "2.5"].map(sizeWrong), [true, true, true, true]);
});

test("P35 nobody acts on the host, nor a co-host on another, nor a participant at all", () => {
  assert.deepEqual(measuresOn("participant", "participant"), []);
  assert.deepEqual(measuresOn("host", "cohost"), []);
  assert.deepEqual(measuresOn("cohost", "cohost"), []);
  assert.deepEqual(measuresOn("participant", "cohost"), ["mute", "unmute", "kick", "ban"]);
  assert.deepEqual([true, false].map((muted) => measuresOn("participant", "cohost", muted)[0]), ["unmute", "mute"]);
  assert.deepEqual(measuresOn("cohost", "host").slice(0, 2), ["participant", "host"]);
  assert.ok(!measuresOn("cohost", "host", null, false).includes("host"));
});

test("P13 the timer is whose the room says", () => {
  const standing = new Standing();
  const may = (): boolean[] => (["everyone", "cohosts", "host"] as const).map((timerPolicy) => standing.mayTime({ ...INFO, timerPolicy }));
  assert.deepEqual(may(), [true, false, false]);
  standing.role.value = "cohost";
  assert.deepEqual(may(), [true, true, false]);
  standing.role.value = "host";
  assert.deepEqual(may(), [true, true, true]);
});

test("P35 slow mode holds one up for as long as the room says now, and hosts not at all", () => {
  const standing = new Standing();
  const slow = { ...INFO, slowMs: 60_000 };
  standing.heard(slow);
  assert.ok((standing.freeAt.value ?? 0) > Date.now() + 50_000);
  standing.reconsider({ ...slow, slowMs: 5_000 });
  assert.ok((standing.freeAt.value ?? Infinity) <= Date.now() + 5_000);
  standing.reconsider(INFO);
  assert.equal(standing.freeAt.value, null);
  standing.role.value = "cohost";
  standing.heard(slow);
  assert.equal(standing.freeAt.value, null);
});

test("P35 what hosts decide changes the room, the roles and what is told, each to whom it concerns", async (context) => {
  const world = new World();
  const store = new RoomStore("r", { principal: ADA }, await world.connected());
  context.after(() => store.close());
  store.describe = (event) => ("info" in event ? event.info.title : event.action);
  world.socket.admit("r", 0, { role: "participant", presence: { activation: "a", rev: 1, count: 1, people: [{ principal: ADA, name: "Ada", role: "participant" }] } });
  const base = { room: "r", at: 1, author: UMA, nonce: null };
  world.socket.push("room.updated", { ...base, offset: 1, info: { ...INFO, title: "New", locked: true }, why: "" });
  world.socket.push("room.moderated", { ...base, offset: 2, action: "role", person: ADA, role: "cohost", until: null, why: "", guests: [] });
  world.socket.push("room.moderated", { ...base, offset: 3, action: "mute", person: ADA, role: null, until: null, why: "loud", guests: [] });
  world.socket.push("room.load", { room: "r", level: 2 });
  await settle();
  assert.deepEqual([store.info.value?.title, store.info.value?.locked, store.load.value], ["New", true, 2]);
  assert.deepEqual([store.standing.role.value, store.people.value[0]?.role, store.standing.muted.value], ["cohost", "cohost", { until: null, why: "loud" }]);
  assert.deepEqual(store.happenings.value.map((one) => one.kind === "told" && one.words), ["New", "role", "mute"]);
  world.socket.push("room.moderated", { ...base, offset: 4, action: "kick", person: ADA, role: null, until: null, why: "spam", guests: [] });
  world.socket.push("room.removed", { room: "r", code: 120, name: "FORBIDDEN", message: "you were removed" });
  await settle();
  assert.deepEqual([store.removed.value, store.refusal.value?.name, store.standing.sentAway.value?.why], [true, "FORBIDDEN", "spam"]);
  store.rejoin();
  world.socket.admit("r", 5);
  await settle();
  assert.deepEqual([store.removed.value, store.refusal.value], [false, null]);
});
