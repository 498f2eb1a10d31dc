"""Invites and members over HTTP: the code that is told once, the room that it opens, and what is told of neither."""

import asyncio
import io
from collections.abc import Callable
from typing import Any

import pytest
import pytest_asyncio

from commonroom.identity import Principal
from commonroom.protocol.invite import InviteListing, InviteRevoked
from commonroom.protocol.room import Joined, RoomRemoved
from commonroom.protocol.session import Skip
from tests.http.account import registered, unused
from tests.http.api import Account, Answer, Api
from tests.http.test_room_settings import act, named, peer_of
from tests.support.client import Peer, Refused, until
from tests.support.mail import MailServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRONG = "0000000000"


async def projected(ask: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
    """What is asked for, once a projection has come so far."""
    async with asyncio.timeout(20):
        while not holds(answer := await ask()):
            await asyncio.sleep(0.01)
    return answer


@pytest_asyncio.fixture(loop_scope="session")
async def private(api: Api, ada: Account) -> str:
    return await api.room(ada, "Secret garden", visibility="private")


async def invite(api: Api, host: Account, room: str, **fields: Any) -> dict[str, Any]:
    made = await api.call("POST", f"/v1/rooms/{room}/invites", fields, host.bearer)
    assert made.status == 201, made.body
    shown: dict[str, Any] = made.json
    return shown


async def accept(api: Api, who: Account, code: str, room: str = "") -> Answer:
    return await api.call("POST", f"/v1/invites/{code}" + (f"?room={room}" if room else ""), headers=who.bearer)


async def members(api: Api, who: Account, room: str, query: str = "") -> dict[str, Any]:
    answer = await api.call("GET", f"/v1/rooms/{room}/members{query}", headers=who.bearer)
    assert answer.status == 200, answer.body
    shown: dict[str, Any] = answer.json
    return shown


async def test_P17_M8_an_invites_code_opens_a_private_room(api: Api, ada: Account, bob: Account, private: str) -> None:
    made = await invite(api, ada, private, expiresInMs=3_600_000, uses=5)
    assert (made["uses"], made["url"]) == (5, f"/r/{private}?invite={made['code']}")
    (await api.call("GET", f"/v1/rooms/{private}", headers=bob.bearer)).problem(404, "NOT_FOUND")
    accepted = await accept(api, bob, made["code"], private)
    assert accepted.status == 200
    assert (accepted.json["id"], accepted.json["title"], accepted.json["role"]) == (private, "Secret garden", "participant")
    assert (await api.call("GET", f"/v1/rooms/{private}", headers=bob.bearer)).status == 200
    assert (await api.call("GET", f"/v1/rooms/{private}/messages", headers=bob.bearer)).status == 200
    (listed,) = (await api.call("GET", f"/v1/rooms/{private}/invites", headers=ada.bearer)).json["invites"]
    me = {key: ada.principal[key] for key in ("actorType", "actorId")}
    assert (listed["id"], listed["used"], listed["uses"], listed["createdBy"]) == (made["id"], 1, 5, me)
    assert (listed["expiresAt"], listed["createdAt"]) == (made["expiresAt"], made["expiresAt"] - 3_600_000)
    assert "code" not in listed


async def test_P17_a_typed_code_finds_its_room(api: Api, ada: Account, bob: Account, private: str) -> None:
    code = (await invite(api, ada, private))["code"]
    typed = f"{code[:5]}-{code[5:]}".upper()
    answer = await projected(lambda: accept(api, bob, typed), lambda answer: answer.status != 404)
    assert (answer.status, answer.json["id"]) == (200, private)


async def test_P17_what_opens_nothing_looks_the_same_with_and_without_the_room(api: Api, ada: Account, bob: Account, private: str) -> None:
    made = await invite(api, ada, private)
    carol = await api.guest("Carol")
    await projected(lambda: accept(api, carol, made["code"]), lambda answer: answer.status == 200)
    assert (await api.call("DELETE", f"/v1/rooms/{private}/invites/{made['id']}", headers=ada.bearer)).status == 204
    told = [
        (await accept(api, bob, code, room)).problem(404, "NOT_FOUND")
        for code in (made["code"], WRONG, "x" * 33, "%00", "%F0%9F%92%A9")
        for room in ("", private, "0" * 26, "no%20room")
    ]
    assert len({str({**one, "requestId": ""}) for one in told}) == 1


async def test_P17_the_code_is_told_once_also_to_a_retry(api: Api, ada: Account, private: str) -> None:
    key = {**ada.bearer, "Idempotency-Key": "key-of-invite"}
    assert (await api.call("POST", f"/v1/rooms/{private}/invites", {}, key)).status == 201
    (await api.call("POST", f"/v1/rooms/{private}/invites", {}, key)).problem(409, "CONFLICT")
    assert len((await api.call("GET", f"/v1/rooms/{private}/invites", headers=ada.bearer)).json["invites"]) == 1


async def test_P17_a_repeated_accept_is_one_use(api: Api, ada: Account, bob: Account, private: str) -> None:
    code = (await invite(api, ada, private, uses=1))["code"]
    for headers in ({"Idempotency-Key": "key-of-accept"}, {"Idempotency-Key": "key-of-accept"}, {}):
        assert (await api.call("POST", f"/v1/invites/{code}?room={private}", headers={**bob.bearer, **headers})).status == 200
    (listed,) = (await api.call("GET", f"/v1/rooms/{private}/invites", headers=ada.bearer)).json["invites"]
    assert listed["used"] == 1
    (await accept(api, await api.guest("Carol"), code, private)).problem(404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"expiresInMs": 59_999}, "$.expiresInMs"),
        ({"expiresInMs": 10**12}, "$.expiresInMs"),
        ({"uses": 0}, "$.uses"),
        ({"uses": 5001}, "$.uses"),
        ({"code": "mine"}, "$"),
    ],
)
async def test_P17_an_invite_that_is_none_is_refused_by_its_field(
    api: Api, ada: Account, private: str, body: dict[str, Any], field: str
) -> None:
    assert (await api.call("POST", f"/v1/rooms/{private}/invites", body, ada.bearer)).problem(422, "INVALID")["field"] == field


