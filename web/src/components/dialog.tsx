import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { text } from "../text.ts";
import { Icon } from "./icon.tsx";

interface DialogProps {
  id: string;
  heading: string;
  /** It is closed, however that came. */
  onClose: () => void;
  wide?: boolean;
  children: ComponentChildren;
}

/** Over the page, with the focus inside; what had the focus gets it back. */
export function Dialog({ id, heading, onClose, wide = false, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const opener = document.activeElement;
    dialog.current?.showModal();
    return () => opener instanceof HTMLElement && opener.isConnected && opener.focus();
  }, []);
  return (
    <dialog ref={dialog} class={wide ? "dialog wide" : "dialog"} aria-labelledby={`${id}-heading`} data-testid={id} onClose={onClose}>
      <div class="dialog-head">
        <h2 id={`${id}-heading`}>{heading}</h2>
        <button type="button" class="icon-button" onClick={() => dialog.current?.close()} aria-label={text.settings.close}>
          <Icon name="close" />
        </button>
      </div>
      {children}
    </dialog>
  );
}
