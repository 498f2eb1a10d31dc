"""Rooms changed and kept in order over HTTP: settings, archive, roles, kick, ban and mute, by whom they may be."""

from typing import Any

import pytest
import pytest_asyncio

from commonroom.actors.room.actor import RoomActor
from commonroom.actors.room.penalty import Penalty
from commonroom.app import Node
from commonroom.engine.address import Address
from commonroom.identity import Principal
from tests.http.account import registered, unused
from tests.http.api import Account, Api
from tests.support.client import Peer, Refused, until
from tests.support.mail import MailServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

SETTINGS: dict[str, Any] = {
    "title": "Thesis",
    "topic": "no talking",
    "language": "pt",
    "visibility": "private",
    "tags": ["maths", "späße"],
    "sizeLimit": 12,
    "theme": "forest",
    "timerPolicy": "cohosts",
    "slowMs": 5000,
    "locked": True,
}
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "empty title": ({"title": ""}, "$.title"),
    "no visible title": ({"title": "\u200b"}, "$.title"),
    "a size of one": ({"sizeLimit": 1}, "$.size_limit"),
    "a size beyond": ({"sizeLimit": 5001}, "$.sizeLimit"),
    "six tags": ({"tags": list("abcdef")}, "$.tags"),
    "a tag of nothing": ({"tags": [""]}, "$.tags[0]"),
    "a theme of ours": ({"theme": "pink"}, "$.theme"),
    "a policy of ours": ({"timerPolicy": "nobody"}, "$.timerPolicy"),
    "an hour and more": ({"slowMs": 3_600_001}, "$.slowMs"),
    "a long why": ({"title": "t", "why": "x" * 241}, "$.why"),
    "unknown field": ({"host": "me"}, "$"),
}


@pytest_asyncio.fixture(loop_scope="session")
async def room(api: Api, ada: Account) -> str:
    return await api.room(ada)


async def peer_of(api: Api, who: Account, room: str) -> Peer:
    token = (await api.call("POST", "/v1/ws-token", {}, who.bearer)).json["token"]
    peer = await Peer.open(api.url.replace("http", "ws", 1) + "/v1/ws", token)
    await peer.request("room.join", room=room)
    return peer


def named(who: Account) -> str:
    return f"{who.principal['actorType']}:{who.principal['actorId']}"


async def seen(api: Api, who: Account, room: str) -> dict[str, Any]:
    answer = await api.call("GET", f"/v1/rooms/{room}", headers=who.bearer)
    assert answer.status == 200, answer.body
    shown: dict[str, Any] = answer.json
    return shown


async def act(api: Api, who: Account, room: str, what: str, about: Account, **rest: Any) -> None:
    answer = await api.call("POST", f"/v1/rooms/{room}/{what}", {"person": named(about), **rest}, who.bearer)
    assert answer.status == 204, answer.body


async def test_P17_a_host_changes_what_a_room_is(api: Api, ada: Account, room: str) -> None:
    changed = await api.call("PATCH", f"/v1/rooms/{room}", {**SETTINGS, "why": "exams"}, ada.bearer)
    assert changed.status == 200, changed.body
    assert SETTINGS.items() <= changed.json.items()
    assert await seen(api, ada, room) == changed.json
    again = await api.call("PATCH", f"/v1/rooms/{room}", {"locked": False}, ada.bearer)
    assert {**again.json, "locked": True} == changed.json


async def test_P17_a_room_is_founded_with_its_settings_and_shows_who_is_what(api: Api, ada: Account, bob: Account) -> None:
    wanted = {"title": "Thesis", "tags": ["maths"], "sizeLimit": 5, "theme": "night", "timerPolicy": "host"}
    room = (await api.call("POST", "/v1/rooms", wanted, ada.bearer)).json
    assert wanted.items() <= room.items()
    me = {key: ada.principal[key] for key in ("actorType", "actorId")}
    assert (room["role"], room["host"], room["cohosts"], room["archivedAt"]) == ("host", me, [], None)
    assert (room["slowMs"], room["locked"]) == (0, False)
    assert (await seen(api, bob, room["id"]))["role"] == "participant"


