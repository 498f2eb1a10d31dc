import { useRef, useState } from "preact/hooks";
import { fullTimeOf, isoOf, timeOf } from "../format.ts";
import { linkify } from "../linkify.ts";
import { toggleMenu } from "../menu.ts";
import type { Message, Principal } from "../protocol.ts";
import type { Outgoing } from "../store/messages.ts";
import type { RoomStore } from "../store/room.ts";
import { text } from "../text.ts";
import { otherwise } from "../explain.ts";
import { useAttempt } from "./attempt.ts";
import { Avatar } from "./avatar.tsx";
import { useCountdown } from "./countdown.ts";
import { EditForm } from "./edit.tsx";
import { Icon } from "./icon.tsx";
import { MoreButton } from "./menu.tsx";
import { messageItems, personItems } from "./personmenu.ts";
import { Problem } from "./problem.tsx";

interface HeadProps {
  author: Principal;
  name: string;
  at: number;
  continues: boolean;
  /** The name opens a menu, by Tab too where it is 0. */
  menuTab?: number;
}

/** Avatar, name and time; a row that continues the one above keeps them for screen readers only. */
function Head({ author, name, at, continues, menuTab }: HeadProps) {
  return (
    <>
      {!continues && <Avatar id={author.actorId} name={name} />}
      <header class={continues ? "message-head continues" : "message-head"}>
        {continues || menuTab === undefined ? (
          <span class={continues ? "hidden" : "message-author"}>{name}</span>
        ) : (
          <button
            type="button"
            class="message-author"
            aria-haspopup="menu"
            tabIndex={menuTab}
            data-testid="author"
            onClick={(event) => toggleMenu(event.currentTarget, name, personItems({ principal: author, name }))}
          >
            {name}
          </button>
        )}
        <time dateTime={isoOf(at)} title={fullTimeOf(at)}>
          {timeOf(at)}
        </time>
      </header>
    </>
  );
}

function Words({ words }: { words: string }) {
  return (
    <p class="message-text" dir="auto">
      {linkify(words).map((piece, index) =>
        piece.kind === "text" ? (
          piece.text
        ) : (
          <a key={index} href={piece.href} target="_blank" rel="noopener noreferrer nofollow ugc">
            {piece.text}
          </a>
        ),
      )}
    </p>
  );
}

interface MessageRowProps {
  store: RoomStore;
  message: Message;
  continues: boolean;
  editing: boolean;
  current: boolean;
  onEdit: (offset: number | null) => void;
}

export function MessageRow({ store, message, continues, editing, current, onEdit }: MessageRowProps) {
  const own = store.isMe(message.author);
  const name = store.nameOf(message.author) ?? text.chat.someone;
  const author = store.now(message.author);
  const tab = current ? 0 : -1;
  return (
    <article
      class={continues ? "message continues" : "message"}
      data-testid="message"
      data-state="sent"
      data-offset={message.offset}
      data-own={own}
      data-row
      tabIndex={tab}
      aria-label={text.chat.actions(name)}
    >
      <Head author={author} name={name} at={message.at} continues={continues} {...(own ? {} : { menuTab: tab })} />
      <div class="message-body">
        {message.deleted && <p class="tombstone">{text.chat.deleted}</p>}
        {!message.deleted && !editing && <Words words={message.text} />}
        {!message.deleted && editing && <EditForm store={store} message={message} onDone={() => onEdit(null)} />}
        {message.editedAt !== null && !message.deleted && (
          <span class="edited" title={fullTimeOf(message.editedAt)}>
            {text.chat.edited}
          </span>
        )}
      </div>
      {own && !message.deleted && !editing && (
        <Actions store={store} offset={message.offset} current={current} onEdit={() => onEdit(message.offset)} />
      )}
      {!own && !message.deleted && (
        <div class="actions">
          <MoreButton
            what={text.chat.actions(name)}
            items={() => messageItems({ principal: author, name }, store.id, message.offset)}
            id="message-menu"
            tabIndex={tab}
          />
        </div>
      )}
    </article>
  );
}

interface ActionsProps {
  store: RoomStore;
  offset: number;
  current: boolean;
  onEdit: () => void;
}

/** Edit and delete of one's own message. Deleting asks first: it is for good, there is no undo to offer. */
function Actions({ store, offset, current, onEdit }: ActionsProps) {
  const [asking, setAsking] = useState(false);
  const { refusal, run } = useAttempt();
  const opener = useRef<HTMLButtonElement>(null);
  const tab = current ? 0 : -1;
  const keep = (): void => {
    setAsking(false);
    requestAnimationFrame(() => opener.current?.focus());
  };
  const remove = async (): Promise<void> => {
    setAsking(false);
    await run(() => store.chat.remove(offset), (error) => otherwise(error, text.chat.removeFailed));
  };
  if (asking) {
    return (
      <div class="ask" role="group" aria-label={text.chat.removeAsk} onKeyDown={(event) => event.key === "Escape" && keep()}>
        <p>{text.chat.removeAsk}</p>
        <button type="button" class="button small danger" data-testid="delete-confirm" ref={(button) => button?.focus()} onClick={remove}>
          {text.chat.remove}
        </button>
        <button type="button" class="button small quiet" onClick={keep}>
          {text.chat.keep}
        </button>
      </div>
    );
  }
  return (
    <div class="actions">
      <Problem {...refusal} />
      <button type="button" class="icon-button small" tabIndex={tab} data-testid="edit" aria-label={text.chat.edit} onClick={onEdit}>
        <Icon name="edit" />
      </button>
      <button
        type="button"
        class="icon-button small"
        ref={opener}
        tabIndex={tab}
        data-testid="delete"
        aria-label={text.chat.remove}
        onClick={() => setAsking(true)}
      >
        <Icon name="trash" />
      </button>
    </div>
  );
}

interface OutgoingRowProps {
  store: RoomStore;
  message: Outgoing;
  continues: boolean;
}

/** A message on its way, or one that did not make it. */
export function OutgoingRow({ store, message, continues }: OutgoingRowProps) {
  const failed = message.state === "failed";
  const waitS = useCountdown(message.freeAt) ?? 0;
  const name = store.nameOf(store.me) ?? text.people.you;
  return (
    <article
      class={continues ? "message continues" : "message"}
      data-testid="message"
      data-state={message.state}
      data-own
      aria-label={text.chat.actions(name)}
      aria-busy={!failed}
    >
      <Head author={store.me} name={name} at={message.at} continues={continues} />
      <div class="message-body">
        <Words words={message.text} />
        {!failed && <span class="sending">{text.chat.sending}</span>}
        {failed && (
          <div class="failure">
            <Icon name="warning" />
            <span data-testid="failure">{waitS > 0 ? text.chat.tooFast(waitS) : text.chat.failed}</span>
            {message.freeAt === null && <span class="note">{message.problem}</span>}
            <button type="button" class="button small" data-testid="retry" aria-disabled={waitS > 0} onClick={() => waitS > 0 || store.chat.retry(message.nonce)}>
              {text.chat.retry}
            </button>
            <button type="button" class="button small quiet" data-testid="discard" onClick={() => store.chat.discard(message.nonce)}>
              {text.chat.discard}
            </button>
          </div>
        )}
      </div>
    </article>
  );
}
