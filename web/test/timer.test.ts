import assert from "node:assert/strict";
import { test } from "node:test";
import type { Timer } from "../src/protocol.ts";
import { clock, DEFAULT_SETTINGS, milestone, progress, remainingMs, remainingSeconds, round, untilNextSecond } from "../src/store/timer.ts";

const MINUTE = 60_000;

const timer = (fields: Partial<Timer> = {}): Timer => ({
  version: 1,
  status: "running",
  phase: "focus",
  remainingMs: 25 * MINUTE,
  endsAt: 1_000_000 + 25 * MINUTE,
  focusDone: 0,
  settings: DEFAULT_SETTINGS,
  lengthMs: 25 * MINUTE,
  ...fields,
});

test("P14 what is left follows from the end and the server's clock alone", () => {
  assert.equal(remainingMs(timer(), 1_000_000), 25 * MINUTE);
  assert.equal(remainingMs(timer(), 1_000_000 + 10 * MINUTE), 15 * MINUTE);
});

test("it never leaves the range of the phase, however wrong the clock", () => {
  assert.equal(remainingMs(timer(), 0), 25 * MINUTE);
  assert.equal(remainingMs(timer(), 9_000_000_000), 0);
});

test("an extended phase has more left than its settings say, and its ring goes back", () => {
  const extended = timer({ remainingMs: 30 * MINUTE, endsAt: 1_000_000 + 30 * MINUTE, lengthMs: 30 * MINUTE });
  assert.equal(remainingMs(extended, 1_000_000), 30 * MINUTE);
  assert.equal(progress(extended, 1_000_000 + 15 * MINUTE), 0.5);
});

test("a phase keeps its length when the settings for the next ones change", () => {
  const configured = timer({ settings: { ...DEFAULT_SETTINGS, focusMs: 10 * MINUTE } });
  assert.equal(remainingMs(configured, 1_000_000), 25 * MINUTE);
  assert.equal(progress(configured, 1_000_000 + 12.5 * MINUTE), 0.5);
});

test("a timer from before phases could be extended has the length of its settings", () => {
  assert.equal(progress(timer({ lengthMs: 0 }), 1_000_000 + 12.5 * MINUTE), 0.5);
});

test("X2 a page that slept shows what is left once it wakes, for nothing was counted meanwhile", () => {
  const before = remainingMs(timer(), 1_000_000 + MINUTE);
  assert.equal(remainingMs(timer(), 1_000_000 + 20 * MINUTE), before - 19 * MINUTE);
});

test("a paused timer stands still", () => {
  const paused = timer({ status: "paused", remainingMs: 90_500, endsAt: null });
  assert.equal(remainingSeconds(paused, 5), 91);
  assert.equal(untilNextSecond(paused, 5), null);
});

test("seconds are rounded up: full at the start, zero only at the end", () => {
  assert.equal(remainingSeconds(timer(), 1_000_000), 1500);
  assert.equal(remainingSeconds(timer(), 1_000_001), 1500);
  assert.equal(remainingSeconds(timer(), 1_000_000 + 25 * MINUTE - 1), 1);
  assert.equal(remainingSeconds(timer(), 1_000_000 + 25 * MINUTE), 0);
});

test("the shown second changes exactly when the wait is over", () => {
  for (const now of [1_000_000, 1_000_001, 1_000_999, 1_234_567]) {
    const wait = untilNextSecond(timer(), now);
    assert.ok(wait !== null && wait >= 1 && wait <= 1000);
    assert.equal(remainingSeconds(timer(), now + wait), remainingSeconds(timer(), now) - 1);
  }
  assert.equal(untilNextSecond(timer(), 9_000_000_000), null);
});

test("the ring is the share that is over", () => {
  assert.equal(progress(timer(), 1_000_000), 0);
  assert.equal(progress(timer(), 1_000_000 + 12.5 * MINUTE), 0.5);
});

test("the clock keeps minutes beyond the hour", () => {
  assert.deepEqual([0, 59, 60, 1500, 5400, 14_400].map(clock), ["00:00", "00:59", "01:00", "25:00", "90:00", "240:00"]);
});

test("the dots of a round stay full through the long break and start again after it", () => {
  assert.deepEqual(round(timer({ focusDone: 3 })), { total: 4, done: 3 });
  assert.deepEqual(round(timer({ focusDone: 4, phase: "long_break" })), { total: 4, done: 4 });
  assert.deepEqual(round(timer({ focusDone: 4, phase: "focus" })), { total: 4, done: 0 });
});

test("milestones are told once when passed, and none that the phase never had", () => {
  assert.equal(milestone(301, 300, 1500), "five_minutes");
  assert.equal(milestone(300, 299, 1500), null);
  assert.equal(milestone(400, 30, 1500), "one_minute");
  assert.equal(milestone(1, 0, 1500), "end");
  assert.equal(milestone(301, 300, 300), null);
});
