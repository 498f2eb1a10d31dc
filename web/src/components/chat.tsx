import { useEffect, useRef, useState } from "preact/hooks";
import { announce, announceUrgently } from "../announce.ts";
import { dayOf } from "../format.ts";
import type { Happening } from "../store/happenings.ts";
import { failed, lastOwn } from "../store/messages.ts";
import type { RoomStore } from "../store/room.ts";
import { layOut, type Row } from "../store/rows.ts";
import { text } from "../text.ts";
import { Composer } from "./composer.tsx";
import { useCountdown } from "./countdown.ts";
import { Icon } from "./icon.tsx";
import { movements } from "../movements.ts";
import { MessageRow, OutgoingRow } from "./message.tsx";
import { useScrollPlace } from "./scroll.ts";
import { TypingLine } from "./typing.tsx";

/** The conversation: what was said, who is writing, and the place to write. */
export function Chat({ store }: { store: RoomStore }) {
  const [editing, setEditing] = useState<number | null>(null);
  const log = useRef<HTMLDivElement>(null);
  const rows = layOut(store.chat.shown.value, store.me, store.chat.unreadAt.value, store.now, store.happenings.value);
  const { atBottom, toBottom } = useScrollPlace(log, rows, store.id);
  useAttention(store, atBottom);
  useAnnouncements(store);

  const finishEdit = (offset: number | null): void => {
    setEditing(offset);
    if (offset === null) document.getElementById("composer")?.focus();
  };
  const editLast = (): void => setEditing(lastOwn(store.chat.messages.value, store.isMe)?.offset ?? null);
  const unread = store.chat.unread.value;
  return (
    <section class="chat" aria-labelledby="chat-heading">
      <h2 id="chat-heading" class="hidden">
        {text.chat.heading}
      </h2>
      <div class="log" ref={log} role="log" aria-label={text.chat.log} aria-live="off" tabIndex={0} onKeyDown={walk}>
        <div class="log-inner">
          <Earlier store={store} />
          {rows.map((row) => (
            <LogRow key={row.key} row={row} store={store} editing={editing} onEdit={finishEdit} last={rows.at(-1)} />
          ))}
        </div>
      </div>
      {!atBottom && (
        <button
          type="button"
          class="button jump"
          data-testid="jump"
          onClick={() => {
            toBottom();
            log.current?.focus();
          }}
        >
          <Icon name="down" />
          {unread > 0 ? text.chat.newMessages(unread) : text.chat.latest}
        </button>
      )}
      <TypingLine store={store} />
      <Composer store={store} onEditLast={editLast} />
    </section>
  );
}

/** Read is what was at the bottom of a page that is visible and has the focus. */
function useAttention(store: RoomStore, atBottom: boolean): void {
  useEffect(() => {
    const look = (): void => store.chat.setAttentive(atBottom && document.visibilityState === "visible" && document.hasFocus());
    look();
    addEventListener("focus", look);
    addEventListener("blur", look);
    document.addEventListener("visibilitychange", look);
    return () => {
      removeEventListener("focus", look);
      removeEventListener("blur", look);
      document.removeEventListener("visibilitychange", look);
      store.chat.setAttentive(false);
    };
  }, [store, atBottom]);
}

/** What others say goes through the page's one polite region; a failure is told at once. */
function useAnnouncements(store: RoomStore): void {
  useEffect(() => {
    store.chat.onMessage = (message) => announce(text.chat.said(store.nameOf(message.author) ?? text.chat.someone, message.text));
    return () => (store.chat.onMessage = () => {});
  }, [store]);
  const failures = failed(store.chat.messages.value);
  const before = useRef(failures.length); // those that were here when the page was opened are told as rows
  useEffect(() => {
    if (failures.length > before.current) announceUrgently(failures.at(-1)?.freeAt ? text.chat.tooFastAloud : text.chat.failedAloud);
    before.current = failures.length;
  }, [failures.length]);
}

interface LogRowProps {
  row: Row;
  store: RoomStore;
  editing: number | null;
  onEdit: (offset: number | null) => void;
  last: Row | undefined;
}

function LogRow({ row, store, editing, onEdit, last }: LogRowProps) {
  switch (row.kind) {
    case "day":
      return (
        <div class="divider day" data-key={row.key}>
          <span>{dayOf(row.at, store.serverNow())}</span>
        </div>
      );
    case "gap":
      return (
        <div class="divider gap" data-testid="gap" role="note">
          <span>{text.chat.gap}</span>
        </div>
      );
    case "happening":
      return <HappeningRow happening={row.happening} />;
    case "unread":
      return (
        <div class="divider unread" data-testid="unread" role="note">
          <span>{text.chat.unread}</span>
        </div>
      );
    case "outgoing":
      return <OutgoingRow store={store} message={row.message} continues={row.continues} />;
    case "message":
      return (
        <MessageRow
          store={store}
          message={row.message}
          continues={row.continues}
          editing={editing === row.message.offset}
          current={row === last}
          onEdit={onEdit}
        />
      );
  }
}

/** People who came and went, or what a host decided: smaller than what is said. */
function HappeningRow({ happening }: { happening: Happening }) {
  if (happening.kind === "movement" && !movements.value) return null;
  const words =
    happening.kind === "told"
      ? [happening.words]
      : [happening.came.size > 0 && text.room.came([...happening.came.values()]), happening.left.size > 0 && text.room.left([...happening.left.values()])];
  return (
    <p class="happening" data-testid="happening">
      {words.filter(Boolean).join(" · ")}
    </p>
  );
}

/** The top of the log: older messages, or where it all began. */
function Earlier({ store }: { store: RoomStore }) {
  const { hasMore, confirmed, outgoing } = store.chat.shown.value;
  const loading = store.chat.past.state.value;
  const waitS = useCountdown(store.chat.past.freeAt.value) ?? 0;
  if (!hasMore) {
    const nothing = confirmed.length + outgoing.length === 0;
    return <p class="beginning">{nothing ? text.chat.empty : text.chat.beginning}</p>;
  }
  return (
    <div class="earlier" aria-busy={loading === "loading"}>
      {loading === "failed" && <p class="note problem">{waitS > 0 ? text.errors.tooFast(waitS) : text.chat.moreFailed}</p>}
      <button
        type="button"
        class="button quiet small"
        data-testid="load-earlier"
        aria-disabled={loading === "loading" || waitS > 0}
        onClick={() => waitS > 0 || void store.chat.loadEarlier()}
      >
        {loading === "loading" ? text.chat.loadingMore : text.chat.more}
      </button>
    </div>
  );
}

/** Arrow keys walk from message to message: the log is one stop of the Tab key. */
function walk(event: KeyboardEvent): void {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const log = event.currentTarget as HTMLElement;
  const from = (event.target as Element).closest<HTMLElement>("[data-row]");
  if (step === undefined || event.target instanceof HTMLTextAreaElement) return;
  const rows = [...log.querySelectorAll<HTMLElement>("[data-row]")];
  const index = from ? rows.indexOf(from) + step : step < 0 ? rows.length - 1 : -1;
  const next = rows[index];
  if (!next) return;
  event.preventDefault();
  rove(rows, next);
  next.focus();
}

/** Exactly one row, and the buttons in it, can be reached by Tab. */
function rove(rows: HTMLElement[], chosen: HTMLElement): void {
  for (const row of rows) {
    const index = row === chosen ? 0 : -1;
    row.tabIndex = index;
    row.querySelectorAll<HTMLElement>(".actions button, .message-author").forEach((button) => (button.tabIndex = index));
  }
}

