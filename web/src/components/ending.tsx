import { useEffect } from "preact/hooks";
import { text } from "../text.ts";
import { Logo } from "./icon.tsx";

type EndingName = keyof typeof text.ending;

interface EndingProps {
  what: EndingName;
  onAction: () => void;
  detail?: string;
}

/** A state that does not go on by itself: what happened, and the one thing to do. */
export function EndingCard({ what, onAction, detail }: EndingProps) {
  const { title, body, action } = text.ending[what];
  useEffect(() => {
    document.title = `${title} · ${text.brand}`;
  }, [title]);
  return (
    <div class="ending" role="alert" data-testid="ending" data-ending={what}>
      <Logo />
      <h1>{title}</h1>
      <p>{body}</p>
      {detail && <p class="note">{detail}</p>}
      <button type="button" class="button primary" onClick={onAction}>
        {action}
      </button>
    </div>
  );
}
