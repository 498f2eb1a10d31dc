import { useState } from "preact/hooks";
import { announce } from "../announce.ts";
import { useForm } from "../components/form.ts";
import { Input, Submit } from "../components/input.tsx";
import { PagedList, usePaged } from "../components/paged.tsx";
import { Select } from "../components/select.tsx";
import { roomPath } from "../router.ts";
import { text as page } from "../text.ts";
import { type CopiedMessage, listReports, type Outcome, type Report, resolve } from "./api.ts";
import { Table, When, Who } from "./parts.tsx";
import { DRAFT, impositionOf, problemsOf, SanctionFields } from "./sanction.tsx";
import { text } from "./text.ts";

type State = keyof typeof text.reports.states;

export function Reports() {
  const [state, setState] = useState<State>("open");
  const paged = usePaged(listReports(state), state);
  return (
    <>
      <p class="note">{text.reports.lead}</p>
      <Select id="reports-state" label={text.reports.state} value={state} options={text.reports.states} onChoose={setState} />
      <PagedList paged={paged} empty={text.reports.empty[state]}>
        {paged.rows.map((report) => (
          <ReportCard key={report.id} report={report} onResolved={paged.reload} />
        ))}
      </PagedList>
    </>
  );
}

/** A report; with `onResolved` it can be resolved here. */
export function ReportCard({ report, onResolved }: { report: Report; onResolved?: () => Promise<void> }) {
  const { reporter, subject, room, outcome } = report;
  const heading = `report-${report.id}`;
  return (
    <article class="card stack admin-report" aria-labelledby={heading} data-testid="admin-report">
      <h3 id={heading}>{page.report.kinds[report.kind]}</h3>
      <dl class="facts">
        <dt>{text.reports.about}</dt>
        <dd>
          <Who {...subject} />
        </dd>
        <dt>{text.reports.by}</dt>
        <dd>{reporter ? <Who {...reporter} /> : text.nobody}</dd>
        <dt>{text.reports.at}</dt>
        <dd>
          <When at={report.at} />
        </dd>
        {room && <dt>{text.reports.room}</dt>}
        {room && (
          <dd>
            <a href={roomPath(room)} data-local>
              {room}
            </a>
          </dd>
        )}
        {report.text && <dt>{text.reports.said}</dt>}
        {report.text && <dd class="as-written">{report.text}</dd>}
      </dl>
      {report.copy ? <Copy messages={report.copy} reported={report.message} /> : <p class="note">{text.reports.noCopy}</p>}
      {outcome && <p>{text.reports.resolved(text.reports.outcomes[outcome], report.resolvedBy ?? "")}</p>}
      {report.note && <p class="as-written">{report.note}</p>}
      {!outcome && onResolved && <Resolve report={report} onDone={onResolved} />}
    </article>
  );
}

function Copy({ messages, reported }: { messages: CopiedMessage[]; reported: number | null }) {
  return (
    <Table label={text.reports.copy} columns={[text.reports.at, text.people.name, text.reports.copy]}>
      {messages.map((message) => (
        <tr key={message.id} class={message.id === reported ? "reported" : ""} data-testid={message.id === reported ? "reported-message" : undefined}>
          <td>
            <When at={message.at} />
          </td>
          <td>
            <Who {...message.author} />
          </td>
          <td class="as-written">
            {message.deleted ? text.reports.deleted : message.text}
            {message.id === reported && <strong class="badge">{text.reports.reported}</strong>}
          </td>
        </tr>
      ))}
    </Table>
  );
}

function Resolve({ report, onDone }: { report: Report; onDone: () => Promise<void> }) {
  const [outcome, setOutcome] = useState<Outcome>("dismissed");
  const [note, setNote] = useState("");
  const [withSanction, setWithSanction] = useState(false);
  const [draft, setDraft] = useState(DRAFT);
  const imposes = withSanction && outcome === "acted";
  const form = useForm({
    check: () => (imposes ? problemsOf(draft) : {}),
    send: async () => {
      await resolve(report.id, outcome, note.trim(), imposes ? impositionOf(draft) : null);
      announce(text.reports.done);
      await onDone();
    },
    place: ({ status }) => (status === 409 ? { form: text.reports.conflict } : null),
  });
  const id = `resolve-${report.id}`;
  return (
    <details class="part">
      <summary data-testid="open-resolve">{text.reports.resolve}</summary>
      <form class="stack" onSubmit={form.submit} noValidate>
        <fieldset class="choices">
          <legend>{text.reports.outcome}</legend>
          {(["dismissed", "acted"] as const).map((option) => (
            <label key={option} class="choice">
              <input type="radio" name={id} data-testid={`outcome-${option}`} checked={outcome === option} onChange={() => setOutcome(option)} />
              <span>{text.reports.outcomes[option]}</span>
            </label>
          ))}
        </fieldset>
        <Input id={`${id}-note`} label={text.reports.note} value={note} onInput={setNote} />
        {outcome === "acted" && (
          <label class="choice">
            <input type="checkbox" data-testid="with-sanction" checked={withSanction} onChange={(event) => setWithSanction(event.currentTarget.checked)} />
            <span>{text.reports.sanction}</span>
          </label>
        )}
        {imposes && <SanctionFields id={`${id}-sanction`} value={draft} onChange={setDraft} problems={form.problems} />}
        <Submit form={form} label={text.reports.resolve} id="resolve" />
      </form>
    </details>
  );
}
