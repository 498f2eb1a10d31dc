import { useState } from "preact/hooks";
import { Avatar } from "../components/avatar.tsx";
import { Dialog } from "../components/dialog.tsx";
import { useForm } from "../components/form.ts";
import { Submit } from "../components/input.tsx";
import { PagedList, usePaged } from "../components/paged.tsx";
import { StatusDot, useStatus } from "../components/statusdot.tsx";
import { agoOf, dateOf } from "../format.ts";
import { tellOnce } from "../notice.ts";
import { type Member, quitRoom, readMembers } from "../rooms.ts";
import { navigate } from "../router.ts";
import { lastSeenOf } from "../status.ts";
import { keyOf } from "../store/presence.ts";
import type { RoomStore } from "../store/room.ts";
import { text as page } from "../text.ts";
import type { DialogProps } from "./dialogs.tsx";
import { text } from "./text.ts";

const words = text.members;

/** Who comes into the room whatever becomes of it, and the way out of that. */
export function MembersDialog({ open: { store }, onClose }: DialogProps<"members">) {
  const paged = usePaged(readMembers(store.id), store.id);
  const own = paged.rows.find((member) => store.isMe(member));
  const mayQuit = own ? own.since !== null : paged.cursor !== null; // those who came later are on later pages
  return (
    <Dialog id="members" heading={words.heading} onClose={onClose}>
      <p class="note">{words.lead}</p>
      <PagedList paged={paged} empty={words.none}>
        <ul class="rows members" aria-label={words.heading}>
          {paged.rows.map((member) => (
            <Row key={keyOf(member)} store={store} member={member} />
          ))}
        </ul>
      </PagedList>
      {mayQuit && <Quit store={store} />}
    </Dialog>
  );
}

function Row({ store, member }: { store: RoomStore; member: Member }) {
  const { actorType, actorId, since } = member;
  const [row, status] = useStatus<HTMLLIElement>(actorType === "user" ? actorId : null);
  const name = member.name || page.block.gone;
  const seenAt = status === "offline" ? lastSeenOf(actorId) : null;
  const notes = [since !== null && words.since(dateOf(since)), seenAt !== null && page.account.seen(agoOf(seenAt, store.serverNow()))];
  return (
    <li ref={row} data-testid="member">
      <span class="face">
        <Avatar id={actorId} name={name} />
        {status && <StatusDot status={status} alone />}
      </span>
      <span>
        {name}
        <span class="note">{notes.filter(Boolean).join(" · ")}</span>
      </span>
      {store.isMe(member) && <span class="badge">{page.people.you}</span>}
      {page.people.roles[member.role] && <span class={`badge ${member.role}`}>{page.people.roles[member.role]}</span>}
    </li>
  );
}

/** Asked once more: who has left a private room needs another invitation. */
function Quit({ store }: { store: RoomStore }) {
  const [asking, setAsking] = useState(false);
  const title = store.info.value?.title ?? "";
  const form = useForm({
    send: async () => {
      await quitRoom(store.id);
      navigate("/");
      tellOnce(words.gone(title));
    },
  });
  return (
    <section class="part stack">
      <p class="note">{words.quitLead[store.info.value?.visibility ?? "unlisted"]}</p>
      {asking ? (
        <form class="inline" onSubmit={form.submit} noValidate>
          <Submit form={form} label={words.quitSure} id="quit-sure" kind="danger" />
          <button type="button" class="button quiet" onClick={() => setAsking(false)}>
            {page.chat.cancel}
          </button>
        </form>
      ) : (
        <button type="button" class="button danger" data-testid="quit" onClick={() => setAsking(true)}>
          {words.quit}
        </button>
      )}
    </section>
  );
}
