import { useEffect, useState } from "preact/hooks";
import { Rename } from "../components/rename.tsx";
import { TopBar } from "../components/topbar.tsx";
import { UsernameForm } from "../components/username.tsx";
import { nextPath, replace, withReturn } from "../router.ts";
import { isUser } from "../session.ts";
import { text } from "../text.ts";
import { isUnnamed, usernameOffered } from "../welcome.ts";

/** Offers a username, once, and a name to who has none; "later" is an answer. */
export function UsernamePage() {
  const next = nextPath();
  const [unnamed] = useState(isUnnamed);
  useEffect(() => {
    document.title = `${text.username.title} · ${text.brand}`;
    if (!isUser.value) replace(withReturn("/login", next));
  }, []);
  const goOn = (): void => {
    usernameOffered();
    replace(next);
  };
  return (
    <>
      <TopBar />
      <main id="main" tabIndex={-1} class="narrow stack door">
        <h1>{text.username.title}</h1>
        {unnamed && (
          <section class="card">
            <Rename id="first-name" current="" />
          </section>
        )}
        <section class="card stack">
          <p>{text.username.lead}</p>
          <UsernameForm id="username" current="" onClaimed={goOn} />
          <button type="button" class="button quiet" data-testid="username-later" onClick={goOn}>
            {text.username.later}
          </button>
        </section>
      </main>
    </>
  );
}
