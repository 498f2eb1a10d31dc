"""RELIABILITY A1: somebody else's ids in every route and every command. The matrix is made from the lists of both."""

import re
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from msgspec.structs import fields

from commonroom.codes import ErrorCode
from commonroom.http.application import routes
from commonroom.http.route import Route
from commonroom.identity import Principal
from commonroom.ids import new_id
from commonroom.permissions import ADMITTED, HOST, NEVER, OWN, STAFF, TABLE
from commonroom.protocol.presence import PresenceUpdate
from commonroom.protocol.registry import COMMANDS
from commonroom.protocol.session import Reply
from tests.http.account import registered, unused
from tests.http.api import UNSAID, Account, Answer, Api
from tests.support.client import Peer, Refused
from tests.support.mail import MailServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROUTES = routes(with_docs=True)
ABSENT = "0" * 26
VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class World(NamedTuple):
    """What is Ada's: a user with a private room."""

    ada: Account
    room: str
    message: int
    invite: str
    username: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(api: Api, mail: MailServer) -> World:
    ada = await registered(api, mail, unused())
    username = f"ada.x{ada.sid[-8:]}"
    assert (await api.call("PUT", "/v1/me/username", {"username": username}, ada.bearer)).status == 204
    room = await api.room(ada, "Secret garden", visibility="private")
    peer = await _peer(api, ada)
    await peer.request("room.join", room=room)
    sent = await peer.request("message.send", room=room, text="for nobody else", nonce="nonce-0001")
    assert isinstance(sent, Reply)
    await peer.close()
    invite = (await api.call("POST", f"/v1/rooms/{room}/invites", {}, ada.bearer)).json["id"]
    return World(ada, room, sent.offset, invite, username)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def others(api: Api, mail: MailServer) -> dict[str, Account]:
    return {"guest": await api.guest("Bob"), "user": await registered(api, mail, unused())}


OPEN = {
    "code": ABSENT, "flag": "live_list", "provider": "github", "report": ABSENT, "sanction": ABSENT, "user": ABSENT,
    "who": f"user:{ABSENT}",
}  # fmt: skip
"""What may stand in a path and belongs to nobody, or is asked for by admins alone."""
PUBLIC = {"username"}
"""Names that everybody may ask for."""
OWNED = {"invite", "room", "session"}
"""What belongs to somebody: Ada's is tried, and one that does not exist."""
OF_BODIES = {
    "POST /v1/ws-token": lambda room: {"roomId": room},
    "POST /v1/reports": lambda room: {"kind": "other", "room": room},
}
"""Bodies that name a room, by route."""
SOMEBODY = {"person": f"guest:{ABSENT}"}
OF_PATHS: dict[str, dict[str, Any]] = {
    "PATCH /v1/rooms/{room}": {"title": "Mine now"},
    "POST /v1/rooms/{room}/kick": SOMEBODY,
    "POST /v1/rooms/{room}/ban": SOMEBODY,
    "POST /v1/rooms/{room}/unban": SOMEBODY,
    "POST /v1/rooms/{room}/mute": SOMEBODY,
    "POST /v1/rooms/{room}/unmute": SOMEBODY,
    "POST /v1/rooms/{room}/role": {**SOMEBODY, "role": "cohost"},
}
"""Bodies without which routes of somebody's things are not understood."""


def _path(route: Route, world: World | None) -> str:
    """Of Ada's things, or of things that do not exist."""
    filled = {
        "room": ABSENT if world is None else world.room,
        "session": ABSENT if world is None else world.ada.sid,
        "invite": ABSENT if world is None else world.invite,
        "username": "nobody-at-all" if world is None else world.username,
        **OPEN,
    }
    return re.sub(r"\{(\w+)\}", lambda found: filled[found[1]], route.path)


def _names(route: Route) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", route.path))


def _label(route: Route) -> str:
    return f"{route.method} {route.path}"


OF_OTHERS = [route for route in ROUTES if _names(route) & OWNED and route.action != "socket.open"]


async def test_A1_every_part_of_a_path_is_known_here() -> None:
    assert {name for route in ROUTES for name in _names(route)} == OWNED | PUBLIC | OPEN.keys()


