import { useEffect, useRef, useState } from "preact/hooks";
import { confirm, type Proof, resetPassword } from "../account.ts";
import type { ApiError } from "../api.ts";
import { adopt } from "../session.ts";
import { text } from "../text.ts";
import { goOn } from "../welcome.ts";
import { codeProblem, digitsOf, newPasswordProblem, type Problems, useForm } from "./form.ts";
import { CodeInput, NewPasswordInput, Submit } from "./input.tsx";

interface LetterProps {
  email: string;
  /** The letter is about a new password. */
  isReset: boolean;
  next: string;
}

const refusedCode = ({ status }: ApiError): Problems | null => (status === 401 ? { code: text.login.codeWrong } : null);

/** A letter is on its way: its code can be typed right here, for who reads it on another device. */
export function LetterForm({ email, isReset, next }: LetterProps) {
  const [code, setCode] = useState("");
  const [password, setPassword] = useState("");
  const said = useRef<HTMLParagraphElement>(null);
  useEffect(() => said.current?.focus(), []);
  const form = useForm({
    check: () => ({ code: codeProblem(code), password: isReset ? newPasswordProblem(password) : "" }),
    send: async () => {
      const proof: Proof = { email, code: digitsOf(code) };
      adopt(await (isReset ? resetPassword(proof, password) : confirm(proof)));
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
      {isReset && <NewPasswordInput id="new-password" value={password} onInput={setPassword} problem={form.problems["password"]} />}
      <Submit form={form} label={isReset ? text.login.setPassword : text.login.signIn} id="confirm-code" />
    </form>
  );
}
