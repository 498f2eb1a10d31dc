import { useEffect, useRef, useState } from "preact/hooks";
import { announce } from "../announce.ts";
import { chime, setVolume, volume } from "../chime.ts";
import { explain } from "../explain.ts";
import { isUser, me, rename } from "../session.ts";
import { text } from "../text.ts";
import { chooseTheme, storedTheme, type Theme } from "../theme.ts";
import { AccountSettings } from "./account.tsx";
import { Icon } from "./icon.tsx";
import { NameField, problemWith } from "./name.tsx";
import { opened } from "./opened.ts";

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
      {me.value && <Rename />}
      <Appearance />
      <Sound />
      {isUser.value && <AccountSettings close={close} />}
    </dialog>
  );
}

function Rename() {
  const [name, setName] = useState(me.value?.name ?? "");
  const [problem, setProblem] = useState("");
  const [saved, setSaved] = useState(false);
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    const wrong = problemWith(name);
    setProblem(wrong);
    if (wrong) return;
    try {
      await rename(name.trim());
      setSaved(true);
      announce(text.name.saved);
    } catch (error) {
      setProblem(explain(error));
    }
  };
  const changed = name.trim() !== me.value?.name;
  return (
    <form class="stack" onSubmit={save}>
      <NameField id="settings-name" value={name} onInput={setName} problem={problem} />
      <button type="submit" class="button" disabled={!changed}>
        {text.settings.save}
      </button>
      {saved && !changed && <p class="note">{text.name.saved}</p>}
    </form>
  );
}

function Appearance() {
  const [theme, setTheme] = useState<Theme>(storedTheme);
  const choose = (next: Theme): void => {
    chooseTheme(next);
    setTheme(next);
  };
  return (
    <fieldset class="choices">
      <legend>{text.settings.theme}</legend>
      {(["system", "light", "dark"] as const).map((option) => (
        <label key={option} class="choice">
          <input type="radio" name="theme" checked={theme === option} onChange={() => choose(option)} />
          <span>{text.settings.themes[option]}</span>
        </label>
      ))}
    </fieldset>
  );
}

function Sound() {
  const level = volume.value;
  return (
    <fieldset class="choices">
      <legend>{text.settings.sound}</legend>
      <label class="range">
        <span>{text.settings.volume}</span>
        <input type="range" min="0" max="100" step="10" value={level} onInput={(e) => setVolume(Number(e.currentTarget.value))} />
        <output>{level} %</output>
      </label>
      <button type="button" class="button quiet" onClick={chime}>
        {text.settings.test}
      </button>
    </fieldset>
  );
}
