"""What admins impose, on one node: bans, mutes and shadows of users and guests, on live sockets and at the door (FEATURES C9)."""

import asyncio
import io
from typing import Any

import pytest
import pytest_asyncio

from commonroom.app import Node
from commonroom.engine.address import Address
from commonroom.errors import Unauthenticated
from commonroom.identity import Authority, Principal, SessionId
from commonroom.ids import new_id
from commonroom.protocol.chat import MessageCreate
from commonroom.protocol.room import Joined
from commonroom.protocol.session import Reply, ResumeAt, Skip
from commonroom.protocol.wire import StreamPosition
from tests.http.account import log_in, registered, unused
from tests.http.admin import admin_of, peer_of
from tests.http.api import Account, Answer, Api, account_of
from tests.support.client import Peer, Refused, until
from tests.support.mail import MailServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOUR_MS = 3_600_000
WITHIN_S = 2.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def admin(api: Api, mail: MailServer) -> Account:
    return await admin_of(api, mail)


async def impose(api: Api, admin: Account, who: Account, kind: str, **fields: Any) -> Answer:
    named = f"{who.principal['actorType']}:{who.principal['actorId']}"
    return await api.call("POST", "/v1/admin/sanctions", {"who": named, "kind": kind, "reason": "because", **fields}, admin.bearer)


async def imposed(api: Api, admin: Account, who: Account, kind: str, **fields: Any) -> str:
    answer = await impose(api, admin, who, kind, **fields)
    assert answer.status == 201, answer.body
    ident: str = answer.json["id"]
    return ident


async def joined(api: Api, account: Account, room: str) -> Peer:
    peer = await peer_of(api, account)
    await peer.request("room.join", room=room)
    return peer


async def heard(peer: Peer, room: str, text: str) -> None:
    await until(lambda: text in [push.text for push in peer.pushes(room, MessageCreate)], text)


async def say(peer: Peer, room: str, text: str) -> int:
    sent = await peer.request("message.send", room=room, text=text, nonce=new_id(0))
    assert isinstance(sent, Reply)
    return sent.offset


async def refused(peer: Peer, room: str, text: str, within_s: float = WITHIN_S) -> str:
    """What the server says, as soon as it refuses what is sent."""
    async with asyncio.timeout(within_s):
        for number in range(10_000):
            try:
                await say(peer, room, f"{text} {number}")
            except Refused as error:
                return f"{error.error.name}: {error.error.message}"
    raise AssertionError


def stands(node: Node, account: Account) -> bool:
    """Whether the node knows of something that stands against them."""
    return account.principal["actorId"] in node._engine.sanctions._by_actor


def standing_of_what_waited(node: Node, account: Account) -> str:
    """Of a command that they sent before, and that an actor takes up now."""
    ident = account.principal["actorId"]
    return node._engine.host.vouched(Authority(Principal("guest", ident), SessionId(ident), "Ada", 0)).sanction


async def history(api: Api, account: Account, room: str) -> list[str]:
    answer = await api.call("GET", f"/v1/rooms/{room}/messages", headers=account.bearer)
    return [message["text"] for message in answer.json["messages"]]


async def test_W11_a_banned_users_sockets_close_and_nobody_signs_in(api: Api, mail: MailServer, admin: Account, node: Node) -> None:
    address = unused()
    user = await registered(api, mail, address)
    other = account_of(await log_in(api, address))
    peers = [await peer_of(api, one) for one in (user, other, user)]
    until_ms = node._clock.now() + HOUR_MS
    ban = await imposed(api, admin, user, "ban", until=until_ms, reason="spam everywhere")
    for peer in peers:
        async with asyncio.timeout(WITHIN_S):
            await peer.socket.wait_closed()
        assert (peer.socket.close_code, peer.socket.close_reason) == (4504, "the login session has ended")
        await peer.close()
    for one in (user, other):
        (await api.call("GET", "/v1/me", headers=one.bearer)).problem(401, "UNAUTHENTICATED")
        (await api.call("POST", "/v1/auth/refresh", headers={**one.cookie, "Origin": api.url})).problem(401, "UNAUTHENTICATED")
    problem = (await log_in(api, address)).problem(403, "FORBIDDEN")
    assert problem["detail"].startswith("this account is banned until 20")
    assert (problem["until"], problem["reason"]) == (until_ms, "spam everywhere")
    (await log_in(api, address, "wrong password")).problem(401, "UNAUTHENTICATED")
    assert (await api.call("DELETE", f"/v1/admin/sanctions/{ban}", headers=admin.bearer)).status == 204
    assert (await log_in(api, address)).status == 200


