/** Light, dark or as the system says. Bundled alone as `theme.js`, which runs before the first paint; the app imports it too. */

import { keep, recall } from "./storage.ts";

export type Theme = "system" | "light" | "dark";

export function storedTheme(): Theme {
  const theme = recall("theme");
  return theme === "light" || theme === "dark" ? theme : "system";
}

export function applyTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

export function chooseTheme(theme: Theme): void {
  keep("theme", theme === "system" ? "" : theme);
  applyTheme(theme);
}

applyTheme(storedTheme());
