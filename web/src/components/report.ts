/** What is being reported; null: nothing is. */

import { signal } from "@preact/signals";
import type { Reported } from "../moderation.ts";

export interface Reporting {
  heading: string;
  lead: string;
  thing: Reported;
}

export const reporting = signal<Reporting | null>(null);

export const openReport = (report: Reporting): void => void (reporting.value = report);
