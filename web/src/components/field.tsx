import type { ComponentChildren } from "preact";

interface FieldProps {
  id: string;
  label: string;
  hint?: string;
  problem?: string;
  children: ComponentChildren;
}

/** A visible label over a control, and below it a hint or what is wrong; the control refers to `noteId(id)`. */
export function Field({ id, label, hint, problem, children }: FieldProps) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children}
      {problem ? (
        <p id={noteId(id)} class="note problem">
          {problem}
        </p>
      ) : (
        hint && (
          <p id={noteId(id)} class="note">
            {hint}
          </p>
        )
      )}
    </div>
  );
}

export const noteId = (id: string): string => `${id}-note`;

/** Moves focus to the first control of a form that is marked wrong. */
export function focusProblem(form: HTMLFormElement): void {
  requestAnimationFrame(() => form.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
}
