/**
 * The client: one connection at a time, kept up.
 *
 *     idle ──connect──▶ connecting ──welcome──▶ connected
 *                        ▲   │ lost               │ lost
 *                 retry  │   ▼                    │
 *                       waiting ◀─────────────────┘
 *     any ──close, AuthError, close code 4500-4999──▶ closed ──connect──▶ connecting
 */

import { Backoff } from "./backoff.ts";
import { ServerClock } from "./clock.ts";
import type { CodecName, CommandName, ServerMessage } from "./codec.ts";
import { Connection } from "./connection.ts";
import { Emitter } from "./emitter.ts";
import { platform } from "./environment.ts";
import type { Environment } from "./environment.ts";
import { AuthError, NotConnected } from "./errors.ts";
import type { Commands, Limits, Principal, Refreshed, Welcome } from "./protocol.gen.ts";
import { CLOSE_TOKEN_EXPIRED, CLOSE_UNAUTHENTICATED, LAST_RECONNECT_CODE, PROTOCOL_HASH } from "./protocol.gen.ts";
import { Requests } from "./requests.ts";
import type { Wire } from "./requests.ts";
import { Room } from "./room.ts";
import type { RoomHost } from "./room.ts";
import { Token } from "./token.ts";
import type { TokenHost } from "./token.ts";
import type { Answer, ClientEvents, ClientOptions, ClientState, Fields, RequestName, RequestOptions, WebSocketClass } from "./types.ts";

/** A connection that held this long was a good one: the next pause is short again. */
const STABLE = 10_000;
const LAST_CODE = 4999;
const NAME = "commonroom-js/0.1.0";

export class Client extends Emitter<ClientEvents> {
  state: ClientState = "idle";
  /** When the next attempt starts (`Date.now()` scale); null unless waiting for it. */
  retryAt: number | null = null;
  /** Who the server says we are, also after a guest has signed in; null before the first welcome. */
  principal: Principal | null = null;
  /** The display name that others see. */
  name: string | null = null;
  /** The gateway's name for this connection; null before the first welcome. */
  session: string | null = null;
  /** What the server enforces; null before the first welcome. */
  limits: Limits | null = null;

  readonly #url: URL;
  readonly #codec: CodecName;
  readonly #websocket: WebSocketClass;
  readonly #timeout: number;
  readonly #env: Environment;
  readonly #backoff: Backoff;
  readonly #clock: ServerClock;
  readonly #requests: Requests;
  readonly #token: Token;
  readonly #rooms = new Map<string | undefined, Room>();
  readonly #newBackoff: () => Backoff;
  #connection: Connection | null = null;
  /** Welcomed: commands may be sent. True before "connected" is told, false before its end is. */
  #up = false;
  #stopped: Error | null = null;
  /** Grows with every attempt and stop, so that a token that comes late is recognised. */
  #epoch = 0;
  #cancelRetry = (): void => {};
  #cancelStable = (): void => {};
  #leavePage = (): void => {};

