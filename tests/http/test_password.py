"""Passwords over HTTP: set, forgotten, changed, and what is signed in by them meanwhile."""

import asyncio

import pytest

from commonroom.account.password import Passwords
from commonroom.app import Node
from tests.http.account import PASSWORD, letter_to, log_in, register, registered, unused
from tests.http.api import Account, Api, account_of
from tests.support.client import Peer
from tests.support.mail import MailServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("brought", [{}, {"registration": "guessed"}])
async def test_a_letter_read_elsewhere_makes_the_account_without_a_password(
    api: Api, mail: MailServer, ada: Account, brought: dict[str, str]
) -> None:
    address = unused()
    await register(api, address)
    code = (await letter_to(mail, address)).code
    confirmed = await api.call("POST", "/v1/auth/confirm", {"email": address, "code": code, **brought}, ada.bearer)
    me = (await api.call("GET", "/v1/me", headers=account_of(confirmed).bearer)).json
    assert (me["name"], me["hasPassword"]) == ("Ada", False)
    set_now = await api.call("PUT", "/v1/me/password", {"password": PASSWORD}, account_of(confirmed).bearer)
    assert set_now.status == 200
    assert (await log_in(api, address)).status == 200


async def test_a_letter_for_signing_in_sets_no_password(api: Api, mail: MailServer) -> None:
    address = unused()
    await registered(api, mail, address)
    await api.call("POST", "/v1/auth/magic", {"email": address})
    letter = await letter_to(mail, address, 2)
    for proof in ({"token": letter.token}, {"email": address, "code": letter.code}):
        (await api.call("POST", "/v1/auth/password/reset", {**proof, "password": "a thief's one"})).problem(401, "UNAUTHENTICATED")
    assert (await api.call("POST", "/v1/auth/confirm", {"token": letter.token})).json["purpose"] == "sign-in"
    assert (await log_in(api, address)).status == 200


async def test_a_forgotten_password_is_replaced_and_all_sessions_end(api: Api, mail: MailServer) -> None:
    address = unused()
    user = await registered(api, mail, address)
    await api.call("POST", "/v1/auth/password/forgot", {"email": address})
    letter = await letter_to(mail, address, 2)
    reset = await api.call("POST", "/v1/auth/password/reset", {"token": letter.token, "password": "a new one, longer"})
    assert reset.status == 200
    (await api.call("GET", "/v1/me", headers=user.bearer)).problem(401, "UNAUTHENTICATED")
    (await log_in(api, address)).problem(401, "UNAUTHENTICATED")
    assert (await log_in(api, address, "a new one, longer")).status == 200
    assert "password" in (await letter_to(mail, address, 3)).text


async def test_W11_a_new_password_closes_all_other_sockets_and_keeps_this_session(api: Api, mail: MailServer) -> None:
    address = unused()
    here = await registered(api, mail, address)
    there = account_of(await log_in(api, address))
    token = (await api.call("POST", "/v1/ws-token", {}, there.bearer)).json["token"]
    peer = await Peer.open(api.url.replace("http", "ws") + "/v1/ws", token)
    wrong = await api.call("PUT", "/v1/me/password", {"current": "wrong", "password": "a new one, longer"}, here.bearer)
    wrong.problem(403, "FORBIDDEN")
    changed = await api.call("PUT", "/v1/me/password", {"current": PASSWORD, "password": "a new one, longer"}, here.bearer)
    assert account_of(changed).sid == here.sid
    async with asyncio.timeout(2):
        await peer.socket.wait_closed()
    assert peer.socket.close_code == 4504
    await peer.close()
    assert (await api.call("GET", "/v1/me", headers=account_of(changed).bearer)).status == 200


