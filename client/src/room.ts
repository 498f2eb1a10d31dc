/**
 * A room as this client follows it: joined as long as somebody wants it, over reconnects.
 *
 * Keeps the stream position, so that each durable event is told once and in order: repeats
 * are dropped, a jump (of offsets, of a heartbeat's head, of the presence count) joins
 * again from the last event.
 */

import { Backoff } from "./backoff.ts";
import type { CommandName, ServerMessage } from "./codec.ts";
import { Emitter } from "./emitter.ts";
import type { Environment } from "./environment.ts";
import { CommandError, NotConnected } from "./errors.ts";
import type { Commands, ErrorName, Gap, Joined, PresenceSnapshot, ResumeAt, StreamPosition } from "./protocol.gen.ts";
import type { Answer, Fields, RequestName, RequestOptions, RoomEvents, RoomState, Sent, TimerAction } from "./types.ts";

/** A heartbeat may overtake the event it speaks of: look again after this time. */
const HEAD_GRACE = 1000;
/** The rooms of hello are joined without a ref; ask by name if nothing comes. */
const RESUME_PATIENCE = 5000;
const TYPING_INTERVAL = 4000;
/** Refusals of a join that pass by themselves; CONFLICT: another join of the room is under way. */
const TEMPORARY: readonly string[] = ["RETRY", "RATE_LIMITED", "INTERNAL", "TOKEN_EXPIRED", "CONFLICT"] satisfies ErrorName[];

/** Joins so far, of all rooms: their order is that in which rooms were wanted. */
let joins = 0;

/** What a room needs of its client. */
export interface RoomHost {
  readonly env: Environment;
  connected(): boolean;
  backoff(): Backoff;
  /** Sends `room.join`; `refused` tells why no `room.joined` comes. */
  join(fields: Commands["room.join"], refused: (error: Error) => void): () => void;
  /** Sends a command that wants no answer, if there is a connection. */
  tell<N extends CommandName>(name: N, fields: Commands[N]): void;
  request<N extends RequestName>(name: N, fields: Fields<N>, options: RequestOptions): Promise<Answer<N>>;
  /** The room is joined: what waited for it may go. */
  joined(): void;
}

type Presence = Pick<PresenceSnapshot, "activation" | "rev">;
type RoomMessage = Extract<ServerMessage, { room: string }>;

export class Room extends Emitter<RoomEvents> {
  readonly id: string;
  state: RoomState = "idle";
  /** Why the room is "failed". */
  error: Error | null = null;
  /** The last event told; null before the first join. */
  position: StreamPosition | null = null;
  /** The number of its last join; 0: nobody wants it. */
  wantedAt = 0;

  readonly #host: RoomHost;
  readonly #backoff: Backoff;
  #wanted = 0;
  #grant: string | null = null;
  #gap: Gap | null = null;
  #presence: Presence | null = null;
  #typedAt = 0;
  #resumedByHello = false;
  #cancelJoin = (): void => {};
  #cancelCheck = (): void => {};

  /** Rooms are made by `Client.room`. */
  constructor(id: string, host: RoomHost) {
    super();
    this.id = id;
    this.#host = host;
    this.#backoff = host.backoff();
  }

  /**
   * Wants the room; each `join` needs its `leave`. Resolves when it is joined, which may
   * need a connection first; rejects when the server refuses. Being joined already resolves at once.
   */
  join({ grant }: { grant?: string } = {}): Promise<void> {
    if (grant) this.#grant = grant;
    this.#wanted++;
    this.wantedAt = ++joins;
    if (this.state === "idle" || this.state === "failed") this.#ask();
    const settled = this.#settled();
    settled.catch(() => {}); // told by `error` as well: nobody has to await this
    return settled;
  }

