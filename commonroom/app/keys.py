"""The node's copy of the signing keys, read again twice as often as a new key needs to spread."""

import structlog

from commonroom.clock import Clock
from commonroom.errors import Unavailable
from commonroom.storage.repository.signing_key import SigningKeys, StoredKey
from commonroom.tasks import TaskGroup, pause
from commonroom.token import PURPOSES, KeyRing, SigningKey

__all__ = ["Keys"]

log = structlog.get_logger(__name__)

REREAD_S = 30.0


class Keys:
    """Keeps `ring` up to date."""

    def __init__(self, table: SigningKeys, clock: Clock) -> None:
        self.ring: KeyRing
        self._table = table
        self._clock = clock
        self._tasks = TaskGroup(self._crashed)

    async def open(self) -> None:
        """Read them; the first ones are made. Raises Unavailable."""
        self.ring = KeyRing(_known(await self._table.complete(PURPOSES, self._clock.now())), self._clock)
        self._tasks.start("keys", self._run())

    async def close(self) -> None:
        """Stop. Safe to call twice."""
        await self._tasks.close()

    async def _run(self) -> None:
        while True:
            await pause(REREAD_S)
            try:
                self.ring.replace(_known(await self._table.read(self._clock.now())))
            except Unavailable as error:
                log.warning("keys_not_read", reason=str(error))

    def _crashed(self, name: str, error: BaseException) -> None:
        """Our own fault; a node that no longer reads them refuses what others sign."""
        log.error("keys_failed", task=name, error=type(error).__name__, exc_info=error)
        self._tasks.start(name, self._run())


def _known(stored: list[StoredKey]) -> list[SigningKey]:
    """Those of purposes that this version knows."""
    purposes = {purpose: purpose for purpose in PURPOSES}
    known = [(key, purposes[key.purpose]) for key in stored if key.purpose in purposes]
    return [SigningKey(key.kid, purpose, key.secret, key.created_at, key.until) for key, purpose in known]
