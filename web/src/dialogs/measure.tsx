import { useState } from "preact/hooks";
import { announce } from "../announce.ts";
import { Dialog } from "../components/dialog.tsx";
import { Field } from "../components/field.tsx";
import { useForm } from "../components/form.ts";
import { Submit } from "../components/input.tsx";
import type { Measure, Subject } from "../components/roomdialog.ts";
import { explain } from "../explain.ts";
import { tellLasting, tellOnce } from "../notice.ts";
import type { RoomStore } from "../store/room.ts";
import { text } from "../text.ts";
import { Choice, numbered } from "../components/choice.tsx";
import type { DialogProps } from "./dialogs.tsx";

const MAX_WHY = 240;
const HOUR_MS = 3_600_000;

const TIMED: readonly Measure[] = ["ban", "mute"];
const HARSH: readonly Measure[] = ["kick", "ban", "host"];
/** What takes it back. */
const UNDONE: Partial<Record<Measure, Measure>> = { ban: "unban", mute: "unmute" };

/** `durationMs` 0: without an end. */
async function take(store: RoomStore, measure: Measure, { principal: person }: Subject, why: string, durationMs = 0): Promise<void> {
  if (measure === "cohost" || measure === "participant" || measure === "host") return store.command("room.role", { person, role: measure, why });
  if (measure === "ban" || measure === "mute") return store.command(`room.${measure}`, { person, why, durationMs: durationMs || null });
  return store.command(`room.${measure}`, { person, why });
}

/** One measure about one person: what it does, for how long, and why. */
export function MeasureDialog({ open: { store, measure, person }, onClose }: DialogProps<"measure">) {
  const words = text.measures;
  const [why, setWhy] = useState("");
  const [durationMs, setDuration] = useState(HOUR_MS);
  const form = useForm({
    send: async () => {
      await take(store, measure, person, why.trim(), durationMs);
      onClose();
      tell(store, measure, person);
    },
  });
  return (
    <Dialog id="measure" heading={words.actions[measure](person.name).replace("…", "")} onClose={onClose}>
      <form class="stack" onSubmit={form.submit} noValidate>
        <p>{words.leads[measure]}</p>
        {TIMED.includes(measure) && (
          <Choice id="measure-length" label={words.length} value={durationMs} options={numbered(words.lengths)} onChoose={setDuration} />
        )}
        <Field id="measure-why" label={words.why} hint={words.whyHint}>
          <input
            id="measure-why"
            data-testid="measure-why"
            value={why}
            maxLength={MAX_WHY}
            autocomplete="off"
            dir="auto"
            aria-describedby="measure-why-note"
            onInput={(event) => setWhy(event.currentTarget.value)}
          />
        </Field>
        <Submit form={form} label={words.submit[measure]} id="take-measure" kind={HARSH.includes(measure) ? "danger" : "primary"} />
      </form>
    </Dialog>
  );
}

/** What was done, and the way back where there is one. */
function tell(store: RoomStore, measure: Measure, person: Subject): void {
  const done = text.measures.done[measure](person.name);
  const back = UNDONE[measure];
  if (!back) return announce(done);
  const undo = (): void =>
    void take(store, back, person, "").then(
      () => tellOnce(text.measures.done[back](person.name)),
      (error: unknown) => tellLasting(explain(error), action),
    );
  const action = { label: text.measures.undo, run: undo };
  tellOnce(done, action);
}
