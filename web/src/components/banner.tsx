import type { ComponentChildren } from "preact";
import { connection } from "../session.ts";
import { attempt, outdated, retryAt, troubled } from "../store/connection.ts";
import { text } from "../text.ts";
import { useCountdown } from "./countdown.ts";
import { Icon } from "./icon.tsx";

/** Shown after two seconds without a connection, until there is one again; with what else stands above a page. */
export function Banner({ children }: { children?: ComponentChildren }) {
  return (
    <div class="banners">
      <div role="status">{troubled.value && <Reconnecting />}</div>
      {outdated.value && (
        <div class="banner calm" role="status">
          <p>{text.ending.outdated.title}</p>
          <button type="button" class="button small" onClick={() => location.reload()}>
            {text.ending.outdated.action}
          </button>
        </div>
      )}
      {children}
    </div>
  );
}

function Reconnecting() {
  const seconds = useCountdown(retryAt.value);
  return (
    <div class="banner" data-testid="reconnect-banner">
      <Icon name="warning" />
      <p>
        {text.connection.lost}{" "}
        {/* The numbers are for the eye: a countdown read aloud would never stop. */}
        <span aria-hidden="true">
          {text.connection.reconnecting(Math.max(1, attempt.value))}
          {seconds !== null && seconds > 0 ? text.connection.next(seconds) : "…"}
        </span>
      </p>
      <button type="button" class="button small" data-testid="retry-now" onClick={() => connection().reconnect()}>
        {text.connection.retry}
      </button>
    </div>
  );
}
