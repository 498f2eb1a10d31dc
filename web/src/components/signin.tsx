import { useEffect, useRef, useState } from "preact/hooks";
import { forgotPassword, logIn, register, sendLink, startPath, type Ways } from "../account.ts";
import type { ApiError } from "../api.ts";
import { parameter } from "../router.ts";
import { adopt, goAway, rememberedName } from "../session.ts";
import { text } from "../text.ts";
import { goOn } from "../welcome.ts";
import { emailProblem, newPasswordProblem, type Problems, useForm } from "./form.ts";
import { EmailInput, NewPasswordInput, PasswordInput, Submit } from "./input.tsx";
import { LetterForm } from "./letter.tsx";
import { NameField, problemWith } from "./name.tsx";

/** By password, by a letter with a link, with a new account, or with a forgotten password. */
const WAYS = ["password", "link", "new", "forgot"] as const;
type Way = (typeof WAYS)[number];

/** The one that the address names. */
const wayAsked = (): Way => WAYS.find((way) => way === parameter("way")) ?? "password";

/** The ways into an account. Where no letters are sent, what needs one is not offered. */
export function SignIn({ ways, next }: { ways: Ways; next: string }) {
  const [way, setWay] = useState<Way>(() => (ways.mail ? wayAsked() : "password"));
  const [email, setEmail] = useState("");
  /** Sends a letter once more; null: none was sent. */
  const [again, setAgain] = useState<(() => Promise<void>) | null>(null);
  const section = useRef<HTMLElement>(null);
  const chosen = useRef(false);
  useEffect(() => {
    if (chosen.current) section.current?.querySelector("input")?.focus(); // the button that had the focus is gone
  }, [way]);
  const go = (wanted: Way): void => {
    chosen.current = true;
    setWay(wanted);
    setAgain(null);
  };
  const shared = { email, setEmail, next, onSent: (send: () => Promise<void>) => setAgain(() => send) };
  const others = WAYS.filter((other) => other !== way);
  return (
    <section ref={section} class="card stack" aria-labelledby="signin-heading">
      <h2 id="signin-heading">{text.login.headings[way]}</h2>
      {way === "password" && <Providers ways={ways} next={next} />}
      {again ? <LetterForm email={email.trim()} isReset={way === "forgot"} next={next} again={again} /> : FORMS[way](shared)}
      {!ways.mail && <p class="note">{text.login.noMail}</p>}
      {ways.mail && (
        <div class="ways">
          {others.map((other) => (
            <button key={other} type="button" class="button quiet small" data-testid={`way-${other}`} onClick={() => go(other)}>
              {text.login.ways[other]}
            </button>
          ))}
        </div>
      )}
    </section>
  );
}

interface WayProps {
  email: string;
  setEmail: (email: string) => void;
  next: string;
  /** A letter is on its way; `again` sends another. */
  onSent: (again: () => Promise<void>) => void;
}

const FORMS: Readonly<Record<Way, (props: WayProps) => preact.JSX.Element>> = {
  password: (props) => <ByPassword key="password" {...props} />,
  link: (props) => <Ask key="link" {...props} ask={sendLink} label={text.login.sendLink} lead={text.login.linkLead} />,
  new: (props) => <NewAccount key="new" {...props} />,
  forgot: (props) => <Ask key="forgot" {...props} ask={forgotPassword} label={text.login.sendReset} lead={text.login.forgotLead} />,
};

function Providers({ ways, next }: { ways: Ways; next: string }) {
  if (ways.providers.length === 0) return null;
  return (
    <>
      <ul class="stack providers">
        {ways.providers.map(({ name, label }) => (
          <li key={name}>
            <a class="button" href={startPath(name, next)} data-testid={`provider-${name}`} onClick={goAway}>
              {text.login.with(label)}
            </a>
          </li>
        ))}
      </ul>
      <p class="or">{text.login.or}</p>
    </>
  );
}

const refusedLogin = ({ status }: ApiError): Problems | null => (status === 401 ? { password: text.login.wrong } : null);

function ByPassword({ email, setEmail, next }: WayProps) {
  const [password, setPassword] = useState("");
  const form = useForm({
    check: () => ({ email: emailProblem(email), password: password ? "" : text.login.passwordRequired }),
    send: async () => {
      adopt(await logIn(email.trim(), password));
      await goOn(next);
    },
    place: refusedLogin,
  });
  return (
    <form class="stack" onSubmit={form.submit} noValidate>
      <EmailInput id="email" value={email} onInput={setEmail} problem={form.problems["email"]} />
      <PasswordInput id="password" value={password} onInput={setPassword} problem={form.problems["password"]} />
      <Submit form={form} label={text.login.signIn} id="sign-in" />
    </form>
  );
}

/** An address to which a letter goes. */
function Ask({ email, setEmail, onSent, ask, label, lead }: WayProps & { ask: (email: string) => Promise<void>; label: string; lead: string }) {
  const form = useForm({
    check: () => ({ email: emailProblem(email) }),
    send: async () => {
      const again = (): Promise<void> => ask(email.trim());
      await again();
      onSent(again);
    },
  });
  return (
    <form class="stack" onSubmit={form.submit} noValidate>
      <p class="note">{lead}</p>
      <EmailInput id="email" value={email} onInput={setEmail} problem={form.problems["email"]} />
      <Submit form={form} label={label} id="send-letter" />
    </form>
  );
}

function NewAccount({ email, setEmail, onSent }: WayProps) {
  const [name, setName] = useState(rememberedName);
  const [password, setPassword] = useState("");
  const form = useForm({
    check: () => ({ name: problemWith(name), email: emailProblem(email), password: newPasswordProblem(password) }),
    send: async () => {
      const again = (): Promise<void> => register(email.trim(), password, name.trim());
      await again();
      onSent(again);
    },
  });
  return (
    <form class="stack" onSubmit={form.submit} noValidate>
      <NameField id="new-name" value={name} onInput={setName} problem={form.problems["name"] ?? ""} />
      <EmailInput id="email" value={email} onInput={setEmail} problem={form.problems["email"]} />
      <NewPasswordInput id="new-password" value={password} onInput={setPassword} problem={form.problems["password"]} />
      <Submit form={form} label={text.login.register} id="register" />
    </form>
  );
}