async def test_A1_every_body_that_names_a_room_is_known_here() -> None:
    naming = {
        _label(route)
        for route in ROUTES
        if route.body is not None and {field.name for field in fields(route.body)} & {"room", "room_id", "message"}
    }
    assert naming == OF_BODIES.keys()


async def test_A1_what_belongs_to_somebody_is_not_open_to_all_who_are_signed_in() -> None:
    for route in OF_OTHERS:
        assert {TABLE[route.action].guest, TABLE[route.action].user} <= {NEVER, ADMITTED, OWN, HOST, STAFF}, route.path


@pytest.mark.parametrize("kind", ["guest", "user"])
@pytest.mark.parametrize("route", OF_OTHERS, ids=_label)
async def test_A1_a_route_shows_nothing_of_somebody_elses(
    api: Api, world: World, others: dict[str, Account], route: Route, kind: str
) -> None:
    who = others[kind]
    body = OF_PATHS.get(_label(route), UNSAID)
    real, absent = [await api.call(route.method, _path(route, which), body, who.bearer) for which in (world, None)]
    if getattr(TABLE[route.action], kind) is NEVER:
        real.problem(403, "SIGN_IN_NEEDED" if kind == "guest" else "FORBIDDEN")
    else:
        real.problem(404, "NOT_FOUND")
    assert _told(real, world.room) == _told(absent, ABSENT)
    (await api.call(route.method, _path(route, world))).problem(401, "UNAUTHENTICATED")


@pytest.mark.parametrize("kind", ["guest", "user"])
@pytest.mark.parametrize("label", OF_BODIES)
async def test_A1_a_body_that_names_somebody_elses_room_finds_none(
    api: Api, world: World, others: dict[str, Account], label: str, kind: str
) -> None:
    method, path = label.split(" ")
    answers = [await api.call(method, path, OF_BODIES[label](room), others[kind].bearer) for room in (world.room, ABSENT)]
    for answer in answers:
        answer.problem(404, "NOT_FOUND")
    assert _told(answers[0], world.room) == _told(answers[1], ABSENT)


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES if route.action != "socket.open"}))
async def test_A1_no_verb_is_served_that_is_not_declared(api: Api, world: World, others: dict[str, Account], path: str) -> None:
    declared = {route.method for route in ROUTES if route.path == path}
    filled = _path(next(route for route in ROUTES if route.path == path), world)
    elsewhere = {route.method for route in ROUTES if route.path != path and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route.path), filled)}
    for verb in set(VERBS) - declared - elsewhere:
        answer = await api.call(verb, filled, UNSAID, others["user"].bearer)
        assert answer.status == 405, f"{verb} {path}"


NOBODY = Principal("guest", ABSENT)
OF_COMMANDS: dict[str, dict[str, Any]] = {
    "room.join": {},
    "room.leave": {},
    "room.create": {"nonce": "nonce-0002", "kind": "study", "title": "Mine now"},
    "message.send": {"text": "in", "nonce": "nonce-0003"},
    "message.edit": {"message": 2, "text": "changed", "nonce": "nonce-0004"},
    "message.delete": {"message": 2, "nonce": "nonce-0005"},
    "timer.start": {"nonce": "nonce-0006"},
    "timer.pause": {"nonce": "nonce-0007"},
    "timer.resume": {"nonce": "nonce-0008"},
    "timer.skip": {"nonce": "nonce-0009"},
    "timer.reset": {"nonce": "nonce-0010"},
    "timer.extend": {"nonce": "nonce-0011"},
    "timer.configure": {"nonce": "nonce-0012"},
    "room.update": {"nonce": "nonce-0013", "title": "Mine now"},
    "room.archive": {"nonce": "nonce-0014"},
    "room.kick": {"nonce": "nonce-0015", "person": NOBODY},
    "room.ban": {"nonce": "nonce-0016", "person": NOBODY},
    "room.unban": {"nonce": "nonce-0017", "person": NOBODY},
    "room.mute": {"nonce": "nonce-0018", "person": NOBODY},
    "room.unmute": {"nonce": "nonce-0019", "person": NOBODY},
    "room.role": {"nonce": "nonce-0020", "person": NOBODY, "role": "cohost"},
    "room.quit": {"nonce": "nonce-0021"},
    "invite.create": {"nonce": "nonce-0022"},
    "invite.list": {},
    "invite.revoke": {"nonce": "nonce-0023", "invite": ABSENT},
    "invite.accept": {"nonce": "nonce-0024", "code": "0000000000"},
    "typing.start": {},
    "typing.stop": {},
    "cast.send": {"key": "k", "data": "in"},
}
"""Every command that names a room, with the rest of it."""


