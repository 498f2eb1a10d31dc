import { useEffect, useState } from "preact/hooks";

/** Seconds until `moment` of the page's clock, counting down to 0; null without one. */
export function useCountdown(moment: number | null): number | null {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (moment === null) return;
    const tick = (): void => {
      setNow(Date.now());
      if (Date.now() >= moment) clearInterval(interval);
    };
    const interval = setInterval(tick, 250);
    tick();
    return () => clearInterval(interval);
  }, [moment]);
  return moment === null ? null : Math.max(0, Math.ceil((moment - now) / 1000));
}
