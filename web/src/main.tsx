/** The page: router, session, dialogs. */

import { render } from "preact";
import { useEffect } from "preact/hooks";
import { unlockSound } from "./chime.ts";
import { EndingCard } from "./components/ending.tsx";
import { LiveRegions } from "./components/live.tsx";
import { SettingsDialog } from "./components/settings.tsx";
import { TopBar } from "./components/topbar.tsx";
import { HomePage } from "./pages/home.tsx";
import { RoomPage } from "./pages/room.tsx";
import { RoomsPage } from "./pages/rooms.tsx";
import { navigate, route, startRouter } from "./router.ts";
import { known, resume } from "./session.ts";
import { text } from "./text.ts";
import "./styles/index.css";

function App() {
  const here = route.value;
  const page = here.page === "room" ? here.id : here.page;
  useEffect(() => scrollTo(0, 0), [page]);
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        {text.skip}
      </a>
      {known.value && <Page />}
      <SettingsDialog />
      <LiveRegions />
    </>
  );
}

function Page() {
  const here = route.value;
  switch (here.page) {
    case "home":
      return <HomePage />;
    case "rooms":
      return <RoomsPage />;
    case "room":
      return <RoomPage key={here.id} id={here.id} />;
    case "unknown":
      return (
        <>
          <TopBar />
          <main id="main" tabIndex={-1} class="narrow">
            <EndingCard what="notFound" onAction={() => navigate("/")} />
          </main>
        </>
      );
  }
}

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

startRouter();
unlockSound();
void resume();
const root = document.getElementById("app");
if (root) render(<App />, root);
