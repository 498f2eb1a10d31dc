import { useRef, useState } from "preact/hooks";
import { type Refusal, refusalOf } from "../explain.ts";
import { useCountdown } from "./countdown.ts";

/** Something that a button does: once at a time, and never sooner than the server takes it. */
export interface Attempt {
  refusal: Refusal | null;
  /** It is under way, or it would be too fast. */
  busy: boolean;
  /** It would be too fast. */
  waits: boolean;
  /** True: it is done. False: it was refused, or another one is under way. */
  run: (action: () => Promise<unknown>, refused?: (error: unknown) => Refusal | null) => Promise<boolean>;
}

export function useAttempt(): Attempt {
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const [busy, setBusy] = useState(false);
  const waitS = useCountdown(refusal?.freeAt ?? null) ?? 0;
  const running = useRef(false); // what is drawn lags behind a second click
  const run: Attempt["run"] = async (action, refused) => {
    if (running.current || waitS > 0) return false;
    running.current = true;
    setBusy(true);
    let failure: Refusal | null = null;
    try {
      await action();
    } catch (error) {
      failure = refused?.(error) ?? refusalOf(error);
    }
    running.current = false;
    setBusy(false);
    setRefusal(failure);
    return failure === null;
  };
  return { refusal, busy: busy || waitS > 0, waits: waitS > 0, run };
}
