import { useEffect } from "preact/hooks";
import { RoomList } from "../components/roomlist.tsx";
import { TopBar } from "../components/topbar.tsx";
import { text } from "../text.ts";

export function RoomsPage() {
  useEffect(() => {
    document.title = `${text.rooms.title} · ${text.brand}`;
  }, []);
  return (
    <>
      <TopBar />
      <main id="main" tabIndex={-1} class="narrow stack">
        <div class="heading-row">
          <h1>{text.rooms.heading}</h1>
          <a class="button" href="/" data-local>
            {text.create.heading}
          </a>
        </div>
        <RoomList />
      </main>
    </>
  );
}
