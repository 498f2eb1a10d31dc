import { useState } from "preact/hooks";
import { acceptInvite } from "../rooms.ts";
import { codeIn, codePath, invitePath, navigate, parameter, roomIdIn, roomPath, withReturn } from "../router.ts";
import { me } from "../session.ts";
import { text } from "../text.ts";
import { Field, noteId } from "./field.tsx";
import { useForm } from "./form.ts";
import { Problem } from "./problem.tsx";

/** Goes to the room of a pasted link, path or id, or of an invitation's code. */
export function JoinForm() {
  const [pasted, setPasted] = useState(() => parameter("code") ?? "");
  const code = codeIn(pasted);
  const id = roomIdIn(pasted);
  const form = useForm({
    check: () => ({ join: code || id ? "" : text.join.invalid }),
    send: async () => {
      if (!code) return navigate(roomPath(id ?? ""));
      if (pasted.includes("/r/")) return navigate(invitePath(id ?? "", code));
      if (!me.value) return navigate(withReturn("/login", codePath(code)));
      navigate(roomPath((await acceptInvite(code)).id));
    },
    place: ({ status }) => (status === 404 ? { join: text.join.wrongCode } : null),
  });
  const problem = form.problems["join"] ?? "";
  return (
    <form class="card stack" onSubmit={form.submit} noValidate aria-labelledby="join-heading">
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
          <button type="submit" class="button" data-testid="join-room" aria-disabled={form.busy || form.waitS > 0}>
            {text.join.submit}
          </button>
        </div>
      </Field>
      <Problem words={form.problems["form"]} freeAt={form.freeAt} id="form-problem" />
    </form>
  );
}
