"""Ended login sessions in virtual time: refused at once, learnt of through bus and table, forgotten in the end."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from commonroom.codes import CloseCode
from commonroom.engine import revocation
from commonroom.engine.revocation import Ended, Revocations
from commonroom.engine.testing.loop import VirtualClock, VirtualLoop
from commonroom.errors import TokenExpired, Unauthenticated, Unavailable
from commonroom.identity import Authority, Principal, SessionId, guest_part
from commonroom.token import LONGEST_S

WS_MS = LONGEST_S["ws"] * 1000
ADA, BOB = SessionId("ada"), SessionId("bob")


class Table:
    """The rows that all nodes share."""

    def __init__(self) -> None:
        self.rows: dict[SessionId, int] = {}
        self.reads = 0
        self.away = False

    async def add(self, sids: Sequence[SessionId], now: int, until: int) -> None:
        self._answer()
        self.rows.update(dict.fromkeys(sids, until))

    async def add_all(self, actor: str, but: SessionId | None, now: int, until: int) -> Sequence[SessionId]:
        self._answer()
        sids = [sid for sid in (ADA, BOB) if actor == "both" and sid != but]
        self.rows.update(dict.fromkeys(sids, until))
        return sids

    async def read(self, now: int, limit: int) -> Sequence[Ended]:
        self._answer()
        self.reads += 1
        live = [(sid, until) for sid, until in self.rows.items() if until > now]
        return sorted(live, key=lambda row: row[1], reverse=True)[:limit]

    async def trim(self, now: int) -> None:
        self._answer()
        self.rows = {sid: until for sid, until in self.rows.items() if until > now}

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("away")


class Node:
    """One node's revocations, and what its gateway was told; implements `Bus`."""

    def __init__(self, town: "Town") -> None:
        self.closed: list[SessionId] = []
        self.on_revoked: Callable[[Sequence[Ended]], None]
        self.on_gap: list[Callable[[], None]] = []
        self.whole = True
        self.town = town
        self.revocations = Revocations(town.table, town.clock)
        self.revocations.close_sid = self.close
        self.revocations.join(self)

    def close(self, sid: SessionId, code: CloseCode) -> None:
        assert code is CloseCode.SESSION_ENDED
        self.closed.append(sid)

    def lose(self) -> None:
        for told in self.on_gap:
            told()

    def revoked(self, ended: Sequence[Ended]) -> None:
        for node in self.town.nodes:
            if node is not self and not self.town.deaf:
                node.on_revoked(ended)


