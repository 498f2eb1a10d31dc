/** Pauses between attempts: full jitter, growing, so that a thousand clients do not return at once. */

export class Backoff {
  /** Attempts since the last `reset`. */
  attempt = 0;
  readonly #min: number;
  readonly #max: number;
  readonly #random: () => number;

  constructor(min: number, max: number, random: () => number) {
    this.#min = min;
    this.#max = max;
    this.#random = random;
  }

  /**
   * The next pause in milliseconds: `min` plus a random share of `min * 2^attempt`, that
   * share at most `max`. `spread` widens it to what the server asked for.
   */
  next(spread = 0): number {
    const span = Math.min(this.#max, this.#min * 2 ** this.attempt++);
    return Math.round(this.#min + this.#random() * Math.max(span, spread));
  }

  reset(): void {
    this.attempt = 0;
  }
}
