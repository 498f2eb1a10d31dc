import { useEffect, useRef, useState } from "preact/hooks";
import { type Account, changeEmail, changePassword, confirm, deleteAccount, readAccount, readWays, type Ways } from "../account.ts";
import type { ApiError } from "../api.ts";
import { announce } from "../announce.ts";
import { navigate } from "../router.ts";
import { adopt, leave } from "../session.ts";
import { text } from "../text.ts";
import { Failed } from "./failed.tsx";
import { codeProblem, digitsOf, emailProblem, newPasswordProblem, type Problems, useForm } from "./form.ts";
import { CodeInput, Input, NewPasswordInput, PasswordInput, Submit, Whose } from "./input.tsx";
import { SendAgain } from "./letter.tsx";
import { Linked } from "./linked.tsx";
import { useLoaded } from "./loaded.ts";
import { opened } from "./opened.ts";
import { Places } from "./places.tsx";
import { UsernameForm } from "./username.tsx";

const readBoth = (): Promise<[Account, Ways]> => Promise.all([readAccount(), readWays()]);

/** What one does with one's own account. `close`: of the dialog around it. */
export function AccountSettings({ close }: { close: () => void }) {
  const { value, refusal, reload } = useLoaded(readBoth);
  if (!value) return refusal ? <Failed refusal={refusal} onRetry={reload} /> : <p class="note">{text.account.loading}</p>;
  const [account, ways] = value;
  const gone = (): void => {
    close();
    leave();
    navigate("/");
  };
  return (
    <>
      <UsernameForm id="settings-username" current={account.username ?? ""} onClaimed={reload} />
      <Address account={account} mail={ways.mail} onChanged={reload} />
      {account.email !== null && <NewPassword account={account} onChanged={reload} />}
      <Linked providers={ways.providers} />
      <Places onGone={gone} />
      <Delete onGone={gone} />
    </>
  );
}

interface PartProps {
  account: Account;
  onChanged: () => Promise<void>;
}

function Address({ account, mail, onChanged }: PartProps & { mail: boolean }) {
  const [sentTo, setSentTo] = useState("");
  const changed = async (): Promise<void> => {
    setSentTo("");
    announce(text.account.emailChanged);
    await onChanged();
  };
  return (
    <details class="part" data-testid="address">
      <summary>
        {text.account.email} <span class="note">{account.email ?? text.account.noEmail}</span>
      </summary>
      {!mail && <p class="note">{text.account.noMail}</p>}
      {mail && (sentTo ? <NewAddressCode email={sentTo} onChanged={changed} /> : <NewAddress onSent={setSentTo} />)}
    </details>
  );
}

function NewAddress({ onSent }: { onSent: (email: string) => void }) {
  const [email, setEmail] = useState("");
  const form = useForm({
    check: () => ({ email: emailProblem(email) }),
    send: async () => {
      await changeEmail(email.trim());
      onSent(email.trim());
    },
  });
  return (
    <form class="stack" onSubmit={form.submit} noValidate>
      <Input id="new-email" type="email" autocomplete="email" label={text.account.newEmail} value={email} onInput={setEmail} problem={form.problems["email"]} />
      <Submit form={form} label={text.login.sendReset} id="change-email" kind="" />
    </form>
  );
}

function NewAddressCode({ email, onChanged }: { email: string; onChanged: () => Promise<void> }) {
  const [code, setCode] = useState("");
  const said = useRef<HTMLParagraphElement>(null);
  useEffect(() => said.current?.focus(), []);
  const form = useForm({
    check: () => ({ code: codeProblem(code) }),
    send: async () => {
      adopt(await confirm({ email, code: digitsOf(code) }));
      await onChanged();
    },
    place: ({ status }) => (status === 401 ? { code: text.login.codeWrong } : null),
  });
  return (
    <form class="stack" onSubmit={form.submit} noValidate>
      <p ref={said} tabIndex={-1} class="note">
        {text.account.sent(email)}
      </p>
      <CodeInput id="email-code" value={code} onInput={setCode} problem={form.problems["code"]} />
      <Submit form={form} label={text.account.confirmEmail} id="confirm-email" kind="" />
      <SendAgain again={() => changeEmail(email)} />
    </form>
  );
}

const wrongPassword = ({ status }: ApiError): Problems | null => (status === 403 ? { current: text.account.wrongPassword } : null);

function NewPassword({ account, onChanged }: PartProps) {
  const [current, setCurrent] = useState("");
  const [password, setPassword] = useState("");
  const form = useForm({
    check: () => ({ current: account.hasPassword && !current ? text.login.passwordRequired : "", password: newPasswordProblem(password) }),
    send: async () => {
      adopt(await changePassword(account.hasPassword ? current : null, password));
      setCurrent("");
      setPassword("");
      await onChanged();
    },
    place: wrongPassword,
  });
  const part = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    if (opened.peek() !== "password" || !part.current) return;
    part.current.open = true;
    part.current.querySelector<HTMLElement>("input:not(.hidden)")?.focus();
  }, []);
  return (
    <details ref={part} class="part" data-testid="password-part">
      <summary>{account.hasPassword ? text.account.changePassword : text.account.addPassword}</summary>
      <form class="stack" onSubmit={form.submit} noValidate>
        <Whose email={account.email ?? ""} />
        {account.hasPassword && <PasswordInput id="current-password" value={current} onInput={setCurrent} problem={form.problems["current"]} />}
        <NewPasswordInput id="settings-password" value={password} onInput={setPassword} problem={form.problems["password"]} />
        <p class="note">{form.done ? text.account.passwordSaved : text.account.passwordHint}</p>
        <Submit form={form} label={text.login.setPassword} id="change-password" kind="" />
      </form>
    </details>
  );
}

function Delete({ onGone }: { onGone: () => void }) {
  const [word, setWord] = useState("");
  const form = useForm({
    check: () => ({ word: word.trim().toLowerCase() === text.account.deleteWord ? "" : text.account.deleteWrong }),
    send: async () => {
      await deleteAccount();
      onGone();
    },
  });
  return (
    <details class="part">
      <summary>{text.account.deleteHeading}</summary>
      <form class="stack" onSubmit={form.submit} noValidate>
        <p class="note">{text.account.deleteLead}</p>
        <Input id="delete-word" label={text.account.deleteLabel} value={word} onInput={setWord} problem={form.problems["word"]} />
        <Submit form={form} label={text.account.deleteHeading} id="delete-account" kind="danger" />
      </form>
    </details>
  );
}
