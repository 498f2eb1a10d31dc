/** Who is who: a guest who has become a user is shown as the user, with all that the guest wrote. */

import { batch, signal } from "@preact/signals";
import type { Principal } from "../protocol.ts";
import { keyOf } from "./presence.ts";

export const samePrincipal = (a: Principal | null, b: Principal | null): boolean =>
  a !== null && b !== null && a.actorId === b.actorId && a.actorType === b.actorType;

/** Somebody, and the guests that they were before, by id. */
export interface Self {
  principal: Principal;
  guests?: readonly string[];
}

export class Identity {
  private readonly self = signal<Principal>({ actorType: "guest", actorId: "" });
  private readonly became = signal<ReadonlyMap<string, Principal>>(new Map());

  constructor({ principal, guests = [] }: Self) {
    this.self.value = principal;
    for (const actorId of guests) this.upgrade({ actorType: "guest", actorId }, principal);
  }

  /** Who this page speaks for. */
  get me(): Principal {
    return this.self.value;
  }

  /** Who that is now: the user whom the guest became, as far as this page knows. */
  now = (principal: Principal): Principal => this.became.value.get(keyOf(principal)) ?? principal;

  /** Whether that is us, or a guest we were. */
  isMe = (principal: Principal | null): boolean => principal !== null && samePrincipal(this.now(principal), this.me);

  upgrade(former: Principal, user: Principal): void {
    this.became.value = new Map(this.became.value).set(keyOf(former), user);
  }

  /** The server says whom this page speaks for. A guest we were is an old word. */
  speakFor(principal: Principal): void {
    if (this.isMe(principal)) return;
    batch(() => {
      if (this.me.actorType === "guest" && principal.actorType === "user") this.upgrade(this.me, principal);
      this.self.value = principal;
    });
  }
}
