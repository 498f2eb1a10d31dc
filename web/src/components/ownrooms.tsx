import { agoOf } from "../format.ts";
import { type OwnRoom, readFavourites } from "../rooms.ts";
import { roomPath } from "../router.ts";
import { isUser } from "../session.ts";
import { recentRooms } from "../store/recent.ts";
import { text } from "../text.ts";
import { Failed } from "./failed.tsx";
import { useLoaded } from "./loaded.ts";

const favourites = async (): Promise<OwnRoom[]> => (isUser.peek() ? readFavourites() : []);

/** The rooms one comes back to. Nothing while there are none. */
export function OwnRooms() {
  return (
    <>
      <Strip id="favourites" heading={text.rooms.favourites} read={favourites} />
      <Strip id="recent" heading={text.rooms.recent} read={recentRooms} />
    </>
  );
}

interface StripProps {
  id: string;
  heading: string;
  read: () => Promise<OwnRoom[]>;
}

function Strip({ id, heading, read }: StripProps) {
  const { value: rooms, refusal, reload } = useLoaded(read);
  if (refusal) return <Failed refusal={refusal} onRetry={reload} />;
  if (!rooms || rooms.length === 0) return null;
  return (
    <section class="strip" aria-labelledby={`${id}-heading`} data-testid={id}>
      <h2 id={`${id}-heading`}>{heading}</h2>
      <ul tabIndex={0} aria-labelledby={`${id}-heading`}>
        {rooms.map((room) => (
          <li key={room.id}>
            <a class="ownroom" href={roomPath(room.id)} data-local data-look={room.theme}>
              <span class="roomcard-mark" aria-hidden="true" />
              <span class="ownroom-words">
                <span class="ownroom-title">{room.title}</span>
                {room.at !== null && <span class="note">{agoOf(room.at, Date.now())}</span>}
              </span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}