async def test_W11_a_ban_that_is_over_keeps_nobody_out(api: Api, mail: MailServer, admin: Account, node: Node) -> None:
    address = unused()
    user = await registered(api, mail, address)
    ban = await imposed(api, admin, user, "ban", until=node._clock.now() + HOUR_MS)
    (await log_in(api, address)).problem(403, "FORBIDDEN")
    await node._storage.database.execute('UPDATE sanction SET "until" = $1 WHERE id = $2', node._clock.now() - 1, ban)
    assert (await log_in(api, address)).status == 200


async def test_W11_a_banned_guest_is_out(api: Api, admin: Account, ada: Account, node: Node) -> None:
    peer = await peer_of(api, ada)
    await imposed(api, admin, ada, "ban")
    async with asyncio.timeout(WITHIN_S):
        await peer.socket.wait_closed()
    assert peer.socket.close_code == 4504
    await peer.close()
    (await api.call("GET", "/v1/me", headers=ada.bearer)).problem(401, "UNAUTHENTICATED")
    (await impose(api, admin, ada, "mute")).problem(404, "NOT_FOUND")
    with pytest.raises(Unauthenticated):
        standing_of_what_waited(node, ada)


async def test_a_sign_in_under_way_does_not_slip_past_a_ban(api: Api, mail: MailServer, admin: Account) -> None:
    address = unused()
    user = await registered(api, mail, address)
    answers, _ = await asyncio.gather(asyncio.gather(*(log_in(api, address) for _ in range(4))), impose(api, admin, user, "ban"))
    for answer in answers:
        if answer.status == 200:
            (await api.call("GET", "/v1/me", headers=account_of(answer).bearer)).problem(401, "UNAUTHENTICATED")
        else:
            answer.problem(403, "FORBIDDEN")


async def test_C9_a_mute_holds_on_a_live_socket_and_ends_when_it_is_lifted(api: Api, admin: Account, ada: Account, node: Node) -> None:
    room = await api.room(ada)
    peer = await joined(api, ada, room)
    await say(peer, room, "before")
    mute = await imposed(api, admin, ada, "mute", until=node._clock.now() + HOUR_MS)
    assert (await refused(peer, room, "x")).startswith("FORBIDDEN: you are muted until 20")
    assert standing_of_what_waited(node, ada) == "mute"
    again = await joined(api, ada, room)
    with pytest.raises(Refused):
        await say(again, room, "from a new socket")
    assert (await api.call("DELETE", f"/v1/admin/sanctions/{mute}", headers=admin.bearer)).status == 204
    await until(lambda: not stands(node, ada), "the mute to be lifted")
    for one in (peer, again):
        await say(one, room, f"after {one.welcome.session}")
        await one.close()


async def test_C9_a_mute_of_a_guest_holds_for_the_user_it_becomes_and_of_a_user_for_the_guests_it_was(
    api: Api, mail: MailServer, admin: Account, ada: Account, bob: Account, node: Node
) -> None:
    room = await api.room(ada)
    of_guest = await imposed(api, admin, ada, "mute")
    user = await registered(api, mail, unused(), ada.bearer)
    new = await joined(api, user, room)
    assert (await refused(new, room, "as a user")).startswith("FORBIDDEN")
    old = await joined(api, bob, room)  # by a guest's token, which is good for some minutes yet
    became = await registered(api, mail, unused(), bob.bearer)
    of_user = await imposed(api, admin, became, "mute")
    assert (await refused(old, room, "as the guest")).startswith("FORBIDDEN")
    for peer in (new, old):
        await peer.close()
    for sanction in (of_guest, of_user):
        assert (await api.call("DELETE", f"/v1/admin/sanctions/{sanction}", headers=admin.bearer)).status == 204


