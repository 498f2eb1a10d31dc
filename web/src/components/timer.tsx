import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { TimerAction } from "../../../client/src/index.ts";
import { announce } from "../announce.ts";
import { otherwise, type Refusal } from "../explain.ts";
import { agoOf } from "../format.ts";
import { isQuiet, setQuiet } from "../phaseend.ts";
import type { Timer } from "../protocol.ts";
import { clockMoves, connected } from "../store/connection.ts";
import type { RoomStore } from "../store/room.ts";
import { clock, milestone, phaseLengthMs, progress, remainingSeconds, round, untilNextSecond } from "../store/timer.ts";
import { text } from "../text.ts";
import { useAttempt } from "./attempt.ts";
import { Icon, type IconName } from "./icon.tsx";
import { Problem } from "./problem.tsx";

/** Past the boundary, so that rounding never shows the old second again. */
const BEYOND_MS = 4;

/** Server time, renewed at each change of the shown second, and when the page comes back to view. */
function useServerNow(store: RoomStore, timer: Timer): number {
  const [now, setNow] = useState(store.serverNow);
  useEffect(() => {
    let pending: ReturnType<typeof setTimeout> | undefined;
    const tick = (): void => {
      clearTimeout(pending);
      const current = store.serverNow();
      setNow(current);
      const wait = untilNextSecond(timer, current);
      if (wait !== null) pending = setTimeout(tick, wait + BEYOND_MS);
    };
    tick();
    document.addEventListener("visibilitychange", tick);
    return () => {
      clearTimeout(pending);
      document.removeEventListener("visibilitychange", tick);
    };
  }, [timer, clockMoves.value]);
  return now;
}

/** Says when five minutes, one minute or nothing is left of the running phase. */
function useMilestones(timer: Timer, seconds: number): void {
  const before = useRef({ version: timer.version, seconds });
  useEffect(() => {
    const last = before.current;
    before.current = { version: timer.version, seconds };
    if (last.version !== timer.version || timer.status !== "running") return;
    const passed = milestone(last.seconds, seconds, phaseLengthMs(timer) / 1000);
    if (passed) announce(text.timer.milestones[passed]);
  }, [timer.version, seconds]);
}

/** The remaining time in the title of the tab, with what is unread. */
function useTabTitle(store: RoomStore, timer: Timer, seconds: number): void {
  const unread = store.chat.unread.value;
  const title = store.info.value?.title ?? text.brand;
  useEffect(() => {
    const shown = timer.status === "idle" ? title : text.timer.documentTitle(clock(seconds), text.timer.phases[timer.phase], title);
    document.title = unread > 0 ? `(${unread}) ${shown}` : shown;
  }, [timer, seconds, unread, title]);
}

/** The shared timer: a ring, the time left, and the buttons that everybody in the room has. */
export function TimerPanel({ store, timer }: { store: RoomStore; timer: Timer }) {
  const now = useServerNow(store, timer);
  const seconds = remainingSeconds(timer, now);
  useMilestones(timer, seconds);
  useTabTitle(store, timer, seconds);
  return (
    <section class="timer" aria-label={text.timer.label} data-status={timer.status}>
      <div class="ring">
        <Ring share={progress(timer, now)} />
        <div class="ring-text">
          <p class="timer-phase" data-testid="timer-phase" data-phase={timer.phase}>
            {text.timer.phases[timer.phase]}
          </p>
          <p class="timer-remaining" role="timer" data-testid="timer-remaining" aria-label={text.timer.label}>
            {clock(seconds)}
          </p>
          <RoundDots timer={timer} />
        </div>
      </div>
      <Quiet room={store.id} />
      <div class="timer-side">
        <Controls store={store} timer={timer} />
        <LastChange store={store} now={now} />
      </div>
    </section>
  );
}

function Ring({ share }: { share: number }) {
  return (
    <svg viewBox="0 0 200 200" aria-hidden="true" focusable="false">
      <circle class="ring-track" cx="100" cy="100" r="90" />
      <circle class="ring-left" cx="100" cy="100" r="90" pathLength="1" style={{ "--over": share.toFixed(5) }} />
    </svg>
  );
}

