import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useRef } from "preact/hooks";
import { announce } from "../announce.ts";
import { useAttempt } from "../components/attempt.ts";
import { Failed } from "../components/failed.tsx";
import { useLoaded } from "../components/loaded.ts";
import { Problem } from "../components/problem.tsx";
import { deviceOf } from "../format.ts";
import { type Dossier, endSessions, readPerson, type Report } from "./api.ts";
import { Table, When } from "./parts.tsx";
import { ReportCard } from "./reports.tsx";
import { RoomTable } from "./rooms.tsx";
import { Impose, SanctionTable } from "./sanction.tsx";
import { text } from "./text.ts";

/** All that is kept about somebody, and what can be done. `who`: `user:<id>` or `guest:<id>`. */
export function Person({ who }: { who: string }) {
  const read = useCallback(() => readPerson(who), [who]);
  const { value, refusal, reload } = useLoaded(read);
  return (
    <div class="stack" aria-busy={!value && !refusal}>
      <a href="/admin?part=people" data-local>
        {text.people.back}
      </a>
      {!value && !refusal && <p class="note">{text.loading}</p>}
      {refusal && <Failed refusal={refusal} onRetry={reload} />}
      {value && <Facts who={who} person={value} onChanged={reload} />}
    </div>
  );
}

function Facts({ who, person, onChanged }: { who: string; person: Dossier; onChanged: () => Promise<void> }) {
  const { account, guests, principal, name, sanctions } = person;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []); // the link that led here is gone
  const words = text.people;
  return (
    <>
      <h3 ref={heading} tabIndex={-1} data-testid="person-name">
        {name || text.nobody}
      </h3>
      <dl class="facts">
        <dt>{words.id}</dt>
        <dd>{who}</dd>
        {account && <Fact name={words.username} value={account.username ?? text.none} />}
        {account && <Fact name={words.email} value={account.email ?? text.none} />}
        {account && <Fact name={words.role} value={account.role} />}
        {account && <Fact name={words.created} value={<When at={account.createdAt} />} />}
        {guests.length > 0 && <Fact name={words.guests} value={guests.join(", ")} />}
      </dl>
      <Part title={text.sanctions.heading} empty={sanctions.length === 0} none={text.sanctions.empty}>
        <SanctionTable sanctions={sanctions} onLifted={onChanged} />
      </Part>
      <details class="part">
        <summary data-testid="open-impose">{text.sanctions.imposeHeading}</summary>
        <Impose who={principal} onDone={onChanged} />
      </details>
      <Sessions who={who} person={person} onChanged={onChanged} />
      <Part title={words.about} empty={person.reportsAbout.length === 0} none={words.noReports}>
        <Cards reports={person.reportsAbout} />
      </Part>
      <Part title={words.by} empty={person.reportsBy.length === 0} none={words.noReports}>
        <Cards reports={person.reportsBy} />
      </Part>
      <Part title={words.rooms} empty={person.rooms.length === 0} none={words.noRooms}>
        <RoomTable rooms={person.rooms} />
      </Part>
    </>
  );
}

function Fact({ name, value }: { name: string; value: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}

function Part({ title, empty, none, children }: { title: string; empty: boolean; none: string; children: ComponentChildren }) {
  return (
    <section class="part stack">
      <h4>{title}</h4>
      {empty ? <p class="note">{none}</p> : children}
    </section>
  );
}

const Cards = ({ reports }: { reports: Report[] }) => reports.map((report) => <ReportCard key={report.id} report={report} />);

function Sessions({ who, person, onChanged }: { who: string; person: Dossier; onChanged: () => Promise<void> }) {
  const { refusal, busy, run } = useAttempt();
  const words = text.people;
  const end = async (): Promise<void> => {
    if (!(await run(() => endSessions(who)))) return;
    announce(words.ended);
    await onChanged();
  };
  return (
    <Part title={words.sessions} empty={person.sessions.length === 0} none={words.noSessions}>
      <Table label={words.sessions} columns={[words.device, words.created, words.seen]}>
        {person.sessions.map((session) => (
          <tr key={session.sessionId} data-testid="admin-session">
            <td>{deviceOf(session.agent)}</td>
            <td>
              <When at={session.createdAt} />
            </td>
            <td>
              <When at={session.lastSeen} />
            </td>
          </tr>
        ))}
      </Table>
      <Problem {...refusal} />
      <button type="button" class="button danger" data-testid="end-sessions" aria-disabled={busy} onClick={end}>
        {words.endSessions}
      </button>
    </Part>
  );
}
