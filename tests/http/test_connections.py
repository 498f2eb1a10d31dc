"""One's own connections of the last hour, and somebody's for an admin (FEATURES P32)."""

import io
import json
from typing import Any

import pytest
import pytest_asyncio

from commonroom.codes import CloseCode
from tests.http.account import log_in, registered, unused
from tests.http.admin import admin_of, peer_of
from tests.http.api import Account, Api, account_of
from tests.support.client import until
from tests.support.mail import MailServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

MINE = "/v1/me/connections"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def admin(api: Api, mail: MailServer) -> Account:
    return await admin_of(api, mail)


def who(account: Account) -> dict[str, str]:
    return {name: account.principal[name] for name in ("actorType", "actorId")}


async def connections(api: Api, account: Account, path: str = MINE) -> list[dict[str, Any]]:
    answer = await api.call("GET", path, headers=account.bearer)
    assert answer.status == 200, answer.body
    assert answer.json["complete"] is True
    found: list[dict[str, Any]] = answer.json["connections"]
    return found


async def closed(api: Api, account: Account, number: int = 1) -> None:
    """So many of somebody's connections are over."""
    actors = [account.principal["actorId"]]
    await until(lambda: sum(trace.closed_at is not None for trace in api.node._engine.gateway.traces(actors)) >= number, "the ends")


async def test_P32_one_sees_ones_own_sockets_the_latest_first_and_nobody_elses(api: Api, ada: Account, bob: Account) -> None:
    first, second, other = [await peer_of(api, account) for account in (ada, ada, bob)]
    room = await api.room(ada)
    await second.request("room.join", room=room)
    await first.close()
    await closed(api, ada)
    latest, earlier = await connections(api, ada)
    assert [one["session"] for one in (latest, earlier)] == [second.welcome.session, first.welcome.session]
    assert latest["principal"] == who(ada)
    assert (latest["sessionId"], latest["rooms"], latest["closedAt"], latest["closedBy"], latest["codeName"]) == (ada.sid, 1, None, "", "")
    assert (earlier["closedBy"], earlier["code"], earlier["codeName"]) == ("client", 1000, "")
    assert earlier["openedAt"] <= latest["openedAt"]
    assert earlier["openedAt"] <= earlier["closedAt"]
    assert earlier["bytesIn"] > 0 < earlier["bytesOut"]
    assert [one["session"] for one in await connections(api, bob)] == [other.welcome.session]
    for peer in (second, other):
        await peer.close()


async def test_P32_who_was_signed_out_reads_why_with_the_next_sign_in(api: Api, mail: MailServer, log: io.StringIO) -> None:
    address = unused()
    user = await registered(api, mail, address)
    peer = await peer_of(api, user)
    assert (await api.call("POST", "/v1/auth/logout-all", {}, user.bearer)).status == 204
    await closed(api, user)
    (told,) = await connections(api, account_of(await log_in(api, address)))
    assert (told["session"], told["closedBy"]) == (peer.welcome.session, "server")
    assert (told["code"], told["codeName"], told["reason"]) == (CloseCode.SESSION_ENDED, "SESSION_ENDED", "the login session has ended")
    (line,) = [one for one in map(json.loads, log.getvalue().splitlines()) if one["event"] == "connection_closed"]
    assert (line["actorType"], line["actorId"], line["code"]) == ("user", user.principal["actorId"], CloseCode.SESSION_ENDED)
    await peer.close()


async def test_P32_a_user_sees_the_sockets_of_the_guest_they_were(api: Api, mail: MailServer) -> None:
    guest = await api.guest()
    peer = await peer_of(api, guest)
    await peer.close()
    await closed(api, guest)
    user = await registered(api, mail, unused(), guest.bearer)
    assert [one["principal"] for one in await connections(api, user)] == [who(guest)]


async def test_P32_an_admin_sees_anybodys_and_that_is_on_record(api: Api, admin: Account, ada: Account, log: io.StringIO) -> None:
    peer = await peer_of(api, ada)
    path = f"/v1/admin/users/guest:{ada.sid}/connections"
    assert [one["session"] for one in await connections(api, admin, path)] == [peer.welcome.session]
    (await api.call("GET", path, headers=ada.bearer)).problem(403, "FORBIDDEN")
    (await api.call("GET", f"/v1/admin/users/{'0' * 26}/connections", headers=admin.bearer)).problem(404, "NOT_FOUND")
    lines = [one for one in map(json.loads, log.getvalue().splitlines()) if one["event"] == "audit" and one["outcome"] == "done"]
    assert (admin.principal["actorId"], path) in [(line["actorId"], line["target"]) for line in lines]
    await peer.close()


async def test_P32_a_line_of_a_request_says_who_asked_and_of_which_room(api: Api, ada: Account, log: io.StringIO) -> None:
    room = await api.room(ada)
    await api.call("GET", f"/v1/rooms/{room}", headers=ada.bearer)
    await api.call("GET", "/v1/rooms")
    made, one, all_ = [line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == "request"][-3:]
    assert {**made, **who(ada)} == made
    assert {**one, **who(ada), "roomId": room} == one
    assert {"actorType", "actorId", "roomId"}.isdisjoint(all_)
