"""Whoever follows several rooms notices what is missing or repeated in each, also across a resume."""

import pytest

from commonroom.bench.cluster.traveller import Traveller
from commonroom.bench.load.account import Accounts
from commonroom.bench.load.person import Site
from commonroom.bench.load.stream import Flaws
from commonroom.bench.load.tally import Tally
from commonroom.protocol.chat import MessageCreate
from commonroom.protocol.room import Gap
from commonroom.tasks import TaskGroup
from tests.bench.load.test_dialect import ADA, joined


@pytest.fixture
async def traveller() -> Traveller:
    accounts = Accounts("http://127.0.0.1:9")
    await accounts.close()
    site = Site("127.0.0.1", 9, accounts, TaskGroup(lambda _name, _error: None), Tally())
    return Traveller([site], 0, ["room"], 1)


def heard(traveller: Traveller, *offsets: int) -> Flaws:
    for offset in offsets:
        traveller.personal(MessageCreate("room", offset, 1, ADA, None, "text"))
    return traveller.flaws


async def test_dense_events_are_no_flaw(traveller: Traveller) -> None:
    await unconnected(traveller)
    traveller.personal(joined("fresh", 4))
    assert not heard(traveller, 5, 6, 7)


async def test_what_is_skipped_is_lost(traveller: Traveller) -> None:
    await unconnected(traveller)
    traveller.personal(joined("fresh", 4))
    assert heard(traveller, 5, 8).lost == 2


async def test_what_comes_again_is_counted(traveller: Traveller) -> None:
    await unconnected(traveller)
    traveller.personal(joined("fresh", 4))
    assert heard(traveller, 5, 5, 6) == Flaws(duplicated=1)


async def test_after_a_resume_the_missed_events_follow(traveller: Traveller) -> None:
    await unconnected(traveller)
    traveller.personal(joined("fresh", 4))
    heard(traveller, 5)
    traveller.personal(joined("recovered", 8))
    assert not heard(traveller, 6, 7, 8, 9)


async def test_a_gap_is_lost_even_if_it_is_told(traveller: Traveller) -> None:
    await unconnected(traveller)
    traveller.personal(joined("fresh", 4))
    traveller.personal(joined("gap", 9, Gap(5, 7)))
    assert heard(traveller, 8, 9) == Flaws(lost=3)


async def unconnected(traveller: Traveller) -> None:
    """Give it the state of an attempt to connect, where nobody listens."""
    with pytest.raises(OSError, match=r"(?i)connect"):
        await traveller.connect()
