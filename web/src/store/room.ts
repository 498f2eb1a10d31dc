/** One room as signals: what the connection tells, folded by the pure parts, and what a person can do. */

import { batch, computed, signal } from "@preact/signals";
import type { Client, Fields, JoinedEvent, RequestName, Room, TimerAction } from "../../../client/src/index.ts";
import type {
  Person,
  PresenceSnapshot,
  PresenceUpdate,
  Principal,
  PrincipalUpgraded,
  RoomInfo,
  RoomModerated,
  RoomUpdated,
  Timer,
  TimerCause,
} from "../protocol.ts";
import { hidden } from "./blocks.ts";
import { Conversation } from "./conversation.ts";
import { type Happenings, move, tell } from "./happenings.ts";
import { Identity, type Self, samePrincipal } from "./identity.ts";
import { Mutes } from "./mutes.ts";
import { Names } from "./names.ts";
import { keyOf } from "./presence.ts";
import { Roster } from "./roster.ts";
import { Standing } from "./standing.ts";
import * as typing from "./typing.ts";

/** In a larger company nobody is told who comes and goes. */
const MAX_TOLD = 50;

export interface TimerChange {
  cause: TimerCause;
  author: Principal | null;
  at: number;
}

export class RoomStore {
  readonly info = signal<RoomInfo | null>(null);
  /** Why the room did not open, or is over for us; null while it does or did. */
  readonly refusal = signal<Error | null>(null);
  readonly roster = new Roster();
  readonly standing = new Standing();
  readonly mutes: Mutes;
  readonly names: Names;
  readonly chat: Conversation;
  readonly timer = signal<Timer | null>(null);
  readonly timerChange = signal<TimerChange | null>(null);
  readonly writing = signal<typing.Typing>(new Map());
  readonly happenings = signal<Happenings>([]);
  /** We were in, and had to leave. */
  readonly removed = signal(false);
  /** How much the room leaves out under load: 0 nothing, 3 the most. */
  readonly load = signal(0);
  /** Without the people that the reader has blocked. */
  readonly people = computed(() => this.roster.people.value.filter(({ principal }) => !this.isHidden(principal)));
  readonly count = computed(() => this.roster.count.value - this.roster.people.value.length + this.people.value.length);
  readonly typists = computed(() => [...this.writing.value.keys()].filter((key) => !hidden.value.has(key)));

  /** Called for each transition of the timer, not for snapshots. */
  onTimer: (change: TimerChange, timer: Timer) => void = () => {};
  /** What was done to somebody, or to the room, in words; empty: nothing that is worth a line. */
  describe: (event: RoomModerated | RoomUpdated, before: RoomInfo | null) => string = () => "";