async def test_P17_invites_are_host_and_co_hosts_business(api: Api, ada: Account, bob: Account, private: str) -> None:
    made = await invite(api, ada, private)
    await accept(api, bob, made["code"], private)
    for method, path in (("POST", "invites"), ("GET", "invites"), ("DELETE", f"invites/{made['id']}")):
        (await api.call(method, f"/v1/rooms/{private}/{path}", headers=bob.bearer)).problem(403, "FORBIDDEN")


async def test_S6_no_log_has_a_code(api: Api, ada: Account, bob: Account, private: str, log: io.StringIO) -> None:
    code = (await invite(api, ada, private))["code"]
    for tried in ("wrong4code", code):
        await accept(api, bob, tried, private)
    lines = log.getvalue()
    assert lines.count('"path":"/v1/invites/-"') == 2
    assert lines.count('"action":"invite.accept"') == 1, "the wrong one is a denial"
    assert "wrong4code" not in lines
    assert code not in lines


async def test_S6_no_log_has_a_code_that_stands_where_no_route_is(api: Api, bob: Account, log: io.StringIO) -> None:
    for method, path in (("GET", "invites/wrong4code"), ("POST", "invites/wrong4code/x"), ("POST", "invite/wrong4code")):
        assert (await api.call(method, f"/v1/{path}", headers=bob.bearer)).status in {404, 405}
    lines = log.getvalue()
    assert lines.count('"path":"-"') == 3
    assert "wrong4code" not in lines


async def test_P17_members_are_listed_to_whom_the_room_lets_in(api: Api, ada: Account, bob: Account, private: str) -> None:
    made = await invite(api, ada, private)
    await accept(api, bob, made["code"], private)
    page = await projected(lambda: members(api, bob, private), lambda page: page["members"])
    (member,) = page["members"]
    assert {**bob.principal, "user": None, "invite": made["id"]}.items() <= member.items()
    (host,) = page["keepers"]
    assert {**ada.principal, "user": None, "role": "host"} == host
    assert page["nextCursor"] is None
    (await api.call("GET", f"/v1/rooms/{private}/members", headers=(await api.guest()).bearer)).problem(404, "NOT_FOUND")


