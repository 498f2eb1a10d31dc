import { useState } from "preact/hooks";
import type { Person } from "../protocol.ts";
import { keyOf, sorted } from "../store/presence.ts";
import type { RoomStore } from "../store/room.ts";
import { text } from "../text.ts";
import { Avatar } from "./avatar.tsx";
import { MoreButton } from "./menu.tsx";
import { measureItems } from "./measureitems.ts";
import { personItems } from "./personmenu.ts";
import { small } from "./screen.ts";
import { StatusDot, useStatus } from "./statusdot.tsx";

/** Faces shown on a small screen before the list is opened. */
const STACKED = 5;

/** Who is in the room now: a list beside the chat, a row of faces that opens one on a small screen. */
export function PeoplePanel({ store }: { store: RoomStore }) {
  const [open, setOpen] = useState(false);
  const people = sorted(store.people.value, store.isMe);
  const count = store.count.value;
  return (
    <aside class="people" aria-labelledby="people-heading">
      <h2 id="people-heading" class={small.value ? "hidden" : undefined}>
        {text.people.heading} <span class="count">{count}</span>
      </h2>
      {small.value && (
        <button type="button" class="people-toggle" aria-expanded={open} aria-controls="people-list" onClick={() => setOpen(!open)}>
          {people.slice(0, STACKED).map(({ principal, name }) => (
            <Avatar key={keyOf(principal)} id={principal.actorId} name={name} />
          ))}
          <span>{count > STACKED ? text.people.more(count - STACKED) : text.people.list}</span>
        </button>
      )}
      <ul id="people-list" hidden={small.value && !open} tabIndex={small.value ? 0 : undefined} aria-labelledby="people-heading">
        {people.map((person) => (
          <PersonRow key={keyOf(person.principal)} store={store} person={person} />
        ))}
      </ul>
      {count > 0 && people.length === 0 && <p class="note">{text.people.onlyCount}</p>}
    </aside>
  );
}

function PersonRow({ store, person }: { store: RoomStore; person: Person }) {
  const own = store.isMe(person.principal);
  const role = text.people.roles[person.role];
  const { actorType, actorId } = person.principal;
  const [row, status] = useStatus<HTMLLIElement>(actorType === "user" ? actorId : null);
  return (
    <li ref={row} class="person" data-testid="person" data-id={actorId}>
      <span class="face">
        <Avatar id={actorId} name={person.name} />
        {status && <StatusDot status={status} alone />}
      </span>
      <span class="person-name">{person.name}</span>
      {own && <span class="badge">{text.people.you}</span>}
      {role && (
        <span class={`badge ${person.role}`} data-testid="role">
          {role}
        </span>
      )}
      {!own && <MoreButton what={person.name} items={() => [...personItems(person), ...measureItems(store, person)]} id="person-menu" />}
    </li>
  );
}