  /** `url`: of the endpoint, `/v1/ws`, to whose path each connection may add a room; http(s) and relative ones are understood. */
  constructor(url: string, options: ClientOptions) {
    super();
    const { minDelay = 500, maxDelay = 8000, requestTimeout = 10_000, outbox, environment = platform } = options;
    this.#url = absolute(url);
    this.#codec = options.codec ?? "msgpack";
    this.#websocket = options.websocket ?? (globalThis.WebSocket as unknown as WebSocketClass);
    if (!this.#websocket) throw new TypeError("no WebSocket: pass one as `websocket`");
    this.#timeout = requestTimeout;
    this.#env = environment;
    this.#newBackoff = () => new Backoff(minDelay, maxDelay, () => environment.random());
    this.#backoff = this.#newBackoff();
    this.#clock = new ServerClock(() => environment.now());
    this.#token = new Token(options.getToken, this.#tokenHost());
    this.#requests = new Requests(environment, this.#wire(), { max: 64, bytes: 262_144, ttl: 60_000, ...outbox }, this.#newBackoff);
  }

  /** Attempts since the last stable connection. */
  get attempt(): number {
    return this.#backoff.attempt;
  }

  /** Resolves when connected, at once if it is; rejects when stopped or aborted, which closes. */
  connect({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.state === "idle" || this.state === "closed") this.#start();
    const connected = this.#settled(signal);
    connected.catch(() => {}); // told by `state` as well: nobody has to await this
    return connected;
  }

  /** Stops. Requests that wait reject; rooms stay wanted and come back with `connect`. */
  close(): void {
    this.#stop(0, "", new NotConnected("closed"));
  }

  /** Retry now, as the button in the banner says; starts a stopped client too. */
  reconnect(): void {
    if (this.state !== "connected" && this.state !== "connecting") this.#start();
  }

  /**
   * Speaks with a new token from now on, without leaving a room: call it once somebody has
   * signed in or has a new name. Event "token" tells when `principal` and `name` are right.
   */
  refresh(): void {
    this.#token.drop("refresh");
    if (this.#up) this.#token.plan(0);
  }

  /** Server time in milliseconds since the Unix epoch, whatever this machine's clock says. */
  serverNow(): number {
    return this.#clock.now();
  }

  /** The room of this id: always the same object. */
  room(id: string): Room {
    const room = this.#rooms.get(id) ?? new Room(id, this.#roomHost());
    this.#rooms.set(id, room);
    return room;
  }

  /**
   * Sends a command and waits for the answer.
   *
   * Rejects with `CommandError` (refused), `NotConnected`, `Timeout`, `OutboxFull`,
   * `TooLarge`, or the signal's reason.
   */
  request<N extends RequestName>(name: N, fields: Fields<N>, options: RequestOptions = {}): Promise<Answer<N>> {
    const { timeout = this.#timeout, reliable = false, signal } = options;
    const nonce = options.nonce ?? fields.nonce ?? this.#env.nonce();
    const command = { ...fields, nonce } as unknown as Commands[N];
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const forget = this.#requests.add(name, command, { timeout, reliable }, (error, answer) => {
        signal?.removeEventListener("abort", abort);
        if (error) return reject(error);
        const { type, ref, ...told } = answer as unknown as { type: string; ref: number } & Answer<N>;
        resolve(told as unknown as Answer<N>);
      });
      const abort = (): void => {
        forget();
        reject(signal!.reason);
      };
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  // ---- attempts

  #start(): void {
    this.#backoff.reset();
    this.#stopped = null;
    this.#leavePage();
    this.#leavePage = this.#env.page((event) => (event === "hide" ? this.#hidden() : this.#woken()));
    void this.#try();
  }

  async #try(): Promise<void> {
    this.#cancelRetry();
    const epoch = ++this.#epoch;
    this.retryAt = null;
    this.#become("connecting");
    const cancel = (this.#cancelRetry = this.#env.after(this.#timeout, () => this.#lost(0, "no token in time")));
    try {
      const token = await this.#token.get();
      if (epoch === this.#epoch) this.#open(token);
    } catch (error) {
      if (epoch !== this.#epoch) return;
      this.#failed(error as Error);
      if (epoch === this.#epoch) this.#lost(0, String(error)); // not stopped by it
    } finally {
      cancel();
    }
  }

  #open(token: string): void {
    const rooms = [...this.#rooms.values()].sort((a, b) => b.wantedAt - a.wantedAt);
    const resume = rooms.flatMap((room) => room.resume() ?? []);
    const resumed = new Set(resume.map(({ room }) => room));
    const options = { url: this.#address(rooms[0]), codec: this.#codec, websocket: this.#websocket, env: this.#env, timeout: this.#timeout };
    this.#connection = new Connection(options, { token, resume, protocol: PROTOCOL_HASH, client: NAME }, {
      welcome: (welcome, sent, received) => this.#welcomed(welcome, sent, received, resumed),
      message: (message) => this.#received(message),
      broken: (error) => this.emit("error", error),
      closed: (code, reason) => this.#lost(code, reason),
    });
  }

  /**
   * Where the next socket goes. The path names a room, so that the server can serve the
   * socket where that room is: a hint. Every third attempt in a row names none, in case
   * something on the way knows the short path only.
   */
  #address(room: Room | undefined): string {
    const url = new URL(this.#url);
    if (room?.wantedAt && this.attempt % 3 < 2) url.pathname = url.pathname.replace(/\/?$/, `/${encodeURIComponent(room.id)}`);
    return url.href;
  }

  #failed(error: Error): void {
    this.emit("error", error);
    if (error instanceof AuthError) this.#stop(0, error.message, error);
  }

  #welcomed(welcome: Welcome, sent: number, received: number, resumed: Set<string>): void {
    this.#speakFor(welcome);
    this.session = welcome.session;
    this.limits = welcome.limits;
    this.#clock.roundTrip(welcome.serverTime, sent, received);
    this.#token.accepted(welcome.limits.tokenExpiresAt);
    this.#cancelStable = this.#env.after(STABLE, () => this.#backoff.reset());
    this.#up = true;
    for (const room of this.#rooms.values()) room.connected(resumed.has(room.id));
    this.#requests.pump();
    this.#become("connected");
    this.#tellClock();
    this.emit("welcome", { ...welcome, outdated: welcome.protocol !== PROTOCOL_HASH });
  }

  #speakFor({ principal, name }: Refreshed | Welcome): void {
    this.principal = principal;
    this.name = name;
  }

  #received(message: ServerMessage): void {
    if (message.type === "heartbeat") {
      this.#clock.oneWay(message.serverTime, this.#env.now());
      this.#tellClock();
      message.heads.forEach(([room, offset]) => this.#rooms.get(room)?.head(offset));
    }
    if (message.type === "refreshed") this.#speakFor(message);
    if ("ref" in message) this.#requests.answered(message.ref, message);
    if (message.type === "error" && message.ref === 0) this.#rooms.forEach((room) => room.helloRefused());
    if ("room" in message) this.#rooms.get(message.room)?.received(message);
    else if (!("ref" in message)) this.emit(message.type as keyof ClientEvents, message as never); // nobody hears of a heartbeat by this name
  }

  #tellClock(): void {
    this.emit("clock", { offset: this.#clock.offset, rtt: this.#clock.rtt });
  }

  // ---- ends

  #lost(code: number, reason: string): void {
    if (code > LAST_RECONNECT_CODE && code <= LAST_CODE) {
      if (code === CLOSE_UNAUTHENTICATED) this.#token.drop("rejected");
      return this.#stop(code, reason, new NotConnected(`closed with ${code} ${reason}`));
    }
    if (code === CLOSE_TOKEN_EXPIRED) this.#token.drop("expired");
    this.#disconnect();
    const delay = this.#backoff.next(hinted(reason));
    this.retryAt = this.#env.now() + delay;
    this.#cancelRetry = this.#env.after(delay, () => void this.#try());
    this.#become("waiting", code, reason);
  }

  #stop(code: number, reason: string, error: Error): void {
    this.#leavePage();
    this.#stopped = error;
    this.#disconnect();
    this.#requests.closed(reason || "closed");
    this.#become("closed", code, reason);
  }

