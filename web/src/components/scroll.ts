/** Where the reader is in the log: kept when rows come in above or below, remembered over a reload. */

import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** This close to the end counts as being there. */
const BOTTOM_PX = 48;

interface Anchor {
  /** Offset of the first message in view, as the row's attribute says it. */
  offset: string;
  /** Its distance from the top of the view. */
  top: number;
}

interface Place {
  atBottom: boolean;
  anchor: Anchor | null;
}

/** Follows the end while the reader is there, else holds the first message in view where it is. */
export function useScrollPlace(log: RefObject<HTMLDivElement | null>, rows: unknown, room: string) {
  const place = useRef<Place>(recallPlace(room));
  const [atBottom, setAtBottom] = useState(place.current.atBottom);

  // Before the rows change: scroll events come later than a render may.
  if (log.current) place.current = measure(log.current, place.current);

  useLayoutEffect(() => {
    if (log.current) restore(log.current, place.current);
  }, [rows]);

  useEffect(() => {
    const element = log.current;
    if (!element) return;
    const onScroll = (): void => {
      place.current = measure(element, place.current);
      setAtBottom(place.current.atBottom);
    };
    const onResize = new ResizeObserver(() => restore(element, place.current));
    const onLeave = (): void => keepPlace(room, place.current);
    element.addEventListener("scroll", onScroll, { passive: true });
    addEventListener("pagehide", onLeave);
    onResize.observe(element);
    // Rows grow and shrink as well: a message being edited, a question before deleting.
    if (element.firstElementChild) onResize.observe(element.firstElementChild);
    return () => {
      onLeave();
      element.removeEventListener("scroll", onScroll);
      removeEventListener("pagehide", onLeave);
      onResize.disconnect();
    };
  }, [room]);

  const toBottom = (): void => {
    if (log.current) log.current.scrollTop = log.current.scrollHeight;
  };
  return { atBottom, toBottom };
}

const rowsOf = (log: HTMLElement): NodeListOf<HTMLElement> => log.querySelectorAll<HTMLElement>("[data-offset]");

function measure(log: HTMLElement, last: Place): Place {
  // An empty log has no place of its own: keep what is remembered until there are rows.
  if (log.scrollHeight <= log.clientHeight) return rowsOf(log).length ? { atBottom: true, anchor: null } : last;
  const atBottom = log.scrollHeight - log.scrollTop - log.clientHeight < BOTTOM_PX;
  const view = log.getBoundingClientRect().top;
  for (const row of rowsOf(log)) {
    const box = row.getBoundingClientRect();
    if (box.bottom > view) return { atBottom, anchor: { offset: row.dataset["offset"] ?? "", top: box.top - view } };
  }
  return { atBottom, anchor: null };
}

function restore(log: HTMLElement, { atBottom, anchor }: Place): void {
  if (atBottom) {
    log.scrollTop = log.scrollHeight;
    return;
  }
  const row = anchor && log.querySelector<HTMLElement>(`[data-offset="${CSS.escape(anchor.offset)}"]`);
  if (!anchor || !row) return;
  log.scrollTop += row.getBoundingClientRect().top - log.getBoundingClientRect().top - anchor.top;
}

// Of this tab only, hence the session's storage.
const keyOf = (room: string): string => `commonroom:place:${room}`;

function keepPlace(room: string, place: Place): void {
  try {
    sessionStorage.setItem(keyOf(room), JSON.stringify(place));
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
  }
}

function recallPlace(room: string): Place {
  try {
    const kept = sessionStorage.getItem(keyOf(room));
    if (kept) return JSON.parse(kept) as Place;
  } catch (error) {
    if (!(error instanceof DOMException || error instanceof SyntaxError)) throw error;
  }
  return { atBottom: true, anchor: null };
}
