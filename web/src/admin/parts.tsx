/** What the pages of admins are made of. */

import type { ComponentChildren } from "preact";
import { fullTimeOf, isoOf, shortTimeOf } from "../format.ts";
import { whoOf } from "../moderation.ts";
import type { Principal } from "../protocol.ts";
import { text } from "./text.ts";

export const When = ({ at }: { at: number }) => (
  <time dateTime={isoOf(at)} title={fullTimeOf(at)}>
    {shortTimeOf(at)}
  </time>
);

export const personAddress = (who: string): string => `/admin?part=people&who=${encodeURIComponent(who)}`;

/** Somebody's name, which leads to all that is kept about them. */
export function Who({ actorType, actorId, name }: Principal & { name: string }) {
  return (
    <a href={personAddress(whoOf({ actorType, actorId }))} data-local>
      {name || text.nobody}
      {actorType === "guest" && ` (${text.guest})`}
    </a>
  );
}

interface TableProps {
  label: string;
  columns: readonly string[];
  children: ComponentChildren;
}

/** Wider than a small screen it scrolls by itself, by keyboard too. */
export function Table({ label, columns, children }: TableProps) {
  return (
    <div class="table-scroll" role="region" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
