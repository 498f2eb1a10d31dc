import { useState } from "preact/hooks";
import { claimUsername } from "../account.ts";
import type { ApiError } from "../api.ts";
import { text } from "../text.ts";
import { type Problems, useForm } from "./form.ts";
import { Input, Submit } from "./input.tsx";

/** 3 to 32 of a-z, 0-9, _ and . from a letter on to one or a digit, no two separators together. */
const USERNAME = /^(?!.*[_.]{2})[a-z][a-z0-9_.]{1,30}[a-z0-9]$/;

const wanted = (typed: string): string => typed.trim().toLowerCase();

export const usernameProblem = (typed: string): string => (USERNAME.test(wanted(typed)) ? "" : text.username.invalid);

function refusal({ status, message }: ApiError): Problems | null {
  if (status === 409) return { username: text.username.taken };
  if (status !== 422) return null;
  return { username: message.includes("reserved") ? text.username.reserved : text.username.invalid };
}

interface UsernameProps {
  id: string;
  current: string;
  onClaimed: (username: string) => void;
}

/** Chooses a username, or another one. */
export function UsernameForm({ id, current, onClaimed }: UsernameProps) {
  const [username, setUsername] = useState(current);
  const form = useForm({
    check: () => ({ username: usernameProblem(username) }),
    send: async () => {
      await claimUsername(wanted(username));
      onClaimed(wanted(username));
    },
    place: refusal,
  });
  const saved = form.done && wanted(username) === current;
  return (
    <form class="stack" onSubmit={form.submit} noValidate>
      <Input
        id={id}
        label={text.username.label}
        hint={saved ? text.username.saved : text.username.hint}
        value={username}
        onInput={setUsername}
        problem={form.problems["username"]}
        autocomplete="username"
      />
      <Submit form={form} label={text.username.save} id="save-username" kind="" />
    </form>
  );
}
