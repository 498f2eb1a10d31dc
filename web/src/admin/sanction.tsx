import { useState } from "preact/hooks";
import { announce } from "../announce.ts";
import { useAttempt } from "../components/attempt.ts";
import { type Problems, useForm } from "../components/form.ts";
import { Input, Submit } from "../components/input.tsx";
import { PagedList, usePaged } from "../components/paged.tsx";
import { Problem } from "../components/problem.tsx";
import { Select } from "../components/select.tsx";
import type { Principal } from "../protocol.ts";
import { type Imposition, impose, lift, listSanctions, type Sanction, type SanctionKind } from "./api.ts";
import { Table, When, Who } from "./parts.tsx";
import { text } from "./text.ts";

const HOUR_MS = 3_600_000;
const LENGTHS_MS = { hour: HOUR_MS, day: 24 * HOUR_MS, week: 168 * HOUR_MS, month: 720 * HOUR_MS, year: 8760 * HOUR_MS, ever: null } as const;
type Length = keyof typeof LENGTHS_MS;

/** What the fields hold, as chosen. */
export interface Draft {
  kind: SanctionKind;
  length: Length;
  reason: string;
}

export const DRAFT: Draft = { kind: "mute", length: "day", reason: "" };

export const problemsOf = ({ reason }: Draft): Problems => ({ reason: reason.trim() ? "" : text.sanctions.reasonRequired });

export function impositionOf({ kind, length, reason }: Draft): Imposition {
  const ms = LENGTHS_MS[length];
  return { kind, reason: reason.trim(), until: ms === null ? null : Date.now() + ms };
}

interface FieldsProps {
  id: string;
  value: Draft;
  onChange: (draft: Draft) => void;
  problems: Problems;
}

export function SanctionFields({ id, value, onChange, problems }: FieldsProps) {
  return (
    <>
      <div class="pair">
        <Select id={`${id}-kind`} label={text.sanctions.kind} value={value.kind} options={text.sanctions.kinds} onChoose={(kind) => onChange({ ...value, kind })} />
        <Select
          id={`${id}-length`}
          label={text.sanctions.length}
          value={value.length}
          options={text.sanctions.lengths}
          onChoose={(length) => onChange({ ...value, length })}
        />
      </div>
      <p class="note">{text.sanctions.hints[value.kind]}</p>
      <Input
        id={`${id}-reason`}
        label={text.sanctions.reason}
        hint={text.sanctions.reasonHint}
        value={value.reason}
        onInput={(reason) => onChange({ ...value, reason })}
        problem={problems["reason"]}
      />
    </>
  );
}

export function Impose({ who, onDone }: { who: Principal; onDone: () => Promise<void> }) {
  const [draft, setDraft] = useState(DRAFT);
  const form = useForm({
    check: () => problemsOf(draft),
    send: async () => {
      await impose(who, impositionOf(draft));
      setDraft(DRAFT);
      announce(text.sanctions.imposed);
      await onDone();
    },
  });
  return (
    <form class="stack" onSubmit={form.submit} noValidate aria-label={text.sanctions.imposeHeading}>
      <SanctionFields id="impose" value={draft} onChange={setDraft} problems={form.problems} />
      <Submit form={form} label={text.sanctions.impose} id="impose" kind="danger" />
    </form>
  );
}

const stands = ({ liftedAt, until }: Sanction): boolean => liftedAt === null && (until === null || until > Date.now());

export function SanctionTable({ sanctions, onLifted }: { sanctions: Sanction[]; onLifted: () => Promise<void> }) {
  const { refusal, busy, run } = useAttempt();
  const words = text.sanctions;
  const free = async (sanction: Sanction): Promise<void> => {
    if (await run(() => lift(sanction.id))) await onLifted();
  };
  return (
    <>
      <Table label={words.heading} columns={[words.kind, words.who, words.at, words.until, words.reason, words.lift]}>
        {sanctions.map((sanction) => (
          <tr key={sanction.id} data-testid="sanction">
            <td>{words.kinds[sanction.kind]}</td>
            <td>
              <Who {...sanction.who} />
            </td>
            <td>
              <When at={sanction.at} />
            </td>
            <td>{sanction.until === null ? text.forGood : <When at={sanction.until} />}</td>
            <td>{sanction.reason}</td>
            <td>
              {stands(sanction) ? (
                <button
                  type="button"
                  class="button small"
                  data-testid="lift"
                  aria-label={words.liftOf(words.kinds[sanction.kind], sanction.who.name || text.nobody)}
                  aria-disabled={busy}
                  onClick={() => free(sanction)}
                >
                  {words.lift}
                </button>
              ) : sanction.liftedAt === null ? (
                words.over
              ) : (
                words.lifted
              )}
            </td>
          </tr>
        ))}
      </Table>
      <Problem {...refusal} />
    </>
  );
}

export function Sanctions() {
  const [state, setState] = useState<keyof typeof text.sanctions.states>("standing");
  const paged = usePaged(listSanctions(state), state);
  return (
    <>
      <p class="note">{text.sanctions.lead}</p>
      <Select id="sanctions-state" label={text.sanctions.state} value={state} options={text.sanctions.states} onChoose={setState} />
      <PagedList paged={paged} empty={text.sanctions.empty}>
        <SanctionTable sanctions={paged.rows} onLifted={paged.reload} />
      </PagedList>
    </>
  );
}
