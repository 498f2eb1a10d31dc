import type { Refusal } from "../explain.ts";
import { text } from "../text.ts";
import { useCountdown } from "./countdown.ts";
import { Problem } from "./problem.tsx";

/** What could not be loaded, and a way to ask again. */
export function Failed({ refusal, onRetry }: { refusal: Refusal; onRetry: () => Promise<void> | void }) {
  const waits = (useCountdown(refusal.freeAt) ?? 0) > 0;
  return (
    <div class="stack failed" data-testid="failed">
      <Problem {...refusal} />
      <button type="button" class="button small" data-testid="try-again" aria-disabled={waits} onClick={() => waits || onRetry()}>
        {text.errors.again}
      </button>
    </div>
  );
}
