import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { tellLasting } from "../notice.ts";
import { preferences, setTheme, theme } from "../preferences.ts";
import { route, withReturn } from "../router.ts";
import { isAdmin, isUser, me } from "../session.ts";
import { text } from "../text.ts";
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

const systemIsDark = signal(false);
const systemScheme = matchMedia("(prefers-color-scheme: dark)");
const readScheme = (): void => void (systemIsDark.value = systemScheme.matches);
systemScheme.addEventListener("change", readScheme);
readScheme();

function ThemeToggle() {
  const dark = theme.value === "system" ? systemIsDark.value : theme.value === "dark";
  const toggle = async (): Promise<void> => {
    await setTheme(dark ? "light" : "dark");
    const refusal = preferences.unsaved.peek();
    if (refusal) tellLasting(text.preferences.unsaved(refusal.words), { label: text.errors.again, run: () => void preferences.save() });
  };
  return (
    <button type="button" class="icon-button theme-toggle" onClick={toggle} aria-label={dark ? text.theme.toLight : text.theme.toDark}>
      <Icon name={dark ? "sun" : "moon"} />
    </button>
  );
}
