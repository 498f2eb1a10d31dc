import { agoOf, timeOf } from "../format.ts";
import { roomPath } from "../router.ts";
import type { Listed } from "../store/listing.ts";
import { text } from "../text.ts";
import { Icon } from "./icon.tsx";

/** What is the case in the room now, in words. */
function nowIn({ present, sizeLimit, phase, endsAt, ended }: Listed): string[] {
  if (ended) return [text.rooms.ended];
  const here = present === 0 ? text.rooms.nobody : sizeLimit > 0 ? text.rooms.limited(present, sizeLimit) : text.rooms.present(present);
  return phase && endsAt !== null ? [here, text.rooms.until(text.timer.phases[phase], timeOf(endsAt))] : [here];
}

interface RoomCardProps {
  room: Listed;
  /** Narrows the list to a tag; without it tags only tell. */
  onTag?: (tag: string) => void;
}

/** One room of the list: all of it leads there, but for its tags. */
export function RoomCard({ room, onTag }: RoomCardProps) {
  const [here, timer] = nowIn(room);
  return (
    <li class="roomcard" data-testid="room-card" data-room={room.id} data-look={room.theme} data-ended={room.ended}>
      <span class="roomcard-mark" aria-hidden="true" data-lit={room.present > 0 && !room.ended} />
      <div class="roomcard-body">
        <a class="roomcard-title" href={roomPath(room.id)} data-local>
          {room.title}
        </a>
        {room.topic && <p class="roomcard-topic">{room.topic}</p>}
        <p class="roomcard-meta">
          <span class="roomcard-here" data-testid="room-here">
            {here}
          </span>
          {timer && (
            <span class="roomcard-phase" data-phase={room.phase}>
              {timer}
            </span>
          )}
          <span>{text.languages[room.language] ?? room.language}</span>
          {!timer && !room.ended && room.present === 0 && <span>{text.rooms.created(agoOf(room.createdAt, Date.now()))}</span>}
        </p>
        {room.tags.length > 0 && <Tags tags={room.tags} onTag={onTag} />}
      </div>
      <Icon name="arrow" />
    </li>
  );
}

function Tags({ tags, onTag }: { tags: string[]; onTag: ((tag: string) => void) | undefined }) {
  return (
    <ul class="tags">
      {tags.map((tag) => (
        <li key={tag}>
          {onTag ? (
            <button type="button" class="tag" aria-label={text.rooms.withTag(tag)} onClick={() => onTag(tag)}>
              #{tag}
            </button>
          ) : (
            <span class="tag">#{tag}</span>
          )}
        </li>
      ))}
    </ul>
  );
}
