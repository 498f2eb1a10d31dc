"""The fence: one writer a slot (I1), shown in SQL, and the variants that do not hold."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from commonroom.ids import new_id
from commonroom.storage.pool import Connection, connect

APPEND = """
SELECT * FROM journal_append(
    $1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::integer[], $6::bytea[], $7::bigint[], $8::boolean[],
    $9::integer[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::bytea[], $15::bytea[],
    '{}'::integer[], '{}'::bigint[], '{}'::bytea[])
"""
CLAIM = """
SELECT m.epoch FROM (
    SELECT array_agg(s.slot_id) AS slots, array_agg(s.epoch) AS epochs FROM slot s WHERE s.slot_id = ANY ($2::integer[])
) seen, journal_move($1, seen.slots, seen.epochs) m ORDER BY m.slot_id
"""
FENCED, CONFLICTED = 2, 4


async def append(connection: Connection, *writes: tuple[str, int, int, int, int]) -> list[tuple[int, int, int]]:
    """Append one event for each (stream, slot, epoch, offset, slot_pos); the refused: (index, verdict, number)."""
    streams, slots, epochs, offsets, positions = (list(column) for column in zip(*writes, strict=True))
    count = len(writes)
    rows = await connection.fetch(
        APPEND, streams, slots, epochs, offsets, [1] * count, [None] * count, [None] * count, [False] * count,
        list(range(1, count + 1)), offsets, positions, [0] * count, [None] * count, [b"x"] * count, [None] * count,
    )  # fmt: skip
    return [(row["i"], row["verdict"], row["number"]) for row in rows]


@pytest.fixture
async def two(dsn: str) -> AsyncIterator[tuple[Connection, Connection]]:
    one, other = await connect(dsn), await connect(dsn)
    yield one, other
    for connection in (one, other):
        connection.terminate()


async def claim(connection: Connection, owner: str, *slots: int) -> list[int]:
    return [row["epoch"] for row in await connection.fetch(CLAIM, owner, list(slots))]


async def waits_for_a_lock(connection: Connection, pid: int) -> None:
    """Until the backend `pid` is seen waiting for a lock."""
    async with asyncio.timeout(10):
        while not await connection.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", pid):
            await asyncio.sleep(0)


async def positions(connection: Connection, slot: int) -> list[int]:
    return [row["slot_pos"] for row in await connection.fetch("SELECT slot_pos FROM event WHERE slot = $1 ORDER BY 1", slot)]


async def test_a_claim_waits_for_a_write_in_flight_and_then_sees_it(dsn: str, two: tuple[Connection, Connection]) -> None:
    writer, claimer = two
    witness = await connect(dsn)
    slot = 7
    (epoch,) = await claim(writer, "a", slot)
    first = (await positions(writer, slot) or [0])[-1] + 1
    transaction = writer.transaction()
    await transaction.start()
    assert await append(writer, (f"room/{new_id(1)}", slot, epoch, 1, first)) == []
    claiming = asyncio.create_task(claim(claimer, "b", slot))
    await waits_for_a_lock(witness, claimer.get_server_pid())
    assert not claiming.done()
    await transaction.commit()
    assert await claiming == [epoch + 1]
    assert (await positions(claimer, slot))[-1] == first
    witness.terminate()


async def test_a_stale_epoch_is_refused_for_its_slots_alone(two: tuple[Connection, Connection]) -> None:
    writer, claimer = two
    lost, kept = 8, 9
    epochs = dict(zip((lost, kept), await claim(writer, "a", lost, kept), strict=True))
    (newer,) = await claim(claimer, "b", lost)
    one, other = f"room/{new_id(1)}", f"room/{new_id(1)}"
    refused = await append(writer, (one, lost, epochs[lost], 1, 10**6), (other, kept, epochs[kept], 1, 10**6))
    assert refused == [(1, FENCED, newer)]
    heads = await writer.fetch("SELECT address FROM actor WHERE address = ANY ($1)", [one, other])
    assert [row["address"] for row in heads] == [other]


async def test_what_builds_on_a_fenced_commit_leaves_no_hole(two: tuple[Connection, Connection]) -> None:
    """A slot lost and won again within a moment: commits of both epochs are in one batch."""
    writer, claimer = two
    slot = 14
    (older,) = await claim(writer, "a", slot)
    await claim(claimer, "b", slot)
    (newer,) = await claim(writer, "a", slot)
    stream = f"room/{new_id(1)}"
    refused = await append(writer, (stream, slot, older, 1, 10**6), (stream, slot, newer, 2, 10**6 + 1))
    assert refused == [(1, FENCED, newer), (2, CONFLICTED, 0)]
    assert await writer.fetchval("SELECT count(*) FROM event WHERE stream = $1", stream) == 0


NAIVE = {
    "no row lock": "INSERT INTO event SELECT $1, 1, $2, $3, $4, 0, NULL, 'x', NULL"
    " WHERE EXISTS (SELECT FROM slot WHERE slot_id = $2 AND epoch = $4)",
    "FOR KEY SHARE": "WITH held AS (SELECT FROM slot WHERE slot_id = $2 AND epoch = $4 FOR KEY SHARE)"
    " INSERT INTO event SELECT $1, 1, $2, $3, $4, 0, NULL, 'x', NULL FROM held",
}


@pytest.mark.parametrize("variant", NAIVE)
async def test_weaker_fences_let_a_write_commit_behind_a_claim(variant: str, two: tuple[Connection, Connection]) -> None:
    """The test of the test: what `journal_append` prevents does happen without its lock."""
    writer, claimer = two
    slot = 10 + list(NAIVE).index(variant)
    (epoch,) = await claim(writer, "a", slot)
    stream = f"room/{new_id(1)}"
    transaction = writer.transaction()
    await transaction.start()
    await writer.execute(NAIVE[variant], stream, slot, 10**6, epoch)
    assert await asyncio.wait_for(claim(claimer, "b", slot), 10) == [epoch + 1]  # it did not wait
    assert await claimer.fetchval("SELECT count(*) FROM event WHERE stream = $1", stream) == 0  # nor did it see it
    await transaction.commit()
    assert await claimer.fetchval("SELECT epoch FROM event WHERE stream = $1", stream) == epoch  # and yet it is there
