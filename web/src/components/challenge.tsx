import { useEffect, useRef, useState } from "preact/hooks";
import { readWays } from "../account.ts";
import { show, type Widget } from "../challenge.ts";
import { isUser } from "../session.ts";
import { text } from "../text.ts";

/** A guest's proof of being a person; there is nothing of it for users, and where the server asks for none. */
export interface Challenge {
  /** null: nothing has to be proved, as far as is known. */
  widget: Widget | null;
  /** Empty: not proved yet, or not any more. */
  token: string;
  /** Which try it is. */
  turn: number;
  /** Somebody begins to fill in the form: only now the server is asked, and the provider has to be. */
  begin: () => void;
  /** The token was used or refused: another one is needed. */
  again: () => void;
  prove: (token: string) => void;
}

export function useChallenge(): Challenge {
  const [widget, setWidget] = useState<Widget | null>(null);
  const [token, prove] = useState("");
  const [turn, setTurn] = useState(0);
  const begun = useRef(false);
  const begin = (): void => {
    if (begun.current || isUser.value) return;
    begun.current = true;
    readWays().then(
      ({ challenge }) => setWidget(challenge),
      () => (begun.current = false), // the form's own request will tell what is wrong
    );
  };
  const again = (): void => {
    prove("");
    setTurn((before) => before + 1);
    begin();
  };
  return { widget: isUser.value ? null : widget, token, turn, begin, again, prove };
}

type State = keyof typeof text.challenge.states;

/** The provider's widget with what it has come to; nothing where nothing has to be proved. */
export function ChallengeField({ challenge, problem }: { challenge: Challenge; problem: string | undefined }) {
  const { widget, turn, prove, again } = challenge;
  const place = useRef<HTMLDivElement>(null);
  const [state, setState] = useState<State>("loading");
  useEffect(() => {
    if (!widget || !place.current) return;
    let remove: (() => void) | null = null;
    let gone = false;
    const become = (next: State, token = ""): void => {
      if (gone) return;
      prove(token);
      setState(next);
    };
    setState("loading");
    const outcome = { passed: (token: string) => become("passed", token), expired: () => become("expired"), failed: () => become("failed") };
    show(widget, place.current, outcome).then(
      (taken) => {
        remove = taken;
        if (gone) remove();
        else setState((now) => (now === "loading" ? "open" : now)); // it may have passed at once
      },
      () => become("unreachable"),
    );
    return () => {
      gone = true;
      remove?.();
    };
  }, [widget, turn]);
  if (!widget) return null;
  const failed = state === "expired" || state === "failed" || state === "unreachable";
  return (
    <div class="field" role="group" aria-labelledby="challenge-label" data-testid="challenge" data-state={state}>
      <p id="challenge-label" class="label">
        {text.challenge.label}
      </p>
      <div ref={place} />
      <p class={failed ? "note problem" : "note"} role="status" data-testid="challenge-state">
        {text.challenge.states[state]}
      </p>
      {problem && !failed && state !== "passed" && (
        <p class="note problem" role="alert" data-testid="challenge-problem">
          {problem}
        </p>
      )}
      {failed && (
        <button type="button" class="button quiet small" data-testid="challenge-again" onClick={again}>
          {text.errors.again}
        </button>
      )}
    </div>
  );
}
