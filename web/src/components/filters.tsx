import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { isNarrow } from "../filters.ts";
import type { Filters } from "../rooms.ts";
import { NO_FILTERS } from "../store/listing.ts";
import { text } from "../text.ts";
import { Field } from "./field.tsx";
import { Icon } from "./icon.tsx";
import { small } from "./screen.ts";
import { Select } from "./select.tsx";

/** So long somebody may pause between two keys of one word. */
const PAUSE_MS = 300;
/** As many characters as the server takes. */
const LONGEST = 64;

interface FiltersProps {
  value: Filters;
  onChange: (filters: Filters) => void;
}

/** What the list is narrowed to. Each change shows at once; a text when one pauses. */
export function FilterBar({ value, onChange }: FiltersProps) {
  const set = (changes: Partial<Filters>): void => onChange({ ...value, ...changes });
  const clear = (): void => {
    document.getElementById("filter-q")?.focus(); // the button goes with what it clears
    onChange(NO_FILTERS);
  };
  const languages = { "": text.rooms.anyLanguage, ...text.languages };
  return (
    <search class="filters" aria-label={text.rooms.filters}>
      <Search value={value.q} onSearch={(q) => set({ q })} />
      <Folded label={text.rooms.filters} open={value.language + value.size + value.status !== ""}>
        <Select id="filter-language" label={text.rooms.language} value={value.language} options={languages} onChoose={(language) => set({ language })} />
        <Select id="filter-size" label={text.rooms.size} value={value.size} options={text.rooms.sizes} onChoose={(size) => set({ size })} />
        <Select id="filter-status" label={text.rooms.status} value={value.status} options={text.rooms.states} onChoose={(status) => set({ status })} />
        <Select id="filter-sort" label={text.rooms.sort} value={value.sort} options={text.rooms.sorts} onChoose={(sort) => set({ sort })} />
      </Folded>
      {value.tag && (
        <button type="button" class="tag chosen" data-testid="filter-tag" aria-label={text.rooms.tagChosen(value.tag)} onClick={() => set({ tag: "" })}>
          #{value.tag}
          <Icon name="close" />
        </button>
      )}
      {isNarrow(value) && (
        <button type="button" class="button small" data-testid="clear-filters" onClick={clear}>
          {text.rooms.clear}
        </button>
      )}
    </search>
  );
}

/** Behind one word on a small screen. */
function Folded({ label, open, children }: { label: string; open: boolean; children: ComponentChildren }) {
  if (!small.value) return <>{children}</>;
  return (
    <details class="folded" data-testid="filters" open={open}>
      <summary>{label}</summary>
      <div>{children}</div>
    </details>
  );
}

function Search({ value, onSearch }: { value: string; onSearch: (q: string) => void }) {
  const [typed, setTyped] = useState(value);
  const search = useRef(onSearch);
  search.current = onSearch; // it keeps the other filters, which may change while one pauses
  useEffect(() => setTyped((now) => (now.trim() === value ? now : value)), [value]);
  useEffect(() => {
    if (typed.trim() === value) return;
    const timer = setTimeout(() => search.current(typed.trim()), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  return (
    <Field id="filter-q" label={text.rooms.q}>
      <div class="searchbox">
        <Icon name="search" />
        <input
          id="filter-q"
          data-testid="filter-q"
          type="search"
          placeholder={text.rooms.qPlaceholder}
          value={typed}
          maxLength={LONGEST}
          autocomplete="off"
          onInput={(event) => setTyped(event.currentTarget.value)}
          onKeyDown={(event) => event.key === "Enter" && onSearch(typed.trim())}
        />
      </div>
    </Field>
  );
}
