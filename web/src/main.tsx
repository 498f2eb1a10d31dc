/** The page: router, session, dialogs. */

import { render } from "preact";
import { useEffect } from "preact/hooks";
import { ban } from "./ban.ts";
import { unlockSound } from "./chime.ts";
import { AdminDoor } from "./components/admindoor.tsx";
import { EndingCard } from "./components/ending.tsx";
import { LiveRegions } from "./components/live.tsx";
import { MenuLayer } from "./components/menu.tsx";
import { NoticeBar } from "./components/notice.tsx";
import { ReportDialog } from "./components/reportdialog.tsx";
import { SettingsDialog } from "./components/settings.tsx";
import { TopBar } from "./components/topbar.tsx";
import { takeLinks } from "./letterlink.ts";
import { BannedPage } from "./pages/banned.tsx";
import { HomePage } from "./pages/home.tsx";
import { LinkPage } from "./pages/link.tsx";
import { LoginPage } from "./pages/login.tsx";
import { RoomPage } from "./pages/room.tsx";
import { RoomsPage } from "./pages/rooms.tsx";
import { UsernamePage } from "./pages/username.tsx";
import { sharePreferences } from "./preferences.ts";
import { localPath, navigate, parameter, route, startRouter } from "./router.ts";
import { cameBackInVain, isAdmin, known, resume } from "./session.ts";
import { watchDevice } from "./status.ts";
import { shareBlocks } from "./store/blocks.ts";
import { shareRecent } from "./store/recent.ts";
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
      <ReportDialog />
      <MenuLayer />
      <LiveRegions />
    </>
  );
}

function Page() {
  const here = route.value;
  if (ban.value) return <BannedPage {...ban.value} />;
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
    case "admin":
      return isAdmin.value ? <AdminDoor /> : <NotFound />;
    case "unknown":
      return <NotFound />;
  }
}

function NotFound() {
  return (
    <>
      <TopBar />
      <main id="main" tabIndex={-1} class="narrow">
        <EndingCard what="notFound" onAction={() => navigate("/")} />
      </main>
    </>
  );
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
shareBlocks();
shareRecent();
sharePreferences();
startRouter();
unlockSound();
watchDevice();
void begin();
const root = document.getElementById("app");
if (root) render(<App />, root);
