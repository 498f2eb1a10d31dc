/** After signing in: a username is offered once, then one goes on to where one wanted to go. */

import { readAccount } from "./account.ts";
import { ApiError } from "./api.ts";
import { replace, withReturn } from "./router.ts";
import { me } from "./session.ts";
import { keep, recall } from "./storage.ts";

const offered = (): string => `username-offered:${me.peek()?.principal.actorId ?? ""}`;

/** Goes on to `next`, by way of the username if there is none yet. */
export async function goOn(next: string): Promise<void> {
  replace((await lacksUsername()) ? withReturn("/setup-username", next) : next);
}

/** The username was chosen or put off: it is not offered again here. */
export const usernameOffered = (): void => keep(offered(), "1");

async function lacksUsername(): Promise<boolean> {
  if (recall(offered())) return false;
  try {
    return (await readAccount()).username === null;
  } catch (error) {
    if (error instanceof ApiError) return false; // an offer, not worth an error
    throw error;
  }
}
