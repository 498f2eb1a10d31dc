"""What the timer is to do, written down once more and more simply: numbers that change, no events and no actors."""

from dataclasses import dataclass, field

from commonroom.actors.room.timer import GRACE_MS, MAX_CHAIN_MS, MAX_CHAINED
from commonroom.protocol.timer import Timer, TimerSettings

__all__ = ["MINUTE_MS", "Reference"]

MINUTE_MS = 60_000
LONGEST_MS = 240 * MINUTE_MS


@dataclass
class Reference:
    """The timer at one moment. `left` is what was left when it last began to run, or stopped."""

    settings: TimerSettings
    status: str = "idle"
    phase: str = "focus"
    length: int = 0
    left: int = 0
    ends: int = 0
    done: int = 0
    version: int = 0
    excused_here: int = 0
    deserted: bool = False
    elapsed: dict[int, int] = field(default_factory=dict)
    """By version, what had passed of the phase that was paused or ended then."""

    def __post_init__(self) -> None:
        self.length = self.left = self.settings.focus_ms

    def command(self, name: str, at: int) -> bool:
        """Whether it does something; so are `extend` and `configure`."""
        allowed = {"start": ["idle"], "pause": ["running"], "resume": ["paused"]}.get(name, ["idle", "running", "paused"])
        if self.status not in allowed:
            return False
        self.deserted = False
        if name == "skip":
            self._enter("short_break" if self.phase == "focus" else "focus", at, running=self.status == "running")
            return True
        if name == "reset":
            self.done = 0
            self._enter("focus", at, running=False)
            return True
        self.version += 1
        if name == "pause":
            self.left, self.status = self.remaining(at), "paused"
            self.elapsed[self.version] = self.length - self.left
        else:
            self.ends, self.status = at + self.left, "running"
        return True

    def extend(self, by: int) -> bool:
        if self.status == "idle" or self.length + by > LONGEST_MS:
            return False
        self.deserted = False
        self.version += 1
        self.length += by
        self.left += by
        self.ends += by
        return True

    def configure(self, settings: TimerSettings) -> bool:
        if settings == self.settings:
            return False
        self.deserted = False
        self.version += 1
        self.settings = settings
        if self.status == "idle":
            self.length = self.left = self._usual()
        return True

    def reach(self, now: int, activated_at: int, *, present: bool) -> list[int]:
        """Let everything due until `now` happen; returns the due times."""
        ended = []
        while self.status == "running" and self.ends <= now:
            at = self.ends
            ended.append(at)
            is_recent = activated_at - MAX_CHAIN_MS <= at
            excused = at <= activated_at + GRACE_MS and (self.excused_here > 0 or not self.deserted) and self.excused_here < MAX_CHAINED
            goes_on = self.settings.auto_start and is_recent and (present or excused)
            self.excused_here += goes_on and not present
            self.deserted = not present
            self.elapsed[self.version + 1] = self.length
            after = "focus"
            if self.phase == "focus":
                self.done += 1
                after = "long_break" if self.done % self.settings.long_every == 0 else "short_break"
            self._enter(after, at, running=goes_on)
        return ended

    def remaining(self, now: int) -> int:
        """What is left at `now`: never more than there was, whatever a clock says."""
        return min(self.left, max(0, self.ends - now)) if self.status == "running" else self.left

    def agrees_with(self, timer: Timer) -> None:
        assert (timer.version, timer.status, timer.phase, timer.focus_done) == (self.version, self.status, self.phase, self.done)
        assert (timer.settings, timer.length_ms, timer.remaining_ms) == (self.settings, self.length, self.left)
        assert timer.ends_at == (self.ends if self.status == "running" else None)

    def _enter(self, phase: str, at: int, *, running: bool) -> None:
        self.phase, self.version = phase, self.version + 1
        self.status = "running" if running else "idle"
        self.length = self.left = self._usual()
        self.ends = at + self.left

    def _usual(self) -> int:
        settings = self.settings
        return {"focus": settings.focus_ms, "short_break": settings.short_break_ms, "long_break": settings.long_break_ms}[self.phase]
