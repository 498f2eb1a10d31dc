import { useEffect, useRef, useState } from "preact/hooks";
import { text } from "../text.ts";
import { Icon } from "./icon.tsx";

const FEEDBACK_MS = 2_500;

interface CopyProps {
  id: string;
  value: string;
  label: string;
}

/** Copies, and says so for a moment. Where there is no clipboard it shows what to copy by hand. */
export function CopyButton({ id, value, label }: CopyProps) {
  const [done, setDone] = useState<"no" | "copied" | "byHand">("no");
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(value);
      setDone("copied");
      clearTimeout(timer.current);
      timer.current = setTimeout(() => setDone("no"), FEEDBACK_MS);
    } catch {
      // No clipboard without TLS or permission: show it to copy by hand.
      setDone("byHand");
    }
  };
  return (
    <div class="copy">
      <button type="button" class="button small" data-testid={id} onClick={copy}>
        <Icon name={done === "copied" ? "check" : "link"} />
        <span class="copy-label" aria-live="polite">
          {done === "copied" ? text.room.copied : label}
        </span>
      </button>
      {done === "byHand" && (
        <label class="copy-by-hand">
          <span>{text.room.copyByHand}</span>
          <input readOnly value={value} ref={(input) => input?.select()} onBlur={() => setDone("no")} />
        </label>
      )}
    </div>
  );
}
