/** Whether the panes of a page stand one over the other, as the style sheets say. */

import { signal } from "@preact/signals";

const smallScreen = matchMedia("(max-width: 820px)");

export const small = signal(smallScreen.matches);

smallScreen.addEventListener("change", () => (small.value = smallScreen.matches));
