import { useEffect, useState } from "preact/hooks";
import { explain } from "../explain.ts";
import type { MenuItem } from "../menu.ts";
import { tellLasting, tellOnce } from "../notice.ts";
import { readFavourites, setFavourite } from "../rooms.ts";
import { navigate, roomUrl } from "../router.ts";
import { isUser } from "../session.ts";
import { connected, state } from "../store/connection.ts";
import type { RoomStore } from "../store/room.ts";
import { text } from "../text.ts";
import { signInPath } from "../unlock.ts";
import { CopyButton } from "./copy.tsx";
import { Icon } from "./icon.tsx";
import { MoreButton } from "./menu.tsx";
import { roomDialog } from "./roomdialog.ts";

/** Title, topic, the link to share, how many are here, and what one can do about the room. */
export function RoomHeading({ store }: { store: RoomStore }) {
  const info = store.info.value;
  const load = text.room.load[store.load.value] ?? "";
  return (
    <div class="roomheading">
      <div class="roomheading-words">
        <h1 data-testid="room-title">{info?.title}</h1>
        {info?.topic && <p class="topic">{info.topic}</p>}
      </div>
      <p class="status" data-testid="status" data-state={state.value} data-load={store.load.value} title={load}>
        <span class="status-dot" aria-hidden="true" />
        <span class="hidden">
          {connected.value ? text.connection.on : text.connection.off} {load}
        </span>
        <span class="status-count" data-testid="people-count">
          {text.room.people(store.count.value)}
        </span>
        {info?.locked && (
          <span class="status-lock" data-testid="room-locked" title={text.room.locked}>
            <Icon name="lock" />
            <span class="hidden">{text.room.locked}</span>
          </span>
        )}
      </p>
      <CopyButton id="copy-link" value={roomUrl(store.id)} label={text.room.copy} />
      <RoomMenu store={store} title={info?.title ?? ""} />
    </div>
  );
}

function RoomMenu({ store, title }: { store: RoomStore; title: string }) {
  const [kept, setKept] = useState(false);
  useEffect(() => {
    if (isUser.value) void readFavourites().then((rooms) => setKept(rooms.some(({ id }) => id === store.id)), () => {}); // it can be kept all the same
  }, [store, isUser.value]);
  const keep = async (): Promise<void> => {
    try {
      await setFavourite(store.id, !kept);
      setKept(!kept);
      tellOnce(kept ? text.room.unkept(title) : text.room.kept(title));
    } catch (error) {
      tellLasting(explain(error));
    }
  };
  const items = (): MenuItem[] => [
    { id: "open-invites", label: text.room.invites, icon: "link", run: () => void (roomDialog.value = { what: "invites", store }) },
    { id: "open-members", label: text.room.members, icon: "people", run: () => void (roomDialog.value = { what: "members", store }) },
    ...settingsItem(store),
    isUser.value
      ? { id: "keep-room", label: kept ? text.room.unkeep : text.room.keep, icon: "star", run: () => void keep() }
      : { id: "unlock-keep", label: text.room.keepLocked, icon: "lock", run: () => navigate(signInPath()) },
  ];
  return <MoreButton what={text.room.more} items={items} id="room-menu" />;
}

function settingsItem(store: RoomStore): MenuItem[] {
  if (!store.standing.isStaff.value) return [];
  return [{ id: "open-room-settings", label: text.room.settings, icon: "sliders", run: () => void (roomDialog.value = { what: "settings", store }) }];
}