class Town:
    """Nodes over one table; `deaf`: what they tell each other is lost."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.table = Table()
        self.deaf = False
        self.nodes: list[Node] = []

    def node(self) -> Node:
        node = Node(self)
        self.do(node.revocations.open())
        self.nodes.append(node)
        return node

    def do(self, call: Any) -> None:
        self.loop.run_until_complete(call)

    def token(self, sid: SessionId) -> Authority:
        """Proven by a token that is minted now."""
        return Authority(Principal("guest", sid), sid, sid, self.clock.now() + WS_MS)


@pytest.fixture
def town() -> Iterator[Town]:
    town = Town()
    yield town
    for node in town.nodes:
        town.do(node.revocations.close())
    town.loop.close()


def test_an_ended_session_is_refused_and_its_sockets_close_on_every_node_at_once(town: Town) -> None:
    here, there = town.node(), town.node()
    town.do(here.revocations.revoke(ADA))
    for node in (here, there):
        assert node.closed == [ADA]
        with pytest.raises(Unauthenticated):
            node.revocations.admit(town.token(ADA), WS_MS)
        assert node.revocations.admit(town.token(BOB), WS_MS) == town.token(BOB)
    town.do(here.revocations.revoke(ADA))
    assert (here.closed, there.closed) == ([ADA], [ADA])


def test_the_tokens_of_a_guest_who_signed_in_are_refused_and_no_others(town: Town) -> None:
    here, there = town.node(), town.node()
    outgrown: list[SessionId] = []
    for node in (here, there):
        node.revocations.outgrown = outgrown.append
    town.do(here.revocations.revoke(guest_part(ADA)))
    assert (outgrown, here.closed, there.closed) == ([ADA, ADA], [], [])
    as_user = replace(town.token(ADA), principal=Principal("user", "ada"))
    for node in (here, there):
        with pytest.raises(TokenExpired):
            node.revocations.admit(town.token(ADA), WS_MS)
        assert node.revocations.admit(as_user, WS_MS) == as_user
        assert node.revocations.admit(town.token(BOB), WS_MS) == town.token(BOB)


def test_nothing_ends_that_is_not_durable(town: Town) -> None:
    here, there = town.node(), town.node()
    town.table.away = True
    with pytest.raises(Unavailable):
        town.do(here.revocations.revoke(ADA))
    assert (here.closed, there.closed) == ([], [])
    assert not here.revocations.refuses(ADA)


def test_what_ended_with_its_answer_lost_is_found_when_the_table_answers(town: Town) -> None:
    here = town.node()
    town.loop.run_for(10)
    add, table = town.table.add, town.table

    async def lose(sids: Sequence[SessionId], now: int, until: int) -> None:
        await add(sids, now, until)
        raise Unavailable("the answer was lost")

    table.add = lose  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        town.do(here.revocations.revoke(ADA))
    town.loop.run_for(2)
    assert here.closed == [ADA]


def test_a_node_that_starts_knows_what_ended_before(town: Town) -> None:
    town.do(town.node().revocations.revoke(ADA))
    assert town.node().revocations.refuses(ADA)


def test_what_the_bus_lost_is_read_within_two_seconds_of_the_gap(town: Town) -> None:
    here, there = town.node(), town.node()
    town.loop.run_for(10)
    town.deaf = True
    town.do(here.revocations.revoke(ADA))
    town.loop.run_for(10)
    assert there.closed == [], "it was told otherwise: the test proves nothing"
    there.lose()
    town.loop.run_for(2)
    assert there.closed == [ADA]


def test_while_the_bus_does_not_work_the_table_is_read_each_second(town: Town) -> None:
    here, there = town.node(), town.node()
    town.loop.run_for(10)
    town.deaf, there.whole = True, False
    town.do(here.revocations.revoke(ADA))
    town.loop.run_for(2)
    assert there.closed == [ADA]


def test_what_nobody_noticed_to_be_lost_is_read_once_a_minute_and_the_table_is_left_alone_between(town: Town) -> None:
    here, there = town.node(), town.node()
    town.loop.run_for(10)
    town.deaf = True
    town.do(here.revocations.revoke(ADA))
    before = town.table.reads
    town.loop.run_for(120)
    assert there.closed == [ADA]
    assert town.table.reads - before == 4


def test_a_table_that_is_away_is_read_when_it_is_back(town: Town) -> None:
    here, there = town.node(), town.node()
    town.loop.run_for(10)
    town.deaf = True
    town.do(here.revocations.revoke(ADA))
    town.table.away = True
    there.lose()
    town.loop.run_for(300)
    town.table.away = False
    town.loop.run_for(2)
    assert there.closed == [ADA]


def test_a_session_is_forgotten_when_its_last_token_is_over_and_not_before(town: Town) -> None:
    here, there = town.node(), town.node()
    late = Authority(Principal("guest", ADA), ADA, ADA, town.clock.now() + LONGEST_S["access"] * 1000)
    town.do(here.revocations.revoke(ADA))
    while town.clock.now() < late.expires_at:
        assert here.revocations.refuses(ADA)
        assert there.revocations.refuses(ADA)
        town.loop.run_for(1)
    town.loop.run_for(180)
    assert (len(here.revocations), len(there.revocations), town.table.rows) == (0, 0, {})


def test_all_of_a_person_end_but_one(town: Town) -> None:
    here, there = town.node(), town.node()
    town.do(here.revocations.revoke_all("both", but=ADA))
    assert (here.closed, there.closed) == ([BOB], [BOB])
    assert not there.revocations.refuses(ADA)
    town.do(there.revocations.revoke_all("nobody"))
    assert not here.revocations.refuses(ADA)


def test_beyond_the_limit_old_tokens_are_refused_instead_of_ended_ones_let_in(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation, "MAX_REVOKED", 3)
    here = town.node()
    old = {SessionId(f"s{number}"): town.token(SessionId(f"s{number}")) for number in range(5)}
    bystander = town.token(BOB)
    for sid in old:
        town.loop.run_for(1)
        town.do(here.revocations.revoke(sid))
        assert len(here.revocations) <= 3
    for authority in old.values():
        with pytest.raises(Unauthenticated):
            here.revocations.admit(authority, WS_MS)
    with pytest.raises(TokenExpired):
        here.revocations.admit(bystander, WS_MS)
    assert here.revocations.admit(town.token(BOB), WS_MS) == town.token(BOB)
    town.loop.run_for(70)
    assert len(here.revocations) <= 3
    assert here.revocations.admit(town.token(BOB), WS_MS) == town.token(BOB)
