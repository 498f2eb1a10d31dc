"""Letters on their way: a bounded queue, a few connections at once, one retry.

`post` answers before anything is sent, so that nobody learns from the time it takes, or
from a failure, whether an address is known (RELIABILITY T14). The queue is in memory: a letter
lost with its node is asked for again by whoever waits for it.

Without a server a development node prints letters to its console, standard output, and
nowhere else; a production node refuses.
"""

import asyncio
import sys
from collections import deque
from ssl import SSLContext
from typing import Final, NamedTuple, TextIO

import structlog
from msgspec import Struct

from commonroom.account.letter import Letter
from commonroom.account.smtp import SmtpClient, Undelivered
from commonroom.clock import Clock
from commonroom.config.settings import MailSettings
from commonroom.errors import MailNotConfigured, Unavailable
from commonroom.ids import new_id
from commonroom.log import bound
from commonroom.tasks import TaskGroup, pause

__all__ = ["MAX_AT_ONCE", "MAX_QUEUED", "MailStats", "Mailer"]

log = structlog.get_logger(__name__)

MAX_AT_ONCE: Final = 4
"""Connections to the server; providers refuse more than a handful."""

MAX_QUEUED: Final = 1000
"""Letters that wait, about 1 MB; a server that takes four a second is through them while they are still good."""

RETRY_AFTER_S: Final = 3.0
"""For a server that restarts. Greylisting takes minutes, and then a person has asked again."""


class MailStats(Struct):
    """Counts since the start, and one gauge.

    Attributes:
        posted: letters taken.
        sent: handed to the server; without one, printed.
        retries: second attempts.
        failed: given up on.
        dropped: refused, as too many waited.
        queued: waiting now.
    """

    posted: int = 0
    sent: int = 0
    retries: int = 0
    failed: int = 0
    dropped: int = 0
    queued: int = 0


class _Job(NamedTuple):
    """A letter that waits. `request_id`: of the request that posted it, for the log."""

    letter: Letter
    letter_id: str
    request_id: str | None
    done: asyncio.Future[None] | None


class Mailer:
    """Sends letters.

    Args:
        settings: that were checked.
        production: whether a letter without a server is refused rather than printed.
        clock: for `Date` and ids.
        tls: see `SmtpClient`.
        console: where letters are printed; None: standard output.
        retry_after_s: pause before the second attempt.
    """

    def __init__(
        self,
        settings: MailSettings,
        production: bool,
        clock: Clock,
        *,
        tls: SSLContext | None = None,
        console: TextIO | None = None,
        retry_after_s: float = RETRY_AFTER_S,
    ) -> None:
        self.stats = MailStats()
        self._client = SmtpClient(settings, tls) if settings.smtp_url else None
        self._production = production
        self._clock = clock
        self._console = console
        self._close_timeout_s = settings.timeout_s
        self._retry_after_s = retry_after_s
        self._queue: deque[_Job] = deque()
        self._senders = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks = TaskGroup(self._crashed)

    @property
    def configured(self) -> bool:
        """Whether letters go anywhere, be it to the console."""
        return self._client is not None or not self._production

    def require(self) -> None:
        """Ask before anything else, so that all addresses get the same answer.

        Raises:
            MailNotConfigured: production without a server.
        """
        if not self.configured:
            raise MailNotConfigured

    def post(self, letter: Letter) -> None:
        """Send some time soon; returns at once. What becomes of it is counted and logged only.

        Raises:
            MailNotConfigured: as `require`.
        """
        if not self._enqueue(letter, None):
            log.warning("mail_dropped", queued=len(self._queue))

    async def send(self, letter: Letter) -> None:
        """Send and wait for the server's word. A cancelled call does not recall the letter.

        Raises:
            MailNotConfigured: as `require`.
            Unavailable: the server did not take it, or too many wait.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self._enqueue(letter, done):
            raise Unavailable(f"over {MAX_QUEUED} letters wait to be sent")
        await done

    async def close(self) -> None:
        """Send what waits, for as long as one attempt may take; give up on the rest."""
        try:
            async with asyncio.timeout(self._close_timeout_s):
                await self._idle.wait()
        except TimeoutError:
            log.warning("mail_given_up", queued=len(self._queue))
        await self._tasks.close()
        while self._queue:
            self._give_up(self._next(), Unavailable("the server is stopping"))

    # -- queue -----------------------------------------------------------------

    def _enqueue(self, letter: Letter, done: asyncio.Future[None] | None) -> bool:
        """Whether it was taken."""
        self.require()
        if len(self._queue) >= MAX_QUEUED:
            self.stats.dropped += 1
            return False
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        job = _Job(letter, new_id(self._clock.now()), request_id, done)
        self.stats.posted += 1
        if self._client is None:
            self._print(job)
            return True
        self._queue.append(job)
        self.stats.queued += 1
        if self._senders < MAX_AT_ONCE:
            self._start(self._client)
        return True

    def _next(self) -> _Job:
        self.stats.queued -= 1
        return self._queue.popleft()

    def _print(self, job: _Job) -> None:
        """All of it, once: a developer needs the link and the code."""
        console = self._console or sys.stdout
        letter = job.letter
        console.write(f"\n--- mail to {letter.to}: {letter.subject} ---\n{letter.text}---\n")
        console.flush()
        self._succeed(job)

    # -- sending ---------------------------------------------------------------

    def _start(self, client: SmtpClient) -> None:
        self._senders += 1
        self._idle.clear()
        self._tasks.start("mail", self._send_all(client))

    async def _send_all(self, client: SmtpClient) -> None:
        structlog.contextvars.clear_contextvars()  # of the request that happened to start this
        try:
            while self._queue:
                job = self._next()
                facts = {} if job.request_id is None else {"request_id": job.request_id}
                with bound(**facts):
                    await self._send(client, job)
        finally:
            self._senders -= 1
            if not self._senders:
                self._idle.set()

    async def _send(self, client: SmtpClient, job: _Job) -> None:
        try:
            await self._attempt_twice(client, job)
        except Unavailable as error:
            self._give_up(job, error)
        except BaseException:
            self._give_up(job, Unavailable("the letter was not sent"))
            raise
        else:
            self._succeed(job)

    async def _attempt_twice(self, client: SmtpClient, job: _Job) -> None:
        try:
            await client.deliver(job.letter, job.letter_id, self._clock.now())
        except Undelivered as error:
            if not error.transient:
                raise
        else:
            return
        self.stats.retries += 1
        await pause(self._retry_after_s)
        await client.deliver(job.letter, job.letter_id, self._clock.now())

    def _succeed(self, job: _Job) -> None:
        self.stats.sent += 1
        if job.done is not None and not job.done.done():
            job.done.set_result(None)

    def _give_up(self, job: _Job, error: Unavailable) -> None:
        self.stats.failed += 1
        log.warning("mail_failed", letter=job.letter_id, reason=str(error))
        if job.done is not None and not job.done.done():
            job.done.set_exception(error)

    def _crashed(self, name: str, error: BaseException) -> None:
        """By its type alone: its text may hold an address. The others in the queue go on."""
        log.error("mail_task_failed", task=name, error=type(error).__name__)
        if self._client is not None and self._queue and not self._senders:
            self._start(self._client)
