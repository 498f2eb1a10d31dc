/** The page: router, session, dialogs. */

import { render } from "preact";
import { useEffect } from "preact/hooks";
import { unlockSound } from "./chime.ts";
import { EndingCard } from "./components/ending.tsx";
import { LiveRegions } from "./components/live.tsx";
import { NoticeBar } from "./components/notice.tsx";
import { SettingsDialog } from "./components/settings.tsx";
import { TopBar } from "./components/topbar.tsx";
import { takeLinks } from "./letterlink.ts";
import { HomePage } from "./pages/home.tsx";
import { LinkPage } from "./pages/link.tsx";
import { LoginPage } from "./pages/login.tsx";
import { RoomPage } from "./pages/room.tsx";
import { RoomsPage } from "./pages/rooms.tsx";
import { UsernamePage } from "./pages/username.tsx";
import { localPath, navigate, parameter, route, startRouter } from "./router.ts";
import { cameBackInVain, known, resume } from "./session.ts";
import { text } from "./text.ts";
import { cameBackLinked, goOn } from "./welcome.ts";
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
      <NoticeBar />
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
    case "login":
      return <LoginPage />;
    case "link":
      return <LinkPage />;
    case "username":
      return <UsernamePage />;
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

/** Who we are decides what is shown. Who comes back from a provider is asked what others do not need to be. */
async function begin(): Promise<void> {
  if (parameter("problem")) cameBackInVain();
  if (await resume()) await goOn(localPath(location.pathname + location.search));
  known.value = true;
  await cameBackLinked();
}

takeLinks();
startRouter();
unlockSound();
void begin();
const root = document.getElementById("app");
if (root) render(<App />, root);
