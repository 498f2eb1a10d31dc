import { useEffect, useRef, useState } from "preact/hooks";
import { announceUrgently } from "../announce.ts";
import { lengthOf } from "../format.ts";
import type { Message } from "../protocol.ts";
import type { RoomStore } from "../store/room.ts";
import { text } from "../text.ts";
import { fit, isComposing, MAX_TEXT } from "./composer.tsx";

interface EditFormProps {
  store: RoomStore;
  message: Message;
  onDone: () => void;
}

/** Changes a message in its place. Enter saves, Escape leaves it as it was. */
export function EditForm({ store, message, onDone }: EditFormProps) {
  const [words, setWords] = useState(message.text);
  const [problem, setProblem] = useState("");
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const element = area.current;
    if (!element) return;
    fit(element);
    element.focus();
    element.setSelectionRange(words.length, words.length);
  }, []);

  const valid = words.trim() !== "" && lengthOf(words) <= MAX_TEXT;
  const save = async (): Promise<void> => {
    if (!valid) return;
    if (words === message.text) return onDone();
    try {
      await store.edit(message.offset, words);
      onDone();
    } catch {
      setProblem(text.chat.editFailed);
      announceUrgently(text.chat.editFailed);
    }
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    event.stopPropagation();
    if (event.key === "Escape") onDone();
    if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
    event.preventDefault();
    void save();
  };
  return (
    <div class="edit">
      <textarea
        ref={area}
        rows={1}
        value={words}
        data-testid="edit-input"
        aria-label={text.chat.editLabel}
        aria-invalid={!valid}
        onKeyDown={onKeyDown}
        onInput={(event) => {
          setWords(event.currentTarget.value);
          fit(event.currentTarget);
        }}
      />
      <div class="edit-buttons">
        <button type="button" class="button small primary" data-testid="edit-save" disabled={!valid} onClick={save}>
          {text.chat.save}
        </button>
        <button type="button" class="button small quiet" onClick={onDone}>
          {text.chat.cancel}
        </button>
        {problem && <p class="note problem">{problem}</p>}
      </div>
    </div>
  );
}
