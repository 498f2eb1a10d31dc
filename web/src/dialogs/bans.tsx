import { useCallback, useState } from "preact/hooks";
import { announce } from "../announce.ts";
import { useAttempt } from "../components/attempt.ts";
import { Failed } from "../components/failed.tsx";
import { useLoaded } from "../components/loaded.ts";
import { Problem } from "../components/problem.tsx";
import { fullTimeOf } from "../format.ts";
import { type RoomBan, readBans } from "../rooms.ts";
import { keyOf } from "../store/presence.ts";
import type { RoomStore } from "../store/room.ts";
import { text as page } from "../text.ts";
import { text } from "./text.ts";

const words = text.bans;
const HEADING = "bans-heading";

/** Whom the room keeps out, read when it is looked at, and the way back. */
export function Bans({ store }: { store: RoomStore }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="part" data-testid="bans" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary id={HEADING}>{words.heading}</summary>
      {open && <List store={store} />}
    </details>
  );
}

function List({ store }: { store: RoomStore }) {
  const { value, refusal, reload } = useLoaded(useCallback(() => readBans(store.id), [store]));
  const [lifted, setLifted] = useState<string[]>([]); // the server's list is a second behind
  const attempt = useAttempt();
  const bans = value?.filter((ban) => !lifted.includes(keyOf(ban)));
  const lift = async (ban: RoomBan, name: string): Promise<void> => {
    const person = { actorType: ban.actorType, actorId: ban.actorId };
    if (!(await attempt.run(() => store.command("room.unban", { person, why: "" })))) return;
    announce(page.measures.done.unban(name));
    setLifted((now) => [...now, keyOf(ban)]);
    document.getElementById(HEADING)?.focus(); // the button is gone with the row
  };
  if (refusal) return <Failed refusal={refusal} onRetry={reload} />;
  if (!bans) return <p class="note">{page.account.loading}</p>;
  if (bans.length === 0) return <p class="note">{words.none}</p>;
  return (
    <>
      <ul class="rows">
        {bans.map((ban) => {
          const name = ban.name || page.block.gone;
          return (
            <li key={keyOf(ban)} data-testid="ban">
              <span>
                {name}
                <span class="note">{ban.until === null ? words.endless : words.until(fullTimeOf(ban.until))}</span>
              </span>
              <button type="button" class="button small" data-testid="lift-ban" aria-label={page.measures.actions.unban(name)} aria-disabled={attempt.busy} onClick={() => lift(ban, name)}>
                {words.lift}
              </button>
            </li>
          );
        })}
      </ul>
      <Problem {...attempt.refusal} />
    </>
  );
}
