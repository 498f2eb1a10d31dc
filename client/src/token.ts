/** The token in use: had before it is needed, renewed before it ends. */

import { AuthError } from "./errors.ts";
import type { Environment } from "./environment.ts";
import type { Done } from "./requests.ts";
import type { ClientOptions, TokenReason } from "./types.ts";

/** Renewed when this share of its life is over: a minute ahead for a token of five. */
const RENEW_AT = 0.8;
/** Not worth connecting with a token that ends within this time, milliseconds. */
const MARGIN = 2000;
const RETRY_DELAY = 5000;

export class Token {
  private readonly fetch: ClientOptions["getToken"];
  private readonly env: Environment;
  private readonly serverNow: () => number;
  private value: string | null = null;
  private reason: TokenReason = "missing";
  private fetchedAt = 0;
  private expiresAt = Infinity;
  private cancel = (): void => {};

  constructor(fetch: ClientOptions["getToken"], env: Environment, serverNow: () => number) {
    this.fetch = fetch;
    this.env = env;
    this.serverNow = serverNow;
  }

  /** The token for a new connection: the one at hand, unless it ended or was refused. */
  async get(fetched: (reason: TokenReason) => void): Promise<string> {
    if (this.value !== null && this.serverNow() > this.expiresAt - MARGIN) this.drop("expired");
    if (this.value !== null) return this.value;
    const { reason } = this;
    this.take(await this.fetch({ reason }));
    fetched(reason);
    return this.value!;
  }

  /** The server refused it, or it is known to be over. */
  drop(reason: TokenReason): void {
    this.value = null;
    this.reason = reason;
  }

  /** The server took it and says when it ends (server time). */
  accepted(expiresAt: number): void {
    this.expiresAt = expiresAt;
  }

  /** Renews on the live socket until `rest`; tells each renewal, or why it failed. */
  keep(refresh: (token: string, done: Done) => void, told: (event: TokenReason | Error) => void): void {
    const now = this.serverNow();
    const life = Math.max(0, this.expiresAt - now);
    this.plan(life * RENEW_AT, refresh, told);
  }

  /** The connection is gone: nothing to renew. */
  rest(): void {
    this.cancel();
  }

  private plan(delay: number, refresh: (token: string, done: Done) => void, told: (event: TokenReason | Error) => void): void {
    this.cancel();
    let live = true;
    const cancel = this.env.after(Math.min(delay, 2 ** 31 - 1), () => void this.renew(refresh, told, () => live));
    this.cancel = () => {
      live = false;
      cancel();
    };
  }

  private async renew(refresh: (token: string, done: Done) => void, told: (event: TokenReason | Error) => void, live: () => boolean): Promise<void> {
    const life = this.expiresAt - this.fetchedAt;
    try {
      const token = await this.fetch({ reason: "refresh" });
      if (!live()) return;
      refresh(token, (error) => {
        if (!live()) return;
        if (error) return this.failed(error, refresh, told);
        this.take(token);
        this.expiresAt = this.fetchedAt + life; // a reply does not say: as long as the one before
        told("refresh");
        this.keep(refresh, told);
      });
    } catch (error) {
      if (live()) this.failed(error instanceof Error ? error : new Error(String(error)), refresh, told);
    }
  }

  private failed(error: Error, refresh: (token: string, done: Done) => void, told: (event: TokenReason | Error) => void): void {
    told(error);
    if (!(error instanceof AuthError)) this.plan(RETRY_DELAY, refresh, told);
  }

  private take(token: string): void {
    this.value = token;
    this.fetchedAt = this.serverNow();
    this.expiresAt = Infinity;
  }
}
