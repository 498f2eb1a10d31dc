/** Dates, initials and colours as people read them. */

import { text } from "./text.ts";

const { language } = text;
/** The reader's own kind of the language, if they read it: its clock may have 12 or 24 hours. */
const LANGUAGE = globalThis.navigator?.languages?.find((one) => one.split("-")[0] === language) ?? language;

const TIME = new Intl.DateTimeFormat(LANGUAGE, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(LANGUAGE, { weekday: "long", day: "numeric", month: "long" });
const FULL = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "full", timeStyle: "short" });
const SHORT = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium", timeStyle: "short" });
const DATE = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium" });
const RELATIVE = new Intl.RelativeTimeFormat(LANGUAGE, { numeric: "auto" });

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export const timeOf = (at: number): string => TIME.format(at);
export const fullTimeOf = (at: number): string => FULL.format(at);
export const shortTimeOf = (at: number): string => SHORT.format(at);
export const dateOf = (at: number): string => DATE.format(at);
export const isoOf = (at: number): string => new Date(at).toISOString();

const midnight = (at: number): number => new Date(at).setHours(0, 0, 0, 0);

/** "today", "yesterday", or the day's name and date. */
export function dayOf(at: number, now: number): string {
  const days = Math.round((midnight(now) - midnight(at)) / DAY_MS);
  return days === 0 || days === 1 ? RELATIVE.format(-days, "day") : DAY.format(at);
}

/** "now", "3 minutes ago", "2 hours ago", "yesterday". */
export function agoOf(at: number, now: number): string {
  const ms = Math.max(0, now - at);
  if (ms < MINUTE_MS) return RELATIVE.format(0, "second");
  if (ms < HOUR_MS) return RELATIVE.format(-Math.floor(ms / MINUTE_MS), "minute");
  if (ms < DAY_MS) return RELATIVE.format(-Math.floor(ms / HOUR_MS), "hour");
  return RELATIVE.format(-Math.floor(ms / DAY_MS), "day");
}

/** One or two letters for an avatar. */
export function initialsOf(name: string): string {
  const words = name.trim().split(/\s+/);
  const letters = [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => [...(word ?? "")][0] ?? "");
  return letters.join("").toLocaleUpperCase() || "?";
}

/** A hue of 0-359 that belongs to an id (FNV-1a). */
export function hueOf(id: string): number {
  let hash = 0x811c9dc5;
  for (const char of id) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hash % 360;
}

// In this order: each of these says that it is one of those after it, too.
const BROWSERS = [["Edg", "Edge"], ["OPR", "Opera"], ["Firefox", "Firefox"], ["Chrome", "Chrome"], ["Safari", "Safari"]] as const;
const SYSTEMS = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS", "macOS"], ["Linux", "Linux"]] as const;

/** "Firefox, Windows" of what a browser says it is; else its first words. */
export function deviceOf(agent: string): string {
  const named = [BROWSERS, SYSTEMS].map((known) => known.find(([mark]) => agent.includes(mark))?.[1] ?? "");
  return named.filter(Boolean).join(", ") || agent.slice(0, 40);
}

/** Code points, as the server counts them. */
export const lengthOf = (text: string): number => [...text].length;
