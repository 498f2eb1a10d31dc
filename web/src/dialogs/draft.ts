/** A room's settings as a form holds them, and what of them has changed. */

import { type Lengths, settingsOf } from "../components/lengths.tsx";
import { tagsOf } from "../components/tags.tsx";
import type { RoomInfo, TimerSettings } from "../protocol.ts";

const SMALLEST = 2;
const LARGEST = 5_000;

/** `tags` and `sizeLimit` as typed. */
export interface Draft extends Pick<RoomInfo, "title" | "topic" | "language" | "visibility" | "theme" | "timerPolicy" | "slowMs" | "locked"> {
  tags: string;
  sizeLimit: string;
  lengths: Lengths;
}

export const draftOf = ({ title, topic, language, visibility, theme, timerPolicy, slowMs, locked, tags, sizeLimit }: RoomInfo, lengths: Lengths): Draft => ({
  title,
  topic,
  language,
  visibility,
  theme,
  timerPolicy,
  slowMs,
  locked,
  tags: tags.join(", "),
  sizeLimit: sizeLimit === 0 ? "" : String(sizeLimit),
  lengths,
});

/** Of an empty text: no limit. */
const sizeOf = (typed: string): number => Number(typed.trim() || "0");

export const sizeWrong = (typed: string): boolean => {
  const size = sizeOf(typed);
  return size !== 0 && !(Number.isInteger(size) && size >= SMALLEST && size <= LARGEST);
};

type Changes = Partial<Pick<RoomInfo, Exclude<keyof Draft, "lengths">>>;

/** What the form says otherwise than the room did when it was opened: others may have changed the rest meanwhile. */
export function changesOf(info: RoomInfo, draft: Draft): Changes {
  const wanted: Changes = {
    title: draft.title.trim(),
    topic: draft.topic.trim(),
    language: draft.language,
    visibility: draft.visibility,
    tags: tagsOf(draft.tags),
    sizeLimit: sizeOf(draft.sizeLimit),
    theme: draft.theme,
    timerPolicy: draft.timerPolicy,
    slowMs: draft.slowMs,
    locked: draft.locked,
  };
  const differs = ([name, value]: [string, unknown]): boolean => JSON.stringify(value) !== JSON.stringify(info[name as keyof RoomInfo]);
  return Object.fromEntries(Object.entries(wanted).filter(differs));
}

/** Those that hold now with what was changed of `before`; null: nothing was. What was left alone may be finer than minutes. */
export function timerWith(now: TimerSettings, before: Lengths, after: Lengths): TimerSettings | null {
  const former = settingsOf(before);
  const changed = Object.entries(settingsOf(after)).filter(([name, value]) => value !== former[name as keyof TimerSettings]);
  return changed.length > 0 ? { ...now, ...Object.fromEntries(changed) } : null;
}
