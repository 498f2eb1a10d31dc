/** What a shared timer shows, computed from its last transition and the server's clock: nothing is counted here. */

import type { Timer, TimerSettings } from "../protocol.ts";

/** What is worth saying aloud about a running phase. */
export type Milestone = "five_minutes" | "one_minute" | "end";

const MINUTE_MS = 60_000;

export const DEFAULT_SETTINGS: TimerSettings = {
  focusMs: 25 * MINUTE_MS,
  shortBreakMs: 5 * MINUTE_MS,
  longBreakMs: 15 * MINUTE_MS,
  longEvery: 4,
  autoStart: true,
};

/** With all that the phase was extended by. */
export function phaseLengthMs(timer: Timer): number {
  if (timer.lengthMs > 0) return timer.lengthMs;
  const { focusMs, shortBreakMs, longBreakMs } = timer.settings;
  return { focus: focusMs, short_break: shortBreakMs, long_break: longBreakMs }[timer.phase];
}

/** Milliseconds left at server time `now`, from 0 to the phase's length. */
export function remainingMs(timer: Timer, now: number): number {
  if (timer.status !== "running" || timer.endsAt === null) return timer.remainingMs;
  return Math.max(0, Math.min(timer.endsAt - now, phaseLengthMs(timer)));
}

/** Whole seconds to show: rounded up, so that a phase starts at its full length and 00:00 means over. */
export const remainingSeconds = (timer: Timer, now: number): number => Math.ceil(remainingMs(timer, now) / 1000);

/** Share of the phase that is over, 0 to 1. */
export function progress(timer: Timer, now: number): number {
  const length = phaseLengthMs(timer);
  return length > 0 ? 1 - remainingMs(timer, now) / length : 0;
}

/** Milliseconds until the shown second changes, 1 to 1000; null while nothing moves. */
export function untilNextSecond(timer: Timer, now: number): number | null {
  if (timer.status !== "running") return null;
  const left = remainingMs(timer, now);
  if (left <= 0) return null;
  return left % 1000 || 1000;
}

/** `mm:ss`, with hours' minutes kept as minutes (90:00). */
export function clock(seconds: number): string {
  const pad = (value: number): string => String(value).padStart(2, "0");
  return `${pad(Math.floor(seconds / 60))}:${pad(seconds % 60)}`;
}

/** Dots of one round: how many focus phases of it are done, and which one is going on. */
export function round(timer: Timer): { total: number; done: number } {
  const total = timer.settings.longEvery;
  const done = timer.focusDone % total;
  const complete = timer.focusDone > 0 && done === 0 && timer.phase !== "focus";
  return { total, done: complete ? total : done };
}

/** The milestone passed between two sightings of one phase, if any. Seconds are never announced. */
export function milestone(beforeS: number, nowS: number, lengthS: number): Milestone | null {
  const passed = (mark: number): boolean => beforeS > mark && nowS <= mark && lengthS > mark;
  if (passed(0)) return "end";
  if (passed(60)) return "one_minute";
  return passed(300) ? "five_minutes" : null;
}
