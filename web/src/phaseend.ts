/** How a phase's end is told to who looks elsewhere: a sound, and a notification where one was asked for. Quiet per room. */

import { signal } from "@preact/signals";
import { chime } from "./chime.ts";
import { keep, recall } from "./storage.ts";

/** What ended longer ago is news to nobody: a page that slept has missed it. */
const FRESH_MS = 15_000;

/** Whether this browser tells by notifications: by a person's wish and with the browser's leave. */
export const notifies = signal(recall("notify") === "1" && allowed());

function allowed(): boolean {
  return "Notification" in globalThis && Notification.permission === "granted";
}

export const canNotify = (): boolean => "Notification" in globalThis;

/** Asks the browser for leave, which only a click may. False: it was refused. */
export async function wantNotifications(on: boolean): Promise<boolean> {
  const granted = on && (await Notification.requestPermission()) === "granted";
  notifies.value = granted;
  keep("notify", granted ? "1" : "");
  return granted === on;
}

const keyOf = (room: string): string => `quiet:${room}`;

export const isQuiet = (room: string): boolean => recall(keyOf(room)) !== null;
export const setQuiet = (room: string, quiet: boolean): void => keep(keyOf(room), quiet ? "1" : "");

interface PhaseEnd {
  room: string;
  title: string;
  body: string;
  /** How long ago, milliseconds. */
  ago: number;
}

export function tellPhaseEnd({ room, title, body, ago }: PhaseEnd): void {
  if (ago > FRESH_MS || isQuiet(room)) return;
  chime();
  if (!notifies.value || document.visibilityState === "visible") return;
  try {
    const notification = new Notification(title, { body, tag: `phase:${room}` });
    notification.onclick = () => {
      focus();
      notification.close();
    };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // a phone's browser, which leaves them to service workers
    void wantNotifications(false);
  }
}