function RoundDots({ timer }: { timer: Timer }) {
  const { done, total } = round(timer);
  return (
    <p class="dots" role="img" aria-label={text.timer.round(done, total)}>
      {Array.from({ length: total }, (_, index) => (
        <span key={index} data-state={index < done ? "done" : index === done && timer.phase === "focus" ? "now" : "open"} />
      ))}
    </p>
  );
}

const MAIN: Record<Timer["status"], { action: TimerAction; icon: IconName; label: string }> = {
  idle: { action: "start", icon: "play", label: text.timer.start },
  running: { action: "pause", icon: "pause", label: text.timer.pause },
  paused: { action: "resume", icon: "play", label: text.timer.resume },
};

const refused = (error: unknown): Refusal =>
  otherwise(error, error instanceof Error && error.name === "CONFLICT" ? text.timer.conflict : text.timer.failed);

function Controls({ store, timer }: { store: RoomStore; timer: Timer }) {
  const { refusal, waits, run } = useAttempt();
  const info = store.info.value;
  const allowed = store.standing.mayTime(info) && !info?.archivedAt;
  const off = waits || !connected.value || !allowed;
  const reason = useId();
  const told = allowed ? undefined : reason;
  const act = async (action: TimerAction): Promise<void> => {
    if (!off) await run(() => store.control(action), refused);
  };
  const main = MAIN[timer.status];
  const atStart = timer.status === "idle" && timer.phase === "focus" && timer.focusDone === 0;
  return (
    <>
      <div class="controls" role="group" aria-label={text.timer.label}>
        <button
          type="button"
          class="button primary main-control"
          data-testid={`timer-${main.action}`}
          aria-disabled={off}
          aria-describedby={told}
          onClick={() => act(main.action)}
        >
          <Icon name={main.icon} />
          {main.label}
        </button>
        {timer.status !== "idle" && (
          <button
            type="button"
            class="button quiet"
            data-testid="timer-extend"
            aria-disabled={off}
            aria-describedby={told}
            title={text.timer.extendLabel}
            onClick={() => act("extend")}
          >
            <Icon name="plus" />
            <span>
              {text.timer.extend}
              <span class="hidden">{text.timer.extendRest}</span>
            </span>
          </button>
        )}
        <button
          type="button"
          class="icon-button"
          data-testid="timer-skip"
          aria-disabled={off}
          aria-describedby={told}
          title={text.timer.skipLabel}
          onClick={() => act("skip")}
        >
          <Icon name="skip" />
          <span class="hidden">{text.timer.skip}</span>
        </button>
        <button
          type="button"
          class="icon-button"
          data-testid="timer-reset"
          aria-disabled={off || atStart}
          aria-describedby={told}
          title={text.timer.resetLabel}
          onClick={() => atStart || act("reset")}
        >
          <Icon name="reset" />
          <span class="hidden">{text.timer.reset}</span>
        </button>
      </div>
      {!allowed && info && (
        <p id={reason} class="note" data-testid="timer-policy">
          {info.archivedAt ? "" : text.timer.notYours[info.timerPolicy]}
        </p>
      )}
      <Problem {...refusal} id="timer-problem" />
    </>
  );
}

/** Whether this room makes itself heard here; nobody else notices. */
function Quiet({ room }: { room: string }) {
  const [quiet, setState] = useState(() => isQuiet(room));
  const toggle = (): void => {
    setQuiet(room, !quiet);
    setState(!quiet);
  };
  return (
    <button type="button" class="icon-button timer-quiet" data-testid="timer-quiet" aria-pressed={quiet} aria-label={text.timer.quiet} title={text.timer.quiet} onClick={toggle}>
      <Icon name={quiet ? "silent" : "bell"} />
    </button>
  );
}

/** Who touched the timer last, and when. */
function LastChange({ store, now }: { store: RoomStore; now: number }) {
  const last = store.timerChange.value;
  if (!last) return null;
  const who = store.isMe(last.author) ? text.people.you : (store.nameOf(last.author) ?? text.chat.someone);
  const said = last.cause === "phase_end" ? text.timer.phaseEnded : text.timer.by(last.cause, who);
  return (
    <p class="timer-change">
      {said} · {agoOf(last.at, now)}
    </p>
  );
}
