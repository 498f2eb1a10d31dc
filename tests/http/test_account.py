"""Accounts over HTTP with a real SMTP server: registered, confirmed, signed in to, changed, deleted."""

import asyncio
from typing import Any

import pytest

from commonroom.app import Node
from commonroom.ids import new_id
from tests.http.account import PASSWORD, letter_to, log_in, register, registered, unused
from tests.http.admin import peer_of
from tests.http.api import Account, Answer, Api, account_of
from tests.support.client import Peer, Refused
from tests.support.mail import MailServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

OWN = {"requestId", "registration"}
"""What is another in each answer."""


async def test_a_registration_counts_once_its_letter_is_answered(api: Api, mail: MailServer) -> None:
    address = unused()
    user = await registered(api, mail, address)
    assert user.principal["actorType"] == "user"
    me = (await api.call("GET", "/v1/me", headers=user.bearer)).json
    assert (me["email"], me["name"], me["username"], me["hasPassword"], me["role"]) == (address, "Ada L.", None, True, "USER")
    again = account_of(await log_in(api, address.upper().replace("EXAMPLE", "example")))
    assert (again.principal["actorId"], again.sid == user.sid) == (user.principal["actorId"], False)
    (await log_in(api, address, "wrong horse battery")).problem(401, "UNAUTHENTICATED")


async def test_a_guest_that_signs_in_stays_in_its_room_as_the_user(api: Api, mail: MailServer, ada: Account) -> None:
    address, room = unused(), await api.room(ada)
    token = (await api.call("POST", "/v1/ws-token", {}, ada.bearer)).json["token"]
    peer = await Peer.open(api.url.replace("http", "ws") + "/v1/ws", token)
    await peer.request("room.join", room=room)
    sent: Any = await peer.request("message.send", room=room, text="as a guest", nonce="nonce-0001")
    user = await registered(api, mail, address, ada.bearer)
    assert user.sid == ada.sid
    assert (await api.call("GET", "/v1/me", headers=user.bearer)).json["guests"] == [ada.sid]
    fresh = (await api.call("POST", "/v1/ws-token", {}, user.bearer)).json["token"]
    refreshed: Any = await peer.request("refresh", token=fresh)
    assert refreshed.principal.actor_type == "user"
    await peer.request("message.edit", room=room, message=sent.offset, text="as the user", nonce="nonce-0002")
    await peer.close()
    (row,) = (await api.call("GET", f"/v1/rooms/{room}/messages", headers=user.bearer)).json["messages"]
    assert (row["text"], row["author"]["actorType"], row["author"]["name"]) == ("as the user", "guest", "Ada L.")
    assert row["author"]["user"] == user.principal["actorId"]


async def test_a_guests_tokens_from_before_the_sign_in_bring_nothing_of_the_user(api: Api, mail: MailServer, ada: Account) -> None:
    """Whoever planted them in the browser must not become the user by it (session fixation)."""
    user = await registered(api, mail, unused(), ada.bearer)
    assert user.sid == ada.sid
    own = f"/v1/me/sessions/{ada.sid}"
    routes = ("GET", "/v1/me"), ("PATCH", "/v1/me"), ("POST", "/v1/ws-token"), ("GET", "/v1/me/sessions"), ("DELETE", own)
    for method, path in routes:
        (await api.call(method, path, {}, ada.bearer)).problem(401, "TOKEN_EXPIRED")
    (await api.call("POST", "/v1/auth/refresh", {"refreshToken": ada.refresh})).problem(409, "CONFLICT")
    assert (await api.call("GET", "/v1/me", headers=user.bearer)).status == 200


async def test_a_guests_tokens_from_before_the_sign_in_open_no_room_of_the_user(api: Api, mail: MailServer, ada: Account) -> None:
    """Not even while the user is in it, whose place a guest's tab that signed in takes."""
    old = (await api.call("POST", "/v1/ws-token", {}, ada.bearer)).json["token"]
    user = await registered(api, mail, unused(), ada.bearer)
    room = await api.room(user, visibility="private")
    peer = await peer_of(api, user)
    await peer.request("room.join", room=room)
    for path in (f"/v1/rooms/{room}", f"/v1/rooms/{room}/messages"):
        (await api.call("GET", path, headers=ada.bearer)).problem(401, "TOKEN_EXPIRED")
    (await api.call("POST", f"/v1/rooms/{room}/invites", {}, ada.bearer)).problem(401, "TOKEN_EXPIRED")
    with pytest.raises(Refused, match="TOKEN_EXPIRED"):
        await Peer.open(f"{api.url.replace('http', 'ws')}/v1/ws", old)
    await peer.close()


