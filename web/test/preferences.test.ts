import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "../src/api.ts";
import { type Changes, PreferenceStore, type Preferences } from "../src/store/preferences.ts";

const DEFAULTS: Preferences = { dnd: false, busy: "active", hideStatus: false, hideRoom: false, theme: "system", sounds: true, timeZone: "UTC" };
const busy = new ApiError(503, "RETRY", "no database");

/** A server that keeps what it takes, and answers each change when it is told to. */
function server() {
  let kept = DEFAULTS;
  const sent: Changes[] = [];
  const open: ((refusal?: ApiError) => void)[] = [];
  const store = new PreferenceStore({
    read: () => Promise.resolve(kept),
    change: (changes) => {
      sent.push(changes);
      return new Promise((resolve, reject) => {
        open.push((refusal) => (refusal ? reject(refusal) : resolve((kept = { ...kept, ...changes }))));
      });
    },
  });
  const answer = async (refusal?: ApiError): Promise<void> => {
    open.shift()?.(refusal);
    await new Promise((done) => setImmediate(done));
  };
  return { store, sent, answer, kept: () => kept };
}

test("P22 what is chosen shows at once, and what is chosen meanwhile is saved after it", async () => {
  const { store, sent, answer, kept } = server();
  await store.load();
  const saved = store.change({ theme: "dark" });
  void store.change({ busy: "off" });
  void store.change({ theme: "light" });
  assert.deepEqual([store.current.value?.theme, store.current.value?.busy], ["light", "off"]);
  await answer();
  assert.deepEqual([store.current.value?.theme, store.current.value?.busy], ["light", "off"]); // the answer is older than these
  await answer();
  await saved;
  assert.deepEqual(sent, [{ theme: "dark" }, { theme: "light", busy: "off" }]);
  assert.deepEqual([kept(), store.current.value], [{ ...DEFAULTS, theme: "light", busy: "off" }, kept()]);
});

test("P22 what could not be saved is shown still, and saved with what comes next", async () => {
  const { store, sent, answer, kept } = server();
  await store.load();
  void store.change({ sounds: false });
  await answer(busy);
  assert.deepEqual([store.unsaved.value?.words, store.current.value?.sounds], ["The server is busy. Try again in a moment.", false]);
  await store.load();
  assert.equal(store.current.value?.sounds, false);
  void store.change({ timeZone: "Asia/Tokyo" });
  await answer();
  assert.deepEqual(sent.at(-1), { sounds: false, timeZone: "Asia/Tokyo" });
  assert.deepEqual([store.unsaved.value, kept().sounds], [null, false]);
});

test("P22 what the server will never take is not asked for again", async () => {
  const { store, sent, answer } = server();
  await store.load();
  void store.change({ timeZone: "Europe/Atlantis" });
  await answer(new ApiError(400, "INVALID", "no such time zone"));
  assert.equal(store.current.value?.timeZone, "UTC");
  assert.match(store.unsaved.value?.words ?? "", /no such time zone/);
  await store.save();
  assert.equal(sent.length, 1);
});

test("P22 an answer about whoever was here before is nobody's", async () => {
  const { store, answer } = server();
  await store.load();
  void store.change({ theme: "dark" });
  store.clear();
  await answer();
  assert.deepEqual([store.current.value, store.unsaved.value], [null, null]);
});
