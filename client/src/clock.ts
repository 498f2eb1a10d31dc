/**
 * Server time, estimated from the welcome (a round trip) and heartbeats (one way).
 *
 * A message cannot arrive before it was sent: of several samples `serverTime - received`
 * the largest was delayed least. Half of the shortest round trip is added for its way.
 * The window of the last samples slides, so that drift is followed; the shown time moves
 * towards the estimate by at most 5 % of the time that passes, and jumps only over a second.
 */

const WINDOW = 8;
const SLEW = 0.05;
const JUMP = 1000;
/** A sample this far below the others means that this machine's clock was set, not a slow network. */
const STEP = 2000;

export class ServerClock {
  /** Shortest round trip so far, milliseconds. */
  rtt = Infinity;
  /** Server time minus this machine's, milliseconds. */
  offset = 0;
  readonly #local: () => number;
  #samples: number[] = [];
  #below = 0;
  #shown = 0;
  #slewedAt = 0;

  constructor(local: () => number) {
    this.#local = local;
  }

  /** Server time now, in milliseconds since the Unix epoch. Before the first welcome: this machine's. */
  now(): number {
    this.#slew();
    return Math.round(this.#local() + this.#shown);
  }

  /** A round trip: both ends of the estimate are known. */
  roundTrip(serverTime: number, sent: number, received: number): void {
    this.rtt = Math.max(0, Math.min(this.rtt, received - sent));
    const first = this.#samples.length === 0;
    if (this.#stepped(serverTime - received)) this.#samples = [];
    this.#sample(serverTime, received);
    if (first) this.#shown = this.offset;
  }

  /** A message that says when it was sent. */
  oneWay(serverTime: number, received: number): void {
    this.#below = this.#stepped(serverTime - received) ? this.#below + 1 : 0;
    if (this.#below > 1) this.#samples = [];
    this.#sample(serverTime, received);
  }

  #stepped(sample: number): boolean {
    return Math.max(...this.#samples) - sample > STEP;
  }

  #sample(serverTime: number, received: number): void {
    this.#slew();
    this.#samples = [...this.#samples, serverTime - received].slice(-WINDOW);
    const way = this.rtt === Infinity ? 0 : this.rtt / 2;
    this.offset = Math.max(...this.#samples) + way;
    if (Math.abs(this.offset - this.#shown) > JUMP) this.#shown = this.offset;
  }

  #slew(): void {
    const now = this.#local();
    const step = Math.max(0, now - this.#slewedAt) * SLEW;
    this.#slewedAt = now;
    const gap = this.offset - this.#shown;
    this.#shown += Math.max(-step, Math.min(step, gap));
  }
}
