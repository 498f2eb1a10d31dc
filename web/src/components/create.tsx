import { useRef, useState } from "preact/hooks";
import { createRoom, type NewRoom, type Visibility } from "../api.ts";
import { explain } from "../explain.ts";
import { lengthOf } from "../format.ts";
import { navigate, roomPath } from "../router.ts";
import { enter, me, rememberedName } from "../session.ts";
import { newKey } from "../storage.ts";
import { text } from "../text.ts";
import { Field, focusProblem, noteId } from "./field.tsx";
import { NameField, problemWith } from "./name.tsx";
import { LENGTHS, type Lengths, outOfRange, settingsOf, TimerFields } from "./lengths.tsx";

const MAX_TITLE = 80;
const MAX_TOPIC = 240;

type Problems = Partial<Record<"name" | "title" | "submit", string>>;

/** Opens a room: name if there is no session yet, title, and what else one may want to say. */
export function CreateRoom() {
  const [name, setName] = useState(rememberedName);
  const [title, setTitle] = useState("");
  const [topic, setTopic] = useState("");
  const [language, setLanguage] = useState(preferredLanguage);
  const [visibility, setVisibility] = useState<Visibility>("public");
  const [lengths, setLengths] = useState<Lengths>(LENGTHS);
  const [problems, setProblems] = useState<Problems>({});
  const [busy, setBusy] = useState(false);
  // One key per intended room: a repeated submit after a lost answer founds no second one.
  const intent = useRef({ room: "", key: "" });

  const check = (): Problems => {
    const found: Problems = {};
    const wrongName = me.value ? "" : problemWith(name);
    if (wrongName) found.name = wrongName;
    if (!title.trim()) found.title = text.create.titleRequired;
    return found;
  };

  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const found = check();
    setProblems(found);
    if (Object.keys(found).length > 0 || outOfRange(lengths)) return focusProblem(form);
    setBusy(true);
    const room: NewRoom = { title: title.trim(), topic: topic.trim(), language, visibility, timer: settingsOf(lengths) };
    const wanted = JSON.stringify(room);
    if (intent.current.room !== wanted) intent.current = { room: wanted, key: newKey() };
    try {
      await enter(name.trim());
      const created = await createRoom(room, intent.current.key);
      navigate(roomPath(created.id));
    } catch (error) {
      setProblems({ submit: explain(error) });
    }
    setBusy(false);
  };

  return (
    <form class="card stack" onSubmit={submit} noValidate aria-labelledby="create-heading">
      <h2 id="create-heading">{text.create.heading}</h2>
      {!me.value && <NameField id="create-name" value={name} onInput={setName} problem={problems.name ?? ""} />}
      <Field id="title" label={text.create.title} problem={problems.title ?? ""}>
        <input
          id="title"
          data-testid="create-title"
          placeholder={text.create.titlePlaceholder}
          value={title}
          maxLength={MAX_TITLE}
          autocomplete="off"
          aria-invalid={problems.title !== undefined}
          aria-describedby={problems.title ? noteId("title") : undefined}
          onInput={(event) => setTitle(event.currentTarget.value)}
        />
      </Field>
      <Field id="topic" label={text.create.topic} hint={lengthOf(topic) > MAX_TOPIC - 40 ? text.chat.left(MAX_TOPIC - lengthOf(topic)) : ""}>
        <input
          id="topic"
          data-testid="create-topic"
          placeholder={text.create.topicPlaceholder}
          value={topic}
          maxLength={MAX_TOPIC}
          autocomplete="off"
          onInput={(event) => setTopic(event.currentTarget.value)}
        />
      </Field>
      <div class="pair">
        <Field id="visibility" label={text.create.visibility}>
          <select id="visibility" value={visibility} onChange={(event) => setVisibility(event.currentTarget.value as Visibility)}>
            <option value="public">{text.create.public}</option>
            <option value="unlisted">{text.create.unlisted}</option>
          </select>
        </Field>
        <Field id="language" label={text.create.language}>
          <select id="language" value={language} onChange={(event) => setLanguage(event.currentTarget.value)}>
            {Object.entries(text.languages).map(([code, label]) => (
              <option key={code} value={code}>
                {label}
              </option>
            ))}
          </select>
        </Field>
      </div>
      <TimerFields value={lengths} onChange={setLengths} />
      {problems.submit && (
        <p class="note problem" role="alert">
          {problems.submit}
        </p>
      )}
      <button type="submit" class="button primary" data-testid="create-room" disabled={busy}>
        {busy ? text.create.submitting : text.create.submit}
      </button>
    </form>
  );
}

function preferredLanguage(): string {
  const code = navigator.language.split("-")[0] ?? "en";
  return code in text.languages ? code : "en";
}
