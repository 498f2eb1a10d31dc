"""`commonroom demo seed` on a server that runs: it makes what is missing, by the means of any client, and nothing twice."""

import asyncio
from typing import Any

import pytest

from commonroom.app import Node
from commonroom.cli.demo import lively, refuse_production, report, url_of
from commonroom.config.settings import HttpSettings, Settings
from commonroom.demo.scene import FIRST_PASSWORD, PEOPLE, ROOMS
from commonroom.demo.seed import Made
from commonroom.engine.address import Address
from commonroom.errors import ConfigError, Unavailable
from commonroom.storage.embedded.postgres import running
from tests.http.account import log_in
from tests.http.api import Api, account_of
from tests.support.client import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

LINES = sum(len(room.lines) for room in ROOMS)


async def rooms_of(api: Api) -> dict[str, dict[str, Any]]:
    """The demo's rooms, as the list has them."""
    rooms: dict[str, dict[str, Any]] = {}
    cursor = ""
    while True:
        page = (await api.call("GET", f"/v1/rooms?limit=100{cursor}")).json
        rooms |= {room["id"]: room for room in page["rooms"]}
        if page["nextCursor"] is None:
            return {room.id: rooms[room.id] for room in ROOMS if room.id in rooms}
        cursor = f"&cursor={page['nextCursor']}"


async def all_rooms(api: Api) -> dict[str, dict[str, Any]]:
    """As `rooms_of`, once the list has them all."""
    async with asyncio.timeout(30):
        while len(rooms := await rooms_of(api)) < len(ROOMS):
            await asyncio.sleep(0.05)
    return rooms


async def seeded(node: Node, password: str = FIRST_PASSWORD, stay_minutes: float = 0.0) -> tuple[int, Made, list[str]]:
    database = running(node.settings.data)
    assert database is not None
    told: list[str] = []
    accounts, made = await lively(database, node.url, password, stay_minutes=stay_minutes, tell=told.append)
    return accounts, made, told


async def test_a_server_is_filled_once_with_people_who_can_be_signed_in_as(api: Api, node: Node) -> None:
    was_there = bool(await rooms_of(api))  # tests of this file share a node, in any order
    accounts, made, told = await seeded(node)
    assert was_there or (accounts, made) == (len(PEOPLE), Made(len(ROOMS), LINES, len(ROOMS), len(PEOPLE)))
    assert f"sign in as {PEOPLE[0].email}, password: {FIRST_PASSWORD}" in told[0]
    jonas = account_of(await log_in(api, PEOPLE[1].email, FIRST_PASSWORD))
    rooms = await all_rooms(api)
    for room in ROOMS:
        listed = rooms[room.id]
        assert (listed["title"], listed["language"], listed["tags"], listed["theme"]) == (
            room.title, room.language, list(room.tags), room.theme,
        )  # fmt: skip
        messages = (await api.call("GET", f"/v1/rooms/{room.id}/messages", headers=jonas.bearer)).json["messages"]
        assert sorted(message["text"] for message in messages) == sorted(room.lines)
        timer = (await api.call("GET", f"/v1/rooms/{room.id}", headers=jonas.bearer)).json["timer"]
        assert (timer["status"], timer["phase"]) == ("running", "focus")
    assert len({room.language for room in ROOMS}) >= 6
    accounts, made, _ = await seeded(node)
    assert (accounts, made) == (0, Made())


def people_in(node: Node) -> list[int]:
    """How many sockets each room of the demo has."""
    return [node._engine.gateway.count(Address("room", room.id)) for room in ROOMS]


async def test_people_stay_as_long_as_they_are_asked_to(node: Node) -> None:
    staying = asyncio.ensure_future(seeded(node, stay_minutes=60))
    await until(lambda: staying.done() or people_in(node) == [3] * len(ROOMS), "all are there")
    staying.cancel()
    await asyncio.gather(staying, return_exceptions=True)
    assert staying.cancelled()
    await until(lambda: people_in(node) == [0] * len(ROOMS), "all are gone")


async def test_accounts_that_have_another_password_are_not_touched(node: Node) -> None:
    await seeded(node)
    with pytest.raises(Unavailable, match="UNAUTHENTICATED"):
        await seeded(node, "another password")


async def test_a_server_that_is_not_there_is_told_in_one_line(node: Node) -> None:
    database = running(node.settings.data)
    assert database is not None
    with pytest.raises(Unavailable, match="does not answer"):
        await lively(database, "http://127.0.0.1:1", FIRST_PASSWORD, stay_minutes=0, tell=lambda _: None)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (Settings(env="production"), "http://127.0.0.1:8000"),
        (Settings(http=HttpSettings(public_url="https://rooms.example")), "http://127.0.0.1:8000"),
        (Settings(http=HttpSettings(host="0.0.0.0")), "http://127.0.0.1:8000"),
        (Settings(), "http://rooms.example"),
        (Settings(), "https://10.0.0.1:8000"),
    ],
)
async def test_a_server_in_production_is_left_alone(settings: Settings, url: str) -> None:
    with pytest.raises(ConfigError, match="in production"):
        refuse_production(settings, url)


async def test_a_server_of_ones_own_is_not() -> None:
    for host, url in (("127.0.0.1", "http://127.0.0.1:8123"), ("::1", "http://[::1]:8123"), ("localhost", "http://localhost:8123")):
        settings = Settings(http=HttpSettings(host=host, port=8123))
        assert url_of(settings) == url
        refuse_production(settings, url)


async def test_what_could_not_be_made_is_told() -> None:
    text = report(1, Made(troubles=["Maths café: FORBIDDEN: no"]), "http://127.0.0.1:8000", "secret")
    assert "could not: Maths café: FORBIDDEN: no" in text
