import assert from "node:assert/strict";
import { test } from "node:test";
import { codeProblem, digitsOf, emailProblem, newPasswordProblem } from "../src/components/form.ts";
import { usernameProblem } from "../src/components/username.tsx";
import { deviceOf } from "../src/format.ts";
import { localPath, parse, withReturn } from "../src/router.ts";

test("pages have addresses, with or without a slash at the end", () => {
  const pages = ["/", "/rooms", "/login", "/login/", "/login/link", "/setup-username", "/r/abc", "/r/", "/logins", "/constructor"];
  assert.deepEqual(pages.map((path) => parse(path).page), ["home", "rooms", "login", "login", "link", "username", "room", "unknown", "unknown", "unknown"]);
});

test("one comes back to paths of this site only", () => {
  const elsewhere = ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "x", "", null, "/a b", `/${"a".repeat(600)}`, "/r/\n"];
  assert.deepEqual([...new Set(elsewhere.map(localPath))], ["/"]);
  assert.deepEqual(["/r/abc", "/rooms", "/r/a?x=1"].map(localPath), ["/r/abc", "/rooms", "/r/a?x=1"]);
});

test("signing in leads neither back to itself nor into the API", () => {
  assert.deepEqual([...new Set(["/login", "/login?next=/r/a", "/login/link", "/setup-username", "/v1/auth/logout"].map(localPath))], ["/"]);
});

test("the way back is part of the address", () => {
  assert.deepEqual([withReturn("/login", "/"), withReturn("/login", "/r/a?b")], ["/login", "/login?next=%2Fr%2Fa%3Fb"]);
});

test("a username is checked as the server does", () => {
  const good = ["ada", "Ada", " ada ", "a_b.c1", "a".repeat(32)];
  const bad = ["", "ad", "1ada", "ada_", "a__b", "a._b", "ad\u00e4", "a".repeat(33), "a b"];
  assert.deepEqual(good.filter(usernameProblem), []);
  assert.deepEqual(bad.filter((one) => !usernameProblem(one)), []);
});

test("what is typed is checked before it is sent", () => {
  assert.deepEqual(["ada@example.org", " ada@localhost ", "ada", "a b@c", "@"].map((one) => emailProblem(one) === ""), [true, true, false, false, false]);
  assert.deepEqual(["short", "\u{1F600}".repeat(4), "long enough"].map((one) => newPasswordProblem(one) === ""), [false, false, true]);
  assert.deepEqual(["123 456", "123456", "12345"].map((one) => codeProblem(one) === ""), [true, true, false]);
  assert.equal(digitsOf(" 123-456 "), "123456");
});

test("devices are told by browser and system", () => {
  const chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
  const iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1";
  assert.deepEqual([chrome, `${chrome} Edg/140.0`, iphone, "curl/8.1", ""].map(deviceOf), ["Chrome, Linux", "Edge, Linux", "Safari, iPhone", "curl/8.1", ""]);
});
