import { useEffect, useRef, useState } from "preact/hooks";
import { otherwise } from "../explain.ts";
import { lengthOf } from "../format.ts";
import type { Message } from "../protocol.ts";
import type { RoomStore } from "../store/room.ts";
import { text } from "../text.ts";
import { useAttempt } from "./attempt.ts";
import { fit, isComposing, MAX_TEXT } from "./composer.tsx";
import { Problem } from "./problem.tsx";

interface EditFormProps {
  store: RoomStore;
  message: Message;
  onDone: () => void;
}

/** Changes a message in its place. Enter saves, Escape leaves it as it was. */
export function EditForm({ store, message, onDone }: EditFormProps) {
  const [words, setWords] = useState(message.text);
  const { refusal, run } = useAttempt();
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
    if (await run(() => store.chat.edit(message.offset, words), (error) => otherwise(error, text.chat.editFailed))) onDone();
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
        <Problem {...refusal} />
      </div>
    </div>
  );
}