async def test_P17_members_are_paged(api: Api, ada: Account, private: str) -> None:
    made = await invite(api, ada, private)
    people = [await api.guest(f"Guest {number}") for number in range(3)]
    for one in people:
        await accept(api, one, made["code"], private)
    await projected(lambda: members(api, ada, private), lambda page: len(page["members"]) == 3)
    first = await members(api, ada, private, "?limit=2")
    second = await members(api, ada, private, f"?limit=2&cursor={first['nextCursor']}")
    assert [one["actorId"] for one in (*first["members"], *second["members"])] == [one.sid for one in people]
    assert second["nextCursor"] is None
    for cursor in ("x", "1", "x" * 101, "1.%00"):
        answer = await api.call("GET", f"/v1/rooms/{private}/members?cursor={cursor}", headers=ada.bearer)
        assert answer.problem(422, "INVALID")["field"] == "cursor"


async def test_A8_members_whom_i_do_not_see_are_left_out(api: Api, uma: Account, mail: MailServer, ada: Account, bob: Account) -> None:
    room = await api.room(bob, visibility="private")
    made = await invite(api, bob, room)
    for one in (uma, ada):
        await accept(api, one, made["code"], room)
    await projected(lambda: members(api, uma, room), lambda page: len(page["members"]) == 2)
    for hidden in (ada, bob):
        assert (await api.call("PUT", f"/v1/blocks/{named(hidden)}", headers=uma.bearer)).status == 204
    page = await projected(lambda: members(api, uma, room), lambda page: not page["keepers"])
    assert [one["actorId"] for one in page["members"]] == [uma.principal["actorId"]]
    for hidden in (ada, bob):
        assert (await api.call("DELETE", f"/v1/blocks/{named(hidden)}", headers=uma.bearer)).status == 204


async def test_A8_no_page_of_members_is_short_or_goes_on_from_somebody_hidden(
    api: Api, uma: Account, ada: Account, bob: Account, private: str
) -> None:
    made = await invite(api, ada, private)
    for one in (bob, uma):
        await accept(api, one, made["code"], private)
    await projected(lambda: members(api, ada, private), lambda page: len(page["members"]) == 2)
    assert (await api.call("PUT", f"/v1/blocks/{named(bob)}", headers=uma.bearer)).status == 204
    page = await members(api, uma, private, "?limit=1")
    assert ([one["actorId"] for one in page["members"]], page["nextCursor"]) == ([uma.principal["actorId"]], None)
    assert (await api.call("DELETE", f"/v1/blocks/{named(bob)}", headers=uma.bearer)).status == 204


async def test_A8_a_co_host_whom_i_do_not_see_is_in_no_answer_about_the_room(
    api: Api, uma: Account, bob: Account, peers: list[Peer]
) -> None:
    room = await api.room(uma)
    peers.append(await peer_of(api, bob, room))
    await act(api, uma, room, "role", bob, role="cohost")
    assert (await api.call("POST", f"/v1/rooms/{room}/invites", {}, bob.bearer)).status == 201
    assert (await api.call("PUT", f"/v1/blocks/{named(bob)}", headers=uma.bearer)).status == 204
    peers.append(await peer_of(api, uma, room))
    assert (await api.call("GET", f"/v1/rooms/{room}", headers=uma.bearer)).json["cohosts"] == []
    (invite,) = (await api.call("GET", f"/v1/rooms/{room}/invites", headers=uma.bearer)).json["invites"]
    authors = [invite["createdBy"]]
    for peer in peers:
        listing = await peer.request("invite.list", room=room)
        assert isinstance(listing, InviteListing)
        authors += [one.author for one in listing.invites]
    assert authors == [None, Principal("guest", bob.sid), None]
    assert (await api.call("DELETE", f"/v1/blocks/{named(bob)}", headers=uma.bearer)).status == 204


async def test_P17_who_quits_is_a_member_no_longer(api: Api, ada: Account, bob: Account, private: str) -> None:
    await accept(api, bob, (await invite(api, ada, private))["code"], private)
    peer = await peer_of(api, bob, private)
    assert (await api.call("DELETE", f"/v1/rooms/{private}/members/me", headers=bob.bearer)).status == 204
    await until(lambda: peer.pushes(private, RoomRemoved), "the end of the subscription")
    (await api.call("DELETE", f"/v1/rooms/{private}/members/me", headers=bob.bearer)).problem(404, "NOT_FOUND")
    await projected(lambda: members(api, ada, private), lambda page: page["members"] == [])
    assert (await api.call("DELETE", f"/v1/rooms/{private}/members/me", headers=ada.bearer)).status == 204, "a host is none"
    await peer.close()


