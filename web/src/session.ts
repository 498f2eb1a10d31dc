/** Who this browser is, and its one connection to the server. */

import { signal } from "@preact/signals";
import { AuthError, Client } from "../../client/src/index.ts";
import { ApiError, createGuest, type Me, refreshSession, renameMe, wsToken } from "./api.ts";
import { ending, state, watch } from "./store/connection.ts";
import { keyOf } from "./store/presence.ts";
import { keep, recall } from "./storage.ts";

export const me = signal<Me | null>(null);

/** False until it is known whether this browser has a session. */
export const known = signal(false);

let client: Client | null = null;

export const rememberedName = (): string => recall("name") ?? "";

/** Asks the server who we are. A browser that never had a session asks nothing, to keep its console clean. */
export async function resume(): Promise<void> {
  try {
    if (recall("guest")) me.value = await refreshSession();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) keep("guest", "");
  }
  known.value = true;
}

/** The session there is, or a new guest of that name. */
export async function enter(name: string): Promise<Me> {
  const person = me.value ?? (await createGuest(name));
  remember(person);
  return person;
}

export async function rename(name: string): Promise<void> {
  remember(await renameMe(name));
  client?.refresh();
}

/** The session is over: the next `enter` makes a new guest. */
export function forget(): void {
  client?.close();
  client = null;
  keep("guest", "");
  me.value = null;
  ending.value = null;
}

/** The connection of this session, made at first use. */
export function connection(): Client {
  if (client) return client;
  const url = new URL("/v1/ws", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  client = new Client(url.href, { getToken });
  watch(client);
  client.on("welcome", follow);
  client.on("token", () => state.peek() === "connected" && follow());
  client.connect().catch(() => {
    // Told by the state events, which `watch` follows.
  });
  return client;
}

/** We may be a user by now who was a guest, or have another name, by what another tab did. */
function follow(): void {
  const person = me.peek();
  if (!person || !client?.principal || !client.name) return;
  const { principal, name } = client;
  if (principal.actorType === "guest" && person.principal.actorType === "user") return; // the new token is on its way
  if (keyOf(principal) !== keyOf(person.principal) || name !== person.name) me.value = { ...person, principal, name };
}

async function getToken(): Promise<string> {
  try {
    return (await wsToken()).token;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) throw new AuthError("no session");
    throw error;
  }
}

function remember(person: Me): void {
  me.value = person;
  keep("name", person.name);
  keep("guest", "1");
}
