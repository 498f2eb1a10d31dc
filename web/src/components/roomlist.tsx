import { useEffect, useState } from "preact/hooks";
import { listRooms, type RoomSummary } from "../api.ts";
import { explain } from "../explain.ts";
import { agoOf, hueOf } from "../format.ts";
import { roomPath } from "../router.ts";
import { text } from "../text.ts";
import { Icon } from "./icon.tsx";

interface Listing {
  rooms: RoomSummary[];
  cursor: string | null;
  state: "loading" | "ready" | "failed";
  problem: string;
}

const START: Listing = { rooms: [], cursor: null, state: "loading", problem: "" };

/** Public rooms, newest first, page by page. */
export function RoomList() {
  const [listing, setListing] = useState(START);
  const load = async (from: Listing): Promise<void> => {
    setListing({ ...from, state: "loading" });
    try {
      const page = await listRooms(from.cursor);
      const shown = new Set(from.rooms.map((room) => room.id));
      const rooms = [...from.rooms, ...page.rooms.filter((room) => !shown.has(room.id))];
      setListing({ rooms, cursor: page.nextCursor, state: "ready", problem: "" });
    } catch (error) {
      setListing({ ...from, state: "failed", problem: explain(error) });
    }
  };
  useEffect(() => {
    void load(START);
  }, []);
  const { rooms, state, cursor, problem } = listing;
  return (
    <div class="roomlist" aria-busy={state === "loading"}>
      {rooms.length > 0 && (
        <ul>
          {rooms.map((room) => (
            <RoomCard key={room.id} room={room} />
          ))}
        </ul>
      )}
      {state === "loading" && rooms.length === 0 && <Skeleton />}
      {state === "ready" && rooms.length === 0 && <p class="empty">{text.rooms.empty}</p>}
      {state === "failed" && (
        <div class="empty" role="alert">
          <p>
            {text.rooms.failed} {problem}
          </p>
          <button type="button" class="button" onClick={() => load(listing)}>
            {text.chat.retry}
          </button>
        </div>
      )}
      {state === "ready" && cursor && (
        <button type="button" class="button quiet" onClick={() => load(listing)}>
          {text.rooms.more}
        </button>
      )}
    </div>
  );
}

function RoomCard({ room }: { room: RoomSummary }) {
  return (
    <li>
      <a class="roomcard" href={roomPath(room.id)} data-local data-testid="room-card">
        <span class="roomcard-mark" style={{ "--hue": String(hueOf(room.id)) }} aria-hidden="true" />
        <span class="roomcard-body">
          <span class="roomcard-title">{room.title}</span>
          {room.topic && <span class="roomcard-topic">{room.topic}</span>}
          <span class="roomcard-meta">
            {text.languages[room.language] ?? room.language} · {text.rooms.created(agoOf(room.createdAt, Date.now()))}
          </span>
        </span>
        <Icon name="arrow" />
      </a>
    </li>
  );
}

function Skeleton() {
  return (
    <div class="skeleton">
      <p class="hidden">{text.rooms.loading}</p>
      <span />
      <span />
      <span />
    </div>
  );
}
