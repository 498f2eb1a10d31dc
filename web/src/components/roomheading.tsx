import { useEffect, useRef, useState } from "preact/hooks";
import { roomUrl } from "../router.ts";
import { connected, state } from "../store/connection.ts";
import type { RoomStore } from "../store/room.ts";
import { text } from "../text.ts";
import { Icon } from "./icon.tsx";

const FEEDBACK_MS = 2_500;

/** Title, topic, the link to share and how many are here. */
export function RoomHeading({ store }: { store: RoomStore }) {
  const info = store.info.value;
  return (
    <div class="roomheading">
      <div class="roomheading-words">
        <h1 data-testid="room-title">{info?.title}</h1>
        {info?.topic && <p class="topic">{info.topic}</p>}
      </div>
      <p class="status" data-testid="status" data-state={state.value}>
        <span class="status-dot" aria-hidden="true" />
        <span class="hidden">{connected.value ? text.connection.on : text.connection.off}</span>
        <span class="status-count" data-testid="people-count">
          {text.room.people(store.roster.count.value)}
        </span>
      </p>
      <CopyLink id={store.id} />
    </div>
  );
}

function CopyLink({ id }: { id: string }) {
  const [done, setDone] = useState<"no" | "copied" | "byHand">("no");
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(roomUrl(id));
      setDone("copied");
      clearTimeout(timer.current);
      timer.current = setTimeout(() => setDone("no"), FEEDBACK_MS);
    } catch {
      // No clipboard without TLS or permission: show the address to copy by hand.
      setDone("byHand");
    }
  };
  return (
    <div class="copy">
      <button type="button" class="button small" data-testid="copy-link" onClick={copy}>
        <Icon name={done === "copied" ? "check" : "link"} />
        <span class="copy-label" aria-live="polite">
          {done === "copied" ? text.room.copied : text.room.copy}
        </span>
      </button>
      {done === "byHand" && (
        <label class="copy-by-hand">
          <span>{text.room.copyByHand}</span>
          <input readOnly value={roomUrl(id)} ref={(input) => input?.select()} onBlur={() => setDone("no")} />
        </label>
      )}
    </div>
  );
}
