import type { RoomStore } from "../store/room.ts";
import { text } from "../text.ts";

/** Who is writing. Seen only: screen readers are not told, it would never end. */
export function TypingLine({ store }: { store: RoomStore }) {
  const names = store.typists.value.map((key) => store.names.byKey(key) ?? text.chat.someone);
  return (
    <p class="typing" data-testid="typing" aria-live="off">
      {names.length > 0 && (
        <>
          <span class="typing-dots" aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          {text.typing(names)}
        </>
      )}
    </p>
  );
}
