/** The dialogs of a room: loaded when one of them is opened. */

import type { RoomDialog } from "../components/roomdialog.ts";
import { InvitesDialog } from "./invites.tsx";
import { MeasureDialog } from "./measure.tsx";
import { MembersDialog } from "./members.tsx";
import { SettingsDialog } from "./settings.tsx";

export interface DialogProps<W extends RoomDialog["what"] = RoomDialog["what"]> {
  open: Extract<RoomDialog, { what: W }>;
  onClose: () => void;
}

export function RoomDialogs({ open, onClose }: DialogProps) {
  switch (open.what) {
    case "settings":
      return <SettingsDialog open={open} onClose={onClose} />;
    case "invites":
      return <InvitesDialog open={open} onClose={onClose} />;
    case "members":
      return <MembersDialog open={open} onClose={onClose} />;
    case "measure":
      return <MeasureDialog key={open.measure} open={open} onClose={onClose} />;
  }
}
