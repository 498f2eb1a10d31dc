/** How users are, of those at whom somebody looks on this page: asked for together, and no more often than the server takes it. */

import { signal } from "@preact/signals";
import type { UserStatus } from "../protocol.ts";

/** As many as the server tells one connection of. */
export const MAX_WATCHED = 200;
/** Who is only scrolled past is not asked for. */
export const GATHER_MS = 200;
/** Between two questions; the server takes ten in ten seconds. */
export const PAUSE_MS = 1_500;

/** Has the server tell of these from now on, in place of those before. False: it did not take that now, but may a while later. */
export type Ask = (users: string[]) => Promise<boolean>;

export class Statuses {
  /** By the user's id; nobody: not told yet. */
  readonly known = signal<ReadonlyMap<string, UserStatus>>(new Map());

  /** How many places of the page show whom. */
  private readonly lookers = new Map<string, number>();
  private ask: Ask | null = null;
  /** Of this connection, as one text. */
  private asked = "";
  private shown = true;
  private freeAt = 0;
  private timer: ReturnType<typeof setTimeout> | null = null;

  /** Somebody is shown, until the answer is called. */
  look(user: string): () => void {
    this.count(user, 1);
    return () => this.count(user, -1);
  }

  /** Whether anybody sees the page. What is known stays for their return. */
  show(shown: boolean): void {
    this.shown = shown;
    this.later();
  }

  /** There is a connection, of which nothing was asked yet. */
  connected(ask: Ask): void {
    this.ask = ask;
    this.asked = "";
    this.freeAt = 0;
    this.send();
  }

  lost(): void {
    this.ask = null;
  }

  told(users: readonly UserStatus[]): void {
    const known = new Map(this.known.value);
    for (const one of users) if (this.lookers.has(one.user)) known.set(one.user, one);
    this.known.value = known;
  }

  private count(user: string, by: 1 | -1): void {
    const count = (this.lookers.get(user) ?? 0) + by;
    if (count === 0) this.lookers.delete(user);
    else this.lookers.set(user, count);
    this.later();
  }

  private later(): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.send();
    }, Math.max(GATHER_MS, this.freeAt - Date.now()));
  }

  private send(): void {
    const wanted = this.shown ? [...this.lookers.keys()].slice(0, MAX_WATCHED) : [];
    const asked = wanted.join(" ");
    this.known.value = new Map([...this.known.value].filter(([user]) => this.lookers.has(user)));
    if (!this.ask || asked === this.asked) return;
    this.asked = asked;
    this.freeAt = Date.now() + PAUSE_MS;
    void this.ask(wanted).then((taken) => {
      if (taken || this.asked !== asked) return; // there was another question since, or another connection
      this.asked = "?";
      this.later();
    });
  }
}
