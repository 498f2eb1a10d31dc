import { text } from "../text.ts";
import { useCountdown } from "./countdown.ts";

interface ProblemProps {
  words?: string | undefined;
  id?: string;
  /** When it may be tried again, on the page's clock. */
  freeAt?: number | null;
}

/** What went wrong, told at once; nothing while nothing did. What was too fast says how long it is still, and goes when it is over. */
export function Problem({ words, id, freeAt = null }: ProblemProps) {
  if (!words) return null;
  return freeAt === null ? (
    <p class="note problem" role="alert" data-testid={id}>
      {words}
    </p>
  ) : (
    <TooFast key={freeAt} words={words} id={id} freeAt={freeAt} />
  );
}

function TooFast({ words, id, freeAt }: { words: string; id: string | undefined; freeAt: number }) {
  const seconds = useCountdown(freeAt);
  if (!seconds) return null;
  return (
    <p class="note problem" role="alert" data-testid={id}>
      {/* The numbers are for the eye: a countdown read aloud would never stop. */}
      <span class="hidden">{words}</span>
      <span aria-hidden="true">{text.errors.tooFast(seconds)}</span>
    </p>
  );
}
