/** What forms have in common: checked first, sent once at a time, and what is wrong is said where it is. */

import { useRef, useState } from "preact/hooks";
import { ApiError } from "../api.ts";
import { explain, freeAgainAt } from "../explain.ts";
import { text } from "../text.ts";
import { useCountdown } from "./countdown.ts";
import { focusProblem } from "./field.tsx";

/** What is wrong, by the name of the field; `form`: what belongs to none. Empty texts are no problem. */
export type Problems = Partial<Record<string, string>>;

interface FormOptions {
  /** What is wrong before anything is sent. */
  check?: () => Problems;
  send: () => Promise<unknown>;
  /** Where a refusal belongs; what it does not know goes under the form. */
  place?: (error: ApiError) => Problems | null;
}

export interface Form {
  problems: Problems;
  busy: boolean;
  /** When the server takes it again, on the page's clock; null: now. */
  freeAt: number | null;
  /** Seconds until then. */
  waitS: number;
  /** It was sent, and not touched since. */
  done: boolean;
  submit: (event: SubmitEvent) => Promise<void>;
}

export function useForm({ check = () => ({}), send, place }: FormOptions): Form {
  const [problems, setProblems] = useState<Problems>({});
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState(false);
  const [freeAt, setFreeAt] = useState<number | null>(null);
  const waitS = useCountdown(freeAt) ?? 0;
  const sending = useRef(false); // what is drawn lags behind a second click
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (sending.current || waitS > 0) return;
    const form = event.currentTarget as HTMLFormElement;
    const found = check();
    setDone(false);
    setProblems(found);
    if (Object.values(found).some(Boolean)) return focusProblem(form);
    sending.current = true;
    setBusy(true);
    try {
      await send();
      setDone(true);
    } catch (error) {
      setFreeAt(freeAgainAt(error));
      setProblems((error instanceof ApiError && (place?.(error) ?? placed(error))) || { form: explain(error) });
      focusProblem(form);
    }
    sending.current = false;
    setBusy(false);
  };
  return { problems, busy, freeAt, waitS, done, submit };
}

/** Refusals of what was typed, by the field that the server names. */
function placed({ field }: ApiError): Problems | null {
  if (field === "$.email") return { email: text.login.emailInvalid };
  if (field === "$.password") return { password: text.login.passwordInvalid };
  return null;
}

const MIN_PASSWORD = 8;

/** As far as a page can tell; the server is stricter. */
export const emailProblem = (email: string): string => (/^[^@\s]+@[^@\s]+$/.test(email.trim()) ? "" : text.login.emailInvalid);
export const newPasswordProblem = (password: string): string => ([...password].length >= MIN_PASSWORD ? "" : text.login.passwordInvalid);

/** The six digits of a letter, however they were typed. */
export const digitsOf = (code: string): string => code.replace(/[^0-9]/g, "");
export const codeProblem = (code: string): string => (digitsOf(code).length === 6 ? "" : text.login.codeInvalid);