async def test_a_code_does_what_the_link_does(api: Api, mail: MailServer) -> None:
    address = unused()
    assert (await api.call("POST", "/v1/auth/magic", {"email": address})).status == 202
    letter = await letter_to(mail, address)
    for wrong in ("000000" if letter.code != "000000" else "111111",):
        (await api.call("POST", "/v1/auth/confirm", {"email": address, "code": wrong})).problem(401, "UNAUTHENTICATED")
    confirmed = await api.call("POST", "/v1/auth/confirm", {"email": address, "code": letter.code})
    assert confirmed.status == 200
    (await api.call("POST", "/v1/auth/confirm", {"token": letter.token})).problem(401, "UNAUTHENTICATED")


@pytest.mark.parametrize("body", [{}, {"email": "ada@example.org"}, {"code": "123456"}, {"token": "unknown"}])
async def test_a_proof_that_proves_nothing_is_refused(api: Api, body: dict[str, str]) -> None:
    (await api.call("POST", "/v1/auth/confirm", body)).problem(401, "UNAUTHENTICATED")
    (await api.call("POST", "/v1/auth/password/reset", {**body, "password": PASSWORD})).problem(401, "UNAUTHENTICATED")


async def test_T14_twenty_parallel_uses_of_a_link_sign_in_once_and_a_fetch_uses_nothing(api: Api, mail: MailServer) -> None:
    address = unused()
    await api.call("POST", "/v1/auth/magic", {"email": address})
    letter = await letter_to(mail, address)
    for method in ("GET", "HEAD"):
        assert (await api.call(method, "/login/link")).status == 200  # as a scanner opens it: what follows the # is not sent
        assert (await api.call(method, f"/v1/auth/confirm?token={letter.token}")).status == 405
    answers = await asyncio.gather(*(api.call("POST", "/v1/auth/confirm", {"token": letter.token}) for _ in range(20)))
    assert sorted(one.status for one in answers) == [200] + [401] * 19


async def test_T14_a_newer_letter_voids_the_older(api: Api, mail: MailServer) -> None:
    address = unused()
    for _ in range(2):
        await api.call("POST", "/v1/auth/magic", {"email": address})
    older, newer = await letter_to(mail, address, 1), await letter_to(mail, address, 2)
    (await api.call("POST", "/v1/auth/confirm", {"token": older.token})).problem(401, "UNAUTHENTICATED")
    assert (await api.call("POST", "/v1/auth/confirm", {"token": newer.token})).status == 200


async def test_T15_known_and_unknown_addresses_get_the_same_answers(api: Api, mail: MailServer) -> None:
    known = unused()
    await registered(api, mail, known)
    bodies: dict[str, dict[str, Any]] = {
        "/v1/auth/register": {"password": PASSWORD, "name": "Eve"},
        "/v1/auth/magic": {},
        "/v1/auth/password/forgot": {},
        "/v1/auth/login": {"password": "wrong horse battery"},
    }
    for path, body in bodies.items():
        first, second = [await api.call("POST", path, {**body, "email": address}) for address in (known, unused())]
        told = [{key: value for key, value in one.json.items() if key not in OWN} if one.body else None for one in (first, second)]
        assert (first.status, told[0]) == (second.status, told[1]), path
    assert "already" in (await letter_to(mail, known, 2)).text


async def test_who_registers_a_known_address_cannot_get_in_by_it(api: Api, mail: MailServer) -> None:
    address = unused()
    await registered(api, mail, address)
    await register(api, address, "attacker's own", "Eve")
    letter = await letter_to(mail, address, 2)
    assert (letter.token, letter.code) == ("", "")
    (await log_in(api, address, "attacker's own")).problem(401, "UNAUTHENTICATED")
    assert (await log_in(api, address)).status == 200


async def test_a_registration_of_somebody_else_for_ones_address_brings_them_nothing(api: Api, mail: MailServer) -> None:
    """Who asks last has the newest letter sent; its reader still gets an account that the other has no key to."""
    address = unused()
    mine = await register(api, address)
    await register(api, address, "attacker's own", "Eve")
    letter = await letter_to(mail, address, 2)
    confirmed = await api.call("POST", "/v1/auth/confirm", {"token": letter.token, "registration": mine})
    assert (confirmed.status, confirmed.json["purpose"]) == (200, "register")
    me = (await api.call("GET", "/v1/me", headers=account_of(confirmed).bearer)).json
    assert (me["email"], me["name"], me["hasPassword"]) == (address, "Newcomer", False)
    (await log_in(api, address, "attacker's own")).problem(401, "UNAUTHENTICATED")


