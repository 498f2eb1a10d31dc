import type { Person } from "../protocol.ts";
import { keyOf, sorted } from "../store/presence.ts";
import { samePrincipal } from "../store/messages.ts";
import type { RoomStore } from "../store/room.ts";
import { text } from "../text.ts";
import { Avatar } from "./avatar.tsx";

/** Who is in the room now. */
export function PeoplePanel({ store }: { store: RoomStore }) {
  const { count, people } = store.presence.value;
  return (
    <aside class="people" aria-labelledby="people-heading">
      <h2 id="people-heading">
        {text.people.heading} <span class="count">{count}</span>
      </h2>
      <ul>
        {sorted(people, store.me).map((person) => (
          <PersonRow key={keyOf(person.principal)} person={person} own={samePrincipal(person.principal, store.me)} />
        ))}
      </ul>
      {count > people.length && <p class="note">{people.length === 0 ? text.people.onlyCount : ""}</p>}
    </aside>
  );
}

function PersonRow({ person, own }: { person: Person; own: boolean }) {
  return (
    <li class="person" data-testid="person" data-id={person.principal.actorId}>
      <Avatar id={person.principal.actorId} name={person.name} />
      <span class="person-name">{person.name}</span>
      {own && <span class="badge">{text.people.you}</span>}
      {person.role === "host" && <span class="badge host">{text.people.host}</span>}
    </li>
  );
}
