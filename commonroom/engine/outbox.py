"""Effects of durable events in other actors (DESIGN 3 and 4): each happens, once.

    journal ──► Follower ──► Outbox ──(key o:<stream>:<offset>:<n>)──► router ──► target's mailbox
       ▲            │ checkpoint, once all are answered                              │
       └────────────┴────────────────────────── event with that key ◄────────────────┘

The checkpoint moves in the transaction within which the effects were answered, so an
effect is sent at least once, whoever dies; its target keeps the key beside the event it
made, so it takes effect at most once (I4). Targets live on this node or another: the
router knows.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from msgspec.structs import replace

from commonroom.engine.address import Address
from commonroom.engine.private import unpack
from commonroom.engine.router import Router
from commonroom.errors import CommonroomError, InternalError, RateLimited, Unavailable
from commonroom.protocol.wire import Command, DurablePush
from commonroom.storage.pool import Connection
from commonroom.storage.projection.projection import SlotEvent

__all__ = ["Effect", "Effects", "Outbox"]

ROUND_S: Final = 4.0
"""So long a batch may take. A transaction stands open meanwhile, which the pool would cut after 1.5 statement timeouts,
and a slot that is handed over waits for it."""

TARGETS_AT_ONCE: Final = 64
MAX_ANSWERED: Final = 32_768
"""Answered effects remembered: twice the events of a round (64 slots of 200)."""


class Effect(NamedTuple):
    """A command for another actor. Its `ref` does not matter; its handler must not ask for an authority."""

    address: Address
    command: Command


class Effects(Protocol):
    """What follows elsewhere from which events."""

    name: str
    """Part of the checkpoint's name and of every key: never changes."""
    wants: frozenset[int]
    """Tags of the events from which anything follows."""

    def effects(self, stream: str, event: DurablePush) -> Sequence[Effect]:
        """What follows from one event of a stream (an address as text), in order.

        Pure, and the same in every later version: the place in the sequence is part of
        the effect's key. Raising parks the stream.
        """
        ...


class _Letter(NamedTuple):
    """An effect on its way."""

    key: str
    command: Command


class Outbox:
    """Implements `Projection`: sends the effects of a batch and waits until all are durable.

    Effects for one target go one after another, in the order of their events; different
    targets are served at once. One effect costs its target a commit, so a single target
    takes about a thousand a second from each node.
    """

    def __init__(self, source: Effects, router: Router) -> None:
        self.name = f"outbox {source.name}"
        self.wants = source.wants
        self._source = source
        self._router = router
        self._places = asyncio.Semaphore(TARGETS_AT_ONCE)
        # A failed batch comes again whole. Asking again is harmless, but what is beyond the target's ring of
        # keys costs it a reload: without this, a batch larger than a round can send would never end.
        self._answered: dict[str, None] = {}

    async def apply(self, connection: Connection, events: Sequence[SlotEvent]) -> None:
        """Send what follows from the events.

        Raises:
            Unavailable: a target cannot take its effects now; the batch is to come again.
            Invalid, InternalError: a target refuses an effect for good.
        """
        del connection
        try:
            async with asyncio.timeout(ROUND_S):
                ends = await asyncio.gather(*(self._deliver(*one) for one in self._sorted(events)), return_exceptions=True)
        except TimeoutError:
            raise Unavailable(f"effects are not answered within {ROUND_S} s") from None
        failures = [end for end in ends if end is not None]
        for failure in sorted(failures, key=lambda one: not isinstance(one, Unavailable)):
            raise failure

    def _sorted(self, events: Iterable[SlotEvent]) -> list[tuple[Address, list[_Letter]]]:
        """What is not answered yet, by target. Nothing follows elsewhere from what not everybody sees (a shadow).

        Raises:
            Invalid: a target's address cannot be one.
        """
        letters: dict[Address, list[_Letter]] = {}
        for stream, _, event, private in events:
            if unpack(private).audience is not None:
                continue
            for nth, (address, command) in enumerate(self._source.effects(stream, event)):
                key = f"o:{stream}:{event.offset}:{self._source.name}.{nth}"
                if key not in self._answered:
                    address.check()
                    letters.setdefault(address, []).append(_Letter(key, replace(command, ref=1)))
        return list(letters.items())

    async def _deliver(self, address: Address, letters: Sequence[_Letter]) -> None:
        """One after another: a later one must not be there when an earlier one is refused."""
        async with self._places:
            for key, command in letters:
                await self._send(address, command, key)
                self._answered[key] = None
                if len(self._answered) > MAX_ANSWERED:
                    del self._answered[next(iter(self._answered))]

    async def _send(self, address: Address, command: Command, key: str) -> None:
        try:
            await self._router.ask(address, command, None, ROUND_S, key)
        except (Unavailable, RateLimited) as error:
            raise Unavailable(f"{address} takes no effect now: {error}") from None
        except CommonroomError as error:
            raise InternalError(f"{address} refuses {type(command).__name__}: {error}") from error
