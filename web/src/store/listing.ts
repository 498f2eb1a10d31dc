/** The list of public rooms as a page shows it: narrowed, page by page, and live as long as somebody looks. */

import { batch, computed, effect, signal } from "@preact/signals";
import type { Client, ListedRoom } from "../../../client/src/index.ts";
import { refusalOf, type Refusal } from "../explain.ts";
import { type Filters, listRooms, type RoomSummary } from "../rooms.ts";

/** As many as the server follows for one connection. */
const MAX_WATCHED = 100;

export const NO_FILTERS: Filters = { q: "", language: "", tag: "", size: "", status: "", sort: "activity" };

/** `ended`: it has left the list since it was loaded. */
export interface Listed extends RoomSummary {
  ended: boolean;
}

/** What is told live goes over what was loaded. */
export function apply(rooms: readonly Listed[], changes: readonly ListedRoom[]): readonly Listed[] {
  const byRoom = new Map(changes.map((change) => [change.room, change]));
  return rooms.map((room) => {
    const change = byRoom.get(room.id);
    return change ? { ...room, present: change.present, phase: change.phase, endsAt: change.endsAt, ended: change.ended } : room;
  });
}

/** The next page behind those that are there; what both have stays where it is. */
export function append(rooms: readonly Listed[], page: readonly RoomSummary[]): readonly Listed[] {
  const known = new Set(rooms.map(({ id }) => id));
  return [...rooms, ...page.filter(({ id }) => !known.has(id)).map((room) => ({ ...room, ended: false }))];
}

export class Listing {
  readonly rooms = signal<readonly Listed[]>([]);
  readonly state = signal<"loading" | "ready" | "failed">("loading");
  readonly refusal = signal<Refusal | null>(null);
  readonly hasMore = computed(() => this.cursor.value !== null);

  private readonly cursor = signal<string | null>(null);
  private filters: Filters = NO_FILTERS;
  private asked = 0;
  /** The cursor of the page that was asked for last. */
  private missing: string | null = null;

  constructor(private readonly limit: number) {}

  /** From the beginning. What is shown stays until the answer is there. */
  async load(filters: Filters): Promise<void> {
    this.filters = filters;
    await this.read(null);
  }

  /** What did not come. */
  async again(): Promise<void> {
    await this.read(this.missing);
  }

  /** The next page. */
  async more(): Promise<void> {
    if (this.state.value !== "loading") await this.read(this.cursor.value);
  }

  /** Follows what is shown on this connection; the answer ends it. */
  follow(client: Client): () => void {
    const shown = computed(() => JSON.stringify(this.rooms.value.slice(0, MAX_WATCHED).map(({ id }) => id)));
    const watch = (rooms: readonly string[]): void => {
      client.request("listing.watch", { rooms: [...rooms] }).catch(() => {
        // The list is as it was loaded; the next connection is asked again.
      });
    };
    const again = (): void => watch(JSON.parse(shown.peek()) as string[]);
    const endings = [
      client.on("listing.update", ({ rooms }) => void (this.rooms.value = apply(this.rooms.value, rooms))),
      client.on("welcome", again),
      effect(() => void (shown.value && client.state === "connected" && again())),
    ];
    return () => {
      endings.forEach((end) => end());
      if (client.state === "connected") watch([]);
    };
  }

  private async read(cursor: string | null): Promise<void> {
    const number = ++this.asked;
    this.missing = cursor;
    this.state.value = "loading";
    try {
      const page = await listRooms(this.filters, cursor, this.limit);
      if (number !== this.asked) return; // an answer to an older question is void
      batch(() => {
        this.rooms.value = append(cursor === null ? [] : this.rooms.value, page.rooms);
        this.cursor.value = page.nextCursor;
        this.refusal.value = null;
        this.state.value = "ready";
      });
    } catch (error) {
      if (number !== this.asked) return;
      this.refusal.value = refusalOf(error);
      this.state.value = "failed";
    }
  }
}
