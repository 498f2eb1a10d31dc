import { useEffect, useState } from "preact/hooks";
import { CommandError } from "../../../client/src/index.ts";
import { announce } from "../announce.ts";
import type { ApiError } from "../api.ts";
import { useAttempt } from "../components/attempt.ts";
import { Banner } from "../components/banner.tsx";
import { Chat } from "../components/chat.tsx";
import { EndingCard } from "../components/ending.tsx";
import { Failed } from "../components/failed.tsx";
import { NameForm } from "../components/name.tsx";
import { PeoplePanel } from "../components/people.tsx";
import { Problem } from "../components/problem.tsx";
import { closeRoomDialog } from "../components/roomdialog.ts";
import { RoomDialogDoor } from "../components/roomdialogdoor.tsx";
import { RoomHeading } from "../components/roomheading.tsx";
import { TimerPanel } from "../components/timer.tsx";
import { TopBar } from "../components/topbar.tsx";
import { explain } from "../explain.ts";
import { fullTimeOf } from "../format.ts";
import { tellLasting } from "../notice.ts";
import { tellPhaseEnd } from "../phaseend.ts";
import type { Timer } from "../protocol.ts";
import { acceptInvite, isWorthless } from "../rooms.ts";
import { describe } from "../roomwords.ts";
import { navigate, parameter, replace, roomPath } from "../router.ts";
import { connection, forget, isUser, me } from "../session.ts";
import { ending } from "../store/connection.ts";
import { visited } from "../store/recent.ts";
import { RoomStore, type TimerChange } from "../store/room.ts";
import { text } from "../text.ts";
import { signInPath } from "../unlock.ts";

/** A room by its link: asks for a name if need be, then joins. */
export function RoomPage({ id }: { id: string }) {
  if (ending.value === "signedOut") return <Alone what="signedOut" detail={isUser.value ? text.ending.signedOut.ofUser : ""} onAction={comeBack} />;
  if (ending.value) return <Alone what={ending.value} onAction={() => location.reload()} />;
  return me.value ? <Joined id={id} /> : <Door />;
}

/** A user signs in, which also tells who may not and why; a guest tells a name. */
function comeBack(): void {
  const path = isUser.peek() ? signInPath() : null;
  forget();
  if (path) navigate(path);
}

function Alone(props: { what: keyof typeof text.ending; onAction: () => void; detail?: string }) {
  return (
    <>
      <TopBar />
      <main id="main" tabIndex={-1} class="narrow">
        <EndingCard {...props} />
      </main>
    </>
  );
}

function Door() {
  useEffect(() => {
    document.title = `${text.name.doorTitle} · ${text.brand}`;
  }, []);
  return (
    <>
      <TopBar />
      <main id="main" tabIndex={-1} class="narrow">
        <div class="card stack door">
          <h1>{text.name.doorTitle}</h1>
          <p>{text.name.door}</p>
          <NameForm />
        </div>
      </main>
    </>
  );
}

function useRoom(id: string): RoomStore | null {
  const [store, setStore] = useState<RoomStore | null>(null);
  useEffect(() => {
    const self = me.peek();
    if (!self) return;
    const opened = new RoomStore(id, self, connection());
    opened.onTimer = (change, timer) => timerMoved(opened, change, timer);
    opened.describe = (event, before) => describe(opened, event, before);
    setStore(opened);
    return () => {
      closeRoomDialog();
      opened.close();
    };
  }, [id]);
  return store;
}

function timerMoved(store: RoomStore, change: TimerChange, timer: Timer): void {
  const who = store.isMe(change.author) ? text.people.youSubject : (store.nameOf(change.author) ?? text.chat.someone);
  const phase = text.timer.phases[timer.phase];
  announce(text.timer.announceCause(change.cause, who, phase));
  if (change.cause !== "phase_end") return;
  const body = timer.status === "running" ? text.timer.ended(phase) : text.timer.endedIdle(phase);
  tellPhaseEnd({ room: store.id, title: store.info.value?.title ?? text.brand, body, ago: store.serverNow() - change.at });
}

/** What the address brings along is used before the room is asked: who has no account here yet has a name by now. */
function Joined({ id }: { id: string }) {
  const code = parameter("invite");
  const [refused, setRefused] = useState("");
  if (!code) return <Room id={id} invited={refused} />;
  const refuse = (error: ApiError): void => setRefused(error.status === 404 ? text.ending.invite.body : explain(error));
  return <Accepting key={`${id} ${code}`} id={id} code={code} onRefused={refuse} />;
}

interface AcceptingProps {
  id: string;
  code: string;
  onRefused: (error: ApiError) => void;
}

