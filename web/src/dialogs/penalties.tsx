import { useCallback, useState } from "preact/hooks";
import { announce } from "../announce.ts";
import { useAttempt } from "../components/attempt.ts";
import { Failed } from "../components/failed.tsx";
import { useLoaded } from "../components/loaded.ts";
import { Problem } from "../components/problem.tsx";
import { fullTimeOf } from "../format.ts";
import { type Penalized, readBans, readMutes } from "../rooms.ts";
import { keyOf } from "../store/presence.ts";
import type { RoomStore } from "../store/room.ts";
import { text as page } from "../text.ts";
import { text } from "./text.ts";

const READERS = { ban: readBans, mute: readMutes } as const;
const BACK = { ban: "unban", mute: "unmute" } as const;

interface PenaltyProps {
  store: RoomStore;
  kind: keyof typeof READERS;
}

const headingOf = (kind: string): string => `${kind}-heading`;

/** Whom the room keeps out, or has say nothing: read when it is looked at, and the way back. */
export function Penalties({ store, kind }: PenaltyProps) {
  const [open, setOpen] = useState(false);
  return (
    <details class="part" data-testid={`${kind}s`} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary id={headingOf(kind)}>{text.penalties[kind].heading}</summary>
      {open && <List store={store} kind={kind} />}
    </details>
  );
}

function List({ store, kind }: PenaltyProps) {
  const { value, refusal, reload } = useLoaded(useCallback(() => READERS[kind](store.id), [store, kind]));
  const attempt = useAttempt();
  const lift = async ({ actorType, actorId }: Penalized, name: string): Promise<void> => {
    if (!(await attempt.run(() => store.command(`room.${BACK[kind]}`, { person: { actorType, actorId }, why: "" })))) return;
    announce(page.measures.done[BACK[kind]](name));
    await reload();
    document.getElementById(headingOf(kind))?.focus(); // the button is gone with the row
  };
  if (refusal) return <Failed refusal={refusal} onRetry={reload} />;
  if (!value) return <p class="note">{page.account.loading}</p>;
  if (value.length === 0) return <p class="note">{text.penalties[kind].none}</p>;
  return (
    <>
      <ul class="rows">
        {value.map((one) => (
          <Row key={keyOf(one)} one={one} kind={kind} busy={attempt.busy} onLift={lift} />
        ))}
      </ul>
      <Problem {...attempt.refusal} />
    </>
  );
}

interface RowProps {
  one: Penalized;
  kind: PenaltyProps["kind"];
  busy: boolean;
  onLift: (one: Penalized, name: string) => void;
}

function Row({ one, kind, busy, onLift }: RowProps) {
  const name = one.name || page.block.gone;
  return (
    <li data-testid={kind}>
      <span>
        {name}
        <span class="note">{one.until === null ? text.penalties.endless : text.penalties.until(fullTimeOf(one.until))}</span>
      </span>
      <button
        type="button"
        class="button small"
        data-testid={`lift-${kind}`}
        aria-label={page.measures.actions[BACK[kind]](name)}
        aria-disabled={busy}
        onClick={() => onLift(one, name)}
      >
        {text.penalties[kind].lift}
      </button>
    </li>
  );
}