async def test_H1_an_export_has_memberships_and_invites_and_a_deletion_takes_them(api: Api, mail: MailServer, ada: Account) -> None:
    user = await registered(api, mail, unused())
    mine, other = await api.room(user, visibility="private"), await api.room(ada, visibility="private")
    await invite(api, user, mine, uses=3)
    joined = await invite(api, ada, other)
    await accept(api, user, joined["code"], other)
    whole = await projected(
        lambda: api.call("GET", "/v1/me/export", headers=user.bearer),
        lambda answer: answer.status == 200 and answer.json["memberships"] and answer.json["invites"],
    )
    (membership,), (made,) = whole.json["memberships"], whole.json["invites"]
    assert (membership["room"], membership["invite"]) == (other, joined["id"])
    assert (made["room"], made["uses"], made["expiresAt"]) == (mine, 3, None)
    assert joined["code"] not in whole.body.decode()
    assert (await api.call("DELETE", "/v1/me", {"password": "correct horse battery"}, user.bearer)).status == 204
    assert (await members(api, ada, other))["members"] == []


async def test_P17_P35_a_guest_gets_into_a_private_room_and_out_of_it_for_good(api: Api, ada: Account, bob: Account, private: str) -> None:
    """All of it by real sockets: invited, in, the invite revoked, still in, banned, out, and no way back."""
    host = await peer_of(api, ada, private)
    code: Any = await host.request("invite.create", room=private, nonce="nonce-0001", uses=2)
    token = (await api.call("POST", "/v1/ws-token", {}, bob.bearer)).json["token"]
    guest = await Peer.open(api.url.replace("http", "ws", 1) + "/v1/ws", token)
    assert await refusal(guest, "room.join", private) == "NOT_FOUND"
    assert await refusal(guest, "invite.accept", private, nonce="nonce-0001", code=WRONG) == "NOT_FOUND"
    await guest.request("invite.accept", room=private, nonce="nonce-0002", code=code.code)
    joined = await guest.request("room.join", room=private)
    assert isinstance(joined, Joined)
    assert joined.role == "participant"
    await guest.request("message.send", room=private, text="hello", nonce="nonce-0003")
    await host.request("invite.revoke", room=private, nonce="nonce-0002", invite=code.invite)
    await until(lambda: guest.pushes(private, Skip), "the event that is not for them")
    assert not guest.pushes(private, InviteRevoked)
    assert host.pushes(private, InviteRevoked)
    late = await peer_of(api, await api.guest("Carol"), await api.room(bob))
    assert await refusal(late, "invite.accept", private, nonce="nonce-0001", code=code.code) == "NOT_FOUND"
    await guest.request("message.send", room=private, text="still here", nonce="nonce-0004")
    await act(api, ada, private, "ban", bob, why="enough")
    await until(lambda: guest.pushes(private, RoomRemoved), "the ban")
    assert guest.pushes(private, RoomRemoved)[0].name == "BANNED"
    assert await refusal(guest, "message.send", private, text="again", nonce="nonce-0005") == "NOT_JOINED"
    assert await refusal(guest, "room.join", private) == "BANNED"
    fresh: Any = await host.request("invite.create", room=private, nonce="nonce-0003")
    assert await refusal(guest, "invite.accept", private, nonce="nonce-0006", code=fresh.code) == "BANNED"
    (await api.call("GET", f"/v1/rooms/{private}", headers=bob.bearer)).problem(404, "NOT_FOUND")
    assert (await projected(lambda: members(api, ada, private), lambda page: page["members"] == []))["keepers"]
    for one in (host, guest, late):
        await one.close()


async def refusal(peer: Peer, name: str, room: str, **fields: Any) -> str:
    with pytest.raises(Refused) as refused:
        await peer.request(name, room=room, **fields)
    return refused.value.error.name
