import { useEffect, useRef, useState } from "preact/hooks";
import { fullTimeOf, lengthOf } from "../format.ts";
import { connected } from "../store/connection.ts";
import type { RoomStore } from "../store/room.ts";
import { keep, recall } from "../storage.ts";
import { text } from "../text.ts";
import { useCountdown } from "./countdown.ts";
import { Icon } from "./icon.tsx";

/** Code points a message may have. */
export const MAX_TEXT = 4_000;
/** From here on the rest is counted out. */
const NEAR_LIMIT = 3_600;
const TALLEST_PX = 180;

/** An input method is choosing characters: Enter belongs to it (229 is what older browsers send). */
export const isComposing = (event: KeyboardEvent): boolean => event.isComposing || event.keyCode === 229;

/** Makes a text area as tall as its text, up to a limit. */
export function fit(area: HTMLTextAreaElement): void {
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight + 2, TALLEST_PX)}px`;
}

interface ComposerProps {
  store: RoomStore;
  onEditLast: () => void;
}

/** Where one writes. The draft survives a reload. */
export function Composer({ store, onEditLast }: ComposerProps) {
  const draft = `draft:${store.id}`;
  const [words, setWords] = useState(() => recall(draft) ?? "");
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    if (area.current) fit(area.current);
  }, [words]);

  const write = (value: string): void => {
    setWords(value);
    keep(draft, value);
    store.isTyping(value.trim() !== "");
  };
  const length = lengthOf(words);
  const pauseS = useCountdown(store.standing.freeAt.value) ?? 0;
  const note = useNote(store, length, pauseS);
  const archived = Boolean(store.info.value?.archivedAt);
  const sendable = words.trim() !== "" && length <= MAX_TEXT && pauseS === 0 && !archived;
  const send = (): void => {
    if (!sendable) return;
    store.chat.send(words);
    setWords("");
    keep(draft, "");
    area.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (isComposing(event)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send();
    }
    if (event.key === "ArrowUp" && words === "") {
      event.preventDefault();
      onEditLast();
    }
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <label class="hidden" for="composer">
        {text.chat.compose}
      </label>
      <textarea
        ref={area}
        id="composer"
        data-testid="composer"
        rows={1}
        dir="auto"
        placeholder={text.chat.placeholder(store.info.value?.title ?? "")}
        value={words}
        aria-describedby="composer-note"
        aria-invalid={length > MAX_TEXT}
        readOnly={archived}
        onInput={(event) => write(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        onBlur={() => store.isTyping(false)}
      />
      <button type="submit" class="button primary round" data-testid="send" aria-label={text.chat.send} disabled={!sendable}>
        <Icon name="send" />
      </button>
      <p id="composer-note" class={`note ${note.kind}`} data-testid="composer-note">
        {note.words}
      </p>
    </form>
  );
}

interface Note {
  words: string;
  /** "telling" notes are shown on every screen, the hint about keys only where there are keys. */
  kind: "problem" | "telling" | "";
}

/** The one thing that is worth saying below the field. */
function useNote(store: RoomStore, length: number, pauseS: number): Note {
  const muted = store.standing.muted.value;
  const muteS = useCountdown(muted?.until ?? null);
  const info = store.info.value;
  if (info?.archivedAt) return { words: text.chat.archived, kind: "telling" };
  if (muted && muteS !== 0) return { words: text.chat.muted(muted.until === null ? null : fullTimeOf(muted.until), muted.why), kind: "problem" };
  if (length > MAX_TEXT) return { words: text.chat.over(length - MAX_TEXT), kind: "problem" };
  if (length >= NEAR_LIMIT) return { words: text.chat.left(MAX_TEXT - length), kind: "telling" };
  if (!connected.value) return { words: text.chat.offline, kind: "telling" };
  if (pauseS > 0) return { words: text.chat.slowWait(pauseS), kind: "telling" };
  if (info && info.slowMs > 0 && !store.standing.isStaff.value) return { words: text.chat.slow(text.room.seconds(info.slowMs / 1000)), kind: "telling" };
  return { words: text.chat.hint, kind: "" };
}