  /** Wants it no longer; the last `leave` unsubscribes. More calls than joins do nothing. */
  leave(): void {
    if (this.#wanted === 0 || --this.#wanted > 0) return;
    this.#cancel();
    this.position = this.#presence = this.#gap = null;
    this.#grant = null;
    this.wantedAt = 0;
    if (this.#host.connected()) this.#host.tell("room.leave", { room: this.id });
    this.#become("idle");
  }

  /** Says something. The nonce is there at once, to show it before the server has it. */
  send(text: string): Sent {
    this.#typedAt = 0;
    const nonce = this.#host.env.nonce();
    const sent = this.#host.request("message.send", { room: this.id, text, nonce }, { reliable: true });
    sent.catch(() => {}); // whoever shows the message awaits it
    return { nonce, sent };
  }

  /** Changes the text of an own message, named by its offset. */
  edit(message: number, text: string): Promise<{ offset: number }> {
    return this.#host.request("message.edit", { room: this.id, message, text }, { reliable: true });
  }

  /** Deletes an own message for good. */
  remove(message: number): Promise<{ offset: number }> {
    return this.#host.request("message.delete", { room: this.id, message }, { reliable: true });
  }

  /**
   * Moves the timer. With `version` only if it is still that one (else `CONFLICT`). Not
   * reliable on purpose: a pause that arrives a minute late is worse than one that failed.
   */
  timer(action: TimerAction, version?: number): Promise<{ offset: number }> {
    return this.#host.request(`timer.${action}`, { room: this.id, version: version ?? null }, {});
  }

  /** Call it at every keystroke; it speaks at most every 4 s. */
  typing(active: boolean): void {
    if (this.state !== "joined") return;
    const now = this.#host.env.now();
    const started = this.#typedAt > 0;
    if (active ? started && now - this.#typedAt < TYPING_INTERVAL : !started) return;
    this.#typedAt = active ? now : 0;
    this.#host.tell(active ? "typing.start" : "typing.stop", { room: this.id });
  }

  /**
   * Tells everybody in the room, ourselves included, now or never: nothing is kept, and it may
   * be lost. Of casts with one `key` (at most 32 characters) a slow reader gets the newest,
   * of those with the empty key none. The server refuses `data` of over 1,024 characters.
   */
  cast(key: string, data: string): void {
    if (this.state === "joined") this.#host.tell("cast.send", { room: this.id, key, data });
  }

  /** For `hello`: where to resume, if that can be said there. */
  resume(): ResumeAt | null {
    if (!this.#follows || !this.position || this.#grant) return null;
    return { room: this.id, position: this.position };
  }

  /** A connection is up; `resumed`: its hello has asked for this room already. */
  connected(resumed: boolean): void {
    if (!this.#follows) return;
    this.#resumedByHello = resumed;
    this.#become("joining");
    if (resumed) this.#cancelJoin = this.#host.env.after(RESUME_PATIENCE, () => this.#ask());
    else this.#ask();
  }

  /** Some answer to the joins of hello was an error, which cannot say whose: ask by name. */
  helloRefused(): void {
    if (this.#resumedByHello && this.state === "joining") this.#ask();
  }

  /** The connection is gone. */
  disconnected(): void {
    this.#cancel();
    this.#typedAt = 0;
    if (this.#follows) this.#become("joining");
  }

  /** The server does not know that we follow this room. */
  rejoin(): boolean {
    if (!this.#wanted) return false;
    this.#lost();
    return true;
  }

  /** A heartbeat tells the room's last offset. */
  head(offset: number): void {
    if (this.state !== "joined" || !this.position) return;
    if (offset <= this.position.offset) return this.#backoff.reset();
    this.#cancelCheck();
    this.#cancelCheck = this.#host.env.after(HEAD_GRACE, () => {
      if (this.position && offset > this.position.offset) this.#lost();
    });
  }

  /** A message of this room. */
  received(message: RoomMessage): void {
    if (!this.#follows) return;
    switch (message.type) {
      case "room.joined":
        return this.#joined(message);
      case "room.reset":
        return this.#again();
      case "presence.reset":
        this.#presence = message.presence;
        break;
      case "presence.update":
      case "principal.upgraded":
        if (!this.#counts(message)) return;
    }
    if ("offset" in message && !this.#advance(message.offset)) return;
    this.emit(message.type as keyof RoomEvents, message as never); // nobody hears of skip and room.created by these names
    if ("author" in message) this.emit("event", message);
    if (message.type === "room.removed") this.#fail(new CommandError(message));
  }

  #joined(joined: Joined): void {
    this.#cancel();
    const known = this.position?.history === joined.position.history && this.position.offset <= joined.position.offset;
    const follows = known && (joined.recovery === "recovered" || joined.recovery === "gap");
    if (!follows) this.position = joined.position;
    this.#gap = follows ? joined.gap : null;
    this.#passGap();
    this.#presence = joined.presence;
    this.#become("joined");
    const missed = joined.gap ? joined.gap.last - joined.gap.first + 1 : joined.recovery === "reset" ? null : 0;
    this.emit("joined", { ...joined, recovered: follows && joined.recovery === "recovered", missed });
    this.#host.joined();
  }

  /** Whether the durable event at `offset` is the next one; a later one calls for a resume. */
  #advance(offset: number): boolean {
    if (!this.position) return false;
    const next = this.position.offset + 1;
    if (offset > next) this.#lost();
    if (offset !== next) return false;
    this.position = { ...this.position, offset };
    this.#passGap();
    return true;
  }

  /** Steps over the events that the server said it would not replay. */
  #passGap(): void {
    if (!this.position || this.position.offset + 1 !== this.#gap?.first) return;
    this.position = { ...this.position, offset: this.#gap.last };
    this.#gap = null;
  }

  #counts({ activation, rev }: Presence): boolean {
    if (!this.#presence) return false;
    const ahead = activation === this.#presence.activation ? rev - this.#presence.rev : Infinity;
    if (ahead > 1) this.#lost();
    if (ahead !== 1) return false;
    this.#presence = { activation, rev };
    return true;
  }

  /** A push is missing: resume, unless that is under way. */
  #lost(): void {
    if (this.state === "joined") this.#again();
  }

  /** Joins once more: the first time at once, then ever later, until a heartbeat finds us in step. */
  #again(): void {
    const again = this.#backoff.attempt > 0;
    const delay = this.#backoff.next();
    this.#cancel();
    this.#become("joining");
    this.#cancelJoin = this.#host.env.after(again ? delay : 0, () => this.#ask());
  }

  #ask(): void {
    this.#cancel();
    this.#resumedByHello = false;
    this.#become("joining");
    if (!this.#host.connected()) return;
    const fields = { room: this.id, resume: this.position, grant: this.#grant };
    this.#cancelJoin = this.#host.join(fields, (error) => this.#refused(error));
  }

  #refused(error: Error): void {
    if (error instanceof NotConnected) return; // `connected` asks again
    const refusal = error instanceof CommandError ? error : null;
    if (refusal && !TEMPORARY.includes(refusal.name)) return this.#fail(error);
    this.#cancelJoin = this.#host.env.after(Math.max(refusal?.retryAfterMs ?? 0, this.#backoff.next()), () => this.#ask());
  }

  /** For good, until somebody calls `join` again. */
  #fail(error: Error): void {
    this.#cancel();
    this.#become("failed", error);
    this.emit("error", error);
  }

  /** Wanted, and not refused. */
  get #follows(): boolean {
    return this.#wanted > 0 && this.state !== "failed";
  }

  #cancel(): void {
    this.#cancelJoin();
    this.#cancelCheck();
    this.#cancelJoin = this.#cancelCheck = () => {};
  }

  #become(state: RoomState, error: Error | null = null): void {
    if (state === this.state && error === this.error) return;
    this.state = state;
    this.error = error;
    this.emit("state", { state, error });
  }

  #settled(): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): boolean => {
        if (this.state === "joining") return false;
        if (this.state === "joined") resolve();
        else reject(this.error ?? new NotConnected("the room was left"));
        return true;
      };
      if (look()) return;
      const off = this.on("state", () => look() && off());
    });
  }
}
