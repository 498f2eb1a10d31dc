"""One place among the workers, and the process that is kept in it.

starting ──ready line──► ready ──ended──► resting ──► starting
    ├──ended──► resting (the pause is `Backoff`'s; none after `renew`)
    └──ended with 2 before any was ever ready──► refused: `keep` raises
any ──stop──► over, once the process has ended: `keep` returns
"""

import asyncio
import os
import re
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import structlog

from commonroom.errors import ConfigError
from commonroom.supervisor.backoff import Backoff

__all__ = ["Worker"]

log = structlog.get_logger(__name__)

READY = re.compile(rb"Commonroom is ready: (\S+)\s*")
EXIT_CANNOT_RUN = 2


class Worker:
    """Keeps one process running. Its standard error is ours; of its standard output all but the ready line is passed on.

    Args:
        number: from 1, for people.
        command: what to run; no secret in it, other users see it.
        environment: of the process, whole.
        metrics_url: where its metrics are, for people; empty: unknown.
    """

    def __init__(
        self, number: int, command: Sequence[str], environment: Mapping[str, str], backoff: Backoff, metrics_url: str = ""
    ) -> None:
        self.number = number
        self.metrics_url = metrics_url
        self.url = ""
        """Its public URL; empty until it was ready for the first time."""
        self._command = command
        self._environment = environment
        self._backoff = backoff
        self._process: Process | None = None
        self._ready = asyncio.Event()
        self._over = asyncio.Event()
        """It is to end for good, by the last signal asked for."""
        self._last_signal = signal.SIGTERM
        self._renewing = False

    @property
    def pid(self) -> int:
        """Of the process that runs now; 0 if none does."""
        return self._process.pid if self._process else 0

    async def keep(self, on_ready: Callable[["Worker"], None], say: Callable[[str], None]) -> None:
        """Keep a process in this place until `stop`, then until that has ended.

        Args:
            on_ready: called each time a new process is ready.
            say: prints a line that it said, such as one of a letter while mail is not configured.

        Raises:
            ConfigError: it says that it cannot run like this, and never could.
        """
        loop = asyncio.get_running_loop()
        while not self._over.is_set():
            started_s = loop.time()
            code, pid = await self._live(on_ready, say)
            if self._over.is_set():
                return
            if code == EXIT_CANNOT_RUN and not self.url:
                raise ConfigError(f"worker {self.number} cannot run like this, see its line above")
            await self._rest(code, pid, loop.time() - started_s)

    def stop(self, number: signal.Signals) -> None:
        """Have it end for good, by this signal. May be called again, with a stronger one."""
        self._last_signal = number
        self._over.set()
        self._end()

    async def renew(self, grace_s: float) -> None:
        """Let it end and be replaced. Returns once the new process is ready.

        One that still runs after `grace_s` is killed.
        """
        if (process := self._process) is not None:
            self._renewing = True
            self._ready.clear()
            self._send(signal.SIGTERM)
            try:
                async with asyncio.timeout(grace_s):
                    await process.wait()
            except TimeoutError:
                log.warning("worker_killed", worker=self.number, pid=process.pid, after_s=grace_s)
                self._send(signal.SIGKILL)
        await self._ready.wait()

    async def _live(self, on_ready: Callable[["Worker"], None], say: Callable[[str], None]) -> tuple[int, int]:
        """Run one process to its end: (exit code, negative for a signal; pid).

        A session of its own keeps the terminal's Ctrl-C away from it: it gets signals from us alone, and each once.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, env=dict(self._environment), stdin=DEVNULL, stdout=PIPE, start_new_session=True
            )
        except OSError as error:  # no memory, or no process left: it may pass
            log.warning("worker_not_started", worker=self.number, reason=error.strerror or str(error))
            return os.EX_OSERR, 0
        self._process = process
        if self._over.is_set():  # while it was being started
            self._end()
        try:
            await self._listen(process, on_ready, say)
            return await process.wait(), process.pid
        finally:
            self._ready.clear()
            self._process = None
            if process.returncode is None:  # we are being cancelled
                process.kill()

    async def _listen(self, process: Process, on_ready: Callable[["Worker"], None], say: Callable[[str], None]) -> None:
        """Read its standard output to the end."""
        assert process.stdout is not None  # noqa: S101 - narrows for the type checker
        async for line in process.stdout:
            if found := READY.fullmatch(line):
                self.url = found[1].decode()
                self._ready.set()
                on_ready(self)
            else:
                say(line.decode(errors="replace").rstrip("\n"))

    async def _rest(self, code: int, pid: int, lived_s: float) -> None:
        """Pause after a death, unless it was meant."""
        if self._renewing:
            self._renewing = False
            log.info("worker_ended_for_renewal", worker=self.number, pid=pid, **_ending(code))
            return
        pause_s = self._backoff.after(lived_s)
        log.error("worker_died", worker=self.number, pid=pid, **_ending(code), lived_s=round(lived_s, 1), again_in_s=round(pause_s, 2))
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._over.wait()

    def _end(self) -> None:
        """Pass on the signal to end by; before it is ready it may have no handlers, and Ctrl-C would leave a stack on the screen."""
        early = not self._ready.is_set() and self._last_signal == signal.SIGINT
        self._send(signal.SIGTERM if early else self._last_signal)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):  # it has just ended
                self._process.send_signal(number)


def _ending(code: int) -> dict[str, int | str]:
    """How a process ended, for the log."""
    if code >= 0:
        return {"code": code}
    try:
        return {"signal": signal.Signals(-code).name}
    except ValueError:  # a real-time signal has no name
        return {"signal": -code}
