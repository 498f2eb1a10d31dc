import { useState } from "preact/hooks";
import { announce } from "../announce.ts";
import { me, rename } from "../session.ts";
import { text } from "../text.ts";
import { useForm } from "./form.ts";
import { Submit } from "./input.tsx";
import { NameField, problemWith } from "./name.tsx";

/** Gives us another name, or the first; `current` is what stands in the field before. */
export function Rename({ id, current }: { id: string; current: string }) {
  const [name, setName] = useState(current);
  const form = useForm({
    check: () => ({ name: problemWith(name) }),
    send: async () => {
      await rename(name.trim());
      announce(text.name.saved);
    },
  });
  const changed = name.trim() !== me.value?.name;
  return (
    <form class="stack" onSubmit={form.submit} noValidate>
      <NameField id={id} value={name} onInput={setName} problem={form.problems["name"] ?? ""} />
      <Submit form={form} label={text.settings.save} id="save-name" kind="" off={!changed} />
      {form.done && !changed && <p class="note">{text.name.saved}</p>}
    </form>
  );
}
