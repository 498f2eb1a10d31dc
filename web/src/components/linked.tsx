import { useState } from "preact/hooks";
import { linkedProviders, type Provider, startLinking, unlink } from "../account.ts";
import { ApiError } from "../api.ts";
import { explain } from "../explain.ts";
import { text } from "../text.ts";
import { goLinking } from "../welcome.ts";
import { Failed } from "./failed.tsx";
import { useLoaded } from "./loaded.ts";

/** The providers one signs in by, to link and to unlink. */
export function Linked({ providers }: { providers: Provider[] }) {
  const linked = useLoaded(linkedProviders);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState("");
  if (providers.length === 0) return null;
  if (!linked.value) return linked.problem ? <Failed problem={linked.problem} onRetry={linked.reload} /> : null;
  const isLinked = (name: string): boolean => linked.value?.includes(name) ?? false;
  const link = async (name: string): Promise<void> => {
    const url = await startLinking(name, location.pathname);
    goLinking(name);
    location.assign(url);
  };
  const act = async (name: string): Promise<void> => {
    if (busy) return;
    setBusy(name);
    setProblem("");
    try {
      await (isLinked(name) ? unlink(name) : link(name));
      await linked.reload();
    } catch (error) {
      setProblem(error instanceof ApiError && error.status === 409 ? text.account.lastWay : explain(error));
    }
    setBusy("");
  };
  return (
    <section class="part stack" aria-labelledby="linked-heading">
      <h3 id="linked-heading">{text.account.linked}</h3>
      <ul class="rows">
        {providers.map(({ name, label }) => (
          <li key={name}>
            <span>{label}</span>
            <button type="button" class="button small" aria-disabled={busy !== ""} onClick={() => act(name)} data-testid={`link-${name}`}>
              {busy === name ? text.login.busy : isLinked(name) ? text.account.unlink(label) : text.account.link(label)}
            </button>
          </li>
        ))}
      </ul>
      {problem && (
        <p class="note problem" role="alert">
          {problem}
        </p>
      )}
    </section>
  );
}
