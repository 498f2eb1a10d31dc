/** What people are called, as far as this page has heard: by the roster, and by the history for those who have left. */

import { signal } from "@preact/signals";
import type { HistoryMessage } from "../api.ts";
import type { Message, Person, Principal } from "../protocol.ts";
import { type Identity, samePrincipal } from "./identity.ts";
import { keyOf } from "./presence.ts";

export class Names {
  private readonly known = signal<ReadonlyMap<string, string>>(new Map());
  /** People whose names the history was asked for already. */
  private readonly asked = new Set<string>();

  constructor(private readonly identity: Identity) {}

  of(principal: Principal): string | null {
    return this.byKey(keyOf(this.identity.now(principal))) ?? this.byKey(keyOf(principal));
  }

  byKey(key: string): string | null {
    return this.known.value.get(key) ?? null;
  }

  seen(people: readonly Person[]): void {
    if (people.length === 0) return;
    const known = new Map(this.known.value);
    for (const person of people) known.set(keyOf(person.principal), person.name);
    this.known.value = known;
  }

  learn(messages: readonly HistoryMessage[]): void {
    const known = new Map(this.known.value);
    for (const { author } of messages) {
      const key = keyOf(author);
      this.recognise(author);
      if (author.name && !known.has(key)) known.set(key, author.name);
    }
    this.known.value = known;
  }

  /** Who wrote as a guest and has an account by now is that user. */
  private recognise({ actorType, actorId, user }: HistoryMessage["author"]): void {
    const guest: Principal = { actorType, actorId };
    const isNews = user && actorType === "guest" && samePrincipal(this.identity.now(guest), guest);
    if (isNews) this.identity.upgrade(guest, { actorType: "user", actorId: user });
  }

  /** Authors of these whose names nobody has told yet; each is answered once, until `forget`. */
  missing(messages: readonly Message[]): string[] {
    const authors = messages.map((message) => keyOf(message.author));
    const keys = authors.filter((key) => !this.known.value.has(key) && !this.asked.has(key));
    keys.forEach((key) => this.asked.add(key));
    return keys;
  }

  /** The history did not answer: they may be asked for again. */
  forget(keys: readonly string[]): void {
    keys.forEach((key) => this.asked.delete(key));
  }
}
