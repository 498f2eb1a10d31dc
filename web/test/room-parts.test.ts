import assert from "node:assert/strict";
import { test } from "node:test";
import { hueOf, initialsOf, lengthOf } from "../src/format.ts";
import { linkify } from "../src/linkify.ts";
import type { Message, Person, Principal } from "../src/protocol.ts";
import { parse, roomIdIn } from "../src/router.ts";
import { endingOf } from "../src/store/connection.ts";
import { Identity } from "../src/store/identity.ts";
import * as list from "../src/store/messages.ts";
import { change, sorted } from "../src/store/presence.ts";
import { layOut } from "../src/store/rows.ts";
import { expire, mark, nextExpiry, TYPING_TTL_MS } from "../src/store/typing.ts";

const principal = (actorId: string): Principal => ({ actorType: "guest", actorId });
const person = (name: string, role: Person["role"] = "participant"): Person => ({ principal: principal(name), name, role });
const here = { activation: "a", rev: 3, count: 2, people: [person("mara"), person("jon")] };

test("a presence change with the next number applies", () => {
  const next = change(here, { activation: "a", rev: 4, count: 2, joined: [person("ana")], left: [principal("jon")] });
  assert.notEqual(next, "stale");
  if (next !== "stale") assert.deepEqual(next.people.map((p) => p.name), ["mara", "ana"]);
});

test("an upgrade takes the guest's place in the list, and merges with the user's own", () => {
  const user: Person = { principal: { actorType: "user", actorId: "1" }, name: "Mara M.", role: "host" };
  const delta = { activation: "a", rev: 4, count: 2, former: principal("mara"), person: user };
  const listed = (people: Person[]): string[] => {
    const next = change({ ...here, people }, delta);
    return next === "stale" ? [] : next.people.map((p) => p.name);
  };
  const mine = { ...user, name: "Mara on her phone" };
  assert.deepEqual(listed([person("mara"), person("jon")]), ["Mara M.", "jon"]);
  assert.deepEqual(listed([person("ana"), mine, person("mara"), person("jon")]), ["ana", "Mara M.", "jon"]);
  assert.deepEqual(listed([person("mara"), person("jon"), mine]), ["Mara M.", "jon"]);
  assert.deepEqual(listed([person("jon")]), ["jon", "Mara M."]);
  assert.equal(change(here, { ...delta, rev: 5 }), "stale");
  assert.equal(change(here, { ...delta, rev: 3 }), here);
});

test("what a guest wrote is the user's, once it is known who that became", () => {
  const mara: Principal = { actorType: "user", actorId: "1" };
  const jon: Principal = { actorType: "user", actorId: "2" };
  const identity = new Identity({ principal: principal("mara"), guests: [] });
  assert.deepEqual([identity.isMe(principal("mara")), identity.isMe(mara), identity.isMe(null)], [true, false, false]);
  identity.speakFor(principal("mara"));
  identity.speakFor(mara);
  assert.deepEqual([identity.me, identity.isMe(principal("mara")), identity.isMe(mara)], [mara, true, true]);
  identity.upgrade(principal("jon"), jon);
  assert.deepEqual([identity.now(principal("jon")), identity.isMe(principal("jon"))], [jon, false]);
  const later = new Identity({ principal: mara, guests: ["mara"] });
  assert.deepEqual([later.isMe(principal("mara")), later.isMe(principal("jon"))], [true, false]);
});

test("an author's messages stay together over an upgrade", () => {
  const user: Principal = { actorType: "user", actorId: "1" };
  const noon = new Date(2026, 4, 1, 12).getTime();
  const state = list.merge(list.EMPTY, [said(1, noon, "mara"), { ...said(2, noon + 1000), author: user }]);
  const continues = (now?: (p: Principal) => Principal): boolean[] =>
    layOut(state, user, null, now).flatMap((row) => (row.kind === "message" ? [row.continues] : []));
  assert.deepEqual(continues(), [false, false]);
  assert.deepEqual(continues((p) => (p.actorId === "mara" ? user : p)), [false, true]);
});

test("an old presence change is dropped, a jump or another activation is stale", () => {
  const delta = { count: 9, joined: [], left: [] };
  assert.equal(change(here, { activation: "a", rev: 3, ...delta }), here);
  assert.equal(change(here, { activation: "a", rev: 5, ...delta }), "stale");
  assert.equal(change(here, { activation: "b", rev: 4, ...delta }), "stale");
});

