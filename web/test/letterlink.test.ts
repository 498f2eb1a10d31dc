import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFragment } from "../src/letterlink.ts";

test("a letter's link says what it is about", () => {
  for (const purpose of ["register", "sign-in", "address", "reset"]) {
    assert.deepEqual(parseFragment(`#${purpose}=AbC-_9`), { purpose, token: "AbC-_9" });
  }
});

test("what says nothing known, or has no token, is no letter's link", () => {
  for (const fragment of ["", "#", "#AbC-_9", "#reset=", "#delete=AbC", "#=AbC", "reset=AbC", "#xreset=AbC"]) {
    assert.equal(parseFragment(fragment), null, fragment);
  }
});
