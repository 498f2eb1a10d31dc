/** Whether the chat tells who comes and goes; in this browser alone. */

import { signal } from "@preact/signals";
import { keep, recall } from "./storage.ts";

export const movements = signal(recall("no-movements") === null);

export function setMovements(told: boolean): void {
  movements.value = told;
  keep("no-movements", told ? "" : "1");
}
