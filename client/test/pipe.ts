/**
 * The codec behind a pipe, for tests that generate their own messages: each line is
 * `{direction, name, value, hex}`; the answer is `{value, hex}`: how this side reads the
 * bytes and how it writes the value, or `{error}`.
 */

import { createInterface } from "node:readline";
import { pack, unpack } from "../src/codec.ts";
import { bytes, row } from "./vectors.ts";

for await (const line of createInterface({ input: process.stdin })) {
  const { direction, name, value, hex } = JSON.parse(line);
  const [tag, codec] = row(direction, name);
  let answer: object;
  try {
    const [read, ...fields] = unpack(bytes(hex));
    if (read !== tag) throw new Error(`tag ${read} instead of ${tag}`);
    answer = { value: codec.read(fields), hex: Buffer.from(pack("msgpack", tag, codec, value) as Uint8Array).toString("hex") };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
