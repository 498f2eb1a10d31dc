import { useState } from "preact/hooks";
import { lengthOf } from "../format.ts";
import { enter, rememberedName } from "../session.ts";
import { text } from "../text.ts";
import { Field, noteId } from "./field.tsx";
import { useForm } from "./form.ts";
import { Submit } from "./input.tsx";

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
  const form = useForm({ check: () => ({ name: problemWith(name) }), send: () => enter(name.trim()) });
  return (
    <form class="stack" onSubmit={form.submit} noValidate>
      <NameField id="door-name" value={name} onInput={setName} problem={form.problems["name"] ?? ""} />
      <Submit form={form} label={text.name.join} id="enter-room" />
    </form>
  );
}
