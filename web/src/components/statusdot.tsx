import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Status } from "../protocol.ts";
import { statuses, statusOf } from "../status.ts";
import { text } from "../text.ts";

/** A status as a mark whose form differs, not its colour alone. `alone`: no word stands beside it. */
export function StatusDot({ status, alone = false }: { status: Status; alone?: boolean }) {
  const label = text.status.states[status];
  const named = alone ? { role: "img" as const, "aria-label": label, title: label } : { "aria-hidden": true };
  return <span class="status-mark" data-testid="status-mark" data-status={status} {...named} />;
}

const onSight = new Map<Element, (seen: boolean) => void>();
let observer: IntersectionObserver | null = null;

/** Calls `begin` whenever the element comes into sight, and what that answers when it is out of it, or at the end. */
function whileSeen(element: Element, begin: () => () => void): () => void {
  let end: (() => void) | null = null;
  const see = (seen: boolean): void => {
    if (seen) {
      end ??= begin();
      return;
    }
    end?.();
    end = null;
  };
  observer ??= new IntersectionObserver((entries) => entries.forEach(({ target, isIntersecting }) => onSight.get(target)?.(isIntersecting)));
  onSight.set(element, see);
  observer.observe(element);
  return () => {
    observer?.unobserve(element);
    onSight.delete(element);
    see(false);
  };
}

/** How a user is, as long as the element is in sight. null: not known, or nobody who has a status. */
export function useStatus<T extends Element>(user: string | null): [RefObject<T | null>, Status | null] {
  const ref = useRef<T>(null);
  useEffect(() => {
    if (user !== null && ref.current) return whileSeen(ref.current, () => statuses.look(user));
    return undefined;
  }, [user]);
  return [ref, user === null ? null : statusOf(user)];
}
