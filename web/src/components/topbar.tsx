import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { route, withReturn } from "../router.ts";
import { isAdmin, isUser, me } from "../session.ts";
import { text } from "../text.ts";
import { chooseTheme } from "../theme.ts";
import { Avatar } from "./avatar.tsx";
import { Icon, Logo } from "./icon.tsx";
import { openSettings } from "./opened.ts";
import { StatusMenu } from "./statusmenu.tsx";

/** The banner of every page. `children` is what the page puts in its middle. */
export function TopBar({ children }: { children?: ComponentChildren }) {
  return (
    <header class="topbar">
      <a class="brand" href="/" data-local aria-label={text.brand}>
        <Logo />
        <span class="brand-name" aria-hidden="true">
          {text.brand}
        </span>
      </a>
      <div class="topbar-middle">{children}</div>
      <div class="topbar-end">
        <SignInLink />
        {isAdmin.value && <AdminLink />}
        {isUser.value && me.value && <StatusMenu user={me.value.principal.actorId} />}
        <ThemeToggle />
        <button type="button" class="chip" onClick={() => openSettings()} aria-haspopup="dialog" data-testid="open-settings">
          {me.value ? <Avatar id={me.value.principal.actorId} name={me.value.name} /> : <Icon name="sliders" />}
          {me.value && <span class="chip-name">{me.value.name}</span>}
          <span class="hidden">{text.settings.open}</span>
        </button>
      </div>
    </header>
  );
}

/** For whoever has no account here yet; one comes back to the same place. */
function SignInLink() {
  const here = route.value;
  if (isUser.value || here.page === "login" || here.page === "link" || here.page === "username") return null;
  return (
    <a class="button small sign-in" href={withReturn("/login", location.pathname)} data-local data-testid="sign-in-link">
      {text.login.signIn}
    </a>
  );
}

const AdminLink = () => (
  <a class="button small sign-in" href="/admin" data-local data-testid="admin-link">
    {text.admin}
  </a>
);

const isDark = (): boolean => {
  const chosen = document.documentElement.dataset["theme"];
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

function ThemeToggle() {
  const [dark, setDark] = useState(isDark);
  const toggle = (): void => {
    chooseTheme(dark ? "light" : "dark");
    setDark(!dark);
  };
  return (
    <button type="button" class="icon-button theme-toggle" onClick={toggle} aria-label={dark ? text.theme.toLight : text.theme.toDark}>
      <Icon name={dark ? "sun" : "moon"} />
    </button>
  );
}
