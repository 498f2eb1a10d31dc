/**
 * One socket, from opening to its end. All that is true of one socket only lives here,
 * the heartbeat deadline above all: nothing of a dead socket reaches the next one.
 */

import type { CodecName, CommandName, ServerMessage } from "./codec.ts";
import { SUBPROTOCOLS, decodeServer, encodeCommand } from "./codec.ts";
import type { Environment } from "./environment.ts";
import type { Commands, Hello, Welcome } from "./protocol.gen.ts";
import { CLOSE_HEARTBEAT_TIMEOUT } from "./protocol.gen.ts";
import type { Socket, WebSocketClass } from "./types.ts";

/** Called in the order of the wire; `closed` last and exactly once, unless we closed. */
export interface ConnectionListener {
  /** `sent` and `received` are local times of the hello and its answer. */
  welcome(welcome: Welcome, sent: number, received: number): void;
  message(message: ServerMessage): void;
  closed(code: number, reason: string): void;
  /** A frame could not be read; `closed` follows. */
  broken(error: Error): void;
}

export interface ConnectionOptions {
  url: string;
  codec: CodecName;
  websocket: WebSocketClass;
  env: Environment;
  /** Milliseconds for socket, hello and welcome together. */
  timeout: number;
}

/** Without a reason: over 123 bytes of it would throw. */
const GONE = 1000;

export class Connection {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  #heardAt: number;
  #patience: number;
  #helloAt = 0;
  #cancelDeadline: () => void;
  #open = true;

  constructor(options: ConnectionOptions, hello: Hello, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    this.#heardAt = options.env.now();
    this.#patience = options.timeout;
    this.#cancelDeadline = this.#watch(this.#patience);
    this.#socket = new options.websocket(options.url, [SUBPROTOCOLS[options.codec]]);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => {
      this.#helloAt = options.env.now();
      this.send("hello", 1, hello);
    };
    this.#socket.onmessage = (event: { data: ArrayBuffer | string }) => this.#received(event.data);
    this.#socket.onclose = (event: { code: number; reason: string }) => this.#drop(event.code, event.reason);
    this.#socket.onerror = () => {}; // a close follows, and tells as much as browsers tell
  }

  /** Whether nothing was heard for longer than the server lets pass between heartbeats. */
  get silent(): boolean {
    return this.#options.env.now() - this.#heardAt >= this.#patience;
  }

  send<N extends CommandName>(name: N, ref: number, fields: Commands[N]): void {
    this.#socket.send(encodeCommand(this.#options.codec, name, ref, fields));
  }

  /** Gives the socket up and reports `closed` now: a dead one would take minutes to say so. */
  #drop(code: number, reason: string): void {
    if (!this.#open) return;
    this.close();
    this.#listener.closed(code, reason);
  }

  /** Closes without a report. */
  close(): void {
    this.#open = false;
    this.#cancelDeadline();
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close(GONE);
  }

  #received(data: ArrayBuffer | string): void {
    const now = (this.#heardAt = this.#options.env.now());
    let message: ServerMessage | null;
    try {
      message = decodeServer(data);
    } catch (error) {
      this.#listener.broken(error as Error);
      return this.#drop(0, "unreadable frame");
    }
    if (!message) return;
    if (message.type === "welcome") return this.#welcomed(message, now);
    if (message.type === "heartbeat") this.send("heartbeat.reply", 0, {});
    this.#listener.message(message);
  }

  #welcomed(welcome: Welcome, now: number): void {
    this.#patience = welcome.limits.heartbeatMs + welcome.limits.graceMs;
    this.#cancelDeadline();
    this.#cancelDeadline = this.#watch(this.#patience);
    this.#listener.welcome(welcome, this.#helloAt, now);
  }

  /** One timer that moves itself, not one set anew by every message. */
  #watch(delay: number): () => void {
    return this.#options.env.after(delay, () => {
      const rest = this.#heardAt + this.#patience - this.#options.env.now();
      if (rest > 0) this.#cancelDeadline = this.#watch(rest);
      else this.#drop(CLOSE_HEARTBEAT_TIMEOUT, "silent");
    });
  }
}
