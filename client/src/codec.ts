/** Frames to messages and back, for both subprotocols. */

import { decode, encode } from "./msgpack.ts";
import type { Commands, ServerMessages } from "./protocol.gen.ts";
import { COMMANDS, SERVER_MESSAGES } from "./protocol.gen.ts";
import { BadFrame, array, int } from "./schema.ts";
import type { Codec } from "./schema.ts";

export type CommandName = keyof Commands;
export type ServerName = keyof ServerMessages;

/** A server message and its name: switch on `type`. */
export type ServerMessage = { [N in ServerName]: { type: N } & ServerMessages[N] }[ServerName];

export type CodecName = "msgpack" | "json";

export const SUBPROTOCOLS: Record<CodecName, string> = { msgpack: "commonroom.v1", json: "commonroom.v1.json" };

/** The frame of a command. Throws `TypeError`: a field is missing or of another type. */
export function encodeCommand<N extends CommandName>(codec: CodecName, name: N, ref: number, fields: Commands[N]): Uint8Array | string {
  const tag = COMMANDS.findIndex((row) => row?.[0] === name);
  return pack(codec, tag, COMMANDS[tag]![1], { ...fields, ref });
}

/**
 * The message in a frame; null for one of a type that is newer than this client.
 * Throws `BadFrame`.
 */
export function decodeServer(frame: ArrayBuffer | Uint8Array | string): ServerMessage | null {
  const [tag, ...fields] = unpack(frame);
  const row = SERVER_MESSAGES[tag as number];
  return row ? { type: row[0], ...row[1].read(fields) } : null;
}

export function pack(codec: CodecName, tag: number, type: Codec, value: unknown): Uint8Array | string {
  const wire = [tag, ...(type.write(value) as unknown[])];
  return codec === "json" ? JSON.stringify(wire) : encode(wire);
}

/** The array of a frame, its tag first. Throws `BadFrame`. */
export function unpack(frame: ArrayBuffer | Uint8Array | string): unknown[] {
  let wire: unknown;
  try {
    wire = typeof frame === "string" ? JSON.parse(frame) : decode(new Uint8Array(frame));
  } catch (error) {
    throw new BadFrame(String(error)); // of the JSON parser, the text decoder or our own
  }
  int.read(array(wire)[0]);
  return wire as unknown[];
}
