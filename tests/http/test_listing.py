"""The public list over HTTP and, live, over the socket."""

import asyncio
from typing import Any

import pytest

from commonroom.ids import new_id
from commonroom.protocol.listing import ListedRoom, ListingUpdate
from tests.http.api import Account, Api
from tests.http.test_own_rooms import projected
from tests.support.client import Peer

pytestmark = pytest.mark.asyncio(loop_scope="session")

NO_QUERIES = (
    "sort=oldest", "size=huge", "status=open", "language=English!", "language=p%0At", "language=p", "tag=" + "x" * 25, "tag=a%00b",
    "q=" + "x" * 65, "q=%00", "q=a%0Ab", "cursor=a1.1", "cursor=b1.1.room", "cursor=a-1.1.room", "cursor=a1.1.ROOM", "cursor=n1.1.room",
    "cursor=a1.1.room", "cursor=a1.1.room%0A", "cursor=a" + "9" * 17 + ".1.room", "sort=newest&cursor=a1.1.room", "limit=0",
)  # fmt: skip


@pytest.fixture
def tag() -> str:
    """One of this test's rooms alone."""
    return f"t{new_id(1)[-20:].lower()}"


async def listed(api: Api, tag: str, count: int, **query: str) -> list[dict[str, Any]]:
    """The rooms of that tag, once there are so many."""
    asked = "&".join(f"{name}={value}" for name, value in {"tag": tag, **query}.items())
    async with asyncio.timeout(60):
        while True:
            rooms: list[dict[str, Any]] = (await api.call("GET", f"/v1/rooms?{asked}")).json["rooms"]
            if len(rooms) == count:
                return rooms
            await asyncio.sleep(0.02)


async def peer_of(api: Api, who: Account) -> Peer:
    token = (await api.call("POST", "/v1/ws-token", {}, who.bearer)).json["token"]
    return await Peer.open(api.url.replace("http", "ws", 1) + "/v1/ws", token)


async def test_P18_a_room_is_listed_as_it_is_and_as_it_becomes(api: Api, uma: Account, tag: str) -> None:
    settings = {"tags": [tag, "writing"], "language": "pt-BR", "sizeLimit": 9, "theme": "dusk"}
    room = await api.room(uma, "Tese e café", visibility="public", **settings)
    (card,) = await listed(api, tag, 1)
    assert settings.items() <= card.items()
    assert (card["id"], card["title"], card["url"], card["locked"]) == (room, "Tese e café", f"/r/{room}", False)
    assert (card["present"], card["phase"], card["endsAt"], card["status"]) == (0, None, None, "idle")
    peer = await peer_of(api, uma)
    await peer.request("room.join", room=room)
    await peer.request("timer.start", room=room, nonce="nonce-0001")
    (card,) = await listed(api, tag, 1, status="active", size="small", language="pt", q="CAFE+tese")
    async with asyncio.timeout(60):
        while card["present"] != 1 or card["phase"] != "focus":
            (card,) = await listed(api, tag, 1)
            await asyncio.sleep(0.02)
    assert card["endsAt"] > card["activeAt"] > 0
    await peer.close()


async def test_P18_a_page_that_has_not_changed_is_not_sent_again(api: Api) -> None:
    async with asyncio.timeout(60):
        while True:
            first = await api.call("GET", "/v1/rooms?tag=nobody-has-this")
            again = await api.call("GET", "/v1/rooms?tag=nobody-has-this", headers={"If-None-Match": first.headers["ETag"]})
            if again.status == 304:
                break
    assert first.json == {"rooms": [], "nextCursor": None}
    assert again.body == b""


@pytest.mark.parametrize("query", NO_QUERIES)
async def test_P18_what_cannot_be_asked_is_refused_by_its_name(api: Api, query: str) -> None:
    problem = (await api.call("GET", f"/v1/rooms?{query}")).problem(422, "INVALID")
    assert problem["field"] == query.rpartition("&")[2].partition("=")[0]


@pytest.mark.parametrize("query", ["language=", "tag=", "size=", "status=", "q=", "sort=", "cursor=", "limit=", "other=1"])
async def test_P18_what_is_left_empty_is_left_out(api: Api, query: str) -> None:
    assert (await api.call("GET", f"/v1/rooms?{query}")).status == 200


async def test_P17_unlisted_private_and_archived_rooms_appear_by_no_way_there_is(api: Api, uma: Account, bob: Account, tag: str) -> None:
    shown = await api.room(uma, "Quiet", visibility="public", tags=[tag])
    hidden = [await api.room(uma, "Quiet", visibility=visibility, tags=[tag]) for visibility in ("unlisted", "private")]
    hidden.append(await api.room(uma, "Quiet", visibility="public", tags=[tag]))
    await listed(api, tag, 2)
    await projected(api.node, *hidden)
    (await api.call("POST", f"/v1/rooms/{hidden[-1]}/archive", {}, uma.bearer)).json  # noqa: B018 - it has to be an answer
    peer = await peer_of(api, uma)
    for room in hidden[:2]:
        await peer.request("room.join", room=room)
        await peer.request("timer.start", room=room, nonce="nonce-0001")
    await listed(api, tag, 1)
    queries = [
        f"tag={tag}", f"tag={tag}&q=quiet", f"tag={tag}&sort=newest", f"tag={tag}&status=active", f"tag={tag}&status=idle",
        f"tag={tag}&size=small", f"tag={tag}&language=en", f"tag={tag}&visibility=private", f"tag={tag}&visibility=unlisted",
        *(f"tag={tag}&cursor=a{api.node._clock.now()}.{10**15}.{room}" for room in hidden), *(f"q={room}" for room in hidden),
    ]  # fmt: skip
    seen = [room["id"] for query in queries for room in (await api.call("GET", f"/v1/rooms?{query}")).json["rooms"]]
    assert set(seen) <= {shown}
    watcher = await peer_of(api, bob)
    absent = new_id(1)
    await watcher.request("listing.watch", rooms=[*hidden, shown, absent])
    update = await told(watcher, 1)
    assert update[shown].ended is False
    assert [update[room] for room in (*hidden, absent)] == [ListedRoom(room, 0, ended=True) for room in (*hidden, absent)]
    for one in (peer, watcher):
        await one.close()


async def test_P18_who_watches_hears_of_people_timers_and_endings(api: Api, uma: Account, bob: Account, tag: str) -> None:
    room, other = [await api.room(uma, "Watched", visibility="public", tags=[tag]) for _ in range(2)]
    await listed(api, tag, 2)
    watcher, host = await peer_of(api, bob), await peer_of(api, uma)
    await watcher.request("listing.watch", rooms=[room, other])
    assert (await told(watcher, 1))[room] == ListedRoom(room, 0)
    await host.request("room.join", room=room)
    await host.request("timer.start", room=room, nonce="nonce-0001")
    async with asyncio.timeout(60):
        while (now := (await told(watcher, 1))[room]).present != 1 or now.phase != "focus":
            await asyncio.sleep(0.02)
    await host.request("room.archive", room=room, nonce="nonce-0002")
    async with asyncio.timeout(60):
        while not (await told(watcher, 1))[room].ended:
            await asyncio.sleep(0.02)
    assert (await told(watcher, 1))[other] == ListedRoom(other, 0)
    for one in (watcher, host):
        await one.close()


async def told(peer: Peer, updates: int) -> dict[str, ListedRoom]:
    """The latest of each room, once there were so many updates."""
    async with asyncio.timeout(60):
        while len(found := peer.pushes("", ListingUpdate)) < updates:
            await asyncio.sleep(0.01)
    return {one.room: one for update in found for one in update.rooms}
