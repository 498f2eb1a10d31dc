import { ApiError } from "../api.ts";
import { text } from "../text.ts";
import { Dialog } from "./dialog.tsx";
import { Failed } from "./failed.tsx";
import { useLoaded } from "./loaded.ts";
import { closeRoomDialog, roomDialog } from "./roomdialog.ts";

/** Who only studies never loads it. */
async function loadDialogs() {
  try {
    return await import("../dialogs/dialogs.tsx");
  } catch (error) {
    throw new ApiError(0, "OFFLINE", String(error));
  }
}

/** The open dialog of the room, if there is one. */
export function RoomDialogDoor() {
  return roomDialog.value && <Loading />;
}

function Loading() {
  const { value, refusal, reload } = useLoaded(loadDialogs);
  const open = roomDialog.value;
  if (!open) return null;
  if (value) return <value.RoomDialogs open={open} onClose={closeRoomDialog} />;
  return (
    <Dialog id="room-dialog" heading={text.account.loading} onClose={closeRoomDialog}>
      {refusal && <Failed refusal={refusal} onRetry={reload} />}
    </Dialog>
  );
}
