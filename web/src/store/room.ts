/** One room as signals: what the connection tells, folded by the pure parts, and what a person can do. */

import { batch, computed, signal } from "@preact/signals";
import type { Client, JoinedEvent, Room, TimerAction } from "../../../client/src/index.ts";
import { type HistoryMessage, readHistory } from "../api.ts";
import type {
  Message,
  Person,
  PresenceSnapshot,
  PresenceUpdate,
  Principal,
  PrincipalUpgraded,
  RoomInfo,
  Timer,
  TimerCause,
} from "../protocol.ts";
import { keep, recall } from "../storage.ts";
import { Identity, type Self, samePrincipal } from "./identity.ts";
import * as list from "./messages.ts";
import { keyOf } from "./presence.ts";
import { Roster } from "./roster.ts";
import * as typing from "./typing.ts";

/** Messages of one page of history, and of a join's snapshot. */
export const PAGE = 50;
/** Over this many the oldest leave the page while the reader is at the bottom. */
const MAX_SHOWN = 200;

export interface TimerChange {
  cause: TimerCause;
  author: Principal | null;
  at: number;
}

export class RoomStore {
  readonly info = signal<RoomInfo | null>(null);
  /** Why the room did not open; null while it does or did. */
  readonly refusal = signal<Error | null>(null);
  readonly messages = signal(list.EMPTY);
  readonly roster = new Roster();
  readonly timer = signal<Timer | null>(null);
  readonly timerChange = signal<TimerChange | null>(null);
  readonly writing = signal<typing.Typing>(new Map());
  readonly names = signal<ReadonlyMap<string, string>>(new Map());
  /** First unread offset, where the divider stands. */
  readonly unreadAt = signal<number | null>(null);
  readonly lastRead = signal(0);
  readonly unread = computed(() => list.countAfter(this.messages.value, this.lastRead.value, this.isMe));
  readonly loading = signal<"no" | "yes" | "failed">("no");

  /** Called for each message of somebody else that has just been said. */
  onMessage: (message: Message) => void = () => {};
  /** Called for each transition of the timer, not for snapshots. */
  onTimer: (change: TimerChange, timer: Timer) => void = () => {};

  private readonly identity: Identity;
  private readonly room: Room;
  private readonly endings: (() => void)[];
  private expiry: ReturnType<typeof setTimeout> | undefined;
  private attentive = false;
  /** People whose names the history was asked for already. */
  private readonly asked = new Set<string>();

