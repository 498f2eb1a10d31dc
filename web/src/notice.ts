/** One thing that is worth telling beside what the page shows. It stays until it is dismissed, or another takes its place. */

import { signal } from "@preact/signals";

export interface Notice {
  words: string;
  /** What can be done about it. */
  action?: { label: string; run: () => void };
}

export const notice = signal<Notice | null>(null);

export const tellOnce = (words: string, action?: Notice["action"]): void => void (notice.value = action ? { words, action } : { words });
export const dismiss = (): void => void (notice.value = null);