async def test_A1_every_command_that_names_a_room_is_known_here() -> None:
    assert {name for name, cls in COMMANDS.items() if "room" in {field.name for field in fields(cls)}} == OF_COMMANDS.keys()


@pytest.mark.parametrize("kind", ["guest", "user"])
@pytest.mark.parametrize("name", OF_COMMANDS)
async def test_A1_a_command_does_nothing_in_somebody_elses_room(
    api: Api, world: World, others: dict[str, Account], name: str, kind: str
) -> None:
    host, peer = await _peer(api, world.ada), await _peer(api, others[kind])
    await host.request("room.join", room=world.room)
    told = []
    absent = new_id(0) if name == "room.create" else ABSENT
    for room in (world.room, absent):
        try:
            answer = await peer.request(name, room=room, **OF_COMMANDS[name])
        except Refused as refused:
            told.append((refused.error.code, refused.error.message.replace(room, "")))
        else:
            assert isinstance(answer, Reply)
            told.append((0, ""))
    if name == "room.create":  # ids are the client's own choice, at random: a known one says no more than that it is taken
        assert told[0][0] == ErrorCode.CONFLICT
    else:
        assert told[0] == told[1]
        assert told[0][0] in ({0} if name == "room.leave" else {ErrorCode.NOT_FOUND, ErrorCode.NOT_JOINED})
    history = (await api.call("GET", f"/v1/rooms/{world.room}/messages", headers=world.ada.bearer)).json["messages"]
    assert [message["text"] for message in history] == ["for nobody else"]
    assert not [push for push in host.pushes(world.room, PresenceUpdate) if len(push.joined) > 1]
    for one in (host, peer):
        await one.close()


@pytest.mark.parametrize("name", [name for name, rest in OF_COMMANDS.items() if "message" in rest])
async def test_A1_a_message_of_one_room_is_none_under_another(api: Api, world: World, others: dict[str, Account], name: str) -> None:
    mine = await api.room(others["guest"])
    peer = await _peer(api, others["guest"])
    await peer.request("room.join", room=mine)
    with pytest.raises(Refused) as refused:
        await peer.request(name, room=mine, **{**OF_COMMANDS[name], "message": world.message})
    assert refused.value.error.code == ErrorCode.NOT_FOUND
    await peer.close()


@pytest.mark.parametrize("name", [name for name, rest in OF_COMMANDS.items() if "message" in rest])
async def test_A1_somebody_elses_message_is_answered_like_none(api: Api, world: World, others: dict[str, Account], name: str) -> None:
    """Else the answer would tell which `skip` of a hidden author is a message."""
    room = await api.room(world.ada)
    host, peer = await _peer(api, world.ada), await _peer(api, others["guest"])
    for one in (host, peer):
        await one.request("room.join", room=room)
    sent = await host.request("message.send", room=room, text="hers", nonce="nonce-0001")
    assert isinstance(sent, Reply)
    told = []
    for message in (sent.offset, sent.offset + 1):
        with pytest.raises(Refused) as refused:
            await peer.request(name, room=room, **{**OF_COMMANDS[name], "message": message})
        told.append((refused.value.error.code, refused.value.error.message.replace(str(message), "")))
    assert told[0] == told[1]
    assert told[0][0] == ErrorCode.NOT_FOUND
    for one in (host, peer):
        await one.close()


async def _peer(api: Api, who: Account) -> Peer:
    token = (await api.call("POST", "/v1/ws-token", {}, who.bearer)).json["token"]
    return await Peer.open(api.url.replace("http", "ws", 1) + "/v1/ws", token)


def _told(answer: Answer, room: str) -> dict[str, Any]:
    """All of it but what the request itself named."""
    return {**answer.json, "requestId": "", "detail": answer.json["detail"].replace(room, "")}
