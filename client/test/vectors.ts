/** The golden vectors that Python wrote. */

import { readFileSync } from "node:fs";
import { COMMANDS, SERVER_MESSAGES } from "../src/protocol.gen.ts";
import type { Codec } from "../src/schema.ts";

export interface Vector {
  direction: "command" | "server";
  name: string;
  case: string;
  value: any;
  hex: string;
  json: string;
  by: string[];
}

export function load(name: string): Vector[] {
  const url = new URL(`../../../commonroom/protocol/vectors/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8"));
}

export const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));

/** Tag and codec of a message of either direction. */
export function row(direction: Vector["direction"], name: string): readonly [tag: number, codec: Codec] {
  const table = direction === "command" ? COMMANDS : SERVER_MESSAGES;
  const tag = table.findIndex((candidate) => candidate?.[0] === name);
  return [tag, table[tag]![1]];
}

/** Reads a command as the client reads server messages: the client has no such function of its own. */
export function readCommand(wire: unknown[]): unknown {
  const [tag, ...fields] = wire;
  const found = COMMANDS[tag as number];
  return found ? found[1].read(fields) : null;
}
