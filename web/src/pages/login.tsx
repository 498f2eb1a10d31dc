import { useEffect, useState } from "preact/hooks";
import { readWays } from "../account.ts";
import { Failed } from "../components/failed.tsx";
import { NameField, problemWith } from "../components/name.tsx";
import { useForm } from "../components/form.ts";
import { Submit } from "../components/input.tsx";
import { useLoaded } from "../components/loaded.ts";
import { Problem } from "../components/problem.tsx";
import { SignIn } from "../components/signin.tsx";
import { TopBar } from "../components/topbar.tsx";
import { nextPath, parameter, replace } from "../router.ts";
import { enter, isUser, me, rememberedName } from "../session.ts";
import { text } from "../text.ts";

/** As a guest, which is the default, or by an account. */
export function LoginPage() {
  const next = nextPath();
  useEffect(() => {
    document.title = `${text.login.title} · ${text.brand}`;
  }, []);
  return (
    <>
      <TopBar />
      <main id="main" tabIndex={-1} class="narrow stack door">
        <h1>{text.login.title}</h1>
        <CameBack />
        {isUser.value ? <Already next={next} /> : <Choice next={next} />}
      </main>
    </>
  );
}

/** What went wrong on the way from a provider. */
function CameBack() {
  const problem = parameter("problem");
  if (problem === null) return null;
  return <Problem words={text.login.problems[problem] ?? text.login.problems["begin-again"]} id="login-problem" />;
}

function Already({ next }: { next: string }) {
  return (
    <section class="card stack">
      <p>{text.login.already(me.value?.name ?? "")}</p>
      <a class="button primary" href={next} data-local>
        {text.login.goOn}
      </a>
    </section>
  );
}

function Choice({ next }: { next: string }) {
  const ways = useLoaded(readWays);
  return (
    <>
      {me.value ? <StayGuest next={next} name={me.value.name} /> : <Guest next={next} />}
      {ways.refusal && <Failed refusal={ways.refusal} onRetry={ways.reload} />}
      {ways.value && <SignIn ways={ways.value} next={next} />}
    </>
  );
}

function StayGuest({ next, name }: { next: string; name: string }) {
  return (
    <section class="card stack" aria-labelledby="guest-heading">
      <h2 id="guest-heading">{text.login.guest}</h2>
      <p>{text.login.guestNow(name)}</p>
      <a class="button primary" href={next} data-local data-testid="stay-guest">
        {text.login.stay}
      </a>
    </section>
  );
}

function Guest({ next }: { next: string }) {
  const [name, setName] = useState(rememberedName);
  const form = useForm({
    check: () => ({ name: problemWith(name) }),
    send: async () => {
      await enter(name.trim());
      replace(next);
    },
  });
  return (
    <section class="card" aria-labelledby="guest-heading">
      <form class="stack" onSubmit={form.submit} noValidate>
        <h2 id="guest-heading">{text.login.guest}</h2>
        <NameField id="guest-name" value={name} onInput={setName} problem={form.problems["name"] ?? ""} />
        <Submit form={form} label={text.login.asGuest} id="continue-as-guest" />
      </form>
    </section>
  );
}
