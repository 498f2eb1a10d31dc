import assert from "node:assert/strict";
import { mock, test, type TestContext } from "node:test";
import { dismiss, hold, notice, release, SHOWN_MS, tellLasting, tellOnce } from "../src/notice.ts";

function virtualTime(context: TestContext): void {
  mock.timers.enable({ apis: ["setTimeout"] });
  context.after(() => {
    dismiss();
    mock.timers.reset();
  });
}

test("a notice goes by itself, and the next one has its own time", (context) => {
  virtualTime(context);
  tellOnce("Kept.");
  mock.timers.tick(SHOWN_MS - 1);
  assert.equal(notice.value?.words, "Kept.");
  tellOnce("Not kept any more.");
  mock.timers.tick(SHOWN_MS - 1);
  assert.equal(notice.value?.words, "Not kept any more.");
  mock.timers.tick(1);
  assert.equal(notice.value, null);
});

test("a notice that somebody is at stays, and goes when they have left it", (context) => {
  virtualTime(context);
  tellOnce("Blocked.");
  hold();
  mock.timers.tick(SHOWN_MS * 10);
  tellOnce("Unblocked.");
  mock.timers.tick(SHOWN_MS * 10);
  assert.equal(notice.value?.words, "Unblocked.");
  release();
  mock.timers.tick(SHOWN_MS);
  assert.equal(notice.value, null);
});

test("what failed stays until it is dismissed", (context) => {
  virtualTime(context);
  tellLasting("That did not work.");
  hold();
  release();
  mock.timers.tick(SHOWN_MS * 10);
  assert.equal(notice.value?.words, "That did not work.");
  dismiss();
  tellOnce("Kept.");
  mock.timers.tick(SHOWN_MS);
  assert.equal(notice.value, null);
});
