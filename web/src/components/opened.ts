/** Whether the settings are open, and at what part of them. */

import { signal } from "@preact/signals";

export type Part = "all" | "password" | "status";

export const opened = signal<Part | null>(null);

export const openSettings = (part: Part = "all"): void => void (opened.value = part);