async def test_C9_what_is_said_under_a_shadow_is_shown_to_its_author_alone_everywhere(
    api: Api, admin: Account, ada: Account, bob: Account, node: Node
) -> None:
    room = await api.room(ada)
    author, reader = await joined(api, ada, room), await joined(api, bob, room)
    first = await say(author, room, "seen")
    await imposed(api, admin, ada, "shadow")
    await until(lambda: stands(node, ada), "the shadow")
    unseen = await say(author, room, "unseen")
    await say(reader, room, "anybody?")
    await heard(reader, room, "anybody?")
    await heard(author, room, "unseen")
    assert [push.text for push in reader.pushes(room, MessageCreate)] == ["seen", "anybody?"]
    assert [skip.offset for skip in reader.pushes(room, Skip)] == [unseen]
    assert (await history(api, ada, room), await history(api, bob, room)) == (["seen", "unseen", "anybody?"], ["seen", "anybody?"])
    await node._storage.projections.caught_up()
    assert (await history(api, ada, room), await history(api, bob, room)) == (["seen", "unseen", "anybody?"], ["seen", "anybody?"])
    for account, texts in ((ada, ["seen", "unseen", "anybody?"]), (bob, ["seen", "anybody?"])):
        fresh = await peer_of(api, account)
        snapshot = await fresh.request("room.join", room=room)
        assert isinstance(snapshot, Joined)
        assert [message.text for message in snapshot.messages] == texts
        token = (await api.call("POST", "/v1/ws-token", {}, account.bearer)).json["token"]
        resume = [ResumeAt(room, StreamPosition(fresh.welcome.history, first))]
        again = await Peer.open(api.url.replace("http", "ws") + "/v1/ws", token, resume)
        await heard(again, room, "anybody?")
        assert [push.text for push in again.pushes(room, MessageCreate)] == texts[1:]
        await fresh.close()
        await again.close()
    exported = [(await api.call("GET", "/v1/me/export", headers=one.bearer)).json for one in (ada, bob)]
    assert [sorted({message["text"] for message in one["messages"]}) for one in exported] == [["seen", "unseen"], ["anybody?"]]
    assert exported[0]["sanctions"] == [], "a shadow is not told"
    (await api.call("POST", "/v1/reports", {"kind": "abuse", "room": room, "message": unseen}, bob.bearer)).problem(404, "NOT_FOUND")
    for peer in (author, reader):
        await peer.close()


async def test_C9_a_shadow_outlives_a_mute_of_a_guest_that_its_user_signs_in_as(
    api: Api, mail: MailServer, admin: Account, bob: Account, node: Node
) -> None:
    room, address = await api.room(bob), unused()
    await imposed(api, admin, await registered(api, mail, address), "shadow")
    guest, ends = await api.guest("Gus"), node._clock.now() + 1000
    await imposed(api, admin, guest, "mute", until=ends)
    await until(lambda: stands(node, guest) or node._clock.now() >= ends, "the mute")
    author, reader = await joined(api, account_of(await log_in(api, address, headers=guest.bearer)), room), await joined(api, bob, room)
    await until(lambda: node._clock.now() >= ends, "the end of the mute")
    await say(author, room, "unheard")
    await say(reader, room, "anybody?")
    await heard(reader, room, "anybody?")
    assert [push.text for push in reader.pushes(room, MessageCreate)] == ["anybody?"]
    for peer in (author, reader):
        await peer.close()


