"""When a worker that died is started again. Pure: told what happened, it answers with a pause."""

from commonroom.ids import Random

__all__ = ["FIRST_PAUSE_S", "LONGEST_PAUSE_S", "STEADY_S", "Backoff"]

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0
"""A life of this length was no failed start."""


class Backoff:
    """The pauses of one worker.

    The first death is followed by no pause: most are accidents, and people wait. Whoever
    keeps dying within `STEADY_S` of its start waits longer each time, up to
    `LONGEST_PAUSE_S`. Up to half of a pause is chance, so that workers that died together
    do not start together for ever.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._early_deaths = 0

    def after(self, lived_s: float) -> float:
        """Seconds to wait before the next start, 0 or `FIRST_PAUSE_S` to `LONGEST_PAUSE_S`.

        Args:
            lived_s: from start to death of the process that died now.
        """
        if lived_s >= STEADY_S:
            self._early_deaths = 0
            return 0.0
        self._early_deaths += 1
        if self._early_deaths == 1:
            return 0.0
        doublings = min(self._early_deaths - 1, 10)
        longest = min(FIRST_PAUSE_S * 2.0**doublings, LONGEST_PAUSE_S)
        return longest * self._random.uniform(0.5, 1.0)
