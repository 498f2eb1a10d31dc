/** Where a guest was within a day, kept in this browser. Of users the server keeps it: what was kept here goes there when a guest becomes one. */

import { effect } from "@preact/signals";
import { ApiError } from "../api.ts";
import { mergeRecent, type OwnRoom, readRecent, type Theme } from "../rooms.ts";
import { isUser, known } from "../session.ts";
import { keep, recallJson } from "../storage.ts";
import { remember, type Visit } from "./visits.ts";

const KEY = "recent";

const kept = (): Visit[] => remember(recallJson<Visit[]>(KEY) ?? [], null, Date.now());

/** We have come into a room. */
export function visited(id: string, title: string, theme: Theme): void {
  if (isUser.peek()) return;
  const now = Date.now();
  keep(KEY, JSON.stringify(remember(kept(), { id, title, theme, at: now }, now)));
}

export const recentRooms = async (): Promise<OwnRoom[]> => (isUser.peek() ? readRecent() : kept());

/** From now on: as soon as somebody is a user, the server gets what was kept here. */
export function shareRecent(): void {
  effect(() => void (known.value && isUser.value && handOver()));
}

async function handOver(): Promise<void> {
  const visits = kept();
  if (visits.length === 0) return;
  try {
    await mergeRecent(visits.map(({ id, at }) => ({ id, at })));
    keep(KEY, "");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error; // kept here: it goes there the next time
  }
}