  #disconnect(): void {
    this.#epoch++;
    this.#up = false;
    this.retryAt = null;
    this.#cancelRetry();
    this.#cancelStable();
    this.#token.rest();
    this.#connection?.close();
    this.#connection = null;
    this.#requests.disconnected();
    this.#rooms.forEach((room) => room.disconnected());
  }

  /** Browsers close sockets of a page that leaves; done by ourselves it is orderly. */
  #hidden(): void {
    if (this.state === "closed") return;
    this.#disconnect();
    this.#become("waiting", 0, "page left");
  }

  #woken(): void {
    if (this.state === "connected" && this.#connection?.silent) this.#disconnect();
    else if (this.state !== "waiting") return;
    this.#backoff.reset();
    void this.#try();
  }

  #become(to: ClientState, code = 0, reason = ""): void {
    const from = this.state;
    this.state = to;
    if (from !== to) this.emit("state", { from, to, code, reason, retryAt: this.retryAt, attempt: this.attempt });
  }

  #settled(signal: AbortSignal | undefined): Promise<void> {
    if (this.state === "connected") return Promise.resolve();
    return new Promise((resolve, reject) => {
      const off = this.on("state", ({ to }) => {
        if (to !== "connected" && to !== "closed") return;
        off();
        signal?.removeEventListener("abort", abort);
        if (to === "connected") resolve();
        else reject(signal?.aborted ? signal.reason : this.#stopped);
      });
      const abort = (): void => this.close();
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  // ---- what the parts see of the client

  #wire(): Wire {
    return {
      ready: (room) => this.#up && this.#rooms.get(room)?.state !== "joining",
      transmit: (name: CommandName, ref, fields) => this.#connection?.send(name, ref, fields),
      maxBytes: () => this.limits?.messageBytes ?? Infinity,
      rejoin: (room) => this.#rooms.get(room)?.rejoin() ?? false,
    };
  }

  #tokenHost(): TokenHost {
    return {
      env: this.#env,
      serverNow: () => this.#clock.now(),
      refresh: (token, done) => this.#requests.add("refresh", { token }, { timeout: this.#timeout }, done),
      renewed: (reason) => this.emit("token", { reason }),
      failed: (error) => this.#failed(error),
    };
  }

  #roomHost(): RoomHost {
    return {
      env: this.#env,
      connected: () => this.#up,
      backoff: this.#newBackoff,
      join: (fields, refused) => this.#requests.add("room.join", fields, { timeout: this.#timeout }, (error) => error && refused(error)),
      tell: (name, fields) => this.#connection?.send(name, 0, fields),
      request: (name, fields, options) => this.request(name, fields, options),
      joined: () => this.#requests.pump(),
    };
  }
}

function absolute(url: string): URL {
  const resolved = new URL(url, globalThis.location?.href);
  resolved.protocol = resolved.protocol.replace("http", "ws");
  return resolved;
}

/** A close reason may say over how many milliseconds clients should spread: `retry_after_ms=…`. */
function hinted(reason: string): number {
  return Number(/retry_after_ms=(\d+)/.exec(reason)?.[1] ?? 0);
}