  constructor(
    readonly id: string,
    self: Self,
    private readonly client: Client,
  ) {
    this.identity = new Identity(self);
    this.room = client.room(id);
    this.lastRead.value = Number(recall(`read:${id}`) ?? 0);
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

  nameOf(principal: Principal | null): string | null {
    if (!principal) return null;
    const names = this.names.value;
    return names.get(keyOf(this.now(principal))) ?? names.get(keyOf(principal)) ?? null;
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

  send(text: string): void {
    const { nonce, sent } = this.room.send(text);
    this.unreadAt.value = null;
    this.post(nonce, text, sent);
  }

  /** Sends a failed message again, under its old nonce: if it had arrived after all, it does not appear twice. */
  retry(nonce: string): void {
    const failed = this.messages.value.outgoing.find((message) => message.nonce === nonce);
    if (!failed) return;
    const fields = { room: this.id, text: failed.text, nonce };
    this.post(nonce, failed.text, this.client.request("message.send", fields, { reliable: true }));
  }

  discard(nonce: string): void {
    this.messages.value = list.discard(this.messages.value, nonce);
  }

  async edit(offset: number, text: string): Promise<void> {
    await this.room.edit(offset, text);
  }

  async remove(offset: number): Promise<void> {
    await this.room.remove(offset);
  }

  /** Asks for a transition from the version that the person saw. */
  async control(action: TimerAction): Promise<void> {
    await this.room.timer(action, this.timer.peek()?.version);
  }

  isTyping(active: boolean): void {
    this.room.typing(active);
  }

  async loadEarlier(): Promise<void> {
    if (this.loading.value === "yes") return;
    this.loading.value = "yes";
    const before = this.messages.value.confirmed[0]?.offset ?? null;
    try {
      const page = await readHistory(this.id, before, PAGE);
      batch(() => {
        this.learn(page.messages);
        this.messages.value = { ...list.merge(this.messages.value, page.messages), hasMore: page.hasMore };
        this.loading.value = "no";
      });
    } catch {
      this.loading.value = "failed";
    }
  }

  /** Whether the person looks at the newest messages: only then does the read position advance. */
  setAttentive(attentive: boolean): void {
    this.attentive = attentive;
    if (attentive) this.markRead();
  }

  // ---- what the connection tells ----

  private listen(): (() => void)[] {
    const { room } = this;
    return [
      room.on("joined", (event) => batch(() => this.joined(event))),
      room.on("error", (error) => (this.refusal.value = error)),
      room.on("message.create", (event) => this.arrived({ ...event, author: event.author ?? this.me, editedAt: null })),
      room.on("message.update", (event) => this.apply(list.update(this.messages.value, event.message, event.text, event.at))),
      room.on("message.delete", (event) => this.apply(list.remove(this.messages.value, event.message))),
      room.on("timer.update", (event) => this.timerMoved(event.timer, event)),
      room.on("presence.update", (event) => batch(() => this.presenceMoved(event))),
      room.on("presence.reset", (event) => batch(() => this.presenceReset(event.presence))),
      room.on("principal.upgraded", (event) => batch(() => this.upgraded(event))),
      room.on("typing", (event) => this.typed(event.person, event.active)),
      this.client.on("welcome", () => this.speakFor()),
      this.client.on("token", () => this.speakFor()),
    ];
  }

  private joined(event: JoinedEvent): void {
    const first = this.info.value === null;
    const hasMore = event.messages.length >= PAGE;
    const state = this.messages.value;
    this.refusal.value = null;
    this.info.value = event.info;
    this.timer.value = event.timer;
    this.roster.reset(event.presence);
    this.seen(event.presence.people);
    if (event.recovered) this.messages.value = list.merge(state, event.messages);
    else this.messages.value = list.restart(state, event.messages, first ? null : (event.gap?.first ?? 0), hasMore);
    if (first) this.placeDivider();
    this.writing.value = new Map();
    event.typing.forEach((person) => this.typed(person, true));
    if (this.attentive) this.markRead();
    this.learnMissing();
  }

  private arrived(message: Message): void {
    const others = !this.isMe(message.author);
    batch(() => {
      if (others && !this.attentive && this.unread.value === 0) this.unreadAt.value = message.offset;
      const merged = list.merge(this.messages.value, [message]);
      this.messages.value = this.attentive ? list.trim(merged, MAX_SHOWN) : merged;
      this.typed(message.author, false);
      if (this.attentive) this.markRead();
    });
    this.learnMissing();
    if (others) this.onMessage(message);
  }

  private apply(messages: list.Messages): void {
    this.messages.value = messages;
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

  private presenceMoved(event: PresenceUpdate): void {
    this.roster.apply(event);
    this.seen(event.joined);
  }

  private upgraded(event: PrincipalUpgraded): void {
    this.roster.upgrade(event);
    this.seen([event.person]);
    this.identity.upgrade(event.former, event.person.principal);
    if (samePrincipal(event.former, this.me)) this.client.refresh(); // it was signed in by another tab
  }

  /** We may be somebody else by the server's last word. */
  private speakFor(): void {
    if (this.client.principal) this.identity.speakFor(this.client.principal);
  }

  private presenceReset(snapshot: PresenceSnapshot): void {
    this.roster.reset(snapshot);
    this.seen(snapshot.people);
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

  // ---- bookkeeping ----

  private post(nonce: string, text: string, sent: Promise<{ offset: number }>): void {
    this.messages.value = list.send(this.messages.value, nonce, text, this.serverNow());
    sent.then(
      ({ offset }) => (this.messages.value = list.confirm(this.messages.value, nonce, offset, this.me)),
      (error: Error) => (this.messages.value = list.fail(this.messages.value, nonce, error.message)),
    );
  }

  private placeDivider(): void {
    if (this.lastRead.value === 0) return;
    const unread = this.messages.value.confirmed.find((m) => m.offset > this.lastRead.value && !this.isMe(m.author));
    this.unreadAt.value = unread?.offset ?? null;
  }

  private markRead(): void {
    const last = this.messages.value.confirmed.at(-1)?.offset ?? 0;
    if (last <= this.lastRead.value) return;
    this.lastRead.value = last;
    keep(`read:${this.id}`, String(last));
  }

  private seen(people: readonly Person[]): void {
    if (people.length === 0) return;
    const names = new Map(this.names.value);
    for (const person of people) names.set(keyOf(person.principal), person.name);
    this.names.value = names;
  }

  private learn(messages: readonly HistoryMessage[]): void {
    const names = new Map(this.names.value);
    for (const { author } of messages) {
      const key = keyOf(author);
      this.recognise(author);
      if (author.name && !names.has(key)) names.set(key, author.name);
    }
    this.names.value = names;
  }

  /** Who wrote as a guest and has an account by now is that user. */
  private recognise({ actorType, actorId, user }: HistoryMessage["author"]): void {
    const guest: Principal = { actorType, actorId };
    if (user && actorType === "guest" && samePrincipal(this.now(guest), guest)) this.identity.upgrade(guest, { actorType: "user", actorId: user });
  }

  /** Names of people who have left are known to the history only. Asks once for each. */
  private learnMissing(): void {
    const authors = this.messages.value.confirmed.map((message) => keyOf(message.author));
    const missing = authors.filter((key) => !this.names.value.has(key) && !this.asked.has(key));
    if (missing.length === 0) return;
    missing.forEach((key) => this.asked.add(key));
    readHistory(this.id, null, PAGE).then(
      (page) => batch(() => this.learn(page.messages)),
      () => missing.forEach((key) => this.asked.delete(key)),
    );
  }
}
