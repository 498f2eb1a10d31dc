/** The one menu that may be open, beside the button that opened it. */

import { signal } from "@preact/signals";
import type { IconName } from "./components/icon.tsx";

export interface MenuItem {
  id: string;
  label: string;
  icon: IconName;
  danger?: boolean;
  /** Of items of which one holds. */
  checked?: boolean;
  run: () => void;
}

export interface Menu {
  opener: HTMLElement;
  label: string;
  items: MenuItem[];
}

export const menu = signal<Menu | null>(null);

/** Opens it; the button of an open one closes it. */
export function toggleMenu(opener: HTMLElement, label: string, items: MenuItem[]): void {
  menu.value = menu.value?.opener === opener ? null : { opener, label, items };
}
