"""The audit: bounded, stored in order, whatever becomes of the database."""

import json
from collections.abc import Sequence

import pytest

from commonroom import audit as module
from commonroom.audit import MAX_TEXT, Audit, Entry
from commonroom.clock import ClusterClock
from commonroom.errors import Forbidden, InternalError, Unavailable
from commonroom.identity import Authority, Principal, SessionId
from commonroom.storage.pool import Database
from commonroom.storage.repository.audit import AuditLog
from tests.support.log import logged
from tests.support.recorder import Recorder

ADA = Authority(Principal("user", "ada"), SessionId("sid-of-ada"), "Ada", 0)


class Store(Recorder[Entry]):
    async def add(self, entries: Sequence[Entry]) -> None:
        await self.take(entries)

    @property
    def targets(self) -> list[str]:
        return [entry.target for entry in self.taken]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLUSH_S", 0.0)
    monkeypatch.setattr(module, "AWAY_S", 0.0)


def write(audit: Audit, target: str, why: str = "because") -> None:
    audit.write("denied", ADA, "room.join", target=target, why=why, request="r")


async def test_lines_are_stored_in_the_order_in_which_they_were_written() -> None:
    store = Store()
    audit = Audit(store, ClusterClock())
    for number in range(3):
        write(audit, str(number))
    await store.until(lambda: len(store.targets) == 3)
    write(audit, "3")
    await store.until(lambda: len(store.targets) == 4)
    assert store.targets == ["0", "1", "2", "3"]
    assert (audit.written, audit.lost) == (4, 0)
    await audit.close()


async def test_what_an_absent_database_did_not_take_is_given_to_it_again() -> None:
    store = Store()
    store.errors = [Unavailable("away"), Unavailable("away")]
    audit = Audit(store, ClusterClock())
    write(audit, "a")
    write(audit, "b")
    await store.until(lambda: store.batches)
    assert store.targets == ["a", "b"]
    await audit.close()


async def test_a_line_that_the_database_refuses_is_in_the_log_alone_and_takes_no_other_with_it() -> None:
    store = Store()
    store.errors = [InternalError("one of them"), InternalError("this one")]
    audit = Audit(store, ClusterClock())
    for target in ("odd", "even", "next"):
        write(audit, target)
    await store.until(lambda: len(store.targets) == 2)
    assert store.targets == ["even", "next"]
    assert audit.lost == 1
    await audit.close()


async def test_whoever_is_refused_on_and_on_buries_nobody_elses_lines() -> None:
    store, now_us = Store(), [10**9]
    audit = Audit(store, ClusterClock(), lambda: now_us[0])
    grace = Authority(Principal("guest", "grace"), SessionId("sid-of-grace"), "Grace", 0)
    for _ in range(500):
        audit.denied(Forbidden("no"), ADA, "r", action="room.join")
        audit.denied(Forbidden("no"), None, "r", action="auth.sign_out", address="203.0.113.5")
    audit.denied(Forbidden("no"), grace, "r", action="room.join")
    assert (audit.written, audit.muted) == (2 * 60 + 1, 2 * 440)
    now_us[0] += 1_000_000
    audit.denied(Forbidden("no"), ADA, "r", action="room.join")
    await store.until(lambda: len(store.targets) == 122)
    assert [entry.why for entry in store.taken][-1] == "no (and 440 refusals more before it)"
    assert "grace" in {entry.actor_id for entry in store.taken}
    await audit.close()


def guest(name: str) -> Authority:
    return Authority(Principal("guest", name), SessionId(name), name, 0)


async def test_many_guests_of_one_address_fill_it_no_more_than_one() -> None:
    store, now_us = Store(), [10**9]
    audit = Audit(store, ClusterClock(), lambda: now_us[0])
    for number in range(1740):
        audit.denied(Forbidden("no"), guest(f"guest-{number % 30}"), "r", "203.0.113.5", action="status.set")
    audit.denied(Forbidden("no"), None, "r", "203.0.113.5", action="auth.sign_out")
    assert (audit.written, audit.muted) == (60, 1681)
    audit.denied(Forbidden("no"), ADA, "r", "203.0.113.5", action="room.join")
    audit.denied(Forbidden("no"), guest("elsewhere"), "r", "203.0.113.6", action="room.join")
    now_us[0] += 1_000_000
    audit.denied(Forbidden("no"), guest("late"), "r", "203.0.113.5", action="room.join")
    await store.until(lambda: len(store.targets) == 63)
    assert [(one.actor_id, one.why) for one in store.taken][-3:] == [
        ("ada", "no"), ("elsewhere", "no"), ("late", "no (and 1681 refusals more before it)"),
    ]  # fmt: skip
    await audit.close()