@pytest.mark.parametrize(("body", "field"), BAD.values(), ids=BAD.keys())
async def test_P17_a_setting_that_is_none_is_refused_by_its_field(
    api: Api, ada: Account, room: str, body: dict[str, Any], field: str
) -> None:
    assert (await api.call("PATCH", f"/v1/rooms/{room}", body, ada.bearer)).problem(422, "INVALID")["field"] == field


async def test_P17_only_its_host_changes_a_room_and_co_hosts_keep_order(api: Api, ada: Account, bob: Account, room: str) -> None:
    path = f"/v1/rooms/{room}"
    (await api.call("PATCH", path, {"locked": True}, bob.bearer)).problem(403, "FORBIDDEN")
    peer = await peer_of(api, bob, room)
    await act(api, ada, room, "role", bob, role="cohost")
    assert (await seen(api, bob, room))["role"] == "cohost"
    assert (await api.call("PATCH", path, {"locked": True, "slowMs": 1000}, bob.bearer)).status == 200
    for refused in ({"title": "Mine"}, {"locked": False, "visibility": "public"}):
        (await api.call("PATCH", path, refused, bob.bearer)).problem(403, "FORBIDDEN")
    (await api.call("POST", f"{path}/archive", headers=bob.bearer)).problem(403, "FORBIDDEN")
    assert (await seen(api, ada, room))["cohosts"] == [{key: bob.principal[key] for key in ("actorType", "actorId")}]
    await peer.close()


async def test_P7_a_guest_opens_no_room_to_the_public(api: Api, ada: Account, room: str) -> None:
    (await api.call("PATCH", f"/v1/rooms/{room}", {"visibility": "public"}, ada.bearer)).problem(403, "SIGN_IN_NEEDED")


async def test_P17_an_archived_room_is_open_to_nobody_new_until_its_host_opens_it(api: Api, ada: Account, bob: Account, room: str) -> None:
    archived = await api.call("POST", f"/v1/rooms/{room}/archive", {"why": "done"}, ada.bearer)
    assert archived.status == 200
    assert archived.json["archivedAt"] is not None
    (await api.call("GET", f"/v1/rooms/{room}", headers=bob.bearer)).problem(404, "NOT_FOUND")
    (await api.call("PATCH", f"/v1/rooms/{room}", {"title": "t"}, ada.bearer)).problem(409, "CONFLICT")
    opened = await api.call("POST", f"/v1/rooms/{room}/archive", {"archived": False}, ada.bearer)
    assert opened.json["archivedAt"] is None
    assert (await seen(api, bob, room))["id"] == room


async def test_P35_who_is_muted_is_silent_until_that_is_lifted(api: Api, ada: Account, bob: Account, room: str) -> None:
    peer = await peer_of(api, bob, room)
    await act(api, ada, room, "mute", bob, durationMs=3_600_000, why="too loud")
    with pytest.raises(Refused) as refused:
        await peer.request("message.send", room=room, text="hm", nonce="nonce-0001")
    assert refused.value.error.name == "FORBIDDEN"
    await act(api, ada, room, "unmute", bob)
    await peer.request("message.send", room=room, text="hm", nonce="nonce-0002")
    await peer.close()


async def test_P35_who_is_kicked_may_come_again_and_who_is_banned_may_not(api: Api, ada: Account, bob: Account, room: str) -> None:
    peer = await peer_of(api, bob, room)
    await act(api, ada, room, "kick", bob)
    await until(lambda: [push for push in peer.seen[room] if type(push).__name__ == "RoomRemoved"], "the kick")
    await peer.request("room.join", room=room)
    await act(api, ada, room, "ban", bob, why="spam")
    await until(lambda: len([push for push in peer.seen[room] if type(push).__name__ == "RoomRemoved"]) == 2, "the ban")
    for attempt in ("room.join", "room.quit"):
        with pytest.raises(Refused) as refused:
            await peer.request(attempt, room=room, **({"nonce": "nonce-0001"} if attempt == "room.quit" else {}))
        assert refused.value.error.name == "BANNED"
    (await api.call("PATCH", f"/v1/rooms/{room}", {"locked": True}, bob.bearer)).problem(403, "BANNED")
    await act(api, ada, room, "unban", bob)
    await peer.request("room.join", room=room)
    await peer.close()


