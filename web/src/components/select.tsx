import { Field } from "./field.tsx";

interface SelectProps<T extends string> {
  id: string;
  label: string;
  value: T;
  options: Readonly<Record<T, string>>;
  onChoose: (value: T) => void;
}

/** One of a few words, under a visible label. */
export function Select<T extends string>({ id, label, value, options, onChoose }: SelectProps<T>) {
  return (
    <Field id={id} label={label}>
      <select id={id} data-testid={id} value={value} onChange={(event) => onChoose(event.currentTarget.value as T)}>
        {(Object.entries(options) as [T, string][]).map(([option, words]) => (
          <option key={option} value={option}>
            {words}
          </option>
        ))}
      </select>
    </Field>
  );
}
