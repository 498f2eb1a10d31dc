import type { TimerSettings } from "../protocol.ts";
import { text } from "../text.ts";
import { Field, noteId } from "./field.tsx";

/** What the form holds, as typed: minutes, except `every` (focus phases). */
export interface Lengths {
  focus: string;
  short: string;
  long: string;
  every: string;
  auto: boolean;
}

type Numeric = Exclude<keyof Lengths, "auto">;

export const LENGTHS: Lengths = { focus: "25", short: "5", long: "15", every: "4", auto: true };

const RANGES: Record<Numeric, [low: number, high: number]> = { focus: [1, 240], short: [1, 240], long: [1, 240], every: [1, 12] };
const MINUTE_MS = 60_000;

const fits = (value: string, [low, high]: [number, number]): boolean => /^\d+$/.test(value) && Number(value) >= low && Number(value) <= high;

export const outOfRange = (lengths: Lengths): boolean => Object.entries(RANGES).some(([name, range]) => !fits(lengths[name as Numeric], range));

export const settingsOf = (lengths: Lengths): TimerSettings => ({
  focusMs: Number(lengths.focus) * MINUTE_MS,
  shortBreakMs: Number(lengths.short) * MINUTE_MS,
  longBreakMs: Number(lengths.long) * MINUTE_MS,
  longEvery: Number(lengths.every),
  autoStart: lengths.auto,
});

const minutes = (ms: number): string => String(Math.max(1, Math.round(ms / MINUTE_MS)));

export const lengthsOf = ({ focusMs, shortBreakMs, longBreakMs, longEvery, autoStart }: TimerSettings): Lengths => ({
  focus: minutes(focusMs),
  short: minutes(shortBreakMs),
  long: minutes(longBreakMs),
  every: String(longEvery),
  auto: autoStart,
});

interface TimerFieldsProps {
  value: Lengths;
  onChange: (lengths: Lengths) => void;
}

export function TimerFields({ value, onChange }: TimerFieldsProps) {
  const number = (name: Numeric, label: string) => {
    const wrong = !fits(value[name], RANGES[name]);
    return (
      <Field id={`timer-${name}`} label={label} problem={wrong ? text.create.range(...RANGES[name]) : ""}>
        <input
          id={`timer-${name}`}
          inputMode="numeric"
          autocomplete="off"
          value={value[name]}
          aria-invalid={wrong}
          aria-describedby={wrong ? noteId(`timer-${name}`) : undefined}
          onInput={(event) => onChange({ ...value, [name]: event.currentTarget.value.trim() })}
        />
      </Field>
    );
  };
  return (
    <details class="advanced" open={outOfRange(value) || undefined}>
      <summary>{text.create.advanced}</summary>
      <div class="quad">
        {number("focus", text.create.focus)}
        {number("short", text.create.short)}
        {number("long", text.create.long)}
        {number("every", `${text.create.every} (${text.create.everyUnit})`)}
      </div>
      <label class="choice">
        <input type="checkbox" checked={value.auto} onChange={(event) => onChange({ ...value, auto: event.currentTarget.checked })} />
        <span>{text.create.auto}</span>
      </label>
    </details>
  );
}
