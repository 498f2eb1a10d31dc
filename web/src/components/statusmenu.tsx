import { useEffect } from "preact/hooks";
import { explain } from "../explain.ts";
import { type MenuItem, toggleMenu } from "../menu.ts";
import { tellLasting } from "../notice.ts";
import { connection } from "../session.ts";
import { type Choice, chooseStatus, statuses, statusOf } from "../status.ts";
import { connected } from "../store/connection.ts";
import { text } from "../text.ts";
import { openSettings } from "./opened.ts";
import { StatusDot } from "./statusdot.tsx";

/** How others see the signed-in person, and what can be chosen about it. Who is on the site is online: it opens the connection. */
export function StatusMenu({ user }: { user: string }) {
  useEffect(() => {
    connection();
    return statuses.look(user);
  }, [user]);
  const status = connected.value ? (statusOf(user) ?? "online") : "offline";
  const label = text.status.states[status];
  return (
    <button
      type="button"
      class="chip status-menu"
      aria-haspopup="menu"
      aria-label={text.status.mine(label)}
      title={text.status.mine(label)}
      data-testid="status-menu"
      data-status={status}
      onClick={(event) => toggleMenu(event.currentTarget, text.status.choose, items(user, status === "dnd"))}
    >
      <StatusDot status={status} />
      <span class="chip-name" aria-hidden="true">
        {label}
      </span>
    </button>
  );
}

const items = (user: string, isDnd: boolean): MenuItem[] => [
  { id: "status-online", label: text.status.online, icon: "bell", checked: !isDnd, run: () => void choose(user, "online") },
  { id: "status-dnd", label: text.status.dnd, icon: "silent", checked: isDnd, run: () => void choose(user, "dnd") },
  { id: "status-settings", label: text.status.who, icon: "seen", run: () => openSettings("status") },
];

async function choose(user: string, choice: Choice): Promise<void> {
  try {
    await chooseStatus(connection(), user, choice);
  } catch (error) {
    tellLasting(explain(error), { label: text.errors.again, run: () => void choose(user, choice) });
  }
}