/** The address keeps a code until it is used, or known to be worthless. */
function Accepting({ id, code, onRefused }: AcceptingProps) {
  const { refusal, run } = useAttempt();
  const accept = async (): Promise<void> => {
    await acceptInvite(code, id).catch((error: unknown) => {
      if (!isWorthless(error)) throw error;
      onRefused(error);
    });
    if (parameter("invite") === code) replace(roomPath(id)); // who went elsewhere meanwhile stays there
  };
  useEffect(() => void run(accept), []);
  if (!refusal) return <Opening words={text.room.accepting} />;
  return (
    <>
      <TopBar />
      <main id="main" tabIndex={-1} class="narrow">
        <Failed refusal={refusal} onRetry={() => void run(accept)} />
      </main>
    </>
  );
}

/** `invited`: why the code does not hold that somebody came by; empty: they have none, or it holds. */
function Room({ id, invited }: { id: string; invited: string }) {
  const store = useRoom(id);
  const isOpen = Boolean(store?.info.value);
  useEffect(() => {
    if (isOpen && invited) tellLasting(invited); // who is not let in reads it there
  }, [isOpen, invited]);
  const refusal = store?.refusal.value;
  if (store && refusal) return <Refused store={store} refusal={refusal} invited={invited !== ""} />;
  return store?.info.value ? <OpenRoom store={store} /> : <Opening words={text.room.loading} />;
}

function Refused({ store, refusal, invited }: { store: RoomStore; refusal: Error; invited: boolean }) {
  const again = (): void => store.rejoin();
  const home = (): void => navigate("/");
  const detail = refusal instanceof CommandError ? refusal.message : "";
  switch (refusal.name) {
    case "NOT_FOUND":
      return <Alone what={store.info.value ? "forbidden" : invited ? "invite" : "unknownRoom"} onAction={home} />; // we were in it: it is there
    case "SIGN_IN_NEEDED":
      return <Alone what="locked" onAction={() => navigate(signInPath())} />;
    case "BANNED":
      return <Alone what="roomBan" detail={sentAway(store, refusal)} onAction={() => navigate("/rooms")} />;
    case "NOT_JOINED":
      return <Alone what="quit" onAction={home} />;
    case "ROOM_FULL":
      return <Alone what="full" onAction={again} />;
    case "ROOM_LOCKED":
      return <Alone what="roomLocked" onAction={again} />;
    case "FORBIDDEN":
      return store.removed.value ? <Alone what="kicked" detail={sentAway(store, refusal)} onAction={again} /> : <Alone what={invited ? "invite" : "forbidden"} onAction={home} />;
    default:
      return <Alone what="failed" detail={detail} onAction={again} />;
  }
}

/** Until when, if that is told, and why, if we were there when it was said. */
function sentAway(store: RoomStore, refusal: Error): string {
  const imposed = store.standing.sentAway.value;
  const waitMs = refusal instanceof CommandError ? refusal.retryAfterMs : null;
  const until = imposed?.until ?? (waitMs === null ? null : Date.now() + waitMs);
  return text.ending.roomBan.detail(until === null ? null : fullTimeOf(until), imposed?.why ?? "");
}

function Opening({ words }: { words: string }) {
  return (
    <>
      <TopBar />
      <Banner />
      <main id="main" tabIndex={-1} class="narrow" aria-busy="true">
        <p class="opening" data-testid="opening">
          {words}
        </p>
      </main>
    </>
  );
}

function OpenRoom({ store }: { store: RoomStore }) {
  const timer = store.timer.value;
  const info = store.info.value;
  useEffect(() => {
    if (info) visited(store.id, info.title, info.theme);
  }, [store, info?.title, info?.theme]);
  const unknown = store.standing.isStaff.value && store.mutes.standing.value === null;
  useEffect(() => {
    if (unknown) void store.mutes.load();
  }, [store, unknown]);
  return (
    <div class="room" data-phase={timer?.phase ?? "focus"} data-look={info?.theme}>
      <TopBar>
        <RoomHeading store={store} />
      </TopBar>
      <Banner>{info?.archivedAt ? <Archived store={store} /> : null}</Banner>
      <main id="main" tabIndex={-1} class="room-main">
        <div class="table">
          {timer && <TimerPanel store={store} timer={timer} />}
          <PeoplePanel store={store} />
        </div>
        <Chat store={store} />
      </main>
      <RoomDialogDoor />
    </div>
  );
}

/** Nothing happens here any more, unless the host wants it. */
function Archived({ store }: { store: RoomStore }) {
  const { refusal, busy, run } = useAttempt();
  return (
    <div class="banner calm" role="status" data-testid="archived">
      <p>{text.room.archived}</p>
      {store.standing.isHost.value && (
        <button type="button" class="button small" data-testid="reopen" aria-disabled={busy} onClick={() => run(() => store.command("room.archive", { archived: false }))}>
          {text.room.reopen}
        </button>
      )}
      <Problem {...refusal} />
    </div>
  );
}
