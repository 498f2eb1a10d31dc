import assert from "node:assert/strict";
import { test } from "node:test";
import { ServerClock } from "../src/clock.ts";

/** A server whose clock is `ahead` of ours, behind a network with the given delays. */
class Path {
  local = 1_000_000;
  ahead = 60_000;
  readonly clock = new ServerClock(() => this.local);

  roundTrip(there: number, back: number): void {
    const sent = this.local;
    const serverTime = sent + there + this.ahead;
    this.local += there + back;
    this.clock.roundTrip(serverTime, sent, this.local);
  }

  heartbeat(delay: number): void {
    this.clock.oneWay(this.local + this.ahead, (this.local += delay));
  }

  get error(): number {
    return this.clock.now() - (this.local + this.ahead);
  }
}

test("before the first welcome the clock is this machine's", () => {
  assert.equal(new Path().clock.now(), 1_000_000);
});

test("a welcome gives server time to half its round trip", () => {
  const path = new Path();
  path.roundTrip(40, 40);
  assert.equal(path.error, 0);
  const lopsided = new Path();
  lopsided.roundTrip(90, 10);
  assert.equal(Math.abs(lopsided.error), 40);
});

test("P14 late heartbeats do not move it, and a quick one corrects it", () => {
  const path = new Path();
  path.roundTrip(20, 220);
  assert.equal(path.error, -100);
  for (const delay of [300, 900, 700]) path.heartbeat(delay);
  assert.ok(path.error >= -100);
  path.heartbeat(5);
  path.local += 25_000;
  assert.ok(Math.abs(path.error) <= 120);
});

test("P14 it follows a drift, smoothly and never backwards", () => {
  const path = new Path();
  path.roundTrip(10, 10);
  let before = path.clock.now();
  for (let beat = 0; beat < 40; beat++) {
    path.ahead -= 5; // 200 parts in a million
    path.local += 24_990;
    path.heartbeat(10);
    assert.ok(path.clock.now() > before);
    before = path.clock.now();
  }
  path.local += 25_000;
  assert.ok(Math.abs(path.error) <= 60, `off by ${path.error}`);
});

test("when this machine's clock is set, two heartbeats bring server time back", () => {
  const path = new Path();
  path.roundTrip(10, 10);
  for (const step of [3_600_000, -7_200_000]) {
    path.local += step;
    path.ahead -= step;
    path.heartbeat(10);
    path.local += 25_000;
    path.heartbeat(10);
    assert.ok(Math.abs(path.error) <= 20, `off by ${path.error} after ${step}`);
  }
});
