/** Virtual time and a scripted server: everything the client touches, in one process. */

import { Client } from "../src/client.ts";
import { pack, unpack } from "../src/codec.ts";
import type { CodecName, ServerName } from "../src/codec.ts";
import type { Emitter } from "../src/emitter.ts";
import type { Environment } from "../src/environment.ts";
import type { Commands, Principal, RoomInfo, ServerMessages } from "../src/protocol.gen.ts";
import { COMMANDS, SERVER_MESSAGES } from "../src/protocol.gen.ts";
import type { ClientOptions, Socket } from "../src/types.ts";

export type Received = { [N in keyof Commands]: { name: N; ref: number } & Commands[N] }[keyof Commands];

export const START = 1_795_000_000_000;
export const LIMITS = { messageBytes: 65_536, rooms: 100, heartbeatMs: 25_000, graceMs: 8_000, textChars: 4000, tokenExpiresAt: START + 300_000 };
export const UMA = { actorType: "user", actorId: "uma" } as const;
export const ADA = { actorType: "guest", actorId: "ada" } as const;
export const INFO: RoomInfo = {
  kind: "study",
  title: "t",
  topic: "",
  language: "en",
  visibility: "public",
  createdAt: 1,
  createdBy: ADA,
  tags: [],
  sizeLimit: 0,
  theme: "plain",
  timerPolicy: "everyone",
  slowMs: 0,
  locked: false,
  host: null,
  archivedAt: null,
};

/** Lets all promises that can settle do so. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class World implements Environment {
  time = START;
  /** What `random` gives. */
  luck = 0;
  sockets: ScriptedSocket[] = [];
  private timers: { at: number; task: () => void }[] = [];
  private nonces = 0;
  private pages = new Set<(event: "hide" | "wake") => void>();

  now = (): number => this.time;
  random = (): number => this.luck;
  nonce = (): string => `nonce-${String(++this.nonces).padStart(4, "0")}`;

  after = (delay: number, task: () => void): (() => void) => {
    const timer = { at: this.time + delay, task };
    this.timers.push(timer);
    return () => void (this.timers = this.timers.filter((other) => other !== timer));
  };

  page = (listener: (event: "hide" | "wake") => void): (() => void) => {
    this.pages.add(listener);
    return () => void this.pages.delete(listener);
  };

  /** What is still to come: a closed client leaves nothing. */
  get pending(): number {
    return this.timers.length + this.pages.size;
  }

  async tellPage(event: "hide" | "wake"): Promise<void> {
    this.pages.forEach((listener) => listener(event));
    await settle();
  }

  /** Passes `ms` of time, timer by timer. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      await settle();
      const next = this.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.timers = this.timers.filter((timer) => timer !== next);
      this.time = Math.max(this.time, next.at);
      next.task();
    }
    this.time = end;
  }

  /** Lets time jump without running a timer: a machine that slept. */
  sleep(ms: number): void {
    this.time += ms;
  }

  get socket(): ScriptedSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error("no socket was opened");
    return socket;
  }

  /** `Class`: that of a built file, for its test. */
  client({ url = "ws://server/v1/ws", ...options }: Partial<ClientOptions> & { url?: string } = {}, Class: typeof Client = Client): Client {
    const world = this;
    class Endpoint extends ScriptedSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols, options.codec ?? "msgpack");
        world.sockets.push(this);
      }
    }
    return new Class(url, { getToken: async () => "token", websocket: Endpoint, environment: this, ...options });
  }

  /** A client that is connected. */
  async connected(options: Partial<ClientOptions> = {}): Promise<Client> {
    const client = this.client(options);
    void client.connect();
    await this.welcome();
    return client;
  }

  /** The newest socket opens and is welcomed. */
  async welcome(changes: Partial<ServerMessages["welcome"]> = {}): Promise<ScriptedSocket> {
    await settle();
    const { socket } = this;
    socket.open();
    const limits = { ...LIMITS, tokenExpiresAt: this.time + 300_000 };
    socket.push("welcome", { ref: 1, session: "s", principal: ADA, name: "Ada", history: 1, serverTime: this.time, limits, protocol: "other", ...changes });
    await settle();
    return socket;
  }

  /** The newest refresh is answered. */
  async refreshed(changes: Partial<ServerMessages["refreshed"]> = {}): Promise<void> {
    const tokenExpiresAt = this.time + 300_000;
    this.socket.push("refreshed", { ref: this.socket.last("refresh").ref, principal: ADA, name: "Ada", tokenExpiresAt, ...changes });
    await settle();
  }
}

