/** What was said before this page was opened, page by page. */

import { signal } from "@preact/signals";
import { type History, readHistory } from "../api.ts";
import { refusalOf } from "../explain.ts";

/** Messages of one page of history, and of a join's snapshot. */
export const PAGE = 50;

export class Past {
  readonly state = signal<"no" | "loading" | "failed">("no");
  /** When the history may be asked again, on the page's clock; null: at once. */
  readonly freeAt = signal<number | null>(null);

  constructor(private readonly room: string) {}

  /** The page before that offset, null: the latest; null: it did not come, or another is on its way. `quietly`: that it does not come is not told. */
  async read(before: number | null, quietly = false): Promise<History | null> {
    if (quietly) return this.ask(before);
    if (this.state.value === "loading") return null;
    this.state.value = "loading";
    const page = await this.ask(before);
    this.state.value = page ? "no" : "failed";
    return page;
  }

  private async ask(before: number | null): Promise<History | null> {
    if (Date.now() < (this.freeAt.value ?? 0)) return null;
    try {
      return await readHistory(this.room, before, PAGE);
    } catch (error) {
      this.freeAt.value = refusalOf(error).freeAt;
      return null;
    }
  }
}
