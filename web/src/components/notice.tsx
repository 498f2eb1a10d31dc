import { dismiss, hold, notice, release } from "../notice.ts";
import { text } from "../text.ts";
import { Icon } from "./icon.tsx";

/** Above the page, whichever it is, and in view however far it is scrolled. */
export function NoticeBar() {
  const told = notice.value;
  const act = (): void => {
    dismiss();
    told?.action?.run();
  };
  const left = ({ currentTarget }: { currentTarget: HTMLElement }): void => {
    if (!currentTarget.matches(":hover, :focus-within")) release();
  };
  return (
    <div role="status" class="notices" onMouseEnter={hold} onFocusIn={hold} onMouseLeave={left} onFocusOut={left}>
      {told && (
        <div class="banner" data-testid="notice">
          <p>{told.words}</p>
          {told.action && (
            <button type="button" class="button small" data-testid="notice-action" onClick={act}>
              {told.action.label}
            </button>
          )}
          <button type="button" class="icon-button" onClick={dismiss} aria-label={text.notice.dismiss} data-testid="notice-dismiss">
            <Icon name="close" />
          </button>
        </div>
      )}
    </div>
  );
}
