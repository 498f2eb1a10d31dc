import { useEffect, useState } from "preact/hooks";
import { Input } from "../components/input.tsx";
import { PagedList, usePaged } from "../components/paged.tsx";
import { navigate, parameter } from "../router.ts";
import { type AuditEntry, searchAudit } from "./api.ts";
import { Table, When, Who } from "./parts.tsx";
import { text } from "./text.ts";

/** What is searched for is in the address. */
export function Audit() {
  const [actor, action] = [parameter("actor") ?? "", parameter("action") ?? ""];
  const paged = usePaged(searchAudit(actor, action), `${actor} ${action}`);
  const words = text.audit;
  return (
    <>
      <p class="note">{words.lead}</p>
      <Search actor={actor} action={action} />
      <PagedList paged={paged} empty={words.empty}>
        <Table label={text.parts.audit} columns={[words.at, words.outcome, words.who, words.action, words.target, words.why]}>
          {paged.rows.map((entry) => (
            <Line key={entry.id} {...entry} />
          ))}
        </Table>
      </PagedList>
    </>
  );
}

function Line({ at, outcome, actorType, actorId, action, target, why }: AuditEntry) {
  return (
    <tr data-testid="audit-entry">
      <td>
        <When at={at} />
      </td>
      <td>{outcome}</td>
      <td>{actorType === "user" || actorType === "guest" ? <Who actorType={actorType} actorId={actorId} name={actorId} /> : text.audit.nobody}</td>
      <td>{action}</td>
      <td>{target}</td>
      <td>{why}</td>
    </tr>
  );
}

function Search(given: { actor: string; action: string }) {
  const [actor, setActor] = useState(given.actor);
  const [action, setAction] = useState(given.action);
  useEffect(() => {
    setActor(given.actor); // "back" leads to what was searched for before
    setAction(given.action);
  }, [given.actor, given.action]);
  return (
    <form
      role="search"
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        navigate(`/admin?${new URLSearchParams({ part: "audit", actor: actor.trim(), action: action.trim() })}`);
      }}
    >
      <div class="pair">
        <Input id="audit-actor" label={text.audit.actor} value={actor} onInput={setActor} />
        <Input id="audit-action" label={text.audit.action} value={action} onInput={setAction} />
      </div>
      <button type="submit" class="button" data-testid="audit-search">
        {text.audit.go}
      </button>
    </form>
  );
}
