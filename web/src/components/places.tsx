import { announce } from "../announce.ts";
import { endPlace, logOut, logOutElsewhere, logOutEverywhere, readPlaces } from "../account.ts";
import { agoOf, deviceOf } from "../format.ts";
import { text } from "../text.ts";
import { useAttempt } from "./attempt.ts";
import { Failed } from "./failed.tsx";
import { useLoaded } from "./loaded.ts";
import { Problem } from "./problem.tsx";

/** Where one is signed in, and the ways out. `onGone`: this login session is over. */
export function Places({ onGone }: { onGone: () => void }) {
  const { value, refusal: unread, reload } = useLoaded(readPlaces);
  const { refusal, busy, run } = useAttempt();
  const places = value ?? [];
  const others = places.filter(({ here }) => !here);
  const attempt = (action: () => Promise<void>, then: () => unknown) => async (): Promise<void> => {
    if (await run(action)) await then();
  };
  const told = (): Promise<void> => {
    announce(text.account.ended);
    return reload();
  };
  return (
    <section class="part stack" aria-labelledby="places-heading">
      <h3 id="places-heading">{text.account.places}</h3>
      <ul class="rows">
        {places.map((place) => (
          <li key={place.sessionId} data-testid="place" data-here={place.here}>
            <span>
              {deviceOf(place.agent) || text.account.device}
              <span class="note">{place.here ? text.account.here : text.account.seen(agoOf(place.lastSeen, Date.now()))}</span>
            </span>
            {!place.here && (
              <button type="button" class="button small" data-testid="end-place" aria-disabled={busy} onClick={attempt(() => endPlace(place.sessionId), told)}>
                {text.account.end}
              </button>
            )}
          </li>
        ))}
      </ul>
      <Problem {...refusal} />
      {unread && <Failed refusal={unread} onRetry={reload} />}
      <div class="ways">
        <button type="button" class="button small" data-testid="sign-out" aria-disabled={busy} onClick={attempt(logOut, onGone)}>
          {text.account.signOut}
        </button>
        {others.length > 0 && (
          <button type="button" class="button small" data-testid="end-others" aria-disabled={busy} onClick={attempt(logOutElsewhere, told)}>
            {text.account.endOthers}
          </button>
        )}
        <button
          type="button"
          class="button small danger"
          data-testid="sign-out-everywhere"
          aria-disabled={busy}
          onClick={attempt(logOutEverywhere, onGone)}
        >
          {text.account.signOutEverywhere}
        </button>
      </div>
    </section>
  );
}
