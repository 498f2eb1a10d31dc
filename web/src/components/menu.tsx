import { useLayoutEffect, useRef } from "preact/hooks";
import { type Menu, menu, type MenuItem, toggleMenu } from "../menu.ts";
import { text } from "../text.ts";
import { Icon } from "./icon.tsx";

/** Distance to the opener and to the edges of the window. */
const GAP_PX = 6;

/** Over everything, as a child of no list that scrolls or ends. */
export function MenuLayer() {
  const open = menu.value;
  return open && <MenuList key={open.label} {...open} />;
}

function MenuList({ opener, label, items }: Menu) {
  const list = useRef<HTMLUListElement>(null);
  useLayoutEffect(() => {
    const element = list.current;
    if (!element) return;
    element.showPopover();
    place(element, opener);
    element.querySelector("button")?.focus();
    opener.setAttribute("aria-expanded", "true");
    addEventListener("resize", close);
    return () => {
      opener.removeAttribute("aria-expanded");
      removeEventListener("resize", close);
    };
  }, [opener]);
  const back = (): void => {
    close();
    opener.focus();
  };
  const choose = ({ run }: MenuItem): void => {
    back();
    run();
  };
  return (
    <ul
      ref={list}
      class="menu"
      role="menu"
      aria-label={label}
      data-testid="menu"
      popover="auto"
      onToggle={(event) => event.newState === "closed" && menu.peek()?.opener === opener && close()} // another may be open by now
      onKeyDown={(event) => walk(event, back)}
    >
      {items.map((item) => (
        <li key={item.id} role="none">
          <button
            type="button"
            role={item.checked === undefined ? "menuitem" : "menuitemradio"}
            aria-checked={item.checked}
            tabIndex={-1}
            class={item.danger ? "danger" : ""}
            data-testid={item.id}
            onClick={() => choose(item)}
          >
            <Icon name={item.icon} />
            {item.label}
            {item.checked && <Icon name="check" />}
          </button>
        </li>
      ))}
    </ul>
  );
}

interface MoreProps {
  /** What the menu is about. */
  what: string;
  items: () => MenuItem[];
  id: string;
  tabIndex?: number;
}

/** Opens a menu. */
export function MoreButton({ what, items, id, tabIndex }: MoreProps) {
  return (
    <button
      type="button"
      class="icon-button small more"
      aria-haspopup="menu"
      aria-label={text.menu.of(what)}
      data-testid={id}
      tabIndex={tabIndex}
      onClick={(event) => toggleMenu(event.currentTarget, what, items())}
    >
      <Icon name="more" />
    </button>
  );
}

const close = (): void => void (menu.value = null);

/** Below the opener, ending where it ends; above it where there is no room below. */
function place(element: HTMLElement, opener: HTMLElement): void {
  const from = opener.getBoundingClientRect();
  const { width, height } = element.getBoundingClientRect();
  const below = from.bottom + GAP_PX;
  const left = Math.max(GAP_PX, Math.min(from.right - width, innerWidth - width - GAP_PX));
  element.style.left = `${from.left + width <= innerWidth - GAP_PX ? Math.max(GAP_PX, from.left) : left}px`;
  element.style.top = `${below + height <= innerHeight ? below : Math.max(GAP_PX, from.top - height - GAP_PX)}px`;
}

/** Arrow keys go round; Tab and Escape leave. */
function walk(event: KeyboardEvent, leave: () => void): void {
  const buttons = [...(event.currentTarget as HTMLElement).querySelectorAll("button")];
  const at = buttons.indexOf(event.target as HTMLButtonElement);
  const to = { ArrowDown: (at + 1) % buttons.length, ArrowUp: (at + buttons.length - 1) % buttons.length, Home: 0, End: buttons.length - 1 }[event.key];
  event.stopPropagation();
  if (event.key === "Escape" || event.key === "Tab") leave();
  if (to === undefined) return;
  event.preventDefault();
  buttons[to]?.focus();
}
