import { useEffect, useRef, useState } from "preact/hooks";
import { announce } from "../announce.ts";
import { confirm, type Proof, resetPassword } from "../account.ts";
import type { ApiError } from "../api.ts";
import { freeAgainAt, refusalOf, type Refusal } from "../explain.ts";
import { adopt } from "../session.ts";
import { text } from "../text.ts";
import { arrive, goOn } from "../welcome.ts";
import { useCountdown } from "./countdown.ts";
import { codeProblem, digitsOf, newPasswordProblem, type Problems, useForm } from "./form.ts";
import { CodeInput, NewPasswordInput, Submit, Whose } from "./input.tsx";
import { Problem } from "./problem.tsx";

interface LetterProps {
  email: string;
  /** The letter is about a new password. */
  isReset: boolean;
  next: string;
  /** Sends another letter. */
  again: () => Promise<void>;
}

const refusedCode = ({ status }: ApiError): Problems | null => (status === 401 ? { code: text.login.codeWrong } : null);

/** A letter is on its way: its code can be typed right here, for who reads it on another device. */
export function LetterForm({ email, isReset, next, again }: LetterProps) {
  const [code, setCode] = useState("");
  const [password, setPassword] = useState("");
  const said = useRef<HTMLParagraphElement>(null);
  useEffect(() => said.current?.focus(), []);
  const form = useForm({
    check: () => ({ code: codeProblem(code), password: isReset ? newPasswordProblem(password) : "" }),
    send: async () => {
      const proof: Proof = { email, code: digitsOf(code) };
      if (!isReset) return arrive(await confirm(proof), next);
      adopt(await resetPassword(proof, password));
      await goOn(next);
    },
    place: refusedCode,
  });
  return (
    <form class="stack" onSubmit={form.submit} noValidate>
      <p ref={said} tabIndex={-1} data-testid="letter-sent">
        {text.login.sent(email)}
      </p>
      <CodeInput id="code" value={code} onInput={setCode} problem={form.problems["code"]} />
      {isReset && <Whose email={email} />}
      {isReset && <NewPasswordInput id="new-password" value={password} onInput={setPassword} problem={form.problems["password"]} />}
      <Submit form={form} label={isReset ? text.login.setPassword : text.login.confirmCode} id="confirm-code" />
      <SendAgain again={again} />
    </form>
  );
}

/** So long a letter may take, before one asks for another. */
const PATIENCE_MS = 30_000;

export function SendAgain({ again }: { again: () => Promise<void> }) {
  const [freeAt, setFreeAt] = useState(() => Date.now() + PATIENCE_MS);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const waitS = useCountdown(freeAt) ?? 0;
  const send = async (): Promise<void> => {
    if (waitS > 0) return;
    setFreeAt(Date.now() + PATIENCE_MS);
    try {
      await again();
      setRefusal(null);
      announce(text.login.sentAgain);
    } catch (error) {
      setRefusal(refusalOf(error));
      setFreeAt(freeAgainAt(error) ?? 0);
    }
  };
  return (
    <>
      <Problem {...refusal} />
      <button type="button" class="button quiet small" data-testid="send-again" aria-disabled={waitS > 0} onClick={send}>
        {waitS > 0 ? text.login.sendAgainIn(waitS) : text.login.sendAgain}
      </button>
    </>
  );
}
