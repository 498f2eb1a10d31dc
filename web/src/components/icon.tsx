/** Line icons on a 24-unit grid. Decorative: the control around an icon carries the name. */

const PATHS = {
  link: "M10 14a4.5 4.5 0 0 0 6.4.4l3-3a4.5 4.5 0 0 0-6.4-6.4l-1 1M14 10a4.5 4.5 0 0 0-6.4-.4l-3 3a4.5 4.5 0 0 0 6.4 6.4l1-1",
  check: "M5 12.5 10 17.5 19.5 7",
  people: "M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.5 20c.4-3.6 3-5.5 6.5-5.5s6.1 1.9 6.5 5.5M16 4.8a3.5 3.5 0 0 1 0 6.4M18 14.9c2 .7 3.2 2.4 3.5 5.1",
  play: "M8 5.5v13l10.5-6.5Z",
  pause: "M8.5 6v12M15.5 6v12",
  skip: "M6 6v12l8.5-6ZM18 6v12",
  reset: "M4.5 12a7.5 7.5 0 1 0 2.3-5.4L4.5 8.8M4.5 4.3v4.5H9",
  send: "M4.5 12h14M12.5 5.5 19 12l-6.5 6.5",
  edit: "M4.5 19.5l.9-4L16 4.9a2 2 0 0 1 2.9 0l.2.2a2 2 0 0 1 0 2.9L8.5 18.6ZM14 7l3 3",
  trash: "M5 7h14M9.5 7V4.5h5V7M7 7l.8 12.5h8.4L17 7M10.3 10.5v5.5M13.7 10.5v5.5",
  retry: "M19.5 12a7.5 7.5 0 1 1-2.3-5.4l2.3 2.2M19.5 4.3v4.5H15",
  warning: "M12 4.5 21 19.5H3ZM12 10v4.5M12 17v.2",
  down: "M12 5v14M6 13l6 6 6-6",
  sliders: "M4 7.5h9M19 7.5h1M4 16.5h1M11 16.5h9M16 10a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM8 19a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Z",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4",
  moon: "M19.5 14.2A8 8 0 0 1 9.8 4.5a8 8 0 1 0 9.7 9.7Z",
  seen: "M2.5 12C4.6 8 8 6 12 6s7.4 2 9.5 6c-2.1 4-5.5 6-9.5 6s-7.4-2-9.5-6ZM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z",
  unseen: "M2.5 12C4.6 8 8 6 12 6s7.4 2 9.5 6c-2.1 4-5.5 6-9.5 6s-7.4-2-9.5-6ZM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM4.5 4.5l15 15",
  close: "M6 6l12 12M18 6 6 18",
  lock: "M6.5 10.5h11v9h-11ZM8.5 10.5V8a3.5 3.5 0 0 1 7 0v2.5M12 14v2.2",
  more: "M5.5 12h.1M12 12h.1M18.5 12h.1",
  flag: "M6 21V4.5c4-2.5 7 2.5 12 0v9c-5 2.5-8-2.5-12 0",
  block: "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17ZM6 6l12 12",
  arrow: "M5 12h14M13 6l6 6-6 6",
  plus: "M12 5v14M5 12h14",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM15.5 15.5 20 20",
  star: "M12 4l2.4 5.1 5.6.7-4.1 3.8 1.1 5.5-5-2.8-5 2.8 1.1-5.5L4 9.8l5.6-.7Z",
  bell: "M12 4a5.5 5.5 0 0 0-5.5 5.5c0 5-2 6-2 6.5h15c0-.5-2-1.5-2-6.5A5.5 5.5 0 0 0 12 4ZM10 19.5a2.2 2.2 0 0 0 4 0",
  silent: "M8 5.8A5.5 5.5 0 0 1 17.5 9.5c0 5 2 6 2 6.5h-11M6.6 8.5c-.1 5.3-2.1 7-2.1 7.5h1M10 19.5a2.2 2.2 0 0 0 4 0M4 4l16 16",
  leave: "M14 5H6v14h8M11 12h9M16.5 8.5 20 12l-3.5 3.5",
  crown: "M4.5 17.5 3.5 8l5 3.5L12 5.5l3.5 6 5-3.5-1 9.5Z",
  shield: "M12 3.5 5 6v5.5c0 4.2 2.9 7.3 7 9 4.1-1.7 7-4.8 7-9V6Z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The mark: a doorway with a lamp lit inside. */
export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" width="32" height="32" aria-hidden="true" focusable="false">
      <path class="logo-door" d="M5 29V14.5C5 8.1 9.9 3 16 3s11 5.1 11 11.5V29Z" />
      <circle class="logo-lamp" cx="16" cy="14.5" r="4.5" />
      <path class="logo-floor" d="M9.5 29c.7-4 3.3-6.5 6.5-6.5s5.8 2.5 6.5 6.5Z" />
    </svg>
  );
}
