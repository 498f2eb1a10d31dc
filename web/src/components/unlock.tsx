import { text } from "../text.ts";
import { signInPath } from "../unlock.ts";
import { Icon } from "./icon.tsx";

interface UnlockProps {
  /** What is locked, as a sentence. */
  what: string;
  id?: string;
  /** Called on the way to sign in. */
  onGo?: () => void;
}

/** Beside what guests see but may not: the way to it, after which one comes back to the same place. */
export function Unlock({ what, id, onGo }: UnlockProps) {
  return (
    <p class="unlock" id={id} data-testid="unlock">
      <Icon name="lock" />
      <span>{what}</span>
      <a class="button small" href={signInPath()} data-local onClick={onGo}>
        {text.unlock.action}
      </a>
    </p>
  );
}
