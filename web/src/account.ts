/** The HTTP API of accounts: ways in, and what one does with one's own. Every failure is an `ApiError`. */

import { call, type Me, query, send, type Session, signInBy, taken } from "./api.ts";
import type { Widget } from "./challenge.ts";
import { keep, recall } from "./storage.ts";

/** What a user's own account is. `username` null: not chosen yet. */
export interface Account extends Me {
  username: string | null;
  email: string | null;
  hasPassword: boolean;
}

export interface Provider {
  name: string;
  label: string;
}

/** What one can sign in with here; `mail`: whether letters are sent; `challenge`: how guests prove being a person, null: they need not. */
export interface Ways {
  providers: Provider[];
  mail: boolean;
  challenge: Widget | null;
}

/** Where somebody is signed in; `here`: this login session. Times in milliseconds. */
export interface Place {
  sessionId: string;
  agent: string;
  createdAt: number;
  lastSeen: number;
  here: boolean;
}

/** What a letter said: the link's token, or the address and its code. */
export type Proof = { token: string } | { email: string; code: string };

/** What a letter is about. */
export type Purpose = "register" | "sign-in" | "address" | "reset";

/** Who we are by a letter, and what it was about. */
export interface Confirmed extends Me {
  purpose: Purpose;
}

export const readWays = (): Promise<Ways> => send("GET", "/v1/auth/providers");
export const startPath = (provider: string, next: string): string => `/v1/auth/${encodeURIComponent(provider)}/start${query({ next })}`;

/** Asks for an account. The secret that answers stays in this browser: see `confirm`. */
export async function register(email: string, password: string, name: string): Promise<void> {
  const { registration } = await send<{ registration: string }>("POST", "/v1/auth/register", { email, password, name });
  keep("registration", registration);
}
export const sendLink = (email: string): Promise<void> => send("POST", "/v1/auth/magic", { email });
export const forgotPassword = (email: string): Promise<void> => send("POST", "/v1/auth/password/forgot", { email });

export const logIn = (email: string, password: string): Promise<Me> => signInBy("login", { email, password });

/**
 * Answers a letter. A new account gets the password that was chosen in this browser: whoever else
 * asked for an account with this address must not choose it.
 */
export async function confirm(proof: Proof): Promise<Confirmed> {
  const registration = recall("registration") ?? undefined;
  const confirmed = await signInBy<Session & Confirmed>("confirm", { ...proof, registration });
  if (confirmed.purpose === "register") keep("registration", "");
  return confirmed;
}

export const resetPassword = (proof: Proof, password: string): Promise<Me> => signInBy("password/reset", { ...proof, password });

export const readAccount = (): Promise<Account> => call("GET", "/v1/me");
export const claimUsername = (username: string): Promise<void> => call("PUT", "/v1/me/username", { username });
export const changeEmail = (email: string): Promise<void> => call("PUT", "/v1/me/email", { email });
export const deleteAccount = (): Promise<void> => call("DELETE", "/v1/me");

/** `current` null: there was none. All other login sessions end; this one gets new tokens. */
export const changePassword = async (current: string | null, password: string): Promise<Me> =>
  taken(await call<Session>("PUT", "/v1/me/password", { current, password }));

/** Names of the providers that are linked, each once. */
export async function linkedProviders(): Promise<string[]> {
  const { methods } = await call<{ methods: { provider: string }[] }>("GET", "/v1/me/methods");
  return [...new Set(methods.map(({ provider }) => provider))];
}

/** Where to go to link this provider. */
export const startLinking = async (provider: string, next: string): Promise<string> =>
  (await call<{ url: string }>("POST", `/v1/me/methods/${encodeURIComponent(provider)}${query({ next })}`, {})).url;
export const unlink = (provider: string): Promise<void> => call("DELETE", `/v1/me/methods/${encodeURIComponent(provider)}`);

export const readPlaces = async (): Promise<Place[]> => (await call<{ sessions: Place[] }>("GET", "/v1/me/sessions")).sessions;
export const endPlace = (id: string): Promise<void> => call("DELETE", `/v1/me/sessions/${encodeURIComponent(id)}`);
export const logOut = (): Promise<void> => call("POST", "/v1/auth/logout");
export const logOutElsewhere = (): Promise<void> => call("POST", "/v1/auth/logout-others");
export const logOutEverywhere = (): Promise<void> => call("POST", "/v1/auth/logout-all");
