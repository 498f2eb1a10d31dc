import { useState } from "preact/hooks";
import { explain } from "../explain.ts";
import { lengthOf } from "../format.ts";
import { enter, rememberedName } from "../session.ts";
import { text } from "../text.ts";
import { Field, focusProblem, noteId } from "./field.tsx";

const MAX_NAME = 64;

/** What is wrong with a name; empty if nothing. */
export function problemWith(name: string): string {
  if (!name.trim()) return text.name.required;
  return lengthOf(name.trim()) > MAX_NAME ? text.name.tooLong : "";
}

interface NameFieldProps {
  id: string;
  value: string;
  onInput: (name: string) => void;
  problem: string;
}

export function NameField({ id, value, onInput, problem }: NameFieldProps) {
  return (
    <Field id={id} label={text.name.label} hint={text.name.hint} problem={problem}>
      <input
        id={id}
        data-testid="name-input"
        autocomplete="nickname"
        placeholder={text.name.placeholder}
        value={value}
        aria-invalid={problem !== ""}
        aria-describedby={noteId(id)}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </Field>
  );
}

/** Asks a person without a session for a name, then goes in. */
export function NameForm() {
  const [name, setName] = useState(rememberedName);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const wrong = problemWith(name);
    setProblem(wrong);
    if (wrong) return focusProblem(form);
    setBusy(true);
    try {
      await enter(name.trim());
    } catch (error) {
      setProblem(explain(error));
    }
    setBusy(false);
  };
  return (
    <form class="stack" onSubmit={submit} noValidate>
      <NameField id="door-name" value={name} onInput={setName} problem={problem} />
      <button type="submit" class="button primary" data-testid="enter-room" disabled={busy}>
        {busy ? text.name.joining : text.name.join}
      </button>
    </form>
  );
}
