/** Blocks that this browser has just made: what is on the page already goes at once. The rest is the server's, which shows neither to the other. */

import { signal } from "@preact/signals";
import { addBlock, dropBlock } from "../moderation.ts";
import type { Principal } from "../protocol.ts";
import { keyOf } from "./presence.ts";

/** Keys of people whose messages, place and writing are not shown. */
export const hidden = signal<ReadonlySet<string>>(new Set());
/** Counts people who were unblocked: what they said meanwhile can be read now. */
export const returns = signal(0);

interface Word {
  key: string;
  blocked: boolean;
}

let tabs: BroadcastChannel | null = null;

/** From now on the tabs of this browser tell each other. */
export function shareBlocks(): void {
  tabs = new BroadcastChannel("commonroom:blocks");
  tabs.onmessage = ({ data }: MessageEvent<Word>) => take(data);
}

export async function block(person: Principal): Promise<void> {
  await addBlock(person);
  tell({ key: keyOf(person), blocked: true });
}

export async function unblock(person: Principal): Promise<void> {
  await dropBlock(person);
  tell({ key: keyOf(person), blocked: false });
}

function tell(word: Word): void {
  take(word);
  tabs?.postMessage(word);
}

function take({ key, blocked }: Word): void {
  const next = new Set(hidden.value);
  if (blocked) next.add(key);
  else next.delete(key);
  hidden.value = next;
  if (!blocked) returns.value += 1;
}
