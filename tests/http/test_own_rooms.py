"""Where I was lately, and the rooms I keep, over HTTP and real sockets (FEATURES P19, P22)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from commonroom.app import Node
from commonroom.engine.gateway import lazy
from commonroom.errors import Unavailable
from commonroom.http.routes import own_rooms
from commonroom.http.routes.rooms import view_of
from commonroom.identity import Authority, Principal
from commonroom.protocol.room import RoomView
from commonroom.storage.repository import favourite
from commonroom.storage.repository.visit import KEPT_MS, MAX_VISITS
from tests.http.account import registered, unused
from tests.http.api import Account, Api
from tests.http.test_logout import socket_of
from tests.support.client import Refused
from tests.support.mail import MailServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

RECENT, FAVOURITES = "/v1/rooms/recent", "/v1/rooms/favourites"
ABSENT = "0" * 26


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Visits are written at once."""
    monkeypatch.setattr(lazy, "FLUSH_S", 0.0)


@pytest.fixture
def new_user(api: Api, mail: MailServer) -> Callable[[], Awaitable[Account]]:
    async def make() -> Account:
        return await registered(api, mail, unused())

    return make


@pytest_asyncio.fixture(loop_scope="session")
async def ida(new_user: Callable[[], Awaitable[Account]]) -> Account:
    """A user nobody else of the module is."""
    return await new_user()


@pytest_asyncio.fixture(loop_scope="session")
async def host(new_user: Callable[[], Awaitable[Account]]) -> Account:
    """As `ida`, who makes the rooms."""
    return await new_user()


def person_of(who: Account) -> Principal:
    return Principal("user", who.principal["actorId"])


def now(node: Node) -> int:
    return node._clock.now()


async def later(node: Node) -> None:
    """What follows is of another millisecond."""
    at = now(node)
    async with asyncio.timeout(20):
        while now(node) == at:
            await asyncio.sleep(0)


async def recent(api: Api, who: Account) -> list[str]:
    answer = await api.call("GET", RECENT, headers=who.bearer)
    assert answer.status == 200, answer.body
    return [one["room"]["id"] for one in answer.json["rooms"]]


async def recent_once(api: Api, who: Account, *rooms: str) -> None:
    """It comes to be that."""
    async with asyncio.timeout(20):
        while await recent(api, who) != list(rooms):
            await asyncio.sleep(0)


async def projected(node: Node, *rooms: str) -> None:
    """Lists know them."""
    async with asyncio.timeout(20):
        while len(await node._people.visits.known(rooms, (), now(node))) < len(rooms):
            await asyncio.sleep(0)


async def favourites(api: Api, who: Account) -> dict[str, bool]:
    """By id, and whether they are shown."""
    answer = await api.call("GET", FAVOURITES, headers=who.bearer)
    assert answer.status == 200, answer.body
    return {one["id"]: one["room"] is not None for one in answer.json["rooms"]}


async def keep(api: Api, who: Account, room: str) -> int:
    return (await api.call("PUT", f"/v1/rooms/{room}/favourite", headers=who.bearer)).status


async def merge(api: Api, who: Account, *visits: tuple[str, int]) -> Any:
    return await api.call("PUT", RECENT, {"rooms": [{"id": room, "at": at} for room, at in visits]}, who.bearer)


async def visit(api: Api, who: Account, room: str) -> None:
    peer = await socket_of(api, who)
    await peer.request("room.join", room=room)
    await peer.close()


async def test_P19_a_user_finds_the_rooms_they_came_into_the_latest_first(api: Api, node: Node, ida: Account, ada: Account) -> None:
    first, second, private = await api.room(ada, "Attic"), await api.room(ada), await api.room(ada, visibility="private")
    began = now(node)
    peer = await socket_of(api, ida)
    await peer.request("room.join", room=first)
    await recent_once(api, ida, first)
    await later(node)
    await peer.request("room.join", room=second)
    with pytest.raises(Refused):
        await peer.request("room.join", room=private)
    await recent_once(api, ida, second, first)
    await peer.close()
    shown = (await api.call("GET", RECENT, headers=ida.bearer)).json["rooms"][1]
    assert (shown["room"]["title"], shown["room"]["url"]) == ("Attic", f"/r/{first}")
    assert began <= shown["visitedAt"] <= now(node)


