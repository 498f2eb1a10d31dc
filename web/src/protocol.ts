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
  RoomInfo,
  Timer,
  TimerCause,
  TimerSettings,
} from "../../client/src/index.ts";
