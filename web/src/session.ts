/** Who this browser is, and its one connection to the server. Its tabs tell each other when that changes. */

import { batch, computed, signal } from "@preact/signals";
import { AuthError, Client } from "../../client/src/index.ts";
import { ApiError, createGuest, dropTokens, type Me, readMe, refreshSession, renameMe, wsToken } from "./api.ts";
import { freeAgainAt } from "./explain.ts";
import { followStatus } from "./status.ts";
import { ending, state, watch } from "./store/connection.ts";
import { keyOf } from "./store/presence.ts";
import { forgetAll, keep, recall } from "./storage.ts";

export const me = signal<Me | null>(null);
export const isUser = computed(() => me.value?.principal.actorType === "user");
export const isAdmin = computed(() => isUser.value && me.value?.role === "ADMIN");

/** False until it is known whether this browser has a session. */
export const known = signal(false);

/** So long the server waits for somebody to come back from a provider. */
const AWAY_MS = 600_000;

type Word = "signed in" | "signed out" | "renamed";

const tabs = new BroadcastChannel("commonroom");
tabs.onmessage = ({ data }: MessageEvent<Word>) => void heard[data]();

/** What we do when another tab has said that. */
const heard: Record<Word, () => void> = { "signed in": () => void renew(), "signed out": ended, renamed: () => void reread() };

let client: Client | null = null;

export const rememberedName = (): string => recall("name") ?? "";

/**
 * Asks the server who we are; true if we have just come back from a provider as somebody.
 * A browser that never had a session asks nothing, to keep its console clean.
 */
export async function resume(): Promise<boolean> {
  const returned = Date.now() - Number(recall("away") ?? 0) < AWAY_MS;
  try {
    if (recall("guest") || returned) remember(await refreshSession());
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) keep("guest", "");
  }
  if (!returned || !isUser.value) return false; // another tab may be the one that comes back
  keep("away", "");
  tell("signed in");
  return true;
}

/** The session there is, or a new guest of that name. */
export async function enter(name: string): Promise<Me> {
  const person = me.value ?? (await createGuest(name));
  remember(person);
  return person;
}

/** We are somebody else by now, or have new tokens: the live socket learns of it, and so do the other tabs. */
export function adopt(person: Me): void {
  become(person);
  tell("signed in");
}

/** On the way to a provider, who sends us back to a page that has to ask who it is. */
export const goAway = (): void => keep("away", String(Date.now()));

/** We came back as nobody new. */
export const cameBackInVain = (): void => keep("away", "");

export async function rename(name: string): Promise<void> {
  remember(await renameMe(name));
  client?.refresh();
  tell("renamed");
}

/** The session is over: the next `enter` makes a new guest. */
export function forget(): void {
  close();
  dropTokens();
  keep("guest", "");
  me.value = null;
}

/** As `forget`, by a person's own wish, for all tabs. */
export function leave(): void {
  forget();
  for (const words of ["draft:", "unsent:", "new-room", "recent", "quiet:", "account-theme"]) forgetAll(words); // of this person, and the next one may be another
  tell("signed out");
}

/** The connection of this session, made at first use. */
export function connection(): Client {
  if (client) return client;
  const url = new URL("/v1/ws", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  client = new Client(url.href, { getToken });
  watch(client);
  followStatus(client);
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

/** Another tab has new tokens: its cookie is ours. */
async function renew(): Promise<void> {
  try {
    become(await refreshSession());
  } catch (error) {
    if (!(error instanceof ApiError)) throw error; // else the next request or socket tells why
  }
}

/** Another tab has given us another name. */
async function reread(): Promise<void> {
  if (!me.peek()) return;
  try {
    remember(await readMe());
    client?.refresh();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error; // the next token has the name as well
  }
}

/** The live socket goes on as this person; one that was ended makes room for another. */
function become(person: Me): void {
  batch(() => {
    if (ending.peek()) close();
    remember(person);
  });
  client?.refresh();
}

function close(): void {
  client?.close();
  client = null;
  ending.value = null;
}

/** Another tab has signed out. A page with a socket is told by its end, which says more. */
function ended(): void {
  if (!client) forget();
}

function tell(word: Word): void {
  tabs.postMessage(word);
}

/** The last refusal of a token that said how long to wait, and when that is over. */
let refused: { error: unknown; until: number } | null = null;

/** The client tries again by a pause of its own: the server is not asked before the time that it told. */
async function getToken(): Promise<string> {
  if (refused && Date.now() < refused.until) throw refused.error;
  try {
    return (await wsToken()).token;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) throw new AuthError("no session");
    const until = freeAgainAt(error);
    refused = until === null ? null : { error, until };
    throw error;
  }
}

function remember(person: Me): void {
  me.value = person;
  keep("name", person.name);
  keep("guest", "1");
}
