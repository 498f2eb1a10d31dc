import { useEffect, useRef } from "preact/hooks";
import { preferences } from "../preferences.ts";
import type { Preferences } from "../store/preferences.ts";
import { text } from "../text.ts";
import { Choice, optionsOf } from "./choice.tsx";
import { useCountdown } from "./countdown.ts";
import { Failed } from "./failed.tsx";
import { opened } from "./opened.ts";
import { Problem } from "./problem.tsx";

const words = text.preferences;

/** What the server keeps of what a user prefers: read again when it is looked at, saved as it is changed. */
export function PreferencesPart() {
  useEffect(() => void preferences.load(), []);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (opened.peek() === "status") heading.current?.focus();
  }, []);
  const value = preferences.current.value;
  const unread = preferences.unread.value;
  return (
    <section class="part stack" aria-labelledby="preferences-heading" aria-busy={!value && !unread} data-testid="preferences">
      <h3 ref={heading} id="preferences-heading" tabIndex={-1}>
        {words.heading}
      </h3>
      {!value && !unread && <p class="note">{text.account.loading}</p>}
      {unread && <Failed refusal={unread} onRetry={preferences.load} />}
      {value && <Fields value={value} />}
    </section>
  );
}

function Fields({ value }: { value: Preferences }) {
  return (
    <>
      <Choice id="prefer-busy" label={words.busy} value={value.busy} options={optionsOf(words.busyOptions)} onChoose={(busy) => preferences.change({ busy })} />
      <div class="choices">
        <Switch name="hideStatus" value={value} />
        <Switch name="hideRoom" value={value} />
      </div>
      <TimeZone value={value.timeZone} />
    </>
  );
}

type SwitchName = "hideStatus" | "hideRoom" | "sounds";

/** One of those that are on or off. */
export function Switch({ name, value }: { name: SwitchName; value: Preferences }) {
  return (
    <label class="choice">
      <input type="checkbox" data-testid={`prefer-${name}`} checked={value[name]} onChange={(event) => preferences.change({ [name]: event.currentTarget.checked })} />
      <span>{words[name]}</span>
    </label>
  );
}

/** Of this device. */
const hereZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Those that this browser knows, and whatever is kept. */
function zonesWith(...others: string[]): [string, string][] {
  const names = new Set([...Intl.supportedValuesOf("timeZone"), "UTC", ...others]);
  return [...names].sort().map((name) => [name, name.replaceAll("_", " ")]);
}

function TimeZone({ value }: { value: string }) {
  const here = hereZone();
  const choose = (timeZone: string): void => void preferences.change({ timeZone });
  return (
    <>
      <Choice id="prefer-zone" label={words.timeZone} hint={words.timeZoneHint} value={value} options={zonesWith(value, here)} onChoose={choose} />
      {here !== value && (
        <button type="button" class="button small" data-testid="zone-here" onClick={() => choose(here)}>
          {words.zoneHere(here.replaceAll("_", " "))}
        </button>
      )}
    </>
  );
}

/** What is shown and not kept, why, and the way to try it again. */
export function Unsaved() {
  const refusal = preferences.unsaved.value;
  const waits = (useCountdown(refusal?.freeAt ?? null) ?? 0) > 0;
  if (!refusal) return null;
  return (
    <div class="stack failed unsaved" data-testid="unsaved">
      <Problem words={words.unsaved(refusal.words)} freeAt={refusal.freeAt} />
      <button type="button" class="button small" data-testid="save-again" aria-disabled={waits} onClick={() => waits || preferences.save()}>
        {text.errors.again}
      </button>
    </div>
  );
}
