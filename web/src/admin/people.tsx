import { useEffect, useState } from "preact/hooks";
import { Field } from "../components/field.tsx";
import { PagedList, usePaged } from "../components/paged.tsx";
import { navigate, parameter } from "../router.ts";
import { findUsers } from "./api.ts";
import { personAddress, Table, When } from "./parts.tsx";
import { Person } from "./person.tsx";
import { text } from "./text.ts";

export function People() {
  const who = parameter("who");
  return who ? <Person key={who} who={who} /> : <Search q={parameter("q") ?? ""} />;
}

/** As people paste it out of a log. */
const A_GUEST = /^guest:\S+$/;

const searchAddress = (q: string): string => (A_GUEST.test(q) ? personAddress(q) : `/admin?part=people&q=${encodeURIComponent(q)}`);

function Search({ q }: { q: string }) {
  const [typed, setTyped] = useState(q);
  useEffect(() => setTyped(q), [q]); // "back" leads to what was searched for before
  const paged = usePaged(findUsers(q), q);
  const words = text.people;
  return (
    <>
      <form
        role="search"
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          navigate(searchAddress(typed.trim()));
        }}
      >
        <Field id="people-search" label={words.search} hint={words.lead}>
          <div class="inline">
            <input
              id="people-search"
              data-testid="people-search"
              type="search"
              autocomplete="off"
              spellcheck={false}
              maxLength={254}
              value={typed}
              onInput={(event) => setTyped(event.currentTarget.value)}
            />
            <button type="submit" class="button">
              {words.go}
            </button>
          </div>
        </Field>
      </form>
      <PagedList paged={paged} empty={words.empty}>
        <Table label={text.parts.people} columns={[words.name, words.username, words.email, words.role, words.created]}>
          {paged.rows.map((user) => (
            <tr key={user.id} data-testid="admin-user">
              <td>
                <a href={personAddress(`user:${user.id}`)} data-local>
                  {user.name}
                </a>
              </td>
              <td>{user.username ?? text.none}</td>
              <td>{user.email ?? text.none}</td>
              <td>{user.role}</td>
              <td>
                <When at={user.createdAt} />
              </td>
            </tr>
          ))}
        </Table>
      </PagedList>
    </>
  );
}
