"""The table of permissions: nothing is without a row, and every row is enforced before anything else."""

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import astuple, fields

from commonroom.app import Node
from commonroom.codes import ErrorCode
from commonroom.errors import Forbidden, SignInNeeded, Unauthenticated
from commonroom.http.application import routes
from commonroom.http.matrix import matrix, used_by
from commonroom.http.route import Route
from commonroom.identity import Authority, Principal, SessionId
from commonroom.permissions import ADMITTED, ALWAYS, HOST, KINDS, NEVER, OWN, STAFF, TABLE, TIMER, kind_of, require, require_kind
from commonroom.protocol.registry import COMMANDS
from commonroom.protocol.session import Reply
from commonroom.storage.repository.audit import AuditLog
from tests.http.api import Account, Api
from tests.support.client import Peer, Refused

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROUTES = routes(with_docs=True)
WITHIN = {"room.create.public", "room.update.settings", "me.change.profile"}
"""Asked by a handler, within another action."""
CLOSED = [route for route in ROUTES if TABLE[route.action].guest is NEVER]


def authority(actor_type: Any, role: Any = "USER") -> Authority:
    return Authority(Principal(actor_type, "1" * 26), SessionId("1" * 26), "Ada", 0, role)


async def test_P7_every_route_and_command_has_a_row() -> None:
    assert {route.action for route in ROUTES} <= TABLE.keys()
    assert COMMANDS.keys() <= TABLE.keys()


async def test_no_row_is_without_a_use() -> None:
    assert TABLE.keys() - used_by().keys() == WITHIN


async def test_a_route_that_needs_no_token_is_open_to_everybody_and_one_that_does_to_nobody_without() -> None:
    for route in ROUTES:
        rule = TABLE[route.action]
        if route.signed_in is True:
            assert rule.nobody is NEVER, route.path
        else:
            assert set(rule) == {ALWAYS}, route.path


async def test_an_admin_may_what_a_user_may() -> None:
    assert all(rule.admin is rule.user for rule in TABLE.values() if rule.user is not NEVER)


async def test_the_document_is_as_new_as_the_table() -> None:
    written = Path(__file__).parents[2] / "docs" / "PERMISSIONS.md"
    assert written.read_text() == matrix(), "run `python -m commonroom.http.matrix > docs/PERMISSIONS.md`"


async def test_what_the_table_says_of_rooms_is_what_rooms_ask() -> None:
    """A room admits whoever commands it, but for leaving, founding and what an invite opens; a feature asks whose a message is."""
    in_rooms = {name for name, cls in COMMANDS.items() if "room" in {field.name for field in fields(cls)}}
    needed = {name: TABLE[name].user for name in in_rooms - {"room.leave", "room.create", "invite.accept"}}
    assert {name for name, need in needed.items() if need is OWN} == {"message.edit", "message.delete"}
    assert {name for name, need in needed.items() if need is HOST} == {"room.archive", "room.role"}
    assert set(needed.values()) == {ADMITTED, OWN, HOST, STAFF, TIMER}


@pytest.mark.parametrize(
    ("who", "kind"),
    [
        (None, "nobody"),
        (authority("guest"), "guest"),
        (authority("user"), "user"),
        (authority("user", "ADMIN"), "admin"),
        (authority("guest", "ADMIN"), "guest"),
    ],
)
async def test_who_asks_has_one_column(who: Authority | None, kind: str) -> None:
    assert kind_of(who) == kind


@pytest.mark.parametrize("action", TABLE)
@pytest.mark.parametrize("kind", KINDS)
async def test_each_cell_is_enforced(action: str, kind: str) -> None:
    people = {None: "nobody", authority("guest"): "guest", authority("user"): "user", authority("user", "ADMIN"): "admin"}
    who = next(one for one, name in people.items() if name == kind)
    need = TABLE[action].of(kind)  # type: ignore[arg-type]
    if need is NEVER:
        error = Unauthenticated if who is None else SignInNeeded if kind == "guest" and TABLE[action].user is not NEVER else Forbidden
        for holds in ((), (ADMITTED, OWN)):
            with pytest.raises(error) as refused:
                require(action, who, *holds)
            assert type(refused.value) is error
        return
    require_kind(action, who)
    require(action, who, need)
    if need is not ALWAYS:
        with pytest.raises(Forbidden) as refused:
            require(action, who, *({ADMITTED, OWN} - {need}))
        assert refused.value.action == action


@pytest.mark.parametrize("route", CLOSED, ids=lambda route: f"{route.method} {route.path}")
async def test_P7_what_is_closed_to_guests_is_refused_before_its_body_is_read(api: Api, ada: Account, route: Route) -> None:
    lifted = TABLE[route.action].user is not NEVER
    answer = await api.call(route.method, route.path.replace("{", "").replace("}", ""), headers=ada.bearer, data=b"no JSON")
    answer.problem(403, "SIGN_IN_NEEDED" if lifted else "FORBIDDEN")