async def test_what_stands_against_somebody_goes_with_their_requests_too(
    api: Api, admin: Account, ada: Account, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await api.room(ada)
    seen: list[str] = []
    view = node._engine.router.view

    async def look(address: Address, authority: Authority, *rest: Any, **more: Any) -> Any:
        seen.append(authority.sanction)
        return await view(address, authority, *rest, **more)

    monkeypatch.setattr(node._engine.router, "view", look)
    assert (await api.call("GET", f"/v1/rooms/{room}", headers=ada.bearer)).status == 200
    await imposed(api, admin, ada, "shadow")
    await until(lambda: stands(node, ada), "the shadow")
    assert (await api.call("GET", f"/v1/rooms/{room}", headers=ada.bearer)).status == 200
    assert seen == ["", "shadow"]


async def test_admins_and_oneself_are_not_sanctioned(api: Api, mail: MailServer, admin: Account) -> None:
    other = await admin_of(api, mail)
    for kind in ("ban", "mute", "shadow"):
        for who in (admin, other):
            (await impose(api, admin, who, kind)).problem(403, "FORBIDDEN")
    assert (await api.call("GET", "/v1/me", headers=other.bearer)).status == 200


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"until": 1}, "INVALID"), ({"until": 2**52}, "INVALID"), ({"reason": ""}, "INVALID"), ({"reason": "x" * 501}, "INVALID"),
        ({"kind": "exile"}, "INVALID"), ({"who": ""}, "INVALID"), ({"who": "nobody-here"}, "NOT_FOUND"), ({"by": "me"}, "INVALID"),
        ({"reason": "a\u0000"}, "INVALID"), ({"who": "user:" + "0" * 26}, "NOT_FOUND"),
    ],
)  # fmt: skip
async def test_A3_a_sanction_that_cannot_be_is_refused(api: Api, admin: Account, ada: Account, fields: dict[str, Any], name: str) -> None:
    wanted = {"who": f"guest:{ada.sid}", "kind": "mute", "reason": "because", **fields}
    answer = await api.call("POST", "/v1/admin/sanctions", wanted, admin.bearer)
    answer.problem(422 if name == "INVALID" else 404, name)


async def test_a_shadow_takes_the_place_of_a_mute_and_all_are_listed(api: Api, admin: Account, ada: Account) -> None:
    first = await imposed(api, admin, ada, "mute")
    second = await imposed(api, admin, ada, "shadow")
    lists = {}
    for state in ("standing", "all"):
        answer = await api.call("GET", f"/v1/admin/sanctions?state={state}&who=guest:{ada.sid}", headers=admin.bearer)
        lists[state] = [one["id"] for one in answer.json["sanctions"]]
    assert lists == {"standing": [second], "all": [second, first]}
    pages, cursor = [], ""
    for _ in range(3):
        query = f"state=all&who=guest:{ada.sid}&limit=1&cursor={cursor}"
        page = (await api.call("GET", f"/v1/admin/sanctions?{query}", headers=admin.bearer)).json
        pages += [one["id"] for one in page["sanctions"]]
        if (cursor := page["nextCursor"]) is None:
            break
    assert pages == [second, first]
    assert (await api.call("DELETE", f"/v1/admin/sanctions/{second}", headers=admin.bearer)).status == 204
    (await api.call("DELETE", f"/v1/admin/sanctions/{second}", headers=admin.bearer)).problem(404, "NOT_FOUND")


async def test_S6_no_reason_and_no_address_is_in_a_log(api: Api, mail: MailServer, admin: Account, log: io.StringIO) -> None:
    address = unused()
    user = await registered(api, mail, address)
    await api.call("GET", f"/v1/admin/users?q={address}", headers=admin.bearer)
    await imposed(api, admin, user, "ban", reason="canary reason")
    await log_in(api, address)
    lines = log.getvalue()
    assert '"action":"admin.sanction"' in lines
    assert "canary reason" not in lines
    assert address not in lines
