import { useState } from "preact/hooks";
import { announce } from "../announce.ts";
import { Dialog } from "../components/dialog.tsx";
import { noteId } from "../components/field.tsx";
import { type Form, useForm } from "../components/form.ts";
import { Input, Submit } from "../components/input.tsx";
import { lengthsOf, outOfRange, TimerFields } from "../components/lengths.tsx";
import { TagsInput, tagsWrong } from "../components/tags.tsx";
import { isUser } from "../session.ts";
import type { RoomStore } from "../store/room.ts";
import { DEFAULT_SETTINGS } from "../store/timer.ts";
import { text as page } from "../text.ts";
import { Choice, numbered, optionsOf } from "../components/choice.tsx";
import { changesOf, type Draft, draftOf, sizeWrong, timerWith } from "./draft.ts";
import type { DialogProps } from "./dialogs.tsx";
import { Penalties } from "./penalties.tsx";
import { text } from "./text.ts";

const words = text.settings;
const MAX_TITLE = 80;
const MAX_TOPIC = 240;

interface PartProps {
  draft: Draft;
  set: (changes: Partial<Draft>) => void;
  form: Form;
}

/** What the room is. Hosts change all of it, co-hosts what keeps order. */
export function SettingsDialog({ open: { store }, onClose }: DialogProps<"settings">) {
  const timer = store.timer.value?.settings ?? DEFAULT_SETTINGS;
  const [info, setInfo] = useState(store.info.value); // as the draft was made from it
  const [lengths] = useState(() => lengthsOf(timer));
  const [draft, setDraft] = useState<Draft | null>(() => info && draftOf(info, lengths));
  const isHost = store.standing.isHost.value;
  const form = useForm({
    check: () => (draft ? problemsOf(draft) : {}),
    send: async () => {
      if (!info || !draft) return;
      const changes = changesOf(info, draft);
      if (Object.keys(changes).length > 0) await store.command("room.update", changes);
      setInfo({ ...info, ...changes }); // if the timer's are refused, these are not sent again
      const settings = timerWith(timer, lengths, draft.lengths);
      if (isHost && settings) await store.command("timer.configure", { settings });
      announce(words.saved);
      onClose();
    },
  });
  if (!info || !draft) return null;
  const set = (changes: Partial<Draft>): void => setDraft({ ...draft, ...changes });
  const parts = { draft, set, form };
  return (
    <Dialog id="room-settings" heading={words.heading} onClose={onClose} wide>
      <form class="stack" onSubmit={form.submit} noValidate>
        {isHost ? <About {...parts} /> : <p class="note">{words.coHostNote}</p>}
        {isHost && <TimerPart {...parts} />}
        <Order {...parts} />
        <Submit form={form} label={words.save} id="save-room" />
      </form>
      {store.standing.isStaff.value && (
        <>
          <Penalties store={store} kind="ban" />
          <Penalties store={store} kind="mute" />
        </>
      )}
      {isHost && <Archive store={store} onDone={onClose} />}
    </Dialog>
  );
}

const problemsOf = (draft: Draft) => ({
  title: draft.title.trim() ? "" : page.create.titleRequired,
  tags: tagsWrong(draft.tags) ? page.create.tagsWrong : "",
  size: sizeWrong(draft.sizeLimit) ? words.sizeWrong : "",
  lengths: outOfRange(draft.lengths) ? page.create.lengths : "",
});

function About({ draft, set, form }: PartProps) {
  const whom = { id: "room-visibility", label: page.create.visibility, hint: words.privateHint };
  const sizes = { id: "room-size", label: words.sizeLimit, hint: words.sizeHint };
  return (
    <fieldset class="stack">
      <legend class="hidden">{words.about}</legend>
      <Input id="room-title-input" label={page.create.title} value={draft.title} maxLength={MAX_TITLE} onInput={(title) => set({ title })} problem={form.problems["title"]} />
      <Input id="room-topic-input" label={page.create.topic} value={draft.topic} maxLength={MAX_TOPIC} onInput={(topic) => set({ topic })} />
      <TagsInput id="room-tags" value={draft.tags} onInput={(tags) => set({ tags })} problem={form.problems["tags"] ?? ""} />
      <div class="pair">
        <Choice id="room-language" label={page.create.language} value={draft.language} options={languagesWith(draft.language)} onChoose={(language) => set({ language })} />
        <Choice {...whom} value={draft.visibility} options={visibilities(draft)} onChoose={(visibility) => set({ visibility })} />
        <Input {...sizes} numeric value={draft.sizeLimit} onInput={(sizeLimit) => set({ sizeLimit })} problem={form.problems["size"]} />
      </div>
      <Looks value={draft.theme} onChoose={(theme) => set({ theme })} />
    </fieldset>
  );
}