async def test_P19_guests_have_no_list_here_and_are_told_what_would_change_that(api: Api, ada: Account) -> None:
    for method, path in (("GET", RECENT), ("GET", FAVOURITES), ("PUT", f"/v1/rooms/{ABSENT}/favourite")):
        (await api.call(method, path, headers=ada.bearer)).problem(403, "SIGN_IN_NEEDED")
        (await api.call(method, path)).problem(401, "UNAUTHENTICATED")
    (await merge(api, ada, (ABSENT, 1))).problem(403, "SIGN_IN_NEEDED")


async def test_P19_what_a_guest_kept_is_added_at_the_upgrade_if_they_may_see_it(
    api: Api, node: Node, ida: Account, ada: Account, new_user: Callable[[], Awaitable[Account]]
) -> None:
    mine = await api.room(ida, visibility="private")
    seen, private = await api.room(ada), await api.room(ada, visibility="private")
    await projected(node, mine, seen, private)
    at = now(node)
    kept = [(seen, at - 3000), (seen, at - 5000), (mine, at - 4000), (private, at - 1), (ABSENT, at - 1)]
    assert (await merge(api, ida, *kept, (await api.room(ada), at - KEPT_MS))).status == 204
    shown = (await api.call("GET", RECENT, headers=ida.bearer)).json["rooms"]
    assert [(one["room"]["id"], one["visitedAt"]) for one in shown] == [(seen, at - 3000), (mine, at - 4000)]
    assert (await merge(api, ida, (mine, at + 10**9), (seen, at - 9000))).status == 204
    shown = (await api.call("GET", RECENT, headers=ida.bearer)).json["rooms"]
    assert [one["room"]["id"] for one in shown] == [mine, seen]
    assert shown[0]["visitedAt"] <= now(node)
    assert shown[1]["visitedAt"] == at - 3000
    assert await recent(api, await new_user()) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"rooms": [{"id": "x"}]},
        {"rooms": [{"id": "a b", "at": 1}]},
        {"rooms": [{"id": "nul\0", "at": 1}]},
        {"rooms": [{"id": "x", "at": -1}]},
        {"rooms": [{"id": "x", "at": 1}] * (MAX_VISITS + 1)},
        {"rooms": [], "user": "somebody else"},
    ],
)
async def test_P19_a_list_that_is_none_is_refused(api: Api, ida: Account, body: Any) -> None:
    (await api.call("PUT", RECENT, body, ida.bearer)).problem(422, "INVALID")


async def test_P22_a_room_is_kept_until_it_is_let_go_of(api: Api, node: Node, ida: Account, ada: Account) -> None:
    first, second = await api.room(ada, "First"), await api.room(ada)
    await projected(node, first, second)
    assert [await keep(api, ida, room) for room in (first, second, first)] == [204, 204, 204]
    shown = (await api.call("GET", FAVOURITES, headers=ida.bearer)).json["rooms"]
    assert {(one["id"], one["room"]["id"], one["room"]["title"]) for one in shown} == {
        (first, first, "First"),
        (second, second, "Reading room"),
    }
    assert (await api.call("DELETE", f"/v1/rooms/{second}/favourite", headers=ida.bearer)).status == 204
    (await api.call("DELETE", f"/v1/rooms/{second}/favourite", headers=ida.bearer)).problem(404, "NOT_FOUND")
    assert await favourites(api, ida) == {first: True}


async def test_P22_what_i_may_not_see_i_cannot_keep(api: Api, ida: Account, ada: Account) -> None:
    private = await api.room(ada, visibility="private")
    answers = [await api.call("PUT", f"/v1/rooms/{room}/favourite", headers=ida.bearer) for room in (private, ABSENT)]
    for answer in answers:
        answer.problem(404, "NOT_FOUND")
    assert {**answers[0].json, "requestId": ""} == {**answers[1].json, "requestId": ""}
    assert await favourites(api, ida) == {}


