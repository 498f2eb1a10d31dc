/** What is said in a room: read, written and caught up with, as signals. */

import { batch, computed, effect, signal } from "@preact/signals";
import { type Client, CommandError, type JoinedEvent, type Room } from "../../../client/src/index.ts";
import { needsSignIn, refusalOf } from "../explain.ts";
import type { Message, RoomInfo } from "../protocol.ts";
import { keep, recall } from "../storage.ts";
import { offerSignIn } from "../unlock.ts";
import { hidden, returns } from "./blocks.ts";
import type { Identity } from "./identity.ts";
import * as list from "./messages.ts";
import { Names } from "./names.ts";
import { PAGE, Past } from "./past.ts";
import { keyOf } from "./presence.ts";
import type { Standing } from "./standing.ts";
import { keepUnsent, recallUnsent } from "./unsent.ts";

/** Over this many the oldest leave the page while the reader is at the bottom. */
const MAX_SHOWN = 200;

/** What a conversation knows of the room around it. */
interface Around {
  client: Client;
  room: Room;
  identity: Identity;
  names: Names;
  standing: Standing;
  info: { readonly value: RoomInfo | null };
}

export class Conversation {
  readonly messages = signal(list.EMPTY);
  readonly past: Past;
  /** First unread offset, where the divider stands. */
  readonly unreadAt = signal<number | null>(null);
  readonly lastRead = signal(0);
  /** What the reader sees: without the people they have blocked. */
  readonly shown = computed(() => (hidden.value.size === 0 ? this.messages.value : list.without(this.messages.value, this.isHidden)));
  readonly unread = computed(() => list.countAfter(this.shown.value, this.lastRead.value, this.around.identity.isMe));

  /** Called for each message of somebody else that has just been said. */
  onMessage: (message: Message) => void = () => {};

  private attentive = false;
  private opened = false;

  constructor(
    readonly id: string,
    private readonly around: Around,
  ) {
    this.past = new Past(id);
    this.lastRead.value = Number(recall(`read:${id}`) ?? 0);
    this.messages.value = { ...list.EMPTY, outgoing: recallUnsent(id) };
  }

  /** Follows the room until the functions it answers are called. */
  listen(): (() => void)[] {
    const { room, identity } = this.around;
    return [
      room.on("message.create", (event) => this.arrived({ ...event, author: event.author ?? identity.me, editedAt: null })),
      room.on("message.update", (event) => void (this.messages.value = list.update(this.messages.value, event.message, event.text, event.at))),
      room.on("message.delete", (event) => void (this.messages.value = list.remove(this.messages.value, event.message))),
      this.onReturn(),
      effect(() => keepUnsent(this.id, this.messages.value.outgoing)),
    ];
  }

  get lastOffset(): number {
    return this.messages.value.confirmed.at(-1)?.offset ?? 0;
  }

  // ---- what a person does ----

  send(text: string): void {
    const { nonce, sent } = this.around.room.send(text);
    this.unreadAt.value = null;
    this.post(nonce, text, sent);
  }

  /** Sends a failed message again, under its old nonce: if it had arrived after all, it does not appear twice. */
  retry(nonce: string): void {
    const failed = this.messages.value.outgoing.find((message) => message.nonce === nonce);
    if (!failed) return;
    const fields = { room: this.id, text: failed.text, nonce };
    this.post(nonce, failed.text, this.around.client.request("message.send", fields, { reliable: true }));
  }

  discard(nonce: string): void {
    this.messages.value = list.discard(this.messages.value, nonce);
  }

  async edit(offset: number, text: string): Promise<void> {
    try {
      await this.around.room.edit(offset, text);
    } catch (error) {
      this.noteDenial(error);
      throw error;
    }
  }

  async remove(offset: number): Promise<void> {
    await this.around.room.remove(offset);
  }

  async loadEarlier(): Promise<void> {
    const page = await this.past.read(this.messages.value.confirmed[0]?.offset ?? null);
    if (!page) return;
    batch(() => {
      this.around.names.learn(page.messages);
      this.messages.value = { ...list.merge(this.messages.value, page.messages), hasMore: page.hasMore };
    });
  }

  /** Whether the person looks at the newest messages: only then does the read position advance. */
  setAttentive(attentive: boolean): void {
    this.attentive = attentive;
    if (attentive) this.markRead();
  }

  // ---- what the room tells ----

  joined(event: JoinedEvent): void {
    const hasMore = event.messages.length >= PAGE;
    const state = this.messages.value;
    if (event.recovered) this.messages.value = list.merge(state, event.messages);
    else this.messages.value = list.restart(state, event.messages, this.opened ? (event.gap?.first ?? 0) : null, hasMore);
    if (!this.opened) this.placeDivider();
    this.opened = true;
    if (this.attentive) this.markRead();
    this.learnMissing();
  }

  private arrived(message: Message): void {
    const others = !this.around.identity.isMe(message.author);
    batch(() => {
      if (others && !this.attentive && this.unread.value === 0) this.unreadAt.value = message.offset;
      const merged = list.merge(this.messages.value, [message]);
      this.messages.value = this.attentive ? list.trim(merged, MAX_SHOWN) : merged;
      if (this.attentive) this.markRead();
    });
    this.learnMissing();
    if (others) this.onMessage(message);
  }

  private onReturn(): () => void {
    const before = returns.peek();
    return returns.subscribe((count) => void (count !== before && this.reload()));
  }

  /** What somebody said whom we did not see for a while is in the history. */
  private async reload(): Promise<void> {
    const page = await this.past.read(null);
    if (!page) return; // what was here before is here still
    batch(() => {
      this.around.names.learn(page.messages);
      this.messages.value = list.restart(this.messages.value, page.messages, null, page.hasMore);
    });
  }

  // ---- bookkeeping ----

  private isHidden = (principal: Message["author"]): boolean => hidden.value.has(keyOf(this.around.identity.now(principal)));

  private post(nonce: string, text: string, sent: Promise<{ offset: number }>): void {
    const { client, identity, standing, info } = this.around;
    this.messages.value = list.send(this.messages.value, nonce, text, client.serverNow());
    sent.then(
      ({ offset }) => {
        this.messages.value = list.confirm(this.messages.value, nonce, offset, identity.me);
        standing.heard(info.value);
      },
      (error: Error) => {
        const { words, freeAt } = refusalOf(error);
        this.messages.value = list.fail(this.messages.value, nonce, words, freeAt);
        this.noteDenial(error);
      },
    );
  }

  /** A guest may need an account for it; whoever else may not write has been told to be quiet. */
  private noteDenial(error: unknown): void {
    if (needsSignIn(error)) offerSignIn();
    if (error instanceof CommandError) this.around.standing.refused(error, this.around.info.value);
  }

  private placeDivider(): void {
    if (this.lastRead.value === 0) return;
    const unread = this.messages.value.confirmed.find((m) => m.offset > this.lastRead.value && !this.around.identity.isMe(m.author));
    this.unreadAt.value = unread?.offset ?? null;
  }

  private markRead(): void {
    if (this.lastOffset <= this.lastRead.value) return;
    this.lastRead.value = this.lastOffset;
    keep(`read:${this.id}`, String(this.lastOffset));
  }

  /** Names of people who have left are known to the history only. */
  private learnMissing(): void {
    if (Date.now() < (this.past.freeAt.value ?? 0)) return;
    const missing = this.around.names.missing(this.messages.value.confirmed);
    if (missing.length === 0) return;
    void this.past.read(null, true).then((page) => {
      if (page) batch(() => this.around.names.learn(page.messages));
      else this.around.names.forget(missing);
    });
  }
}
