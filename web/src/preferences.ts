/** The preferences of whoever is signed in here, used at once: theme and sounds follow them. Guests have what this browser keeps. */

import { computed, effect, signal } from "@preact/signals";
import { call } from "./api.ts";
import { sounds } from "./chime.ts";
import { isUser, known, me } from "./session.ts";
import { keep, recall } from "./storage.ts";
import { type Preferences, PreferenceStore } from "./store/preferences.ts";
import { chooseTheme, storedTheme, type Theme } from "./theme.ts";

const PATH = "/v1/me/preferences";

export const preferences = new PreferenceStore({
  read: () => call<Preferences>("GET", PATH),
  change: (changes) => call<Preferences>("PATCH", PATH, changes),
});

/** As this device shows it. */
export const theme = signal<Theme>(storedTheme());

/** Whose preferences they are; null: nobody's. */
const user = computed(() => (known.value && isUser.value ? (me.value?.principal.actorId ?? null) : null));

/** Chooses here, and for whoever is signed in on all devices. Ends when that is kept, or `preferences.unsaved` says why not. */
export async function setTheme(next: Theme): Promise<void> {
  show(next);
  if (user.peek() !== null) await preferences.change({ theme: next });
}

/** From now on: loaded for whoever signs in, forgotten with them. */
export function sharePreferences(): void {
  effect(() => {
    preferences.clear();
    if (user.value !== null) void preferences.load();
  });
  effect(() => void (sounds.value = preferences.current.value?.sounds ?? true));
  effect(() => {
    const chosen = preferences.current.value?.theme;
    if (chosen) follow(chosen);
  });
}

function show(next: Theme): void {
  chooseTheme(next);
  theme.value = next;
}

/** What was chosen on another device since this one last looked. One that was always this device's own stays. */
function follow(chosen: Theme): void {
  if (chosen === (recall("account-theme") ?? "system")) return;
  keep("account-theme", chosen === "system" ? "" : chosen);
  show(chosen);
}
