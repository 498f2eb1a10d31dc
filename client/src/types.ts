/** The words of the public surface. */

import type { CodecName, CommandName } from "./codec.ts";
import type { Environment } from "./environment.ts";
import type {
  Cast,
  Commands,
  InviteCode,
  InviteCreated,
  InviteRevoked,
  Joined,
  ListingUpdate,
  MemberAdded,
  MemberRemoved,
  MessageCreate,
  MessageDelete,
  MessageUpdate,
  PresenceReset,
  PresenceUpdate,
  PrincipalUpgraded,
  Reply,
  RoomCreated,
  RoomLoad,
  RoomModerated,
  RoomRemoved,
  RoomUpdated,
  StatusUpdate,
  TimerUpdate,
  Typing,
  Welcome,
} from "./protocol.gen.ts";

/**
 * idle: never connected. connecting: token, socket, hello. connected: welcomed.
 * waiting: between attempts (`retryAt`; null while the page is away). closed: stopped;
 * only `connect` or `reconnect` start again.
 */
export type ClientState = "idle" | "connecting" | "connected" | "waiting" | "closed";

export type RoomState = "idle" | "joining" | "joined" | "failed";

/** missing: there is none yet. expired: it ended. rejected: the server refused it. refresh: it ends soon. */
export type TokenReason = "missing" | "expired" | "rejected" | "refresh";

export interface StateChange {
  from: ClientState;
  to: ClientState;
  /** Close code of the socket; 0 if none was involved. */
  code: number;
  /** One line for a log; empty for what the application itself asked for. */
  reason: string;
  /** When the next attempt starts (`Date.now()` scale), in state "waiting". */
  retryAt: number | null;
  /** Attempts since the last stable connection. */
  attempt: number;
}

export interface ClientOptions {
  /** A fresh token. Throw `AuthError` to stop the client, anything else to try again later. */
  getToken: (request: { reason: TokenReason }) => Promise<string>;
  codec?: CodecName;
  /** A WebSocket class, for Node before 22. */
  websocket?: WebSocketClass;
  /** Milliseconds of the shortest and longest pause between attempts; 500 and 8000. */
  minDelay?: number;
  maxDelay?: number;
  /** Milliseconds a request may take; 10000. */
  requestTimeout?: number;
  /** Reliable requests that wait for the connection: how many, bytes in all, and milliseconds each. */
  outbox?: Partial<OutboxLimits>;
  /** Clock, timers, randomness and page events, for tests. */
  environment?: Environment;
}

export interface OutboxLimits {
  max: number;
  bytes: number;
  ttl: number;
}

/** What of the WebSocket interface the client uses. */
export interface Socket {
  binaryType: string;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(data: any): void;
  close(code?: number, reason?: string): void;
}

export type WebSocketClass = new (url: string, protocols: string[]) => Socket;

export interface ClientEvents {
  state: StateChange;
  /** What no promise tells: a token that could not be had, a frame that could not be read. */
  error: Error;
  /** Server time minus this machine's, in milliseconds, after each measurement. */
  clock: { offset: number; rtt: number };
  /** A new token is in use. */
  token: { reason: TokenReason };
  /** `outdated`: the server speaks another revision of the protocol; suggest a reload. */
  welcome: Welcome & { outdated: boolean };
  /** Of the rooms that the last `listing.watch` named. A new connection has to be asked again. */
  "listing.update": ListingUpdate;
  /** As `listing.update`, of `status.watch`. */
  "status.update": StatusUpdate;
}

/** Commands that `request` sends; the others are the client's own business. */
export type RequestName = Exclude<CommandName, "hello" | "refresh" | "heartbeat.reply" | "room.join" | "room.leave">;

/** The fields of a command; a missing nonce is drawn. */
export type Fields<N extends RequestName> = Omit<Commands[N], "nonce"> & { nonce?: string };

/** What the server says to it. */
export type Answer<N extends RequestName> = Omit<N extends "invite.create" ? InviteCode : Reply, "ref">;

export interface RequestOptions {
  /** Milliseconds; the client's `requestTimeout` unless told. */
  timeout?: number;
  /** Gives up waiting; a command already sent may still take effect. */
  signal?: AbortSignal;
  /**
   * Keep it in the outbox until the server has answered, over reconnects, always with the
   * same nonce. Only for commands that carry one. Without: rejects `NotConnected` at once.
   */
  reliable?: boolean;
  nonce?: string;
}

export interface Sent {
  nonce: string;
  /** Resolves when the message is durable. */
  sent: Promise<{ offset: number }>;
}

/** extend: by five minutes. */
export type TimerAction = "start" | "pause" | "resume" | "skip" | "reset" | "extend";

/**
 * `recovered`: every event since the last connection follows; keep your state. Otherwise
 * load it from this snapshot. `missed`: how many events can only be had from the history;
 * null: unknown (the history was reset).
 */
export type JoinedEvent = Joined & { recovered: boolean; missed: number | null };

/** Any durable event, in order and once each: for stores that keep the whole stream. */
export type DurableEvent =
  | ({ type: "room.created" } & RoomCreated)
  | ({ type: "message.create" } & MessageCreate)
  | ({ type: "message.update" } & MessageUpdate)
  | ({ type: "message.delete" } & MessageDelete)
  | ({ type: "timer.update" } & TimerUpdate)
  | ({ type: "room.updated" } & RoomUpdated)
  | ({ type: "room.moderated" } & RoomModerated)
  | ({ type: "room.member_added" } & MemberAdded)
  | ({ type: "room.member_removed" } & MemberRemoved)
  | ({ type: "invite.created" } & InviteCreated)
  | ({ type: "invite.revoked" } & InviteRevoked);

export interface RoomEvents {
  /** After every join and rejoin, before the events that follow it. */
  joined: JoinedEvent;
  /** `room.state` has changed. */
  state: { state: RoomState; error: Error | null };
  "message.create": MessageCreate;
  "message.update": MessageUpdate;
  "message.delete": MessageDelete;
  "timer.update": TimerUpdate;
  "presence.update": PresenceUpdate;
  "presence.reset": PresenceReset;
  /** A guest is a user now, in the same place: a change of presence. */
  "principal.upgraded": PrincipalUpgraded;
  "room.updated": RoomUpdated;
  "room.moderated": RoomModerated;
  "room.member_added": MemberAdded;
  "room.member_removed": MemberRemoved;
  "invite.created": InviteCreated;
  "invite.revoked": InviteRevoked;
  "room.load": RoomLoad;
  /** We have to leave; `error` follows. */
  "room.removed": RoomRemoved;
  typing: Typing;
  cast: Cast;
  event: DurableEvent;
  /** The room could not be joined, or is over for us. Only another `join` asks again. */
  error: Error;
}