async def test_a_guest_of_many_addresses_fills_it_no_more_than_one_of_one() -> None:
    store = Store()
    audit = Audit(store, ClusterClock(), lambda: 10**9)
    for number in range(100):
        audit.denied(Forbidden("no"), guest("grace"), "r", f"203.0.113.{number}", action="room.join")
    assert (audit.written, audit.muted) == (60, 40)
    await audit.close()


async def test_of_too_many_whose_refusals_were_not_written_the_latest_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CAPACITY", 2)
    store, now_us = Store(), [10**9]
    audit = Audit(store, ClusterClock(), lambda: now_us[0])
    for name in ("first", "second", "third"):
        for _ in range(62):
            audit.denied(Forbidden("no"), guest(name), "r", action="room.join")
    now_us[0] += 60_000_000
    for name in ("first", "second", "third"):
        audit.denied(Forbidden("no"), guest(name), "r", action="room.join")
    await store.until(lambda: len(store.targets) == 183)
    more = "no (and 2 refusals more before it)"
    assert [one.why for one in store.taken][-3:] == ["no", more, more]
    await audit.close()


async def test_a_full_queue_loses_its_oldest_lines_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_QUEUED", 3)
    store = Store()
    audit = Audit(store, ClusterClock())
    with logged() as out:
        for number in range(5):
            write(audit, str(number))
    await store.until(lambda: store.batches)
    assert store.targets == ["2", "3", "4"]
    assert audit.lost == 2
    assert len(out.getvalue().splitlines()) == 5
    await audit.close()


async def test_what_is_queued_is_stored_at_the_end() -> None:
    store = Store()
    audit = Audit(store, ClusterClock())
    write(audit, "last")
    await audit.close()
    assert store.targets == ["last"]


async def test_an_end_without_a_database_ends() -> None:
    store = Store()
    store.errors = [Unavailable("away")] * 1000
    audit = Audit(store, ClusterClock())
    write(audit, "last")
    await audit.close()
    assert audit.lost == 1


async def test_a_line_says_who_and_what_and_nothing_longer_than_it_should(database: Database) -> None:
    log = AuditLog(database)
    audit = Audit(log, ClusterClock())
    with logged() as out:
        audit.denied(Forbidden("no", action="room.join"), ADA, "session/7", action="other", where="room/x")
        audit.denied(Forbidden("no"), None, "r", action="me.read", where="/v1/me")
        write(audit, "\0\ud800" + "x" * 1000)
    await audit.close()
    stored = [entry for _, entry in reversed(await log.search(None, None, None, 3))]
    assert [(one.actor_type, one.actor_id, one.sid, one.action, one.target, one.request) for one in stored[:2]] == [
        ("user", "ada", "sid-of-ada", "room.join", "room/x", "session/7"), ("", "", "", "me.read", "/v1/me", "r"),
    ]  # fmt: skip
    assert len(stored[2].target) <= MAX_TEXT
    assert stored[2].target.startswith("?x")
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["audit"] * 3


async def test_it_is_searched_by_who_and_what_page_by_page_and_purged_by_age(database: Database) -> None:
    log = AuditLog(database)
    entries = [Entry(at, "denied", "user", "grace", "s", action, "t", "w", "r") for at, action in ((1, "a"), (2, "b"), (3, "a"))]
    await log.add(entries)
    first = await log.search("grace", None, None, 2)
    assert [entry.at for _, entry in first] == [3, 2]
    assert [entry.at for _, entry in await log.search("grace", None, first[-1][0], 2)] == [1]
    assert [entry.at for _, entry in await log.search("grace", "a", None, 9)] == [3, 1]
    await log.purge(3)
    assert [entry.at for _, entry in await log.search("grace", None, None, 9)] == [3]
