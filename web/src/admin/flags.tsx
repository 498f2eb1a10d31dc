import { useState } from "preact/hooks";
import { announce } from "../announce.ts";
import { type Attempt, useAttempt } from "../components/attempt.ts";
import { Failed } from "../components/failed.tsx";
import { noteId } from "../components/field.tsx";
import { useForm } from "../components/form.ts";
import { useLoaded } from "../components/loaded.ts";
import { Problem } from "../components/problem.tsx";
import { type Flag, readFlags, setFlag } from "./api.ts";
import { Table, When, Who } from "./parts.tsx";
import { text } from "./text.ts";

const words = text.flags;

/** Features that are on for a share of the people: what the settings say, and what an admin says instead. */
export function Flags() {
  const { value, refusal, reload } = useLoaded(readFlags);
  const attempt = useAttempt();
  const change = async ({ name }: Flag, share: number | null): Promise<void> => {
    if (!(await attempt.run(() => setFlag(name, share)))) return;
    announce(share === null ? words.takenBack(name) : words.changed(name, share));
    await reload();
  };
  return (
    <div class="stack" aria-busy={!value && !refusal}>
      <p class="note">{words.lead}</p>
      {!value && !refusal && <p class="note">{text.loading}</p>}
      {refusal && <Failed refusal={refusal} onRetry={reload} />}
      <Problem {...attempt.refusal} />
      {value && (
        <Table label={text.parts.flags} columns={[words.feature, words.share, words.set, words.said]}>
          {value.map((flag) => (
            <Row key={flag.name} flag={flag} attempt={attempt} change={(share) => change(flag, share)} />
          ))}
        </Table>
      )}
    </div>
  );
}

interface RowProps {
  flag: Flag;
  attempt: Attempt;
  change: (share: number | null) => Promise<void>;
}

function Row({ flag, attempt, change }: RowProps) {
  const { name, about, share, configured, setAt, setBy } = flag;
  const choices = [
    { id: "on", label: words.on, share: 100, holds: setAt !== null && share === 100 },
    { id: "off", label: words.off, share: 0, holds: setAt !== null && share === 0 },
    { id: "configured", label: words.configured(configured), share: null, holds: setAt === null },
  ];
  return (
    <tr data-testid="flag">
      <td>
        <b>{name}</b>
        <span class="note block">{about}</span>
      </td>
      <td data-testid="flag-share">{share === 0 ? words.nobody : share === 100 ? words.everybody : words.part(share)}</td>
      <td>
        <div class="inline" role="group" aria-label={words.setOf(name)}>
          {choices.map(({ id, label, share: wanted, holds }) => (
            <button key={id} type="button" class="button small" data-testid={`flag-${id}`} aria-pressed={holds} aria-disabled={attempt.busy} onClick={() => change(wanted)}>
              {label}
            </button>
          ))}
        </div>
        <Part key={share} flag={flag} change={change} />
      </td>
      <td>
        {setAt === null || setBy === null ? (
          words.settings
        ) : (
          <>
            <Who actorType="user" actorId={setBy} name={setBy} /> <When at={setAt} />
          </>
        )}
      </td>
    </tr>
  );
}

const isShare = (typed: string): boolean => typed.trim() !== "" && Number(typed) >= 0 && Number(typed) <= 100;

/** For bringing a feature to people by and by. */
function Part({ flag: { name, share }, change }: Pick<RowProps, "flag" | "change">) {
  const [typed, setTyped] = useState(String(share));
  const form = useForm({ check: () => ({ share: isShare(typed) ? "" : words.wrong }), send: () => change(Number(typed)) });
  const problem = form.problems["share"] ?? "";
  const id = `flag-part-${name}`;
  return (
    <form class="inline" onSubmit={form.submit} noValidate>
      <input
        id={id}
        class="few"
        data-testid="flag-part"
        inputMode="decimal"
        autocomplete="off"
        value={typed}
        aria-label={words.partOf(name)}
        aria-invalid={problem !== ""}
        aria-describedby={problem ? noteId(id) : undefined}
        onInput={(event) => setTyped(event.currentTarget.value)}
      />
      <span aria-hidden="true">%</span>
      <button type="submit" class="button small" data-testid="flag-set" aria-disabled={form.busy}>
        {words.go}
      </button>
      {problem && (
        <p id={noteId(id)} class="note problem">
          {problem}
        </p>
      )}
    </form>
  );
}