/** That of the room too, if the page does not offer it. */
const languagesWith = (language: string): [string, string][] => optionsOf({ [language]: language, ...page.languages });

/** What everybody finds is opened by people with an account. */
const visibilities = ({ visibility }: Draft): [Draft["visibility"], string][] => {
  const all = { public: page.create.public, unlisted: page.create.unlisted, private: page.create.private };
  return optionsOf(all).filter(([one]) => one !== "public" || isUser.value || visibility === "public");
};

function Looks({ value, onChoose }: { value: Draft["theme"]; onChoose: (theme: Draft["theme"]) => void }) {
  return (
    <fieldset class="looks">
      <legend>{words.looks}</legend>
      {optionsOf(words.themes).map(([theme, label]) => (
        <label key={theme} class="look" data-look={theme}>
          <input type="radio" name="look" data-testid={`look-${theme}`} checked={value === theme} onChange={() => onChoose(theme)} />
          <span>{label}</span>
        </label>
      ))}
    </fieldset>
  );
}

function TimerPart({ draft, set, form }: PartProps) {
  return (
    <fieldset class="part stack">
      <legend class="hidden">{words.timer}</legend>
      <Choice id="timer-policy-choice" label={words.policy} value={draft.timerPolicy} options={optionsOf(words.policies)} onChoose={(timerPolicy) => set({ timerPolicy })} />
      <TimerFields value={draft.lengths} onChange={(lengths) => set({ lengths })} />
      <p class={form.problems["lengths"] ? "note problem" : "note"}>{form.problems["lengths"] || words.lengthsHint}</p>
    </fieldset>
  );
}

function Order({ draft, set }: PartProps) {
  return (
    <fieldset class="part stack">
      <legend class="hidden">{words.order}</legend>
      <Choice id="room-slow" label={words.slow} hint={words.slowHint} value={draft.slowMs} options={pauses(draft.slowMs)} onChoose={(slowMs) => set({ slowMs })} />
      <label class="choice">
        <input type="checkbox" data-testid="room-lock" checked={draft.locked} onChange={(event) => set({ locked: event.currentTarget.checked })} />
        <span>{words.lock}</span>
      </label>
    </fieldset>
  );
}

/** Off first; that of the room too, if the page does not offer it. */
const pauses = (slowMs: number): [number, string][] => {
  const [off, ...others] = numbered({ [slowMs]: page.room.seconds(slowMs / 1000), ...words.slowOptions }).reverse();
  return off ? [off, ...others.reverse()] : [];
};

function Archive({ store, onDone }: { store: RoomStore; onDone: () => void }) {
  const [asking, setAsking] = useState(false);
  const form = useForm({
    send: async () => {
      await store.command("room.archive", { archived: true });
      announce(words.archivedNow);
      onDone();
    },
  });
  return (
    <section class="part stack">
      <p id={noteId("archive")} class="note">
        {words.archiveLead}
      </p>
      {asking ? (
        <form class="inline" onSubmit={form.submit} noValidate>
          <Submit form={form} label={words.archiveSure} id="archive-sure" kind="danger" />
          <button type="button" class="button quiet" onClick={() => setAsking(false)}>
            {page.chat.cancel}
          </button>
        </form>
      ) : (
        <button type="button" class="button danger" data-testid="archive" aria-describedby={noteId("archive")} onClick={() => setAsking(true)}>
          {words.archive}
        </button>
      )}
    </section>
  );
}