@pytest.mark.parametrize("what", ["ban", "mute"])
async def test_P35_who_is_banned_or_muted_is_listed_to_host_and_co_hosts_until_that_is_over(
    api: Api, ada: Account, bob: Account, room: str, what: str, node: Node
) -> None:
    path = f"/v1/rooms/{room}/{what}s"

    async def listed(by: Account) -> list[dict[str, Any]]:
        answer = await api.call("GET", path, headers=by.bearer)
        assert answer.status == 200, answer.body
        rows: list[dict[str, Any]] = answer.json[f"{what}s"]
        return rows

    carol = await api.guest("Carol")
    peer = await peer_of(api, carol, room)
    await act(api, ada, room, "role", carol, role="cohost")
    await act(api, ada, room, what, bob, durationMs=60_000)
    for by in (ada, carol):
        (row,) = await listed(by)
        assert {**bob.principal, "name": "Bob", "user": None}.items() <= row.items()
        assert 0 < row["until"] - node._clock.now() <= 60_000
    await act(api, ada, room, "role", carol, role="participant")
    for stranger in (carol, bob, await api.guest()):
        (await api.call("GET", path, headers=stranger.bearer)).problem(404, "NOT_FOUND")
    await act(api, ada, room, f"un{what}", bob)
    assert await listed(ada) == []
    actor = node._engine.host._live[Address("room", room)].actor
    assert isinstance(actor, RoomActor)
    over = Penalty(Principal("guest", bob.principal["actorId"]), node._clock.now())
    for penalties in (actor.room.bans, actor.room.mutes):
        penalties.impose(over, 0)
    assert await listed(ada) == []
    await peer.close()


async def test_P35_a_room_is_handed_over(api: Api, ada: Account, bob: Account, room: str) -> None:
    peer = await peer_of(api, bob, room)
    await act(api, ada, room, "role", bob, role="host")
    assert ((await seen(api, ada, room))["role"], (await seen(api, bob, room))["role"]) == ("cohost", "host")
    (await api.call("POST", f"/v1/rooms/{room}/role", {"person": named(bob), "role": "participant"}, ada.bearer)).problem(403, "FORBIDDEN")
    await peer.close()


async def test_P35_people_are_named_by_username_too(api: Api, mail: MailServer, ada: Account, room: str) -> None:
    user = await registered(api, mail, unused())
    username = f"u{user.sid[-8:]}x"
    assert (await api.call("PUT", "/v1/me/username", {"username": username}, user.bearer)).status == 204
    answer = await api.call("POST", f"/v1/rooms/{room}/ban", {"person": username}, ada.bearer)
    assert answer.status == 204
    (await api.call("PATCH", f"/v1/rooms/{room}", {}, user.bearer)).problem(403, "BANNED")


@pytest.mark.parametrize(
    ("person", "status", "name"),
    [
        ("nobody-at-all", 404, "NOT_FOUND"),
        ("guest:0", 404, "NOT_FOUND"),
        ("guest:a b", 422, "INVALID"),
        ("guest:", 422, "INVALID"),
        ("", 422, "INVALID"),
        ("robot:1", 404, "NOT_FOUND"),
        ("x" * 65, 422, "INVALID"),
    ],
)
async def test_P35_somebody_who_is_nobody_is_not_kicked(api: Api, ada: Account, room: str, person: str, status: int, name: str) -> None:
    (await api.call("POST", f"/v1/rooms/{room}/kick", {"person": person}, ada.bearer)).problem(status, name)


@pytest.mark.parametrize("what", ["kick", "ban", "mute", "role"])
async def test_P35_nobody_does_it_to_themselves(api: Api, ada: Account, room: str, what: str) -> None:
    body = {"person": named(ada), **({"role": "participant"} if what == "role" else {})}
    (await api.call("POST", f"/v1/rooms/{room}/{what}", body, ada.bearer)).problem(422, "INVALID")


async def test_a_repeat_under_its_key_is_one_change_and_another_request_is_another(api: Api, ada: Account, bob: Account, room: str) -> None:
    key = {**ada.bearer, "Idempotency-Key": "key-of-test-4"}
    for title in ("First", "Second"):
        assert (await api.call("PATCH", f"/v1/rooms/{room}", {"title": title}, key)).json["title"] == "First"
    assert (await api.call("POST", f"/v1/rooms/{room}/ban", {"person": named(bob)}, key)).status == 204
    (await api.call("PATCH", f"/v1/rooms/{room}", {}, bob.bearer)).problem(403, "BANNED")