async def test_a_new_address_counts_once_it_is_confirmed_and_the_old_one_is_told(api: Api, mail: MailServer) -> None:
    old, new = unused(), unused()
    user = await registered(api, mail, old)
    assert (await api.call("PUT", "/v1/me/email", {"email": new}, user.bearer)).status == 202
    letter = await letter_to(mail, new)
    assert (await log_in(api, old)).status == 200
    confirmed = await api.call("POST", "/v1/auth/confirm", {"token": letter.token}, user.bearer)
    assert (await api.call("GET", "/v1/me", headers=account_of(confirmed).bearer)).json["email"] == new
    (await log_in(api, old)).problem(401, "UNAUTHENTICATED")
    assert (await log_in(api, new)).status == 200
    assert "address" in (await letter_to(mail, old, 2)).text


async def test_a_new_address_is_confirmed_by_whoever_asked_for_it_alone(api: Api, mail: MailServer) -> None:
    """Mistyped, its reader is a stranger; and a stranger's address must not be taken by a click of theirs."""
    user, strangers = await registered(api, mail, unused()), unused()
    assert (await api.call("PUT", "/v1/me/email", {"email": strangers}, user.bearer)).status == 202
    token = (await letter_to(mail, strangers)).token
    (await api.call("POST", "/v1/auth/confirm", {"token": token})).problem(401, "UNAUTHENTICATED")
    assert (await api.call("GET", "/v1/me", headers=user.bearer)).json["email"] != strangers
    other = await registered(api, mail, unused())
    assert (await api.call("PUT", "/v1/me/email", {"email": strangers}, user.bearer)).status == 202
    token = (await letter_to(mail, strangers, 2)).token
    (await api.call("POST", "/v1/auth/confirm", {"token": token}, other.bearer)).problem(401, "UNAUTHENTICATED")
    confirmed = await api.call("POST", "/v1/auth/confirm", {"token": token}, user.bearer)
    assert (confirmed.status, confirmed.json["purpose"]) == (200, "address"), "who may not use a letter does not use it up"


@pytest.mark.parametrize(("method", "path", "body"), [
    ("PUT", "/v1/me/email", {"email": "thief@example.org"}), ("PUT", "/v1/me/password", {"current": PASSWORD, "password": "a thief's one"}),
    ("PUT", "/v1/me/username", {"username": "thief"}), ("DELETE", "/v1/me", None), ("DELETE", "/v1/me/methods/github", None),
])  # fmt: skip
async def test_an_ended_session_changes_nothing_where_this_node_has_not_heard_of_its_end(
    api: Api, mail: MailServer, node: Node, method: str, path: str, body: dict[str, str] | None
) -> None:
    address = unused()
    user = await registered(api, mail, address)
    await node._storage.database.execute("UPDATE login_session SET ended_at = 1 WHERE sid = $1", user.sid)
    answer = await api.call(method, path, headers=user.bearer) if body is None else await api.call(method, path, body, user.bearer)
    answer.problem(401, "UNAUTHENTICATED")
    assert (await log_in(api, address)).status == 200


async def test_nobody_ends_another_users_session(api: Api, mail: MailServer) -> None:
    mine, theirs = await registered(api, mail, unused()), await registered(api, mail, unused())
    (await api.call("DELETE", f"/v1/me/sessions/{theirs.sid}", headers=mine.bearer)).problem(404, "NOT_FOUND")
    assert (await api.call("GET", "/v1/me", headers=theirs.bearer)).status == 200


async def test_a_username_is_claimed_searched_and_seen(api: Api, mail: MailServer, bob: Account) -> None:
    user, name = await registered(api, mail, unused()), f"z{new_id(0)[-12:]}"
    assert (await api.call("PUT", "/v1/me/username", {"username": name.upper()}, user.bearer)).status == 204
    profile = (await api.call("GET", f"/v1/users/{name}", headers=bob.bearer)).json
    assert (profile["username"], profile["name"]) == (name, "Ada L.")
    found = (await api.call("GET", f"/v1/users/search?q={name[:9].upper()}", headers=user.bearer)).json["users"]
    assert name in {one["username"] for one in found}
    (await api.call("GET", f"/v1/users/search?q={name}", headers=bob.bearer)).problem(403, "SIGN_IN_NEEDED")
    (await api.call("GET", "/v1/users/nobody-here", headers=bob.bearer)).problem(404, "NOT_FOUND")
    other = await registered(api, mail, unused())
    (await api.call("PUT", "/v1/me/username", {"username": name}, other.bearer)).problem(409, "CONFLICT")
    for bad in ("ad", "admin", "adm1n", "Ädä", "a..b", "1abc", "a" * 33):
        (await api.call("PUT", "/v1/me/username", {"username": bad}, other.bearer)).problem(422, "INVALID")


