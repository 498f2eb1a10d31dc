/** After signing in: a username is offered once, then one goes on to where one wanted to go. */

import { type Account, type Confirmed, linkedProviders, readAccount, readWays } from "./account.ts";
import { ApiError } from "./api.ts";
import { openSettings } from "./components/opened.ts";
import { tellLasting, tellOnce } from "./notice.ts";
import { parameter, replace, withReturn } from "./router.ts";
import { adopt, me } from "./session.ts";
import { keep, recall } from "./storage.ts";
import { text } from "./text.ts";

/** As the server names who gave no name. */
const UNNAMED = "Newcomer";

/** Nobody has asked them for a name yet. */
export const isUnnamed = (): boolean => me.peek()?.name === UNNAMED;

const offered = (): string => `username-offered:${me.peek()?.principal.actorId ?? ""}`;

/** A letter was answered: what came of it is told, where one does not see it. */
export async function arrive(confirmed: Confirmed, next: string): Promise<void> {
  adopt(confirmed);
  if (confirmed.purpose === "address") tellOnce(text.account.emailChanged);
  if (confirmed.purpose === "register" && (await offer(readAccount))?.hasPassword === false) {
    tellLasting(text.login.noPassword, { label: text.account.addPassword, run: () => openSettings("password") });
  }
  await goOn(next);
}

/** On the way to a provider, to link it. */
export const goLinking = (provider: string): void => keep("linking", provider);

/** Back from there: the page that asked is gone, so that this one tells. */
export async function cameBackLinked(): Promise<void> {
  const name = recall("linking");
  if (name === null) return;
  keep("linking", "");
  if (parameter("problem") || !(await offer(linkedProviders))?.includes(name)) return;
  const label = (await offer(readWays))?.providers.find((one) => one.name === name)?.label;
  tellOnce(text.account.nowLinked(label ?? name));
}

/** Goes on to `next`, by way of the username if there is none yet. */
export async function goOn(next: string): Promise<void> {
  replace((await lacksUsername()) ? withReturn("/setup-username", next) : next);
}

/** The username was chosen or put off: it is not offered again here. */
export const usernameOffered = (): void => keep(offered(), "1");

async function lacksUsername(): Promise<boolean> {
  return !recall(offered()) && (await offer<Account>(readAccount))?.username === null;
}

/** What an offer is made of: not worth an error. */
async function offer<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof ApiError) return null;
    throw error;
  }
}