async def test_P22_the_cap_is_told(api: Api, ida: Account, ada: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(favourite.Favourites.add, "__defaults__", (1,))
    room, another = await api.room(ada), await api.room(ada)
    assert await keep(api, ida, room) == 204
    (await api.call("PUT", f"/v1/rooms/{another}/favourite", headers=ida.bearer)).problem(403, "LIMIT_EXCEEDED")


async def test_P19_who_is_banned_sees_nothing_more_of_the_room(api: Api, node: Node, ida: Account, host: Account) -> None:
    room = await api.room(host, "Unlisted")
    staff, peer = await socket_of(api, host), await socket_of(api, ida)
    await staff.request("room.join", room=room)
    await peer.request("room.join", room=room)
    await recent_once(api, ida, room)
    assert await keep(api, ida, room) == 204
    await staff.request("room.ban", room=room, nonce="nonce-0001", person=person_of(ida), why="noise")
    await recent_once(api, ida)
    assert await favourites(api, ida) == {room: False}
    assert await keep(api, ida, room) in {403, 404}
    assert (await merge(api, ida, (room, now(node)))).status == 204
    assert await recent(api, ida) == []
    await staff.request("room.unban", room=room, nonce="nonce-0002", person=person_of(ida))
    await recent_once(api, ida, room)
    assert await favourites(api, ida) == {room: True}
    for one in (staff, peer):
        await one.close()


async def test_P19_a_room_that_becomes_private_or_is_archived_is_shown_no_more(api: Api, node: Node, ida: Account, host: Account) -> None:
    room, closed = await api.room(host), await api.room(host)
    await visit(api, host, room)
    await visit(api, ida, room)
    await recent_once(api, ida, room)
    await later(node)
    await visit(api, ida, closed)
    await recent_once(api, ida, closed, room)
    await recent_once(api, host, room)
    assert [await keep(api, ida, one) for one in (room, closed)] == [204, 204]
    staff = await socket_of(api, host)
    for one in (room, closed):
        await staff.request("room.join", room=one)
    await staff.request("room.update", room=room, nonce="nonce-0001", visibility="private")
    await staff.request("room.archive", room=closed, nonce="nonce-0002")
    await staff.close()
    await recent_once(api, ida)
    assert await favourites(api, ida) == {closed: False, room: False}
    assert room in await recent(api, host)


async def test_P19_a_private_room_that_does_not_answer_is_not_shown_and_the_others_are(
    api: Api, node: Node, ida: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent, private, unlisted = [await api.room(ida, visibility=each) for each in ("private", "private", "unlisted")]
    asked: list[str] = []

    async def view(request: web.Request, authority: Authority, room: str) -> RoomView:
        asked.append(room)
        if room == silent:
            raise Unavailable("it does not answer")
        return await view_of(request, authority, room)

    assert await keep(api, ida, silent) == 204
    monkeypatch.setattr(own_rooms, "view_of", view)
    await projected(node, silent, private, unlisted)
    at = now(node)
    assert (await merge(api, ida, *((room, at) for room in (silent, private, unlisted)))).status == 204
    assert set(await recent(api, ida)) == {private, unlisted}
    assert await favourites(api, ida) == {silent: False}
    assert set(asked) == {silent, private}
    monkeypatch.undo()
    assert set(await recent(api, ida)) == {silent, private, unlisted}, "what was given was not lost for its silence"


async def test_H1_the_export_has_both_and_a_deleted_account_leaves_neither(api: Api, node: Node, ida: Account, ada: Account) -> None:
    room = await api.room(ada)
    await visit(api, ida, room)
    await recent_once(api, ida, room)
    assert await keep(api, ida, room) == 204
    exported = (await api.call("GET", "/v1/me/export", headers=ida.bearer)).json
    assert ([one["room"] for one in exported["recentRooms"]], [one["room"] for one in exported["favouriteRooms"]]) == ([room], [room])
    user = ida.principal["actorId"]
    assert await node._people.users.delete(user, now(node))
    assert await node._people.visits.all(user) == []
