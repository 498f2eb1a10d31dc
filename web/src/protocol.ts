/** The wire's types that the page works with, from the generated protocol of the client. */

export type {
  Joined,
  Message,
  Person,
  Phase,
  PresenceSnapshot,
  PresenceUpdate,
  PrincipalUpgraded,
  Principal,
  Role,
  RoomInfo,
  RoomModerated,
  RoomUpdate,
  RoomUpdated,
  Status,
  Timer,
  TimerCause,
  TimerSettings,
  UserStatus,
} from "../../client/src/index.ts";
