import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeServer, pack, unpack } from "../src/codec.ts";
import { decode, encode } from "../src/msgpack.ts";
import { BadFrame } from "../src/schema.ts";
import { bytes, load, readCommand, row } from "./vectors.ts";
import type { Vector } from "./vectors.ts";

const title = (vector: Vector): string => `${vector.direction} ${vector.name}: ${vector.case}`;

function read(direction: Vector["direction"], frame: Uint8Array | string): any {
  if (direction === "command") return readCommand(unpack(frame));
  const message = decodeServer(frame);
  if (!message) return null;
  const { type: _, ...fields } = message;
  return fields;
}

test("every message reads as Python meant it, in both subprotocols", () => {
  for (const vector of load("messages")) {
    assert.deepEqual(read(vector.direction, bytes(vector.hex)), vector.value, title(vector));
    assert.deepEqual(read(vector.direction, vector.json), vector.value, title(vector));
  }
});

test("every message is written byte for byte as Python writes it", () => {
  for (const vector of load("messages")) {
    const [tag, codec] = row(vector.direction, vector.name);
    assert.equal(Buffer.from(pack("msgpack", tag, codec, vector.value) as Uint8Array).toString("hex"), vector.hex, title(vector));
    assert.deepEqual(JSON.parse(pack("json", tag, codec, vector.value) as string), JSON.parse(vector.json), title(vector));
  }
});

/** As much of `today` as `then` knew: structs have grown at their ends. */
function within(today: any, then: any): any {
  if (Array.isArray(then)) return today.map((item: unknown, index: number) => within(item, then[index]));
  if (typeof then !== "object" || then === null) return today;
  return Object.fromEntries(Object.keys(then).map((field) => [field, within(today[field], then[field])]));
}

test("messages of older and newer peers are understood", () => {
  for (const vector of load("decode_only")) assert.deepEqual(read(vector.direction, bytes(vector.hex)), vector.value, title(vector));
});

test("encodings that were current once are still understood", () => {
  for (const vector of load("earlier")) {
    const today = read(vector.direction, bytes(vector.hex));
    assert.deepEqual(within(today, vector.value), vector.value, title(vector));
  }
});

test("what is malformed is refused as BadFrame", () => {
  for (const vector of load("reject").filter(({ by }) => by.includes("js"))) {
    assert.throws(() => read(vector.direction, bytes(vector.hex)), BadFrame, title(vector));
  }
});

test("every message truncated at every byte is refused", () => {
  for (const vector of load("messages").filter(({ hex }) => hex.length < 4000)) {
    const whole = bytes(vector.hex);
    for (let size = 0; size < whole.length; size++) {
      assert.throws(() => read(vector.direction, whole.subarray(0, size)), BadFrame, `${title(vector)} at ${size}`);
    }
  }
});

test("text that is not JSON, and JSON that is no message, are refused", () => {
  for (const text of ["", "{", "{}", "[]", "[1.5]", '["80"]', "80", "null", "[68,\"r\",1.5]", '[68,"r",9007199254740993]', '[68,"r"]']) {
    assert.throws(() => decodeServer(text), BadFrame, text);
  }
});

test("integers at every edge survive, and lose nothing", () => {
  const edges = [0, 1, 31, 32, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];
  for (const value of edges.flatMap((edge) => [edge, 0 - edge])) assert.equal(decode(encode(value)), value);
  for (const value of [-(2 ** 31), -(2 ** 31) - 1, -128, -129, -32, -33, -32_768, -32_769]) assert.equal(decode(encode(value)), value);
});

test("numbers that are no exact integers are never sent", () => {
  for (const value of [1.5, NaN, Infinity, 2 ** 53, -(2 ** 53), 1e300]) assert.throws(() => encode(value), TypeError);
});

test("a missing field is the caller's mistake, and a default is filled in", () => {
  const [tag, codec] = row("command", "room.create");
  assert.throws(() => pack("msgpack", tag, codec, { ref: 1, room: "r" }), TypeError);
  const created = { ref: 1, room: "r", nonce: "nonce-01", kind: "study", title: "t", timer: { focusMs: 60_000 } };
  const settings = (unpack(pack("msgpack", tag, codec, created)) as unknown[])[9];
  assert.deepEqual(settings, [60_000, 300_000, 900_000, 4, true]);
});
