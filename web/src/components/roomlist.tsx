import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { connection, me } from "../session.ts";
import { Listing, NO_FILTERS } from "../store/listing.ts";
import type { Filters } from "../rooms.ts";
import { text } from "../text.ts";
import { Failed } from "./failed.tsx";
import { RoomCard } from "./roomcard.tsx";

/** A list that is loaded anew when it is narrowed otherwise, and follows the rooms it shows. Who has no session follows nothing. */
export function useListing(filters: Filters, limit: number): Listing {
  const [listing] = useState(() => new Listing(limit));
  const key = JSON.stringify(filters);
  useEffect(() => void listing.load(filters), [key]);
  useEffect(() => {
    const again = (): void => void (listing.state.peek() === "failed" && listing.again());
    addEventListener("online", again);
    return () => removeEventListener("online", again);
  }, [listing]);
  const someone = me.value !== null;
  useEffect(() => (someone ? listing.follow(connection()) : undefined), [someone]);
  return listing;
}

interface RoomListProps {
  listing: Listing;
  /** Where there is no room. */
  empty: ComponentChildren;
  onTag?: (tag: string) => void;
}

/** The rooms that are loaded, and what is the case where there are none, or not yet. */
export function RoomList({ listing, empty, onTag }: RoomListProps) {
  const rooms = listing.rooms.value;
  const state = listing.state.value;
  const refusal = listing.refusal.value;
  return (
    <div class="roomlist" aria-busy={state === "loading"} data-testid="room-list" data-state={state}>
      {rooms.length > 0 && (
        <ul>
          {rooms.map((room) => (
            <RoomCard key={room.id} room={room} {...(onTag ? { onTag } : {})} />
          ))}
        </ul>
      )}
      {state === "loading" && rooms.length === 0 && <Skeleton />}
      {state === "ready" && rooms.length === 0 && empty}
      {state === "failed" && refusal && (
        <div class="empty">
          <p>{text.rooms.failed}</p>
          <Failed refusal={refusal} onRetry={() => listing.again()} />
        </div>
      )}
      {state === "ready" && listing.hasMore.value && (
        <button type="button" class="button quiet" data-testid="more-rooms" onClick={() => listing.more()}>
          {text.rooms.more}
        </button>
      )}
    </div>
  );
}

/** On the first page: the liveliest, and the way to all. */
export function LivelyRooms() {
  const listing = useListing(NO_FILTERS, 6);
  return (
    <>
      <RoomList listing={listing} empty={<p class="empty">{text.rooms.empty}</p>} />
      <a class="button quiet" href="/rooms" data-local data-testid="all-rooms">
        {text.rooms.all}
      </a>
    </>
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
