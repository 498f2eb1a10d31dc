/** What the client takes from the world: time, timers, randomness, the page. */

export interface Environment {
  /** Wall time in milliseconds; may jump. */
  now(): number;
  /** Calls `task` after `delay` milliseconds; returns the function that cancels it. */
  after(delay: number, task: () => void): () => void;
  /** [0, 1) */
  random(): number;
  /** A random text of 128 bits. */
  nonce(): string;
  /** The page's life: `pagehide`, `pageshow`, `online`, and the document turning visible. */
  page(listener: (event: "hide" | "wake") => void): () => void;
}

export const platform: Environment = {
  now: () => Date.now(),
  after(delay, task) {
    const timer = setTimeout(task, delay);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
  nonce() {
    // Not randomUUID: that one is missing on pages without TLS.
    return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
  },
  page(listener) {
    if (typeof window === "undefined") return () => {};
    const controller = new AbortController();
    const wake = (): void => listener("wake");
    const on = (target: EventTarget, name: string, handler: () => void): void => target.addEventListener(name, handler, controller);
    on(window, "pagehide", () => listener("hide"));
    on(window, "pageshow", wake);
    on(window, "online", wake);
    on(document, "visibilitychange", () => document.hidden || wake());
    return () => controller.abort();
  },
};
