/** The token in use: had before it is needed, renewed before it ends. */

import type { ServerMessage } from "./codec.ts";
import { AuthError } from "./errors.ts";
import type { Environment } from "./environment.ts";
import type { Refreshed } from "./protocol.gen.ts";
import type { Done } from "./requests.ts";
import type { ClientOptions, TokenReason } from "./types.ts";

/** Renewed when this share of its life is over: a minute ahead for a token of five. */
const RENEW_AT = 0.8;
/** Not worth connecting with a token that ends within this time, milliseconds. */
const MARGIN = 2000;
const RETRY_DELAY = 5000;
const MAX_DELAY = 2 ** 31 - 1;

/** What the token needs of the client. */
export interface TokenHost {
  env: Environment;
  serverNow(): number;
  /** Sends the new token on the live socket. */
  refresh(token: string, done: Done): void;
  /** A new token is in use. */
  renewed(reason: TokenReason): void;
  /** It could not be renewed. */
  failed(error: Error): void;
}

export class Token {
  readonly #fetch: ClientOptions["getToken"];
  readonly #host: TokenHost;
  #value: string | null = null;
  #reason: TokenReason = "missing";
  #expiresAt = Infinity;
  /** Grows with every plan and its end, so that a token that comes late is recognised. */
  #epoch = 0;
  #cancel = (): void => {};

  constructor(fetch: ClientOptions["getToken"], host: TokenHost) {
    this.#fetch = fetch;
    this.#host = host;
  }

  /** The token for a new connection: the one at hand, unless it ended or was refused. */
  async get(): Promise<string> {
    if (this.#value && this.#host.serverNow() > this.#expiresAt - MARGIN) this.drop("expired");
    if (this.#value) return this.#value;
    const reason = this.#reason;
    const token = await this.#fetch({ reason });
    this.#take(token, reason);
    return token;
  }

  /** The server refused it, or it is known to be over. */
  drop(reason: TokenReason): void {
    this.#value = null;
    this.#reason = reason;
  }

  /** The server took it and says when it ends (server time): renew it before, until `rest`. One that was dropped meanwhile at once. */
  accepted(expiresAt: number): void {
    const left = expiresAt - this.#host.serverNow();
    this.#expiresAt = expiresAt;
    this.plan(this.#value ? Math.max(left * RENEW_AT, MARGIN) : 0);
  }

  /** The connection is gone: nothing to renew. */
  rest(): void {
    this.#epoch++;
    this.#cancel();
  }

  /** Renew it on the live socket after so many milliseconds, until `rest`. */
  plan(delay: number): void {
    this.rest();
    this.#cancel = this.#host.env.after(Math.min(delay, MAX_DELAY), () => void this.#renew(this.#epoch));
  }

  async #renew(epoch: number): Promise<void> {
    const settle = (error: Error | null, token = "", answer?: ServerMessage): void => {
      if (epoch !== this.#epoch) return;
      if (error) return this.#failed(error);
      this.#take(token, "refresh");
      this.accepted((answer as Refreshed).tokenExpiresAt);
    };
    try {
      const token = await this.#fetch({ reason: "refresh" });
      if (epoch === this.#epoch) this.#host.refresh(token, (error, answer) => settle(error, token, answer));
    } catch (error) {
      settle(error as Error);
    }
  }

  #failed(error: Error): void {
    if (!(error instanceof AuthError)) this.plan(RETRY_DELAY);
    this.#host.failed(error);
  }

  #take(token: string, reason: TokenReason): void {
    this.#value = token;
    this.#expiresAt = Infinity;
    this.#host.renewed(reason);
  }
}