async def test_P7_a_guest_makes_no_public_room_over_http_and_a_user_does(api: Api, ada: Account, uma: Account) -> None:
    wanted = {"title": "For all", "visibility": "public"}
    (await api.call("POST", "/v1/rooms", wanted, ada.bearer)).problem(403, "SIGN_IN_NEEDED")
    assert (await api.call("POST", "/v1/rooms", wanted, uma.bearer)).json["visibility"] == "public"


async def test_P7_a_guest_makes_no_public_room_over_the_socket_either(api: Api, ada: Account) -> None:
    peer = await _peer(api, ada)
    with pytest.raises(Refused) as refused:
        await peer.request("room.create", room="for-all", nonce="nonce-0001", kind="study", title="For all", visibility="public")
    assert refused.value.error.code == ErrorCode.SIGN_IN_NEEDED
    await peer.close()


async def test_P7_a_denial_over_http_writes_one_line(api: Api, node: Node, ada: Account, log: io.StringIO) -> None:
    answer = await api.call("DELETE", "/v1/me", headers=ada.bearer)
    expected = ("denied", "guest", ada.sid, ada.sid, "me.delete", "/v1/me", "sign in to unlock this", answer.headers["X-Request-Id"])
    assert await _audited(node, ada.sid) == [expected]
    lines = [line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == "audit"]
    assert [(line["actorId"], line["action"], line["request"]) for line in lines] == [(ada.sid, "me.delete", expected[-1])]


async def test_P7_a_denial_over_the_socket_writes_one_line_whether_an_answer_is_wanted_or_not(
    api: Api, node: Node, ada: Account, bob: Account
) -> None:
    room = await api.room(ada)
    host, peer = await _peer(api, ada), await _peer(api, bob)
    for one in (host, peer):
        await one.request("room.join", room=room)
    sent = await host.request("message.send", room=room, text="mine", nonce="nonce-0001")
    assert isinstance(sent, Reply)
    change = {"room": room, "message": sent.offset, "text": "yours", "nonce": "nonce-0002"}
    with pytest.raises(Refused) as refused:
        await peer.request("message.edit", **change)
    await peer.notify("message.edit", **change)
    line = ("denied", "guest", bob.sid, bob.sid, "message.edit", f"room/{room}", f"no message {sent.offset} of yours in this room")
    session, ref = peer.welcome.session, refused.value.error.ref
    assert await _audited(node, bob.sid, 2) == [(*line, f"{session}/{ref}"), (*line, f"{session}/0")]
    for one in (host, peer):
        await one.close()


async def test_S6_what_a_guest_writes_where_a_rooms_id_should_be_is_not_in_the_audit(
    api: Api, node: Node, ada: Account, bob: Account
) -> None:
    peer, room = await _peer(api, ada), await api.room(bob)
    token = (await api.call("POST", "/v1/ws-token", {}, bob.bearer)).json["token"]
    for name in ("Buy pills at pills.example", "room/x y", room, "for-all"):
        with pytest.raises(Refused):
            await peer.request("room.join", room=name, grant=token)
        with pytest.raises(Refused):
            await peer.request("room.create", room=name, nonce="nonce-0001", kind="study", title="For all", visibility="public")
    found = {target for *_, target, _, _ in await _audited(node, ada.sid, 8)}
    assert found == {"-", room, "for-all"}
    await peer.close()


async def test_P7_what_must_look_as_if_it_did_not_exist_is_audited_and_what_does_not_exist_is_not(
    api: Api, node: Node, ada: Account, bob: Account
) -> None:
    room = await api.room(ada, visibility="private")
    for path in (f"/v1/rooms/{room}", f"/v1/rooms/{room}/messages", f"/v1/rooms/{'0' * 26}"):
        (await api.call("GET", path, headers=bob.bearer)).problem(404, "NOT_FOUND")
    assert [(line[4], line[5]) for line in await _audited(node, bob.sid, 2)] == [
        ("room.read", f"room/{room}"), ("message.list", f"room/{room}"),
    ]  # fmt: skip


async def test_P7_the_end_of_somebody_elses_login_session_is_audited(api: Api, node: Node, ada: Account, bob: Account) -> None:
    for sid in (ada.sid, "0" * 26):
        (await api.call("DELETE", f"/v1/me/sessions/{sid}", headers=bob.bearer)).problem(404, "NOT_FOUND")
    assert [line[4:6] for line in await _audited(node, bob.sid)] == [("me.sessions.end", f"/v1/me/sessions/{ada.sid}")]


async def _peer(api: Api, who: Account) -> Peer:
    token = (await api.call("POST", "/v1/ws-token", {}, who.bearer)).json["token"]
    return await Peer.open(api.url.replace("http", "ws", 1) + "/v1/ws", token)


async def _audited(node: Node, actor: str, count: int = 1) -> list[tuple[str, ...]]:
    """What is stored of them, oldest first, once it is so many lines."""
    audit = AuditLog(node._storage.database)
    async with asyncio.timeout(20):
        while len(found := await audit.search(actor, None, None, 100)) < count:
            await asyncio.sleep(0.01)
    return [astuple(one)[1:] for _, one in reversed(found)]