test("people are listed oneself first, then the host, then by name", () => {
  const people = [person("zoe"), person("ben", "host"), person("ana"), person("me")];
  assert.deepEqual(sorted(people, ({ actorId }) => actorId === "me").map((p) => p.name), ["me", "ben", "ana", "zoe"]);
});

test("typing expires by itself when the stop is lost", () => {
  const state = mark(new Map(), principal("jon"), true, 100);
  assert.equal(nextExpiry(state, 100), TYPING_TTL_MS);
  assert.equal(expire(state, 100 + TYPING_TTL_MS - 1).size, 1);
  assert.equal(expire(state, 100 + TYPING_TTL_MS).size, 0);
  assert.equal(mark(state, principal("jon"), false, 101).size, 0);
});

const said = (offset: number, at: number, author = "jon"): Message => ({
  offset,
  at,
  author: principal(author),
  text: "x",
  nonce: null,
  editedAt: null,
  deleted: false,
});

test("rows have a day line a day, an unread and a gap line once, and group an author's messages", () => {
  const noon = new Date(2026, 4, 1, 12).getTime();
  const messages = [said(1, noon), said(2, noon + 1000), said(3, noon + 2000, "mara"), said(9, noon + 3000, "mara"), said(10, noon + 86_400_000)];
  const state = { ...list.merge(list.EMPTY, messages), gapAt: 9 };
  const rows = layOut(state, principal("mara"), 3);
  assert.deepEqual(rows.map((row) => row.kind), ["day", "message", "message", "unread", "message", "gap", "message", "day", "message"]);
  assert.deepEqual(rows.flatMap((row) => (row.kind === "message" ? [row.continues] : [])), [false, true, false, false, false]);
  assert.equal(new Set(rows.map((row) => row.key)).size, rows.length);
});

test("a row keeps its key when the server confirms it, so it does not jump", () => {
  const sent = list.send(list.EMPTY, "n1", "hi", 5);
  const keys = (state: list.Messages): string[] => layOut(state, principal("me"), null).map((row) => row.key);
  assert.deepEqual(keys(list.confirm(sent, "n1", 7, principal("me"))), keys(sent));
});

test("web addresses become links, without the sentence's punctuation", () => {
  const [before, link, after] = linkify("see https://example.org/a_(b). Now");
  assert.deepEqual(before, { kind: "text", text: "see " });
  assert.deepEqual(link, { kind: "link", text: "https://example.org/a_(b)", href: "https://example.org/a_(b)" });
  assert.deepEqual(after, { kind: "text", text: ". Now" });
  assert.equal(linkify("(https://example.org)")[1]?.text, "https://example.org");
});

test("nothing but http and https is ever a link, and no address carries a password", () => {
  for (const text of ["javascript:alert(1)", "data:text/html,x", "https://good@evil.example/", "http://", "ftp://x.y"]) {
    assert.deepEqual(linkify(text), [{ kind: "text", text }]);
  }
});

test("linkified pieces make up the whole text", () => {
  const text = "a https://x.org/?q=1&b=2, https://y.org! <b>c</b>";
  assert.equal(linkify(text).map((piece) => piece.text).join(""), text);
});

test("paths lead to their pages", () => {
  assert.deepEqual(parse("/"), { page: "home" });
  assert.deepEqual(parse("/rooms"), { page: "rooms" });
  assert.deepEqual(parse("/r/abc234"), { page: "room", id: "abc234" });
  assert.deepEqual(parse("/r/"), { page: "unknown" });
  assert.deepEqual(parse("/r/%00"), { page: "unknown" });
});

test("a room is found by link, path or id", () => {
  for (const pasted of ["https://host:8/r/abc?x#y", "/r/abc", " abc "]) assert.equal(roomIdIn(pasted), "abc");
  for (const pasted of ["", "two words", "https://host/"]) assert.equal(roomIdIn(pasted), null);
});

test("initials and lengths count characters, not code units", () => {
  assert.deepEqual(["Mara", "ana maria lópez", "😀 x", " "].map(initialsOf), ["M", "AL", "😀X", "?"]);
  assert.equal(lengthOf("😀"), 1);
  assert.equal(hueOf("a"), hueOf("a"));
  assert.ok(hueOf("b") >= 0 && hueOf("b") < 360);
});

test("each final close code has one meaning for a person", () => {
  assert.deepEqual([0, 4502, 4504, 4500, 4501, 4503, 4999].map(endingOf), [
    "signedOut",
    "signedOut",
    "signedOut",
    "outdated",
    "outdated",
    "stopped",
    "stopped",
  ]);
});
