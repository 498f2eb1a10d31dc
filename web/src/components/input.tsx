import { useState } from "preact/hooks";
import { text } from "../text.ts";
import { Field, noteId } from "./field.tsx";
import type { Form } from "./form.ts";
import { Icon } from "./icon.tsx";
import { Problem } from "./problem.tsx";

interface InputProps {
  id: string;
  label: string;
  value: string;
  onInput: (value: string) => void;
  hint?: string;
  problem?: string | undefined;
  type?: "text" | "email" | "password";
  autocomplete?: string;
  numeric?: boolean;
  /** Code units. */
  maxLength?: number;
}

/** One line of text with its label, and what is wrong with it. A password can be looked at. */
export function Input(props: InputProps) {
  const [shown, setShown] = useState(false);
  const { id, label, hint = "", problem = "" } = props;
  const isSecret = props.type === "password";
  return (
    <Field id={id} label={label} hint={hint} problem={problem}>
      {isSecret ? (
        <div class="secret">
          <Line {...props} type={shown ? "text" : "password"} />
          <button type="button" class="icon-button" aria-pressed={shown} aria-label={text.login.show} data-testid={`show-${id}`} onClick={() => setShown(!shown)}>
            <Icon name={shown ? "unseen" : "seen"} />
          </button>
        </div>
      ) : (
        <Line {...props} />
      )}
    </Field>
  );
}

function Line({ id, value, onInput, hint = "", problem = "", type = "text", autocomplete = "off", numeric = false, maxLength }: InputProps) {
  return (
    <input
      id={id}
      data-testid={id}
      type={type as "text"} // Preact's types want one literal of them
      inputMode={numeric ? "numeric" : undefined}
      autocomplete={autocomplete as "off"}
      autocapitalize="none"
      spellcheck={false}
      value={value}
      maxLength={maxLength}
      aria-invalid={problem !== ""}
      aria-describedby={problem || hint ? noteId(id) : undefined}
      onInput={(event) => onInput(event.currentTarget.value)}
    />
  );
}

type SpecialProps = Pick<InputProps, "id" | "value" | "onInput" | "problem">;

/** The address that one signs in with: password managers keep it beside the password. */
export const EmailInput = (props: SpecialProps) => <Input {...props} type="email" autocomplete="username" label={text.login.email} />;

/** Tells a password manager whose password a form is about. */
export const Whose = ({ email }: { email: string }) => (
  <input class="hidden" type="text" autocomplete="username" value={email} readOnly tabIndex={-1} aria-hidden="true" />
);

export const PasswordInput = (props: SpecialProps) => (
  <Input {...props} type="password" autocomplete="current-password" label={text.login.password} />
);

export const NewPasswordInput = (props: SpecialProps) => (
  <Input {...props} type="password" autocomplete="new-password" label={text.login.newPassword} hint={text.login.passwordHint} />
);

export const CodeInput = (props: SpecialProps) => <Input {...props} autocomplete="one-time-code" numeric label={text.login.code} />;

interface SubmitProps {
  form: Form;
  label: string;
  id: string;
  kind?: string;
  /** There is nothing to send. */
  off?: boolean;
}

/** The button at a form's end, and above it what is wrong and belongs to no field. */
export function Submit({ form, label, id, kind = "primary", off = false }: SubmitProps) {
  return (
    <>
      <Problem words={form.problems["form"]} freeAt={form.freeAt} id="form-problem" />
      <button type="submit" class={`button ${kind}`} data-testid={id} disabled={off} aria-disabled={form.busy || form.waitS > 0}>
        {form.waitS > 0 ? text.login.wait(form.waitS) : form.busy ? text.login.busy : label}
      </button>
    </>
  );
}
