/** The sound at a phase's end: two soft tones, under two seconds, made here. Silent until a gesture has allowed sound. */

import { signal } from "@preact/signals";
import { keep, recall } from "./storage.ts";

const NOTES_HZ = [523.25, 783.99];
const NOTE_GAP_S = 0.22;
const NOTE_LENGTH_S = 1.4;
const LOUDEST = 0.25;

/** 0 (off) to 100. */
export const volume = signal(Number(recall("volume") ?? 50));

/** Off: a user wants no sounds on any device. */
export const sounds = signal(true);

let context: AudioContext | null = null;

export function setVolume(level: number): void {
  volume.value = level;
  keep("volume", String(level));
}

/** Prepares sound at the first gesture, as browsers demand. */
export function unlockSound(): void {
  const unlock = (): void => {
    context ??= new AudioContext();
    removeEventListener("pointerdown", unlock);
    removeEventListener("keydown", unlock);
  };
  addEventListener("pointerdown", unlock);
  addEventListener("keydown", unlock);
}

export function chime(): void {
  if (!context || volume.value === 0 || !sounds.value) return;
  const audio = context;
  NOTES_HZ.forEach((frequency, index) => play(audio, frequency, audio.currentTime + index * NOTE_GAP_S));
}

function play(audio: AudioContext, frequency: number, start: number): void {
  const tone = new OscillatorNode(audio, { type: "sine", frequency });
  const gain = new GainNode(audio, { gain: 0 });
  const peak = (LOUDEST * volume.value) / 100;
  gain.gain.setValueAtTime(0, start);
  gain.gain.linearRampToValueAtTime(peak, start + 0.02);
  gain.gain.exponentialRampToValueAtTime(0.0001, start + NOTE_LENGTH_S);
  tone.connect(gain).connect(audio.destination);
  tone.start(start);
  tone.stop(start + NOTE_LENGTH_S);
}
