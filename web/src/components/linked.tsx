import { useState } from "preact/hooks";
import { linkedProviders, type Provider, startLinking, unlink } from "../account.ts";
import { ApiError } from "../api.ts";
import { explain } from "../explain.ts";
import { text } from "../text.ts";
import { useLoaded } from "./loaded.ts";

/** The providers one signs in by, to link and to unlink. */
export function Linked({ providers }: { providers: Provider[] }) {
  const linked = useLoaded(linkedProviders);
  const [problem, setProblem] = useState("");
  if (providers.length === 0 || !linked.value) return null;
  const isLinked = (name: string): boolean => linked.value?.includes(name) ?? false;
  const act = async (name: string): Promise<void> => {
    try {
      if (!isLinked(name)) return location.assign(await startLinking(name, location.pathname));
      await unlink(name);
      setProblem("");
      await linked.reload();
    } catch (error) {
      setProblem(error instanceof ApiError && error.status === 409 ? text.account.lastWay : explain(error));
    }
  };
  return (
    <section class="part stack" aria-labelledby="linked-heading">
      <h3 id="linked-heading">{text.account.linked}</h3>
      <ul class="rows">
        {providers.map(({ name, label }) => (
          <li key={name}>
            <span>{label}</span>
            <button type="button" class="button small" onClick={() => act(name)} data-testid={`link-${name}`}>
              {isLinked(name) ? text.account.unlink(label) : text.account.link(label)}
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
