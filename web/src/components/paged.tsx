import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Page } from "../api.ts";
import { type Refusal, refusalOf } from "../explain.ts";
import { text } from "../text.ts";
import { Failed } from "./failed.tsx";

export interface Paged<T> {
  rows: T[];
  cursor: string | null;
  state: "loading" | "ready" | "failed";
  refusal: Refusal | null;
  /** The next page, or the one that could not be loaded. */
  more: () => Promise<void>;
  /** From the beginning. */
  reload: () => Promise<void>;
}

type Listing<T> = Pick<Paged<T>, "rows" | "cursor" | "state" | "refusal">;

const START = { rows: [], cursor: null, state: "loading", refusal: null } as const;

/** A list page by page; begins anew where `key`, which names what is read, is another one. */
export function usePaged<T>(read: (cursor: string | null) => Promise<Page<T>>, key: string): Paged<T> {
  const [listing, setListing] = useState<Listing<T>>({ ...START, rows: [] });
  const asked = useRef(0);
  const load = async (from: Listing<T>): Promise<void> => {
    const number = ++asked.current;
    const settle = (next: Listing<T>): void => void (number === asked.current && setListing(next)); // an answer to an older question is void
    setListing({ ...from, state: "loading" });
    try {
      const page = await read(from.cursor);
      settle({ rows: [...from.rows, ...page.rows], cursor: page.cursor, state: "ready", refusal: null });
    } catch (error) {
      settle({ ...from, state: "failed", refusal: refusalOf(error) });
    }
  };
  const reload = (): Promise<void> => load({ ...START, rows: [] });
  useEffect(() => void reload(), [key]);
  return { ...listing, more: () => load(listing), reload };
}

interface ListingProps<T> {
  paged: Paged<T>;
  empty: string;
  children: ComponentChildren;
}

/** What surrounds a list: that it is being loaded, that it is empty, that it failed, and the way to more of it. */
export function PagedList<T>({ paged, empty, children }: ListingProps<T>) {
  const { rows, cursor, state, refusal, more } = paged;
  return (
    <div class="stack" aria-busy={state === "loading"}>
      {rows.length > 0 && children}
      {state === "loading" && <p class="note">{text.account.loading}</p>}
      {state === "ready" && rows.length === 0 && <p class="empty">{empty}</p>}
      {state === "failed" && refusal && <Failed refusal={refusal} onRetry={more} />}
      {state === "ready" && cursor && (
        <button type="button" class="button quiet" data-testid="load-more" onClick={more}>
          {text.more}
        </button>
      )}
    </div>
  );
}
