import { useState } from "preact/hooks";
import { endPlace, logOut, logOutEverywhere, type Place, readPlaces } from "../account.ts";
import { explain } from "../explain.ts";
import { agoOf, deviceOf } from "../format.ts";
import { text } from "../text.ts";
import { useLoaded } from "./loaded.ts";

/** Where one is signed in, and the ways out. `onGone`: this login session is over. */
export function Places({ onGone }: { onGone: () => void }) {
  const { value, problem: unread, reload } = useLoaded(readPlaces);
  const [problem, setProblem] = useState("");
  const places = value ?? [];
  const others = places.filter(({ here }) => !here);
  const attempt = (action: () => Promise<unknown>) => (): void => {
    action().then(
      () => setProblem(""),
      (error) => setProblem(explain(error)),
    );
  };
  const end = (ended: Place[]): (() => void) =>
    attempt(async () => {
      await Promise.all(ended.map(({ sessionId }) => endPlace(sessionId)));
      await reload();
    });
  const out = (leave: () => Promise<void>): (() => void) => attempt(async () => {
      await leave();
      onGone();
    });
  return (
    <section class="part stack" aria-labelledby="places-heading">
      <h3 id="places-heading">{text.account.places}</h3>
      <ul class="rows">
        {places.map((place) => (
          <li key={place.sessionId} data-testid="place">
            <span>
              {deviceOf(place.agent) || text.account.device}
              <span class="note">{place.here ? text.account.here : text.account.seen(agoOf(place.lastSeen, Date.now()))}</span>
            </span>
            {!place.here && (
              <button type="button" class="button small" onClick={end([place])}>
                {text.account.end}
              </button>
            )}
          </li>
        ))}
      </ul>
      {(problem || unread) && (
        <p class="note problem" role="alert">
          {problem || unread}
        </p>
      )}
      <div class="ways">
        <button type="button" class="button small" data-testid="sign-out" onClick={out(logOut)}>
          {text.account.signOut}
        </button>
        {others.length > 0 && (
          <button type="button" class="button small" data-testid="end-others" onClick={end(others)}>
            {text.account.endOthers}
          </button>
        )}
        <button type="button" class="button small danger" data-testid="sign-out-everywhere" onClick={out(logOutEverywhere)}>
          {text.account.signOutEverywhere}
        </button>
      </div>
    </section>
  );
}
