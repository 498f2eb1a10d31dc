/** Why a request or the client failed. */

import type { ErrorMessage, RoomRemoved } from "./protocol.gen.ts";

/** The server refused a command, or what it had granted is over. Branch on `name`, an `ErrorName`. */
export class CommandError extends Error {
  declare readonly code: number;
  /** Milliseconds after which a retry makes sense; null: unknown or useless. */
  readonly retryAfterMs: number | null = null;
  /** How many more the limit that refused it grants now; null: no limit did. */
  readonly remaining: number | null = null;

  constructor(answer: ErrorMessage | RoomRemoved) {
    super(answer.message);
    Object.assign(this, answer);
  }
}

/** There is no connection, or it broke before the answer: for the latter the outcome is unknown. */
export class NotConnected extends Error {
  override readonly name = "NotConnected";
}

/** No answer in time: the outcome is unknown. */
export class Timeout extends Error {
  override readonly name = "Timeout";
}

/** The outbox holds as much as it may; nothing was queued. */
export class OutboxFull extends Error {
  override readonly name = "OutboxFull";
}

/** Over the size the server announced; nothing was sent. */
export class TooLarge extends Error {
  override readonly name = "TooLarge";
}

/** Throw it from `getToken` when there is nobody to connect as: the client stops. */
export class AuthError extends Error {
  override readonly name = "AuthError";
}
