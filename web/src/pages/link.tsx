import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { confirm, type Purpose, resetPassword } from "../account.ts";
import type { ApiError } from "../api.ts";
import { newPasswordProblem, useForm } from "../components/form.ts";
import { NewPasswordInput, Submit } from "../components/input.tsx";
import { TopBar } from "../components/topbar.tsx";
import { type LetterLink, letterLink } from "../letterlink.ts";
import { adopt, isUser, me } from "../session.ts";
import { text } from "../text.ts";
import { arrive, goOn } from "../welcome.ts";

/** Where a letter's link leads. Only its button uses the token up, as programs that read letters open links. */
export function LinkPage() {
  const letter = letterLink.value;
  const title = letter ? text.link.titles[letter.purpose] : text.link.title;
  useEffect(() => {
    document.title = `${title} · ${text.brand}`;
  }, [title]);
  return (
    <>
      <TopBar />
      <main id="main" tabIndex={-1} class="narrow stack door">
        <h1>{title}</h1>
        {letter ? <Letter key={letter.token} {...letter} /> : <NoWay words={text.link.incomplete} />}
      </main>
    </>
  );
}

interface LetterProps extends LetterLink {
  /** The token is good for nothing. */
  onOver: () => void;
}

function Letter(letter: LetterLink) {
  const [over, setOver] = useState(false);
  if (over) return <NoWay words={text.link.over} purpose={letter.purpose} />;
  if (letter.purpose === "address" && !isUser.value) return <NoWay words={text.link.elsewhere} />;
  const Form = letter.purpose === "reset" ? Reset : Confirm;
  return <Form {...letter} onOver={() => setOver(true)} />;
}

/** Where one gets another letter of that kind. */
const AGAIN: Readonly<Record<Purpose, string>> = {
  register: "/login?way=new",
  "sign-in": "/login?way=link",
  address: "/",
  reset: "/login?way=forgot",
};

function NoWay({ words, purpose }: { words: ComponentChildren; purpose?: Purpose }) {
  return (
    <section class="card stack" role="alert" data-testid="link-refused">
      <p>{words}</p>
      <a class="button" href={purpose ? AGAIN[purpose] : "/login"} data-local>
        {purpose && purpose !== "address" ? text.link.again : text.link.back}
      </a>
    </section>
  );
}

const refused = (onOver: () => void) => ({ status }: ApiError) => {
  if (status !== 401) return null;
  onOver();
  return {};
};

function Confirm({ purpose, token, onOver }: LetterProps) {
  const form = useForm({
    send: async () => {
      await arrive(await confirm({ token }), "/");
      letterLink.value = null;
    },
    place: refused(onOver),
  });
  return (
    <form class="card stack" onSubmit={form.submit}>
      <p>{text.link.leads[purpose]}</p>
      {isUser.value && purpose !== "address" && <p class="note">{text.link.instead(me.value?.name ?? "")}</p>}
      <Submit form={form} label={text.link.actions[purpose]} id="confirm-link" />
    </form>
  );
}

function Reset({ token, onOver }: LetterProps) {
  const [password, setPassword] = useState("");
  const form = useForm({
    check: () => ({ password: newPasswordProblem(password) }),
    send: async () => {
      adopt(await resetPassword({ token }, password));
      await goOn("/");
      letterLink.value = null;
    },
    place: refused(onOver),
  });
  return (
    <form class="card stack" onSubmit={form.submit} noValidate>
      <p>{text.link.leads.reset}</p>
      <NewPasswordInput id="new-password" value={password} onInput={setPassword} problem={form.problems["password"]} />
      <Submit form={form} label={text.link.actions.reset} id="reset-password" />
    </form>
  );
}
