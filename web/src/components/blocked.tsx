import { announce } from "../announce.ts";
import { agoOf } from "../format.ts";
import { type Blocked, readBlocks } from "../moderation.ts";
import { unblock } from "../store/blocks.ts";
import { keyOf } from "../store/presence.ts";
import { text } from "../text.ts";
import { useAttempt } from "./attempt.ts";
import { Failed } from "./failed.tsx";
import { useLoaded } from "./loaded.ts";
import { Problem } from "./problem.tsx";

/** Whom one has blocked, and the way back. */
export function BlockedPeople() {
  const { value: people, refusal, reload } = useLoaded(readBlocks);
  return (
    <section class="part stack" aria-labelledby="blocked-heading" aria-busy={!people && !refusal} data-testid="blocked-people">
      <h3 id="blocked-heading" tabIndex={-1}>
        {text.block.heading}
      </h3>
      {!people && !refusal && <p class="note">{text.account.loading}</p>}
      {refusal && <Failed refusal={refusal} onRetry={reload} />}
      {people && <p class="note">{people.length === 0 ? text.block.empty : text.block.lead}</p>}
      {people && people.length > 0 && <List people={people} onChanged={reload} />}
    </section>
  );
}

function List({ people, onChanged }: { people: Blocked[]; onChanged: () => Promise<void> }) {
  const { refusal, busy, run } = useAttempt();
  const free = async (person: Blocked, name: string): Promise<void> => {
    if (!(await run(() => unblock({ actorType: person.actorType, actorId: person.actorId })))) return;
    announce(text.block.undone(name));
    await onChanged();
    document.getElementById("blocked-heading")?.focus(); // the button is gone with the row
  };
  return (
    <>
      <ul class="rows">
        {people.map((person) => {
          const name = person.name || text.block.gone;
          return (
            <li key={keyOf(person)} data-testid="blocked">
              <span>
                {name}
                <span class="note">
                  {person.username ? `@${person.username} · ` : person.actorType === "guest" ? `${text.block.guest} · ` : ""}
                  {text.block.since(agoOf(person.blockedAt, Date.now()))}
                </span>
              </span>
              <button type="button" class="button small" data-testid="unblock" aria-label={text.block.unblockWho(name)} aria-disabled={busy} onClick={() => free(person, name)}>
                {text.block.unblock}
              </button>
            </li>
          );
        })}
      </ul>
      <Problem {...refusal} />
    </>
  );
}
