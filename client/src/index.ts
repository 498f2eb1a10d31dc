/** The Commonroom client. */

export { Client } from "./client.ts";
export { Room } from "./room.ts";
export { AuthError, CommandError, NotConnected, OutboxFull, Timeout, TooLarge } from "./errors.ts";
export { BadFrame } from "./schema.ts";
export { PROTOCOL_HASH } from "./protocol.gen.ts";
export type * from "./protocol.gen.ts";
export type * from "./types.ts";
export type { CodecName, CommandName, ServerMessage, ServerName } from "./codec.ts";
export type { Environment } from "./environment.ts";
