import { useEffect, useRef, useState } from "preact/hooks";
import { chime, setVolume, sounds, volume } from "../chime.ts";
import { movements, setMovements } from "../movements.ts";
import { canNotify, notifies, wantNotifications } from "../phaseend.ts";
import { preferences, setTheme, theme } from "../preferences.ts";
import { isUser, me } from "../session.ts";
import { text } from "../text.ts";
import { AccountSettings } from "./account.tsx";
import { BlockedPeople } from "./blocked.tsx";
import { Icon } from "./icon.tsx";
import { opened } from "./opened.ts";
import { PreferencesPart, Switch, Unsaved } from "./preferences.tsx";
import { Rename } from "./rename.tsx";
import { Unlock } from "./unlock.tsx";

export function SettingsDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (opened.value) dialog.current?.showModal();
  }, [opened.value]);
  const close = (): void => dialog.current?.close();
  if (!opened.value) return null;
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="settings-heading" onClose={() => (opened.value = null)}>
      <div class="dialog-head">
        <h2 id="settings-heading">{text.settings.heading}</h2>
        <button type="button" class="icon-button" onClick={close} aria-label={text.settings.close}>
          <Icon name="close" />
        </button>
      </div>
      {me.value && <Rename id="settings-name" current={me.value.name} />}
      <Appearance />
      <Sound />
      <Telling />
      {isUser.value && <PreferencesPart />}
      {isUser.value && <BlockedPeople />}
      {isUser.value && <AccountSettings close={close} />}
      {!isUser.value && <Unlock what={text.unlock.account} onGo={close} />}
      <Unsaved />
    </dialog>
  );
}

function Appearance() {
  return (
    <fieldset class="choices">
      <legend>{text.settings.theme}</legend>
      {(["system", "light", "dark"] as const).map((option) => (
        <label key={option} class="choice">
          <input type="radio" name="theme" data-testid={`theme-${option}`} checked={theme.value === option} onChange={() => setTheme(option)} />
          <span>{text.settings.themes[option]}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** What the page tells by itself. */
function Telling() {
  const [refused, setRefused] = useState(false);
  const notify = async (on: boolean): Promise<void> => setRefused(!(await wantNotifications(on)));
  return (
    <div class="choices">
      {canNotify() && (
        <label class="choice">
          <input type="checkbox" data-testid="notify" checked={notifies.value} onChange={(event) => notify(event.currentTarget.checked)} />
          <span>{text.settings.notify}</span>
        </label>
      )}
      {refused && (
        <p class="note problem" role="alert">
          {text.settings.notifyRefused}
        </p>
      )}
      <label class="choice">
        <input type="checkbox" data-testid="movements" checked={movements.value} onChange={(event) => setMovements(event.currentTarget.checked)} />
        <span>{text.settings.movements}</span>
      </label>
    </div>
  );
}

function Sound() {
  const level = volume.value;
  const kept = preferences.current.value;
  return (
    <fieldset class="choices">
      <legend>{text.settings.sound}</legend>
      {kept && <Switch name="sounds" value={kept} />}
      <label class="range">
        <span>{text.settings.volume}</span>
        <input type="range" min="0" max="100" step="10" value={level} onInput={(e) => setVolume(Number(e.currentTarget.value))} />
        <output>{level} %</output>
      </label>
      <button type="button" class="button quiet" aria-disabled={!sounds.value || level === 0} onClick={chime}>
        {text.settings.test}
      </button>
    </fieldset>
  );
}