async def test_sessions_are_listed_and_ended_one_by_one_and_all_together(api: Api, mail: MailServer, bob: Account) -> None:
    address = unused()
    here = await registered(api, mail, address)
    there, elsewhere = [account_of(await log_in(api, address)) for _ in range(2)]
    listed = (await api.call("GET", "/v1/me/sessions", headers=here.bearer)).json["sessions"]
    assert {one["sessionId"]: one["here"] for one in listed} == {here.sid: True, there.sid: False, elsewhere.sid: False}
    (await api.call("DELETE", f"/v1/me/sessions/{there.sid}", headers=bob.bearer)).problem(404, "NOT_FOUND")
    assert (await api.call("DELETE", f"/v1/me/sessions/{there.sid}", headers=here.bearer)).status == 204
    (await api.call("GET", "/v1/me", headers=there.bearer)).problem(401, "UNAUTHENTICATED")
    assert (await api.call("POST", "/v1/auth/logout-all", headers=here.bearer)).status == 204
    for account in (here, elsewhere):
        (await api.call("GET", "/v1/me", headers=account.bearer)).problem(401, "UNAUTHENTICATED")
    assert (await api.call("GET", "/v1/me", headers=bob.bearer)).status == 200


async def test_a_deleted_account_is_anonymous_at_once(api: Api, mail: MailServer, bob: Account) -> None:
    address = unused()
    user = await registered(api, mail, address)
    room = await api.room(user)
    token = (await api.call("POST", "/v1/ws-token", {}, user.bearer)).json["token"]
    peer = await Peer.open(api.url.replace("http", "ws") + "/v1/ws", token)
    await peer.request("room.join", room=room)
    await peer.request("message.send", room=room, text="goodbye", nonce="nonce-0001")
    assert (await api.call("DELETE", "/v1/me", headers=user.bearer)).status == 204
    async with asyncio.timeout(2):
        await peer.socket.wait_closed()
    await peer.close()
    (await log_in(api, address)).problem(401, "UNAUTHENTICATED")
    (row,) = (await api.call("GET", f"/v1/rooms/{room}/messages", headers=bob.bearer)).json["messages"]
    assert (row["text"], row["author"]["name"]) == ("goodbye", "")
    assert account_of(await _confirmed(api, mail, address)).principal["actorId"] != user.principal["actorId"]


@pytest.mark.parametrize(("method", "path"), [
    ("PUT", "/v1/me/password"), ("PUT", "/v1/me/email"), ("PUT", "/v1/me/username"), ("GET", "/v1/me/methods"),
    ("DELETE", "/v1/me/methods/github"), ("POST", "/v1/me/methods/github"), ("DELETE", "/v1/me"), ("GET", "/v1/users/search?q=ad"),
])  # fmt: skip
async def test_guests_are_told_to_sign_in(api: Api, ada: Account, method: str, path: str) -> None:
    assert (await api.call(method, path, {}, ada.bearer)).problem(403, "SIGN_IN_NEEDED")["detail"] == "sign in to unlock this"
    (await api.call(method, path, {})).problem(401, "UNAUTHENTICATED")


@pytest.mark.parametrize("field", ["role", "isAdmin", "id", "createdAt", "username", "email", "deletedAt"])
async def test_A3_nothing_but_the_profile_is_assigned(api: Api, mail: MailServer, field: str) -> None:
    user = await registered(api, mail, unused())
    (await api.call("PATCH", "/v1/me", {"name": "Ada", field: "ADMIN"}, user.bearer)).problem(422, "INVALID")
    assert (await api.call("GET", "/v1/me", headers=user.bearer)).json["role"] == "USER"


async def _confirmed(api: Api, mail: MailServer, address: str) -> Answer:
    before = len([one for one in mail.letters if one.recipients == [address]])
    await api.call("POST", "/v1/auth/magic", {"email": address})
    return await api.call("POST", "/v1/auth/confirm", {"token": (await letter_to(mail, address, before + 1)).token})
