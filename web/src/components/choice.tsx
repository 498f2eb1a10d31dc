import { Field } from "./field.tsx";

interface ChoiceProps<T extends string | number> {
  id: string;
  label: string;
  value: T;
  /** By value, in this order. */
  options: readonly (readonly [T, string])[];
  onChoose: (value: T) => void;
  hint?: string;
  disabled?: boolean;
}

/** A list to choose from, with its label. */
export function Choice<T extends string | number>({ id, label, value, options, onChoose, hint = "", disabled = false }: ChoiceProps<T>) {
  const choose = (index: number): void => {
    const option = options[index];
    if (option) onChoose(option[0]);
  };
  return (
    <Field id={id} label={label} hint={hint}>
      <select id={id} data-testid={id} value={value} disabled={disabled} onChange={(event) => choose(event.currentTarget.selectedIndex)}>
        {options.map(([option, words]) => (
          <option key={option} value={option}>
            {words}
          </option>
        ))}
      </select>
    </Field>
  );
}

/** Numbers as keys of the catalogue, the 0 for "none" last. */
export const numbered = (words: Readonly<Record<number, string>>): [number, string][] =>
  Object.entries(words)
    .map(([value, label]): [number, string] => [Number(value), label])
    .sort(([a], [b]) => (a || Infinity) - (b || Infinity));

export const optionsOf = <T extends string>(words: Readonly<Record<T, string>>): [T, string][] => Object.entries(words) as [T, string][];
