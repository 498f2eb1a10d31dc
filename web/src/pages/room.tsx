import { useEffect, useState } from "preact/hooks";
import { announce } from "../announce.ts";
import { chime } from "../chime.ts";
import { Banner } from "../components/banner.tsx";
import { Chat } from "../components/chat.tsx";
import { EndingCard } from "../components/ending.tsx";
import { NameForm } from "../components/name.tsx";
import { PeoplePanel } from "../components/people.tsx";
import { RoomHeading } from "../components/roomheading.tsx";
import { TimerPanel } from "../components/timer.tsx";
import { TopBar } from "../components/topbar.tsx";
import { navigate } from "../router.ts";
import { connection, forget, me } from "../session.ts";
import { ending } from "../store/connection.ts";
import { RoomStore } from "../store/room.ts";
import { text } from "../text.ts";

/** A room by its link: asks for a name if need be, then joins. */
export function RoomPage({ id }: { id: string }) {
  if (ending.value === "signedOut") return <Alone what="signedOut" onAction={forget} />;
  if (ending.value) return <Alone what={ending.value} onAction={() => location.reload()} />;
  return me.value ? <Joined id={id} /> : <Door />;
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
    opened.onTimer = (change, timer) => {
      const who = opened.isMe(change.author) ? text.people.youSubject : (opened.nameOf(change.author) ?? text.chat.someone);
      announce(text.timer.announceCause(change.cause, who, text.timer.phases[timer.phase]));
      if (change.cause === "phase_end") chime();
    };
    setStore(opened);
    return () => opened.close();
  }, [id]);
  return store;
}

function Joined({ id }: { id: string }) {
  const store = useRoom(id);
  const refusal = store?.refusal.value;
  if (refusal?.name === "NOT_FOUND") return <Alone what="unknownRoom" onAction={() => navigate("/")} />;
  if (refusal?.name === "FORBIDDEN") return <Alone what="forbidden" onAction={() => navigate("/")} />;
  if (store && refusal) return <Alone what="failed" detail={refusal.message} onAction={() => store.rejoin()} />;
  return store?.info.value ? <OpenRoom store={store} /> : <Opening />;
}

function Opening() {
  return (
    <>
      <TopBar />
      <Banner />
      <main id="main" tabIndex={-1} class="narrow" aria-busy="true">
        <p class="opening">{text.room.loading}</p>
      </main>
    </>
  );
}

function OpenRoom({ store }: { store: RoomStore }) {
  const timer = store.timer.value;
  return (
    <div class="room" data-phase={timer?.phase ?? "focus"}>
      <TopBar>
        <RoomHeading store={store} />
      </TopBar>
      <Banner />
      <main id="main" tabIndex={-1} class="room-main">
        <div class="table">
          {timer && <TimerPanel store={store} timer={timer} />}
          <PeoplePanel store={store} />
        </div>
        <Chat store={store} />
      </main>
    </div>
  );
}
