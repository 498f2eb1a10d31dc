/** What a user prefers, on all devices (FEATURES P22): as the server has it, with what this page has changed over it. */

import { batch, signal } from "@preact/signals";
import { ApiError } from "../api.ts";
import { type Refusal, refusalOf } from "../explain.ts";
import type { Theme } from "../theme.ts";

/** When somebody is busy by themselves: in a room whose timer runs, in its focus phases alone, never. */
export type BusyWhen = "active" | "focus" | "off";

export interface Preferences {
  dnd: boolean;
  busy: BusyWhen;
  /** Who is in no room with me sees me offline. */
  hideStatus: boolean;
  /** Nor which room I am in. */
  hideRoom: boolean;
  theme: Theme;
  sounds: boolean;
  /** An IANA name. */
  timeZone: string;
}

export type Changes = Partial<Preferences>;

/** Where they are kept. Rejects with an `ApiError`. */
export interface Keeper {
  read: () => Promise<Preferences>;
  /** Answers all of them afterwards. */
  change: (changes: Changes) => Promise<Preferences>;
}

/** What is changed shows at once and is saved by and by: one request at a time, what comes meanwhile in the next. */
export class PreferenceStore {
  readonly current = signal<Preferences | null>(null);
  /** Why they could not be loaded; null: nothing went wrong, or they are there. */
  readonly unread = signal<Refusal | null>(null);
  /** Why what is shown is not kept; null: it is, or is on its way. */
  readonly unsaved = signal<Refusal | null>(null);

  private changes: Changes = {};
  private saving: Promise<void> | null = null;
  /** Grows with each person, so that an answer about somebody else is recognised. */
  private person = 0;

  constructor(private readonly keeper: Keeper) {}

  /** Of somebody else, or of nobody, from now on. */
  clear(): void {
    this.person += 1;
    this.changes = {};
    batch(() => {
      this.current.value = this.unread.value = this.unsaved.value = null;
    });
  }

  load = async (): Promise<void> => {
    const { person } = this;
    try {
      const kept = await this.keeper.read();
      if (person === this.person) this.take(kept);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (person === this.person && !this.current.peek()) this.unread.value = refusalOf(error);
    }
  };

  /** Ends when it is kept, or `unsaved` says why not. */
  change(changes: Changes): Promise<void> {
    this.changes = { ...this.changes, ...changes };
    const before = this.current.peek();
    if (before) this.current.value = { ...before, ...changes };
    return this.save();
  }

  /** Saves what is not kept yet. */
  save = (): Promise<void> => (this.saving ??= this.sendAll().finally(() => (this.saving = null)));

  private async sendAll(): Promise<void> {
    while (Object.keys(this.changes).length > 0) {
      if (!(await this.send(this.changes, this.person))) return;
    }
  }

  /** Whether to go on. */
  private async send(sent: Changes, person: number): Promise<boolean> {
    try {
      const kept = await this.keeper.change(sent);
      if (person !== this.person) return true;
      this.forget(sent);
      this.take(kept);
      this.unsaved.value = null;
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (person !== this.person) return true;
      this.unsaved.value = refusalOf(error);
      if (!isWrong(error)) return false;
      this.forget(sent); // it would be refused again: back to what is kept
      await this.load();
      return true;
    }
  }

  /** These are answered, but for what was changed again meanwhile. */
  private forget(sent: Changes): void {
    const rest = Object.entries(this.changes).filter(([name, value]) => value !== sent[name as keyof Preferences]);
    this.changes = Object.fromEntries(rest);
  }

  private take(kept: Preferences): void {
    batch(() => {
      this.current.value = { ...kept, ...this.changes };
      this.unread.value = null;
    });
  }
}

/** It is what was asked for that is refused, not the moment. */
const isWrong = ({ status }: ApiError): boolean => status === 400 || status === 422;
