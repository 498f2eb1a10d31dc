import { text } from "../text.ts";
import { Field, noteId } from "./field.tsx";
import type { Form } from "./form.ts";

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
}

/** One line of text with its label, and what is wrong with it. */
export function Input({ id, label, value, onInput, hint = "", problem = "", type = "text", autocomplete = "off", numeric = false }: InputProps) {
  return (
    <Field id={id} label={label} hint={hint} problem={problem}>
      <input
        id={id}
        data-testid={id}
        type={type as "text"} // Preact's types want one literal of them
        inputMode={numeric ? "numeric" : undefined}
        autocomplete={autocomplete as "off"}
        autocapitalize="none"
        spellcheck={false}
        value={value}
        aria-invalid={problem !== ""}
        aria-describedby={problem || hint ? noteId(id) : undefined}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </Field>
  );
}

type SpecialProps = Pick<InputProps, "id" | "value" | "onInput" | "problem">;

export const EmailInput = (props: SpecialProps) => <Input {...props} type="email" autocomplete="email" label={text.login.email} />;

export const PasswordInput = (props: SpecialProps) => (
  <Input {...props} type="password" autocomplete="current-password" label={text.login.password} />
);

export const NewPasswordInput = (props: SpecialProps) => (
  <Input {...props} type="password" autocomplete="new-password" label={text.login.newPassword} hint={text.login.passwordHint} />
);

export const CodeInput = (props: SpecialProps) => <Input {...props} autocomplete="one-time-code" numeric label={text.login.code} />;

/** The button at a form's end, and above it what is wrong and belongs to no field. */
export function Submit({ form, label, id, kind = "primary" }: { form: Form; label: string; id: string; kind?: string }) {
  return (
    <>
      {form.problems["form"] && (
        <p class="note problem" role="alert" data-testid="form-problem">
          {form.problems["form"]}
        </p>
      )}
      <button type="submit" class={`button ${kind}`} data-testid={id} disabled={form.busy}>
        {form.busy ? text.login.busy : label}
      </button>
    </>
  );
}
