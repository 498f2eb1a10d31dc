import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../src/backoff.ts";

test("the pause doubles up to its limit, between the least and that plus the span", () => {
  const shortest = new Backoff(500, 8000, () => 0);
  const longest = new Backoff(500, 8000, () => 1);
  assert.deepEqual(Array.from({ length: 6 }, () => shortest.next()), [500, 500, 500, 500, 500, 500]);
  assert.deepEqual(Array.from({ length: 6 }, () => longest.next()), [1000, 1500, 2500, 4500, 8500, 8500]);
});

test("a spread asked for by the server widens the span", () => {
  assert.equal(new Backoff(500, 8000, () => 1).next(20_000), 20_500);
});

test("reset starts again", () => {
  const backoff = new Backoff(500, 8000, () => 1);
  backoff.next();
  backoff.next();
  backoff.reset();
  assert.equal(backoff.attempt, 0);
  assert.equal(backoff.next(), 1000);
});
