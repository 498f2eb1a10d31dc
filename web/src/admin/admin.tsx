/** /admin: loaded when an admin opens it. */

import { useEffect } from "preact/hooks";
import { TopBar } from "../components/topbar.tsx";
import { parameter } from "../router.ts";
import { text as page } from "../text.ts";
import { Audit } from "./audit.tsx";
import { Flags } from "./flags.tsx";
import { People } from "./people.tsx";
import { Reports } from "./reports.tsx";
import { Rooms } from "./rooms.tsx";
import { Sanctions } from "./sanction.tsx";
import { Server } from "./server.tsx";
import { text } from "./text.ts";

const PARTS = { reports: Reports, people: People, sanctions: Sanctions, rooms: Rooms, audit: Audit, flags: Flags, server: Server } as const;
type Part = keyof typeof PARTS;

const isPart = (name: string | null): name is Part => name !== null && Object.hasOwn(PARTS, name);

export function AdminPage() {
  const asked = parameter("part");
  const part: Part = isPart(asked) ? asked : "reports";
  const Shown = PARTS[part];
  useEffect(() => {
    document.title = `${text.parts[part]} · ${text.title} · ${page.brand}`;
  }, [part]);
  return (
    <>
      <TopBar />
      <main id="main" tabIndex={-1} class="admin stack">
        <h1>{text.title}</h1>
        <nav aria-label={text.nav} class="ways">
          {Object.entries(text.parts).map(([name, words]) => (
            <a
              key={name}
              class="button small"
              href={`/admin?part=${name}`}
              data-local
              data-testid={`admin-${name}`}
              aria-current={name === part ? "page" : undefined}
            >
              {words}
            </a>
          ))}
        </nav>
        <section class="stack" aria-labelledby="part-heading">
          <h2 id="part-heading">{text.parts[part]}</h2>
          <Shown key={part} />
        </section>
      </main>
    </>
  );
}
