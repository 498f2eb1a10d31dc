import { useState } from "preact/hooks";
import { navigate, roomIdIn, roomPath } from "../router.ts";
import { text } from "../text.ts";
import { Field, focusProblem, noteId } from "./field.tsx";

/** Goes to the room of a pasted link, path or id. */
export function JoinForm() {
  const [pasted, setPasted] = useState("");
  const [problem, setProblem] = useState("");
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const id = roomIdIn(pasted);
    setProblem(id ? "" : text.join.invalid);
    if (id) navigate(roomPath(id));
    else focusProblem(event.currentTarget as HTMLFormElement);
  };
  return (
    <form class="card stack" onSubmit={submit} noValidate aria-labelledby="join-heading">
      <h2 id="join-heading">{text.join.heading}</h2>
      <Field id="join" label={text.join.label} problem={problem}>
        <div class="inline">
          <input
            id="join"
            data-testid="join-input"
            placeholder={text.join.placeholder}
            value={pasted}
            autocomplete="off"
            spellcheck={false}
            aria-invalid={problem !== ""}
            aria-describedby={problem ? noteId("join") : undefined}
            onInput={(event) => setPasted(event.currentTarget.value)}
          />
          <button type="submit" class="button" data-testid="join-room">
            {text.join.submit}
          </button>
        </div>
      </Field>
    </form>
  );
}