export class ScriptedSocket implements Socket {
  binaryType = "";
  onopen: ((event: any) => void) | null = null;
  onmessage: ((event: any) => void) | null = null;
  onclose: ((event: any) => void) | null = null;
  onerror: ((event: any) => void) | null = null;
  readonly url: string;
  readonly protocols: string[];
  closed: { code: number | undefined; reason: string | undefined } | null = null;
  private readonly codec: CodecName;
  private readonly frames: (Uint8Array | string)[] = [];

  constructor(url: string, protocols: string[], codec: CodecName) {
    this.url = url;
    this.protocols = protocols;
    this.codec = codec;
  }

  send(data: Uint8Array | string): void {
    if (this.closed) throw new Error("sent on a closed socket");
    this.frames.push(data);
  }

  close(code?: number, reason?: string): void {
    this.closed ??= { code, reason };
  }

  open(): void {
    this.onopen?.({});
  }

  /** Ends it from the server's side. */
  async end(code: number, reason = ""): Promise<void> {
    this.closed ??= { code, reason };
    this.onclose?.({ code, reason });
    await settle();
  }

  push<N extends ServerName>(name: N, message: ServerMessages[N]): void {
    const tag = SERVER_MESSAGES.findIndex((row) => row?.[0] === name);
    this.raw(pack(this.codec, tag, SERVER_MESSAGES[tag]![1], message));
  }

  raw(data: Uint8Array | string): void {
    this.onmessage?.({ data: typeof data === "string" ? data : data.slice().buffer });
  }

  /** All commands so far, oldest first. */
  get received(): Received[] {
    return this.frames.map((frame) => {
      const [tag, ...fields] = unpack(frame);
      const [name, codec] = COMMANDS[tag as number]!;
      return { name, ...codec.read(fields) };
    });
  }

  /** The commands of this name. */
  all<N extends keyof Commands>(name: N): Extract<Received, { name: N }>[] {
    return this.received.filter((command): command is Extract<Received, { name: N }> => command.name === name);
  }

  /** The newest command of this name. */
  last<N extends keyof Commands>(name: N): Extract<Received, { name: N }> {
    const command = this.all(name).at(-1);
    if (!command) throw new Error(`no ${name} among ${this.received.map((other) => other.name)}`);
    return command;
  }

  /** Refuses the newest command of this name. */
  refuse(name: keyof Commands, code: number, errorName: string, retryAfterMs: number | null = null, remaining: number | null = null): void {
    this.push("error", { ref: this.last(name).ref, code, name: errorName, message: "no", retryAfterMs, remaining });
  }

  /** Answers the newest join of the room. */
  admit(room: string, offset: number, changes: Partial<ServerMessages["room.joined"]> = {}): void {
    const join = this.all("room.join").filter((command) => command.room === room).at(-1);
    this.push("room.joined", {
      ref: join?.ref ?? 0,
      room,
      position: { history: 1, offset },
      recovery: "fresh",
      gap: null,
      info: INFO,
      role: "host",
      presence: { activation: "a", rev: 1, count: 1, people: [{ principal: ADA, name: "Ada", role: "host" }] },
      timer: null,
      messages: [],
      typing: [],
      load: 0,
      ...changes,
    });
  }

  say(room: string, offset: number, text = `message ${offset}`, author: Principal = ADA): void {
    this.push("message.create", { room, offset, at: START, author, nonce: null, text, deleted: false });
  }
}

/** All events of this name from now on. */
export function log<Events, N extends keyof Events>(source: Emitter<Events>, name: N): Events[N][] {
  const events: Events[N][] = [];
  source.on(name, (event) => events.push(event));
  return events;
}
