/** The HTTP API of accounts: ways in, and what one does with one's own. Every failure is an `ApiError`. */

import { call, type Me, query, send, type Session, signInBy, taken } from "./api.ts";

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

/** What one can sign in with here; `mail`: whether letters are sent. */
export interface Ways {
  providers: Provider[];
  mail: boolean;
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

export const readWays = (): Promise<Ways> => send("GET", "/v1/auth/providers");
export const startPath = (provider: string, next: string): string => `/v1/auth/${encodeURIComponent(provider)}/start${query({ next })}`;

export const register = (email: string, password: string, name: string): Promise<void> =>
  send("POST", "/v1/auth/register", { email, password, name });
export const sendLink = (email: string): Promise<void> => send("POST", "/v1/auth/magic", { email });
export const forgotPassword = (email: string): Promise<void> => send("POST", "/v1/auth/password/forgot", { email });

export const logIn = (email: string, password: string): Promise<Me> => signInBy("login", { email, password });
export const confirm = (proof: Proof): Promise<Me> => signInBy("confirm", proof);
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
export const logOutEverywhere = (): Promise<void> => call("POST", "/v1/auth/logout-all");
