/** Why a request or the client failed. */

/** The server refused a command. Branch on `code`; `name` is its stable name. */
export class CommandError extends Error {
  override readonly name: string;
  readonly code: number;
  /** Milliseconds after which a retry makes sense; null: unknown or useless. */
  readonly retryAfterMs: number | null;

  constructor(code: number, name: string, message: string, retryAfterMs: number | null) {
    super(message);
    this.code = code;
    this.name = name;
    this.retryAfterMs = retryAfterMs;
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
