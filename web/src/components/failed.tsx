import { text } from "../text.ts";

/** What could not be loaded, and a way to ask again. */
export function Failed({ problem, onRetry }: { problem: string; onRetry: () => Promise<void> }) {
  return (
    <div class="stack failed" role="alert" data-testid="failed">
      <p class="note problem">{problem}</p>
      <button type="button" class="button small" data-testid="try-again" onClick={onRetry}>
        {text.errors.again}
      </button>
    </div>
  );
}
