import { useState } from "preact/hooks";
import { linkedProviders, type Provider, startLinking, unlink } from "../account.ts";
import { ApiError } from "../api.ts";
import type { Refusal } from "../explain.ts";
import { text } from "../text.ts";
import { goLinking } from "../welcome.ts";
import { useAttempt } from "./attempt.ts";
import { Failed } from "./failed.tsx";
import { useLoaded } from "./loaded.ts";
import { Problem } from "./problem.tsx";

const onlyWay = (error: unknown): Refusal | null =>
  error instanceof ApiError && error.status === 409 ? { words: text.account.lastWay, freeAt: null } : null;

/** The providers one signs in by, to link and to unlink. */
export function Linked({ providers }: { providers: Provider[] }) {
  const linked = useLoaded(linkedProviders);
  const { refusal, busy, run } = useAttempt();
  const [last, setLast] = useState("");
  if (providers.length === 0) return null;
  if (!linked.value) return linked.refusal ? <Failed refusal={linked.refusal} onRetry={linked.reload} /> : null;
  const isLinked = (name: string): boolean => linked.value?.includes(name) ?? false;
  const link = async (name: string): Promise<void> => {
    const url = await startLinking(name, location.pathname);
    goLinking(name);
    location.assign(url);
  };
  const act = async (name: string): Promise<void> => {
    if (busy) return;
    setLast(name);
    if (await run(() => (isLinked(name) ? unlink(name) : link(name)), onlyWay)) await linked.reload();
  };
  return (
    <section class="part stack" aria-labelledby="linked-heading">
      <h3 id="linked-heading">{text.account.linked}</h3>
      <ul class="rows">
        {providers.map(({ name, label }) => (
          <li key={name}>
            <span>{label}</span>
            <button type="button" class="button small" aria-disabled={busy} onClick={() => act(name)} data-testid={`link-${name}`}>
              {busy && last === name ? text.login.busy : isLinked(name) ? text.account.unlink(label) : text.account.link(label)}
            </button>
          </li>
        ))}
      </ul>
      <Problem {...refusal} />
    </section>
  );
}
