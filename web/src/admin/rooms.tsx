import { useState } from "preact/hooks";
import { PagedList, usePaged } from "../components/paged.tsx";
import { Select } from "../components/select.tsx";
import { roomPath } from "../router.ts";
import { type AdminRoom, listRooms } from "./api.ts";
import { Table, When, Who } from "./parts.tsx";
import { text } from "./text.ts";

type Visibility = keyof typeof text.rooms.visibilities;

export function Rooms() {
  const [visibility, setVisibility] = useState<Visibility>("");
  const paged = usePaged(listRooms(visibility), visibility);
  return (
    <>
      <p class="note">{text.rooms.lead}</p>
      <Select id="rooms-visibility" label={text.rooms.visibility} value={visibility} options={text.rooms.visibilities} onChoose={setVisibility} />
      <PagedList paged={paged} empty={text.rooms.empty}>
        <RoomTable rooms={paged.rows} />
      </PagedList>
    </>
  );
}

export function RoomTable({ rooms }: { rooms: AdminRoom[] }) {
  const words = text.rooms;
  return (
    <Table label={text.parts.rooms} columns={[words.title, words.visibility, words.by, words.created]}>
      {rooms.map((room) => (
        <tr key={room.id} data-testid="admin-room">
          <td>
            <a href={roomPath(room.id)} data-local>
              {room.title}
            </a>
          </td>
          <td>{words.visibilities[room.visibility as Visibility] ?? room.visibility}</td>
          <td>
            <Who {...room.createdBy} name={room.createdBy.actorId} />
          </td>
          <td>
            <When at={room.createdAt} />
          </td>
        </tr>
      ))}
    </Table>
  );
}
