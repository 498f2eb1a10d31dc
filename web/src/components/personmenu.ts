/** What one can do about somebody. */

import { explain } from "../explain.ts";
import type { MenuItem } from "../menu.ts";
import { tellLasting, tellOnce } from "../notice.ts";
import type { Principal } from "../protocol.ts";
import { navigate } from "../router.ts";
import { isUser } from "../session.ts";
import { block, unblock } from "../store/blocks.ts";
import { text } from "../text.ts";
import { signInPath } from "../unlock.ts";
import { openReport } from "./report.ts";

export interface SomePerson {
  principal: Principal;
  name: string;
}

export const personItems = (person: SomePerson): MenuItem[] => [blockItem(person), reportItem(person)];

/** `room` and `offset` name the message. */
export const messageItems = (author: SomePerson, room: string, offset: number): MenuItem[] => [
  {
    id: "report-message",
    label: text.report.message,
    icon: "flag",
    run: () => openReport({ heading: text.report.headingMessage(author.name), lead: text.report.lead, thing: { room, message: offset } }),
  },
  blockItem(author),
];

function reportItem({ principal, name }: SomePerson): MenuItem {
  const report = { heading: text.report.headingPerson(name), lead: text.report.leadPerson, thing: { person: principal } };
  return { id: "report-person", label: text.report.person(name), icon: "flag", run: () => openReport(report) };
}

/** Guests cannot block: it leads them to signing in. */
function blockItem(person: SomePerson): MenuItem {
  if (!isUser.peek()) return { id: "unlock-block", label: text.unlock.block(person.name), icon: "lock", run: () => navigate(signInPath()) };
  return { id: "block", label: text.block.action(person.name), icon: "block", danger: true, run: () => void blockNow(person) };
}

/** At once, and undone at once: there is nothing to ask before. */
async function blockNow({ principal, name }: SomePerson): Promise<void> {
  try {
    await block(principal);
    document.getElementById("main")?.focus(); // the button is gone with the person
    tellOnce(text.block.done(name), { label: text.block.undo, run: () => void undo({ principal, name }) });
  } catch (error) {
    tellLasting(text.block.failed(name, explain(error)));
  }
}

async function undo({ principal, name }: SomePerson): Promise<void> {
  try {
    await unblock(principal);
    tellOnce(text.block.undone(name));
  } catch (error) {
    tellLasting(explain(error), { label: text.errors.again, run: () => void undo({ principal, name }) });
  }
}
