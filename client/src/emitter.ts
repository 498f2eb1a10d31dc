/** Typed events. A listener that throws is reported and harms no other. */

export type Listener<T> = (event: T) => void;

export class Emitter<Events> {
  readonly #listeners = new Map<keyof Events, Set<Listener<any>>>();

  /** Calls `listener` for each event from now on; returns the function that ends it. */
  on<N extends keyof Events>(name: N, listener: Listener<Events[N]>): () => void {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set.add(listener));
    return () => void set.delete(listener);
  }

  protected emit<N extends keyof Events>(name: N, event: Events[N]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error; // like an error in an event handler of the platform: seen by the console, caught by nobody
        });
      }
    }
  }
}
