import { useCallback, useRef, useState } from "preact/hooks";
import { announce } from "../announce.ts";
import { CopyButton } from "../components/copy.tsx";
import { Dialog } from "../components/dialog.tsx";
import { useAttempt } from "../components/attempt.ts";
import { Failed } from "../components/failed.tsx";
import { useForm } from "../components/form.ts";
import { Submit } from "../components/input.tsx";
import { type Loaded, useLoaded } from "../components/loaded.ts";
import { Problem } from "../components/problem.tsx";
import { agoOf, shortTimeOf } from "../format.ts";
import { createInvite, type Invite, readInvites, revokeInvite } from "../rooms.ts";
import { inviteUrl, roomUrl } from "../router.ts";
import { text as page } from "../text.ts";
import { Choice, numbered } from "../components/choice.tsx";
import type { DialogProps } from "./dialogs.tsx";
import { text } from "./text.ts";

const words = text.invites;
const DAY_MS = 86_400_000;

/** The room's own link for everybody; for who keeps order, invitations as well. */
export function InvitesDialog({ open: { store }, onClose }: DialogProps<"invites">) {
  const visibility = store.info.value?.visibility ?? "unlisted";
  return (
    <Dialog id="invites" heading={words.heading} onClose={onClose}>
      <section class="stack" aria-labelledby="link-heading">
        <h3 id="link-heading">{words.link}</h3>
        <CopyLine id="room-link" label={words.link} value={roomUrl(store.id)} copy={page.room.copy} />
        <p class="note">{words.linkLead[visibility]}</p>
      </section>
      {store.standing.isStaff.value && <Invitations room={store.id} />}
    </Dialog>
  );
}

interface CopyLineProps {
  id: string;
  label: string;
  value: string;
  copy: string;
}

/** What is to be copied, in sight, and the button that does it. */
function CopyLine({ id, label, value, copy }: CopyLineProps) {
  return (
    <div class="inline copyline">
      <input id={id} data-testid={id} readOnly value={value} aria-label={label} onFocus={(event) => event.currentTarget.select()} />
      <CopyButton id={`copy-${id}`} value={value} label={copy} />
    </div>
  );
}

function Invitations({ room }: { room: string }) {
  const invites = useLoaded(useCallback(() => readInvites(room), [room]));
  const [code, setCode] = useState("");
  const [expiresMs, setExpires] = useState(7 * DAY_MS);
  const [uses, setUses] = useState(0);
  const form = useForm({
    send: async () => {
      setCode((await createInvite(room, expiresMs || null, uses || null)).code);
      await invites.reload();
    },
  });
  return (
    <>
      <form class="part stack" onSubmit={form.submit} noValidate aria-labelledby="make-heading">
        <h3 id="make-heading">{words.make}</h3>
        <p class="note">{words.makeLead}</p>
        <div class="pair">
          <Choice id="invite-expires" label={words.expires} value={expiresMs} options={numbered(words.lifetimes)} onChoose={setExpires} />
          <Choice id="invite-uses" label={words.uses} value={uses} options={numbered(words.usesOptions)} onChoose={setUses} />
        </div>
        <Submit form={form} label={words.submit} id="make-invite" kind="" />
        {code && (
          <div class="fresh stack" role="status" data-testid="invite-made">
            <p>{words.once}</p>
            <CopyLine id="invite-link" label={words.codeLabel} value={inviteUrl(room, code)} copy={words.copy} />
            <p class="note" data-testid="invite-code">
              {words.typed(code)}
            </p>
          </div>
        )}
      </form>
      <List room={room} invites={invites} />
    </>
  );
}

const holds = ({ uses, used, expiresAt }: Invite): boolean => (uses === null || used < uses) && (expiresAt === null || expiresAt > Date.now());

function List({ room, invites: { value: all, refusal, reload } }: { room: string; invites: Loaded<Invite[]> }) {
  const attempt = useAttempt();
  const heading = useRef<HTMLHeadingElement>(null);
  const value = all?.filter(holds) ?? null;
  const revoke = async (invite: Invite): Promise<void> => {
    if (!(await attempt.run(() => revokeInvite(room, invite.id)))) return;
    announce(words.revoked);
    await reload();
    heading.current?.focus(); // the button is gone with the row
  };
  return (
    <section class="part stack" aria-labelledby="invites-list-heading" aria-busy={!value && !refusal}>
      <h3 ref={heading} id="invites-list-heading" tabIndex={-1}>
        {words.list}
      </h3>
      {!value && !refusal && <p class="note">{page.account.loading}</p>}
      {refusal && <Failed refusal={refusal} onRetry={reload} />}
      {value?.length === 0 && <p class="note">{words.none}</p>}
      {value && value.length > 0 && (
        <ul class="rows">
          {value.map((invite) => {
            const made = agoOf(invite.createdAt, Date.now());
            return (
              <li key={invite.id} data-testid="invite">
                <span>
                  {words.row(invite.used, invite.uses)}
                  <span class="note">
                    {words.made(made)} · {invite.expiresAt === null ? words.endless : words.until(shortTimeOf(invite.expiresAt))}
                  </span>
                </span>
                <button
                  type="button"
                  class="button small"
                  data-testid="revoke"
                  aria-label={words.revokeOf(made)}
                  aria-disabled={attempt.busy}
                  onClick={() => revoke(invite)}
                >
                  {words.revoke}
                </button>
              </li>
            );
          })}
        </ul>
      )}
      <Problem {...attempt.refusal} />
    </section>
  );
}