  private readonly identity: Identity;
  private readonly room: Room;
  private readonly endings: (() => void)[];
  private expiry: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly id: string,
    self: Self,
    private readonly client: Client,
  ) {
    this.identity = new Identity(self);
    this.names = new Names(this.identity);
    this.mutes = new Mutes(id, this.identity.now);
    this.room = client.room(id);
    const { room, identity, names, standing, info } = this;
    this.chat = new Conversation(id, { client, room, identity, names, standing, info });
    this.roster.onMove = (came, left) => this.moved(came, left);
    this.endings = this.listen();
    this.join();
  }

  serverNow = (): number => this.client.serverNow();

  /** Whom this page speaks for here. */
  get me(): Principal {
    return this.identity.me;
  }

  /** Whether that is us, or a guest we were: what it wrote is ours. */
  isMe = (principal: Principal | null): boolean => this.identity.isMe(principal);

  /** Who that is by now: a guest may be a user. */
  now = (principal: Principal): Principal => this.identity.now(principal);

  private isHidden = (principal: Principal): boolean => hidden.value.has(keyOf(this.now(principal)));

  nameOf(principal: Principal | null): string | null {
    return principal && this.names.of(principal);
  }

  close(): void {
    this.endings.forEach((end) => end());
    clearTimeout(this.expiry);
    this.roster.close();
    this.room.leave();
  }

  /** Tries again after a refusal. */
  rejoin(): void {
    this.refusal.value = null;
    this.room.leave();
    this.join();
  }

  private join(): void {
    this.room.join().catch(() => {
      // Told by the room's "error" event as well.
    });
  }

  // ---- what a person does ----

  /** Asks for a transition from the version that the person saw. */
  async control(action: TimerAction): Promise<void> {
    await this.room.timer(action, this.timer.peek()?.version);
  }

  /** Has something done to the room, or to somebody in it. */
  async command<N extends RequestName>(name: N, fields: Omit<Fields<N>, "room">): Promise<void> {
    await this.client.request(name, { room: this.id, ...fields } as unknown as Fields<N>);
  }

  isTyping(active: boolean): void {
    this.room.typing(active);
  }

  // ---- what the connection tells ----

  private listen(): (() => void)[] {
    const { room } = this;
    return [
      room.on("joined", (event) => batch(() => this.joined(event))),
      room.on("room.removed", () => (this.removed.value = true)),
      room.on("error", (error) => (this.refusal.value = error)),
      ...this.chat.listen(),
      room.on("message.create", ({ author }) => author && this.typed(author, false)),
      room.on("timer.update", (event) => this.timerMoved(event.timer, event)),
      room.on("room.updated", (event) => batch(() => this.updated(event))),
      room.on("room.moderated", (event) => batch(() => this.moderated(event))),
      room.on("room.load", ({ level }) => (this.load.value = level)),
      room.on("presence.update", (event) => batch(() => this.presenceMoved(event))),
      room.on("presence.reset", (event) => batch(() => this.presenceReset(event.presence))),
      room.on("principal.upgraded", (event) => batch(() => this.upgraded(event))),
      room.on("typing", (event) => this.typed(event.person, event.active)),
      this.client.on("welcome", () => this.speakFor()),
      this.client.on("token", () => this.speakFor()),
    ];
  }

  private joined(event: JoinedEvent): void {
    this.refusal.value = null;
    this.removed.value = false;
    this.info.value = event.info;
    this.standing.role.value = event.role;
    this.load.value = event.load;
    this.timer.value = event.timer;
    this.roster.reset(event.presence);
    this.names.seen(event.presence.people);
    if (!event.recovered) this.mutes.forget();
    this.chat.joined(event);
    this.writing.value = new Map();
    event.typing.forEach((person) => this.typed(person, true));
  }

  private timerMoved(timer: Timer, cause: TimerChange): void {
    if (timer.version < (this.timer.value?.version ?? 0)) return;
    const transition = { cause: cause.cause, author: cause.author, at: cause.at };
    batch(() => {
      this.timer.value = timer;
      this.timerChange.value = transition;
    });
    this.onTimer(transition, timer);
  }

  private updated(event: RoomUpdated): void {
    const before = this.info.value;
    this.info.value = event.info;
    this.standing.reconsider(event.info);
    this.tell(this.describe(event, before));
  }

  private moderated(event: RoomModerated): void {
    if (event.action === "role" && event.role) this.roster.promote(event.person, event.role);
    if (event.role === "host" && this.info.value) this.info.value = { ...this.info.value, host: event.person };
    this.mutes.moderated(event);
    if (this.isMe(event.person)) this.standing.moderated(event, this.serverNow() - Date.now());
    if (this.info.value) this.standing.reconsider(this.info.value);
    this.tell(this.describe(event, this.info.value));
  }

  private tell(words: string): void {
    if (words) this.happenings.value = tell(this.happenings.value, this.chat.lastOffset, words);
  }

  private moved(came: readonly Person[], left: readonly Person[]): void {
    if (this.roster.count.value > MAX_TOLD) return;
    const others = (people: readonly Person[]): Person[] => people.filter(({ principal }) => !this.isMe(principal) && !this.isHidden(principal));
    this.happenings.value = move(this.happenings.value, this.chat.lastOffset, others(came), others(left));
  }

  private presenceMoved(event: PresenceUpdate): void {
    this.roster.apply(event);
    this.names.seen(event.joined);
  }

  private upgraded(event: PrincipalUpgraded): void {
    this.roster.upgrade(event);
    this.names.seen([event.person]);
    this.identity.upgrade(event.former, event.person.principal);
    if (samePrincipal(event.former, this.me)) this.client.refresh(); // it was signed in by another tab
  }

  /** We may be somebody else by the server's last word. */
  private speakFor(): void {
    if (this.client.principal) this.identity.speakFor(this.client.principal);
  }

  private presenceReset(snapshot: PresenceSnapshot): void {
    this.roster.reset(snapshot);
    this.names.seen(snapshot.people);
    if (snapshot.people.length > 0) this.writing.value = typing.only(this.writing.value, snapshot.people.map(({ principal }) => principal));
  }

  private typed(person: Principal, active: boolean): void {
    if (this.isMe(person)) return;
    this.writing.value = typing.mark(this.writing.value, person, active, performance.now());
    this.expireLater();
  }

  private expireLater(): void {
    clearTimeout(this.expiry);
    const wait = typing.nextExpiry(this.writing.value, performance.now());
    if (wait === null) return;
    this.expiry = setTimeout(() => {
      this.writing.value = typing.expire(this.writing.value, performance.now());
      this.expireLater();
    }, wait + 50);
  }
}
