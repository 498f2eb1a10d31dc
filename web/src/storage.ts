/** The browser's storage where there is one, else memory: private windows may throw on every access. */

const memory = new Map<string, string>();
const PREFIX = "commonroom:";

function attempt<T>(action: () => T): T | null {
  try {
    return action();
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}

export function recall(key: string): string | null {
  return attempt(() => localStorage.getItem(PREFIX + key)) ?? memory.get(key) ?? null;
}

/** What `JSON.stringify` made; null if there is none, or what another version left. */
export function recallJson<T>(key: string): T | null {
  try {
    return JSON.parse(recall(key) ?? "null") as T | null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Keeps `value`; an empty one is forgotten. */
export function keep(key: string, value: string): void {
  if (value) memory.set(key, value);
  else memory.delete(key);
  attempt(() => (value ? localStorage.setItem(PREFIX + key, value) : localStorage.removeItem(PREFIX + key)));
}

/** Forgets all whose keys begin so. */
export function forgetAll(prefix: string): void {
  const stored = attempt(() => Object.keys(localStorage)) ?? [];
  const keys = [...memory.keys(), ...stored.map((key) => key.slice(PREFIX.length))];
  for (const key of keys) if (key.startsWith(prefix)) keep(key, "");
}

/** A random key of 128 bits. Not `randomUUID`: that one is missing on pages without TLS. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
