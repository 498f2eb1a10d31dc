/**
 * Commands that wait for an answer.
 *
 * An ordinary request is sent at once or refused, and fails with its connection. A reliable
 * one stays in the outbox until it is answered: it goes out again after a reconnect (and
 * after its room was joined again), always with the same nonce, by which the server knows
 * it. Requests of one room leave in the order they came.
 */

import type { Backoff } from "./backoff.ts";
import type { CommandName, ServerMessage } from "./codec.ts";
import { encodeCommand } from "./codec.ts";
import type { Environment } from "./environment.ts";
import { CommandError, NotConnected, OutboxFull, Timeout, TooLarge } from "./errors.ts";
import type { Commands, ErrorMessage, ErrorName } from "./protocol.gen.ts";
import type { OutboxLimits } from "./types.ts";

const MAX_REF = 2 ** 31 - 1;

/** Called once: with the answer, or with why there is none. */
export type Done = (error: Error | null, answer?: ServerMessage) => void;

export interface Call {
  timeout: number;
  reliable?: boolean;
}

/** What the requests need of the client. */
export interface Wire {
  /** Whether a command (of this room) may be sent now. */
  ready(room: string | undefined): boolean;
  transmit(name: CommandName, ref: number, fields: any): void;
  /** The server's limit for a message, bytes. */
  maxBytes(): number;
  /** The server says that this room is not joined: join it again. False if nobody wants it. */
  rejoin(room: string | undefined): boolean;
}

interface Entry extends Call {
  name: CommandName;
  fields: { room?: string };
  done: Done;
  size: number;
  /** 0 while not on its way. */
  ref: number;
  notBefore: number;
  backoff: Backoff;
  cancelAnswer: () => void;
  cancelLife: () => void;
}

const nothing = (): void => {};

export class Requests {
  readonly #env: Environment;
  readonly #wire: Wire;
  readonly #limits: OutboxLimits;
  readonly #backoff: () => Backoff;
  readonly #entries = new Set<Entry>();
  #lastRef = 1; // hello has 1

  constructor(env: Environment, wire: Wire, limits: OutboxLimits, backoff: () => Backoff) {
    this.#env = env;
    this.#wire = wire;
    this.#limits = limits;
    this.#backoff = backoff;
  }

  /**
   * Sends a command; `done` tells the outcome, and is never called before this returns.
   * Returns the function that gives it up. Throws `TypeError`: a field is wrong.
   */
  add<N extends CommandName>(name: N, fields: Commands[N], call: Call, done: Done): () => void {
    const size = encodeCommand("msgpack", name, MAX_REF, fields).length;
    const entry: Entry = { ...call, name, fields: fields as { room?: string }, done, size, ref: 0, notBefore: 0, backoff: this.#backoff(), cancelAnswer: nothing, cancelLife: nothing };
    const refused = this.#refusal(entry);
    if (refused) {
      queueMicrotask(() => done(refused));
      return nothing;
    }
    this.#entries.add(entry);
    if (call.reliable) entry.cancelLife = this.#env.after(this.#limits.ttl, () => this.#finish(entry, new Timeout("no answer in time")));
    this.pump();
    return () => this.#forget(entry);
  }

  /** An answer has come, maybe one that nobody waits for any more. */
  answered(ref: number, answer: ServerMessage): void {
    const entry = [...this.#entries].find((candidate) => ref > 0 && candidate.ref === ref);
    if (!entry) return;
    if (answer.type !== "error") this.#finish(entry, null, answer);
    else this.#refused(entry, answer);
  }

  /** Sends all that may go. Called whenever that may have changed. */
  pump(): void {
    const blocked = new Set<string | undefined>();
    for (const entry of [...this.#entries]) {
      const room = entry.reliable ? entry.fields.room : undefined;
      if (entry.ref || blocked.has(room)) continue;
      if (entry.notBefore > this.#env.now() || (entry.reliable && !this.#wire.ready(room))) blocked.add(room);
      else this.#transmit(entry);
    }
  }

  /** The connection is gone: what was on its way is queued again or fails. */
  disconnected(): void {
    for (const entry of [...this.#entries]) {
      if (!entry.reliable) this.#finish(entry, new NotConnected("the connection was lost"));
      else this.#requeue(entry, 0);
    }
  }

  /** The client has stopped. */
  closed(reason: string): void {
    for (const entry of [...this.#entries]) this.#finish(entry, new NotConnected(reason));
  }

  #refusal(entry: Entry): Error | null {
    if (entry.size > this.#wire.maxBytes()) return new TooLarge(`${entry.size} bytes are too many`);
    if (!entry.reliable) return this.#wire.ready(undefined) ? null : new NotConnected("no connection");
    const queued = [...this.#entries].filter((other) => other.reliable);
    const bytes = queued.reduce((sum, other) => sum + other.size, entry.size);
    if (queued.length < this.#limits.max && bytes <= this.#limits.bytes) return null;
    return new OutboxFull("outbox full");
  }

  #transmit(entry: Entry): void {
    entry.ref = this.#lastRef = (this.#lastRef % MAX_REF) + 1;
    entry.cancelAnswer = this.#env.after(entry.timeout, () => {
      if (entry.reliable) this.#later(entry, 0);
      else this.#finish(entry, new Timeout("no answer in time"));
    });
    this.#wire.transmit(entry.name, entry.ref, entry.fields);
  }

  #refused(entry: Entry, answer: ErrorMessage): void {
    if (entry.reliable && this.#mayRepeat(answer.name as ErrorName, entry.fields.room)) this.#later(entry, answer.retryAfterMs ?? 0);
    else this.#finish(entry, new CommandError(answer));
  }

  #mayRepeat(name: ErrorName, room: string | undefined): boolean {
    if (name === "NOT_JOINED") return this.#wire.rejoin(room);
    return name === "RETRY" || name === "TOKEN_EXPIRED";
  }

  #later(entry: Entry, hint: number): void {
    const delay = Math.max(hint, entry.backoff.next());
    this.#requeue(entry, this.#env.now() + delay);
    entry.cancelAnswer = this.#env.after(delay, () => this.pump());
  }

  #requeue(entry: Entry, notBefore: number): void {
    entry.cancelAnswer();
    entry.ref = 0;
    entry.notBefore = notBefore;
  }

  #finish(entry: Entry, error: Error | null, answer?: ServerMessage): void {
    if (!this.#entries.has(entry)) return;
    this.#forget(entry);
    entry.done(error, answer);
  }

  #forget(entry: Entry): void {
    this.#entries.delete(entry);
    entry.cancelAnswer();
    entry.cancelLife();
  }
}
