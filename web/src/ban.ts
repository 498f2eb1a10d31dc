/** What the server last said about keeping us out; null: nothing, or it was read. */

import { signal } from "@preact/signals";

/** `until` in milliseconds; null: until an admin lifts it. */
export interface Ban {
  reason: string;
  until: number | null;
}

export const ban = signal<Ban | null>(null);
