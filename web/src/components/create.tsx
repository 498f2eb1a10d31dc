import { useRef, useState } from "preact/hooks";
import { lengthOf } from "../format.ts";
import { createRoom, type NewRoom, type Visibility } from "../rooms.ts";
import { navigate, roomPath } from "../router.ts";
import { enter, isUser, me, rememberedName } from "../session.ts";
import { keep, newKey, recall } from "../storage.ts";
import { text } from "../text.ts";
import { ChallengeField, useChallenge } from "./challenge.tsx";
import { Field, noteId } from "./field.tsx";
import { useForm } from "./form.ts";
import { Submit } from "./input.tsx";
import { NameField, problemWith } from "./name.tsx";
import { LENGTHS, type Lengths, outOfRange, settingsOf, TimerFields } from "./lengths.tsx";
import { TagsInput, tagsOf, tagsWrong } from "./tags.tsx";
import { Unlock } from "./unlock.tsx";

const MAX_TITLE = 80;
const MAX_TOPIC = 240;

/** What was typed is here still for who went to sign in first. */
const DRAFT = "new-room";

/** Opens a room: name if there is no session yet, title, and what else one may want to say. */
export function CreateRoom() {
  const [name, setName] = useState(rememberedName);
  const [title, setTitle] = useState(() => recall(DRAFT) ?? "");
  const [topic, setTopic] = useState("");
  const [tags, setTags] = useState("");
  const [language, setLanguage] = useState(preferredLanguage);
  const [visibility, setVisibility] = useState<Visibility>(isUser.value ? "public" : "unlisted");
  const [lengths, setLengths] = useState<Lengths>(LENGTHS);
  // One key per intended room: a repeated submit after a lost answer founds no second one.
  const intent = useRef({ room: "", key: "" });

  const challenge = useChallenge();
  const told = visibility === "public" ? tags : ""; // the field is not there for other rooms

  const form = useForm({
    check: () => ({
      name: me.value ? "" : problemWith(name),
      title: title.trim() ? "" : text.create.titleRequired,
      tags: tagsWrong(told) ? text.create.tagsWrong : "",
      lengths: outOfRange(lengths) ? text.create.lengths : "",
      challenge: challenge.widget && !challenge.token ? text.challenge.first : "",
    }),
    send: async () => {
      const room: NewRoom = { title: title.trim(), topic: topic.trim(), language, visibility, tags: tagsOf(told), timer: settingsOf(lengths) };
      const wanted = JSON.stringify(room);
      if (intent.current.room !== wanted) intent.current = { room: wanted, key: newKey() };
      await enter(name.trim());
      const created = await createRoom(room, intent.current.key, challenge.token);
      keep(DRAFT, "");
      navigate(roomPath(created.id));
    },
    place: ({ problem }) => {
      if (problem !== "CHALLENGE_FAILED") return null;
      challenge.again();
      return { challenge: text.challenge.again };
    },
  });
  const { problems } = form;

  return (
    <form class="card stack" onSubmit={form.submit} onFocusIn={challenge.begin} noValidate aria-labelledby="create-heading">
      <h2 id="create-heading">{text.create.heading}</h2>
      {!me.value && <NameField id="create-name" value={name} onInput={setName} problem={problems["name"] ?? ""} />}
      <Field id="title" label={text.create.title} problem={problems["title"] ?? ""}>
        <input
          id="title"
          data-testid="create-title"
          placeholder={text.create.titlePlaceholder}
          value={title}
          maxLength={MAX_TITLE}
          autocomplete="off"
          aria-invalid={Boolean(problems["title"])}
          aria-describedby={problems["title"] ? noteId("title") : undefined}
          onInput={(event) => {
            setTitle(event.currentTarget.value);
            keep(DRAFT, event.currentTarget.value);
          }}
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
          <select
            id="visibility"
            data-testid="visibility"
            aria-describedby={isUser.value ? undefined : "unlock-public"}
            value={visibility}
            onChange={(event) => setVisibility(event.currentTarget.value as Visibility)}
          >
            <option value="public" disabled={!isUser.value}>
              {isUser.value ? text.create.public : text.create.publicLocked}
            </option>
            <option value="unlisted">{text.create.unlisted}</option>
            <option value="private">{text.create.private}</option>
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
      {!isUser.value && <Unlock id="unlock-public" what={text.unlock.publicRooms} />}
      {visibility === "public" && <TagsInput id="create-tags" value={tags} onInput={setTags} problem={problems["tags"] ?? ""} />}
      <TimerFields value={lengths} onChange={setLengths} />
      <ChallengeField challenge={challenge} problem={problems["challenge"]} />
      <Submit form={form} label={text.create.submit} id="create-room" />
      {!isUser.value && form.waitS > 0 && <p class="note">{text.unlock.moreRooms}</p>}
    </form>
  );
}

function preferredLanguage(): string {
  const code = navigator.language.split("-")[0] ?? "en";
  return code in text.languages ? code : "en";
}
