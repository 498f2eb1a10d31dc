import { Failed } from "../components/failed.tsx";
import { useLoaded } from "../components/loaded.ts";
import { type Limit, readCluster, readLimits } from "./api.ts";
import { Table } from "./parts.tsx";
import { text } from "./text.ts";

export function Server() {
  return (
    <>
      <Nodes />
      <Limits />
    </>
  );
}

function Nodes() {
  const { value, refusal, reload } = useLoaded(readCluster);
  const words = text.server;
  return (
    <section class="stack" aria-labelledby="nodes-heading" aria-busy={!value && !refusal}>
      <h3 id="nodes-heading">{words.cluster}</h3>
      {!value && !refusal && <p class="note">{text.loading}</p>}
      {refusal && <Failed refusal={refusal} onRetry={reload} />}
      {value && (
        <>
          <Table label={words.cluster} columns={[words.name, words.host, words.version, words.state, words.slots]}>
            {value.members.map((member) => (
              <tr key={member.id} data-testid="node">
                <td>
                  {member.name} {member.here && <span class="badge">{words.here}</span>}
                </td>
                <td>{member.host}</td>
                <td>{member.version}</td>
                <td>{member.state}</td>
                <td>{member.slots}</td>
              </tr>
            ))}
          </Table>
          <p class="note">{words.facts(value.unowned, value.moving.length, value.laneRows, value.loopLagMs)}</p>
          {value.quiet && <p class="note problem">{words.quiet}</p>}
          <button type="button" class="button small" onClick={reload}>
            {text.reload}
          </button>
        </>
      )}
    </section>
  );
}

function Limits() {
  const { value, refusal, reload } = useLoaded(readLimits);
  const words = text.server;
  return (
    <section class="stack" aria-labelledby="limits-heading" aria-busy={!value && !refusal}>
      <h3 id="limits-heading">{words.limits}</h3>
      {!value && !refusal && <p class="note">{text.loading}</p>}
      {refusal && <Failed refusal={refusal} onRetry={reload} />}
      {value && (
        <>
          <p class="note">{words.scale(value.scale)}</p>
          <Table label={words.limits} columns={[words.limit, words.amount, words.by, words.of]}>
            {[...value.shared, ...value.local].map((limit) => (
              <LimitRow key={limit.name} {...limit} />
            ))}
          </Table>
          <h4>{words.counters}</h4>
          <dl class="facts">
            {Object.entries(value.counters).map(([name, count]) => [<dt key={`${name}-name`}>{name}</dt>, <dd key={name}>{count}</dd>])}
          </dl>
        </>
      )}
    </section>
  );
}

function LimitRow({ name, amount, periodS, by, of }: Limit) {
  return (
    <tr data-testid="limit">
      <td>{name}</td>
      <td>{text.server.per(amount, periodS)}</td>
      <td>{by.join(", ")}</td>
      <td>{of ?? text.server.everybody}</td>
    </tr>
  );
}
