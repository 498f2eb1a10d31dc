/** Whether anybody is at this device: pointer, keys, and looking at the page again count. */

import { signal } from "@preact/signals";

/** As the protocol has it: after so long without a touch a device is idle. */
export const IDLE_MS = 300_000;

export class Idleness {
  readonly idle = signal(false);
  private touchedAt = 0;

  /** From now on, as of a touch. */
  start(): void {
    this.touchedAt = Date.now();
    this.checkIn(IDLE_MS);
  }

  /** Costs next to nothing: pointers move often. */
  touched = (): void => {
    this.touchedAt = Date.now();
    if (!this.idle.value) return;
    this.idle.value = false;
    this.checkIn(IDLE_MS);
  };

  private checkIn(ms: number): void {
    setTimeout(() => {
      const left = this.touchedAt + IDLE_MS - Date.now();
      if (left > 0) this.checkIn(left);
      else this.idle.value = true;
    }, ms);
  }
}
