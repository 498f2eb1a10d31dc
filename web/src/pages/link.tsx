import { useEffect, useState } from "preact/hooks";
import { confirm, resetPassword } from "../account.ts";
import { ApiError } from "../api.ts";
import { newPasswordProblem, useForm } from "../components/form.ts";
import { NewPasswordInput, Submit } from "../components/input.tsx";
import { TopBar } from "../components/topbar.tsx";
import { linkToken } from "../letterlink.ts";
import { adopt } from "../session.ts";
import { text } from "../text.ts";
import { goOn } from "../welcome.ts";

/**
 * Where a letter's link leads. Only its button uses the token up, as programs that read
 * letters open links. What the letter was about is not in the link: what signs nobody in
 * may set a new password.
 */
export function LinkPage() {
  const [refused, setRefused] = useState(false);
  useEffect(() => {
    document.title = `${text.link.title} · ${text.brand}`;
  }, []);
  useEffect(() => setRefused(false), [linkToken.value]);
  return (
    <>
      <TopBar />
      <main id="main" tabIndex={-1} class="narrow stack door">
        <h1>{text.link.title}</h1>
        {!linkToken.value ? <Incomplete /> : refused ? <Reset /> : <Confirm onRefused={() => setRefused(true)} />}
      </main>
    </>
  );
}

function Incomplete() {
  return (
    <section class="card stack">
      <p>{text.link.incomplete}</p>
      <a class="button" href="/login" data-local>
        {text.login.title}
      </a>
    </section>
  );
}

function Confirm({ onRefused }: { onRefused: () => void }) {
  const form = useForm({
    send: async () => {
      adopt(await confirm({ token: linkToken.value }));
      linkToken.value = "";
      await goOn("/");
    },
    place: ({ status }: ApiError) => {
      if (status !== 401) return null;
      onRefused();
      return {};
    },
  });
  return (
    <form class="card stack" onSubmit={form.submit}>
      <p>{text.link.lead}</p>
      <Submit form={form} label={text.link.confirm} id="confirm-link" />
    </form>
  );
}

function Reset() {
  const [password, setPassword] = useState("");
  const form = useForm({
    check: () => ({ password: newPasswordProblem(password) }),
    send: async () => {
      adopt(await resetPassword({ token: linkToken.value }, password));
      linkToken.value = "";
      await goOn("/");
    },
    place: ({ status }) => (status === 401 ? { form: text.link.over } : null),
  });
  return (
    <form class="card stack" onSubmit={form.submit} noValidate>
      <p role="alert">{text.link.reset}</p>
      <NewPasswordInput id="new-password" value={password} onInput={setPassword} problem={form.problems["password"]} />
      <Submit form={form} label={text.login.setPassword} id="reset-password" />
      <a href="/login" data-local>
        {text.link.again}
      </a>
    </form>
  );
}
