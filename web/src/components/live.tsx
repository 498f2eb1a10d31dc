import { polite, urgent } from "../announce.ts";

/** What screen readers are told beside the page's own elements. */
export function LiveRegions() {
  return (
    <div class="hidden">
      <p aria-live="polite">{polite}</p>
      <p role="alert">{urgent}</p>
    </div>
  );
}