async def test_T17_passwords_are_argon2id_and_every_byte_counts(api: Api, mail: MailServer, node: Node) -> None:
    for bad in ("short", "x" * 1025, "é" * 513, "\ud800" * 10, ""):
        answer = await api.call(
            "POST", "/v1/auth/register", data=f'{{"email": "{unused()}", "password": "{_escaped(bad)}", "name": "Ada"}}'.encode()
        )
        assert answer.status in {400, 422}, bad
    address = unused()
    long = "a" * 80
    registration = await register(api, address, long + "1")
    await api.call("POST", "/v1/auth/confirm", {"token": (await letter_to(mail, address)).token, "registration": registration})
    (await log_in(api, address, long + "2")).problem(401, "UNAUTHENTICATED")
    assert (await log_in(api, address, long + "1")).status == 200
    database = node._storage.database
    stored = await database.fetchval("SELECT password_hash FROM app_user WHERE email = $1", address)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_letter_to_a_former_address_resets_nothing(api: Api, mail: MailServer, node: Node) -> None:
    old, new = unused(), unused()
    user, database = await registered(api, mail, old), node._storage.database
    await api.call("PUT", "/v1/me/email", {"email": new}, user.bearer)
    confirmation = await letter_to(mail, new)
    await api.call("POST", "/v1/auth/password/forgot", {"email": old})
    reset = await letter_to(mail, old, 2)
    row = await database.fetchrow("SELECT * FROM one_time_token WHERE email_key = $1 AND purpose = 'reset'", old)
    assert row is not None
    assert (await api.call("POST", "/v1/auth/confirm", {"token": confirmation.token}, user.bearer)).status == 200
    names, places = ", ".join(row.keys()), ", ".join(f"${nth}" for nth in range(1, len(row) + 1))
    await database.execute(f"INSERT INTO one_time_token ({names}) VALUES ({places})", *row.values())  # issued while the others were voided
    body = {"token": reset.token, "password": "a thief's password"}
    (await api.call("POST", "/v1/auth/password/reset", body)).problem(401, "UNAUTHENTICATED")


async def test_a_password_that_is_changed_while_it_is_verified_leaves_no_session(
    api: Api, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = unused()
    user = await registered(api, mail, address)
    verified, go_on, verify = asyncio.Event(), asyncio.Event(), Passwords.verify

    async def slowly(self: Passwords, stored: str | None, password: str) -> bool:
        right = await verify(self, stored, password)
        if not verified.is_set():
            verified.set()
            await go_on.wait()
        return right

    monkeypatch.setattr(Passwords, "verify", slowly)
    async with asyncio.TaskGroup() as tasks:
        late = tasks.create_task(log_in(api, address))
        await verified.wait()
        changed = await api.call("PUT", "/v1/me/password", {"current": PASSWORD, "password": "a new one, longer"}, user.bearer)
        assert changed.status == 200
        go_on.set()
    late.result().problem(401, "UNAUTHENTICATED")
    here = account_of(changed)
    assert [one["sessionId"] for one in (await api.call("GET", "/v1/me/sessions", headers=here.bearer)).json["sessions"]] == [here.sid]


async def test_of_two_changes_of_a_password_at_once_one_is_told_of_the_other(
    api: Api, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = unused()
    user = await registered(api, mail, address)
    hashed, both, make = [], asyncio.Event(), Passwords.hash

    async def together(self: Passwords, password: str) -> str:
        hashed.append(password)
        if len(hashed) == 2:
            both.set()
        await both.wait()
        return await make(self, password)

    monkeypatch.setattr(Passwords, "hash", together)
    wanted = ["a new one, longer", "another new one"]
    body = [{"current": PASSWORD, "password": one} for one in wanted]
    answers = await asyncio.gather(*(api.call("PUT", "/v1/me/password", one, user.bearer) for one in body))
    assert sorted(one.status for one in answers) == [200, 409]
    won = wanted[[one.status for one in answers].index(200)]
    assert (await log_in(api, address, won)).status == 200


def _escaped(text: str) -> str:
    return "".join(f"\\u{ord(char):04x}" for char in text)
