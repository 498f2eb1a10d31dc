import { useEffect, useRef, useState } from "preact/hooks";
import { announce } from "../announce.ts";
import type { ApiError } from "../api.ts";
import { lengthOf } from "../format.ts";
import { MAX_REPORT, REPORT_KINDS, type ReportKind, sendReport } from "../moderation.ts";
import { text } from "../text.ts";
import { Field, noteId } from "./field.tsx";
import { type Problems, useForm } from "./form.ts";
import { Icon } from "./icon.tsx";
import { Submit } from "./input.tsx";
import { type Reporting, reporting } from "./report.ts";

/** From here on the rest is counted out. */
const NEAR_LIMIT = MAX_REPORT - 60;

export function ReportDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const what = reporting.value;
  useEffect(() => {
    if (what) dialog.current?.showModal();
  }, [what]);
  if (!what) return null;
  const close = (): void => dialog.current?.close();
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="report-heading" data-testid="report" onClose={() => (reporting.value = null)}>
      <div class="dialog-head">
        <h2 id="report-heading">{what.heading}</h2>
        <button type="button" class="icon-button" onClick={close} aria-label={text.report.close}>
          <Icon name="close" />
        </button>
      </div>
      <ReportForm what={what} onClose={close} />
    </dialog>
  );
}

const gone = ({ status }: ApiError): Problems | null => (status === 404 ? { form: text.report.gone } : null);

function ReportForm({ what, onClose }: { what: Reporting; onClose: () => void }) {
  const [kind, setKind] = useState<ReportKind | null>(null);
  const [words, setWords] = useState("");
  const [sent, setSent] = useState("");
  const left = MAX_REPORT - lengthOf(words);
  const form = useForm({
    check: () => ({ kind: kind ? "" : text.report.kindRequired }),
    send: async () => {
      if (kind === null) return;
      const said = (await sendReport(what.thing, kind, words.trim())) ? text.report.sent : text.report.known;
      setSent(said);
      announce(said);
    },
    place: gone,
  });
  if (sent) return <Sent words={sent} onClose={onClose} />;
  return (
    <form class="stack" onSubmit={form.submit} noValidate>
      <p class="note">{what.lead}</p>
      <fieldset class="choices" aria-describedby={form.problems["kind"] ? noteId("report-kind") : undefined}>
        <legend>{text.report.kind}</legend>
        {REPORT_KINDS.map((option) => (
          <label key={option} class="choice">
            <input
              type="radio"
              name="report-kind"
              data-testid={`report-${option}`}
              checked={kind === option}
              aria-invalid={Boolean(form.problems["kind"])}
              onChange={() => setKind(option)}
            />
            <span>{text.report.kinds[option]}</span>
          </label>
        ))}
        {form.problems["kind"] && (
          <p id={noteId("report-kind")} class="note problem" role="alert">
            {form.problems["kind"]}
          </p>
        )}
      </fieldset>
      <Field id="report-text" label={text.report.text} hint={left <= MAX_REPORT - NEAR_LIMIT ? text.chat.left(Math.max(0, left)) : ""}>
        <textarea
          id="report-text"
          data-testid="report-text"
          rows={3}
          dir="auto"
          maxLength={MAX_REPORT}
          value={words}
          onInput={(event) => setWords(event.currentTarget.value)}
        />
      </Field>
      <Submit form={form} label={text.report.send} id="send-report" />
    </form>
  );
}

function Sent({ words, onClose }: { words: string; onClose: () => void }) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => button.current?.focus(), []); // the one that had the focus is gone
  return (
    <div class="stack" data-testid="report-sent">
      <p>{words}</p>
      <button ref={button} type="button" class="button primary" data-testid="report-close" onClick={onClose}>
        {text.report.close}
      </button>
    </div>
  );
}
