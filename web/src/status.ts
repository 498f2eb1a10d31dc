/** Status (FEATURES P20): how those are at whom somebody looks here, and what this device says of its own user. */

import { type Client, CommandError, Timeout } from "../../client/src/index.ts";
import type { UserStatus } from "./protocol.ts";
import { Idleness } from "./store/idleness.ts";
import { Statuses } from "./store/statuses.ts";

/** What a person chooses; the rest comes by itself. */
export type Choice = "online" | "dnd";

const TOUCHES = ["pointermove", "pointerdown", "keydown", "wheel"] as const;

export const statuses = new Statuses();
const idleness = new Idleness();
let current: Client | null = null;

/** Follows this client in place of the one before. A new connection knows nothing of what the former was told. */
export function followStatus(client: Client): void {
  current = client;
  client.on("status.update", ({ users }) => statuses.told(users));
  client.on("state", ({ to }) => to !== "connected" && current === client && statuses.lost());
  client.on("welcome", () => {
    statuses.connected((users) => client.request("status.watch", { users }).then(() => true, (error) => !isPassing(error)));
    if (idleness.idle.peek()) sayIdle();
  });
}

/** It was too often, or no answer came. */
const isPassing = (error: unknown): boolean => error instanceof Timeout || (error instanceof CommandError && error.name === "RATE_LIMITED");

/** Kept for all devices, until the other is chosen. Rejects if it was not. */
export async function chooseStatus(client: Client, user: string, choice: Choice): Promise<void> {
  await client.request("status.set", { status: choice });
  const before = statuses.known.peek().get(user);
  if (choice === "online" && before?.status !== "dnd") return; // busy or idle all the same: nothing has changed of which the server would tell
  statuses.told([{ lastSeen: null, room: null, ...before, user, status: choice }]); // the server's own word may be two seconds behind
}

export const statusOf = (user: string): UserStatus["status"] | null => statuses.known.value.get(user)?.status ?? null;

/** When an offline user was here last, to the minute, if that is told. */
export const lastSeenOf = (user: string): number | null => statuses.known.value.get(user)?.lastSeen ?? null;

/** From now on: touches of this device count, and nobody is looked at while the page is not seen. */
export function watchDevice(): void {
  idleness.start();
  for (const touch of TOUCHES) addEventListener(touch, idleness.touched, { passive: true, capture: true });
  document.addEventListener("visibilitychange", () => {
    const seen = document.visibilityState === "visible";
    if (seen) idleness.touched();
    statuses.show(seen);
  });
  idleness.idle.subscribe(sayIdle);
}

/** Of users alone: guests have no status. Lost with a connection, it is said again to the next one. */
function sayIdle(): void {
  if (current?.state !== "connected" || current.principal?.actorType !== "user") return;
  current.request("status.set", { idle: idleness.idle.peek() }).catch(() => {
    // Refused or lost: the next change, or the next connection, says it anew.
  });
}
