"""What admins see and do, and what is written of it: only admins, only reported words, each look on record (FEATURES P6, P35)."""

import asyncio
import io
import re
from typing import Any

import pytest
import pytest_asyncio

from commonroom.app import Node
from commonroom.engine.address import SLOTS
from commonroom.http.application import routes
from commonroom.http.route import Route
from commonroom.limit.limit import LIMITS, LOCAL
from commonroom.permissions import NEVER, TABLE
from commonroom.storage.repository.audit import AuditLog
from tests.http.account import log_in, registered, unused
from tests.http.admin import admin_of, peer_of
from tests.http.api import Account, Api
from tests.http.test_reports import report, say, shown
from tests.support.client import until
from tests.support.mail import MailServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

OF_ADMINS = [route for route in routes(with_docs=False) if TABLE[route.action].user is NEVER]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def admin(api: Api, mail: MailServer) -> Account:
    return await admin_of(api, mail)


async def get(api: Api, admin: Account, path: str) -> Any:
    answer = await api.call("GET", f"/v1/admin/{path}", headers=admin.bearer)
    assert answer.status == 200, answer.body
    return answer.json


async def test_P6_every_route_of_admins_is_under_their_path_and_none_other() -> None:
    assert len(OF_ADMINS) >= 12
    for route in routes(with_docs=False):
        assert route.path.startswith("/v1/admin/") is (route in OF_ADMINS), route.path
        assert not route.path.startswith("/v1/admin/") or route.signed_in is True


@pytest.mark.parametrize("route", OF_ADMINS, ids=lambda route: f"{route.method} {route.path}")
async def test_P6_what_is_admins_is_closed_to_everybody_else(api: Api, ada: Account, uma: Account, route: Route) -> None:
    path = route.path.replace("{", "").replace("}", "")
    for account in (ada, uma):
        (await api.call(route.method, path, {}, account.bearer)).problem(403, "FORBIDDEN")
    (await api.call(route.method, path, {})).problem(401, "UNAUTHENTICATED")


async def test_P6_who_is_an_admin_no_more_is_refused_with_the_token_of_one(api: Api, node: Node, mail: MailServer) -> None:
    former = await admin_of(api, mail)
    await get(api, former, "reports")
    await node._storage.database.execute("UPDATE app_user SET role = 'USER' WHERE id = $1", former.principal["actorId"])
    (await api.call("GET", "/v1/admin/reports", headers=former.bearer)).problem(403, "FORBIDDEN")


async def test_users_are_found_by_the_beginning_of_username_name_and_address_and_by_id(api: Api, mail: MailServer, admin: Account) -> None:
    address = unused()
    user = await registered(api, mail, address)
    ident, username = user.principal["actorId"], f"zoe.{user.sid[-10:]}"
    assert (await api.call("PUT", "/v1/me/username", {"username": username}, user.bearer)).status == 204
    assert (await api.call("PATCH", "/v1/me", {"name": f"Zoë {ident[-8:]}"}, user.bearer)).status == 200
    for query in (address[:-3], address.upper()[:20], username[:-1], f"zoe {ident[-8:-1]}", ident):
        found = (await get(api, admin, f"users?q={query}"))["users"]
        assert [(one["id"], one["username"], one["email"], one["role"]) for one in found] == [(ident, username, address, "USER")], query
    for query in (address[1:], "\u0301\u0301\u0301"):
        assert (await get(api, admin, f"users?q={query}"))["users"] == []


async def test_pages_of_users_neither_skip_nor_repeat(api: Api, mail: MailServer, admin: Account) -> None:
    for _ in range(3):
        await registered(api, mail, unused())
    everybody = [one["id"] for one in (await get(api, admin, "users?limit=100"))["users"]]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None and len(seen) < len(everybody):
        page = await get(api, admin, f"users?limit=7&cursor={cursor}")
        seen += [one["id"] for one in page["users"]]
        cursor = page["nextCursor"]
    assert seen[: len(everybody)] == everybody == sorted(everybody, reverse=True)


async def test_a_person_is_shown_with_all_that_matters_and_signed_out(
    api: Api, node: Node, mail: MailServer, admin: Account, ada: Account
) -> None:
    address = unused()
    user = await registered(api, mail, address, ada.bearer)
    room = await api.room(user, "Private study", visibility="private")
    told = await report(api, user, user=f"user:{admin.principal['actorId']}")
    eve = await api.guest("Eve")
    about = await report(api, eve, user=f"guest:{ada.sid}")
    ident = user.principal["actorId"]
    await api.call("POST", "/v1/admin/sanctions", {"who": f"user:{ident}", "kind": "mute", "reason": "noise"}, admin.bearer)
    await node._storage.projections.caught_up()
    seen = await get(api, admin, f"users/{ident}")
    assert (seen["principal"]["actorId"], seen["name"], seen["account"]["email"]) == (ident, "Ada L.", address)
    assert seen["guests"] == [ada.sid]
    assert [one["sessionId"] for one in seen["sessions"]] == [user.sid]
    assert [(one["kind"], one["reason"]) for one in seen["sanctions"]] == [("mute", "noise")]
    assert [one["id"] for one in seen["reportsAbout"]] == [about.json["id"]]
    assert [one["id"] for one in seen["reportsBy"]] == [told.json["id"]]
    assert [(one["id"], one["title"], one["visibility"]) for one in seen["rooms"]] == [(room, "Private study", "private")]
    assert (await get(api, admin, f"users/guest:{ada.sid}"))["principal"]["actorId"] == ident, "the guest is the user now"
    guest = await get(api, admin, f"users/guest:{eve.sid}")
    assert (guest["account"], guest["name"], len(guest["reportsBy"])) == (None, "Eve", 1)
    peer = await peer_of(api, user)
    assert (await api.call("DELETE", f"/v1/admin/users/{ident}/sessions", headers=admin.bearer)).status == 204
    await until(lambda: peer.socket.close_code == 4504, "the socket to be closed")
    await peer.close()
    (await api.call("GET", "/v1/me", headers=user.bearer)).problem(401, "UNAUTHENTICATED")
    assert (await log_in(api, address)).status == 200
    for nobody in ("0" * 26, "guest:" + "0" * 26):
        (await api.call("GET", f"/v1/admin/users/{nobody}", headers=admin.bearer)).problem(404, "NOT_FOUND")


async def test_P6_an_admin_sees_what_rooms_are_and_not_what_is_said_in_them(api: Api, node: Node, admin: Account, ada: Account) -> None:
    room = await api.room(ada, "Secret garden", visibility="private")
    (offset, *_) = await say(api, ada, room, "not for admins", "nor this")
    for path in (f"/v1/rooms/{room}", f"/v1/rooms/{room}/messages"):
        (await api.call("GET", path, headers=admin.bearer)).problem(404, "NOT_FOUND")
    (await report(api, admin, room=room, message=offset)).problem(404, "NOT_FOUND")
    await node._storage.projections.caught_up()
    found = (await get(api, admin, "rooms?visibility=private&limit=1"))["rooms"]
    assert [(one["id"], one["title"]) for one in found] == [(room, "Secret garden")]
    assert "not for admins" not in str(await get(api, admin, f"users/guest:{ada.sid}"))


async def test_P6_an_admin_finds_rooms_that_are_archived_and_those_that_are_open(
    api: Api, node: Node, admin: Account, ada: Account
) -> None:
    closed, opened = [await api.room(ada, visibility="unlisted") for _ in range(2)]
    assert (await api.call("POST", f"/v1/rooms/{closed}/archive", {}, ada.bearer)).status == 200
    await node._storage.projections.caught_up()
    for state, room in (("archived", closed), ("open", opened)):
        (found,) = (await get(api, admin, f"rooms?visibility=unlisted&state={state}&limit=1"))["rooms"]
        assert (found["id"], found["archivedAt"] is None) == (room, state == "open")


async def test_rooms_come_in_pages_of_any_visibility(api: Api, node: Node, admin: Account, ada: Account) -> None:
    made = [await api.room(ada, visibility=visibility) for visibility in ("private", "unlisted", "private")]
    await node._storage.projections.caught_up()
    first = await get(api, admin, "rooms?limit=2")
    second = await get(api, admin, f"rooms?limit=1&cursor={first['nextCursor']}")
    assert [one["id"] for one in first["rooms"] + second["rooms"]] == made[::-1]
    for bad in (
        "rooms?cursor=x",
        "rooms?visibility=secret",
        "rooms?state=gone",
        "rooms?limit=0",
        "audit?cursor=x",
        "reports?state=lost",
        "reports?by=nobody",
        "reports?order=none",
        "sanctions?state=x",
        f"users?q={'x' * 255}",
    ):
        (await api.call("GET", f"/v1/admin/{bad}", headers=admin.bearer)).problem(422, "INVALID")


async def test_a_report_is_resolved_with_a_sanction_at_once(api: Api, admin: Account, ada: Account, bob: Account) -> None:
    room = await api.room(ada)
    (offset,) = await say(api, ada, room, "spam")
    told = (await report(api, bob, room=room, message=offset)).json["id"]
    path = f"/v1/admin/reports/{told}/resolve"
    sanction = {"kind": "ban", "reason": "spam"}
    wrong = await api.call("POST", path, {"outcome": "dismissed", "sanction": sanction}, admin.bearer)
    wrong.problem(422, "INVALID")
    done = await api.call("POST", path, {"outcome": "acted", "note": "as before", "sanction": sanction}, admin.bearer)
    assert (done.status, done.json["outcome"], done.json["note"]) == (200, "acted", "as before")
    (await api.call("GET", "/v1/me", headers=ada.bearer)).problem(401, "UNAUTHENTICATED")
    assert (await shown(api, admin, told, "resolved"))["note"] == "as before"
    (await api.call("POST", f"/v1/admin/reports/{'0' * 26}/resolve", {"outcome": "acted"}, admin.bearer)).problem(404, "NOT_FOUND")


async def test_a_report_stays_open_where_its_sanction_is_refused(api: Api, mail: MailServer, admin: Account, bob: Account) -> None:
    other = await admin_of(api, mail)
    told = (await report(api, bob, user=f"user:{other.principal['actorId']}")).json["id"]
    resolution = {"outcome": "acted", "sanction": {"kind": "ban", "reason": "no"}}
    (await api.call("POST", f"/v1/admin/reports/{told}/resolve", resolution, admin.bearer)).problem(403, "FORBIDDEN")
    assert (await shown(api, admin, told))["resolvedAt"] is None


async def test_reports_come_in_pages(api: Api, admin: Account, ada: Account) -> None:
    eve = await api.guest("Eve")
    told = [(await report(api, eve, room=await api.room(ada))).json["id"] for _ in range(3)]
    first = await get(api, admin, "reports?limit=2")
    second = await get(api, admin, f"reports?limit=1&cursor={first['nextCursor']}")
    assert [one["id"] for one in first["reports"] + second["reports"]] == told[::-1]


async def test_a_flood_of_guests_reports_buries_neither_old_ones_nor_those_of_users(
    api: Api, mail: MailServer, admin: Account, ada: Account
) -> None:
    user, eve = await registered(api, mail, unused()), await api.guest("Eve")
    first = (await report(api, user, room=await api.room(ada))).json["id"]
    flood = [(await report(api, eve, room=await api.room(ada))).json["id"] for _ in range(3)]
    assert [one["id"] for one in (await get(api, admin, "reports?limit=1&by=user"))["reports"]] == [first]
    assert [one["id"] for one in (await get(api, admin, "reports?limit=3&by=guest"))["reports"]] == flood[::-1]
    oldest: list[str] = []
    cursor: str | None = ""
    while cursor is not None and len(oldest) < 1000:
        page = await get(api, admin, f"reports?limit=3&order=oldest&cursor={cursor}")
        oldest += [one["id"] for one in page["reports"]]
        cursor = page["nextCursor"]
    assert oldest == sorted(oldest)
    assert oldest[-4:] == [first, *flood]


async def test_limits_and_cluster_are_as_they_are(api: Api, admin: Account, node: Node) -> None:
    limits = await get(api, admin, "limits")
    assert limits["scale"] == 1000
    assert [one["name"] for one in limits["shared"]] == [one.name for one in LIMITS]
    assert [one["name"] for one in limits["local"]] == [one.name for one in LOCAL]
    assert limits["counters"]["granted"] > 0
    cluster = await get(api, admin, "cluster")
    assert (cluster["node"], cluster["members"][0]["slots"]) == ("node", SLOTS)


async def test_P35_what_an_admin_does_and_looks_at_is_on_record(
    api: Api, mail: MailServer, node: Node, ada: Account, log: io.StringIO
) -> None:
    admin = await admin_of(api, mail)
    answer = await api.call(
        "POST", "/v1/admin/sanctions", {"who": f"guest:{ada.sid}", "kind": "mute", "reason": "canary reason"}, admin.bearer
    )
    ident = answer.json["id"]
    await get(api, admin, f"users/guest:{ada.sid}")
    await api.call("DELETE", f"/v1/admin/sanctions/{ident}", headers=admin.bearer)
    (await api.call("POST", "/v1/admin/sanctions", {"who": f"guest:{ada.sid}", "kind": "exile", "reason": "x"}, admin.bearer)).problem(
        422, "INVALID"
    )
    expected = [
        ("admin.sanction", f"guest {ada.sid}", f"mute {ident}"),
        ("admin.sanction", "/v1/admin/sanctions", "POST"),
        ("admin.read", f"/v1/admin/users/guest:{ada.sid}", "GET"),
        ("admin.sanction", f"guest {ada.sid}", f"mute {ident} lifted"),
        ("admin.sanction", f"/v1/admin/sanctions/{ident}", "DELETE"),
    ]
    async with asyncio.timeout(20):
        while len(entries := await AuditLog(node._storage.database).search(admin.principal["actorId"], None, None, 10)) < len(expected):
            await asyncio.sleep(0.02)
    entries = (await get(api, admin, f"audit?actor={admin.principal['actorId']}"))["entries"]
    assert [(one["action"], one["target"], one["why"]) for one in entries[::-1]][: len(expected)] == expected
    assert {(one["outcome"], one["actorId"], one["sid"]) for one in entries} == {("done", admin.principal["actorId"], admin.sid)}
    assert "canary" not in log.getvalue()


async def test_P35_whom_an_admin_looks_at_by_a_query_is_on_record_by_id_and_never_as_typed(
    api: Api, mail: MailServer, node: Node, ada: Account
) -> None:
    admin, address = await admin_of(api, mail), unused()
    user = (await registered(api, mail, address)).principal["actorId"]
    for path in (
        f"sanctions?who=user:{user}",
        f"sanctions?who=guest:{ada.sid}&state=all",
        f"audit?actor={ada.sid}",
        "audit?actor=whoever",
        f"users?q={address}",
        f"users?q={user}",
        "users?q=@",
        "users",
    ):
        await get(api, admin, path)
    expected = [
        f"/v1/admin/sanctions?who=user:{user}",
        f"/v1/admin/sanctions?who=guest:{ada.sid}",
        f"/v1/admin/audit?actor={ada.sid}",
        "/v1/admin/audit",
        f"/v1/admin/users?q=user:{user}",
        f"/v1/admin/users?q=user:{user}",
        "/v1/admin/users",
        "/v1/admin/users",
    ]
    async with asyncio.timeout(20):
        while len(entries := await AuditLog(node._storage.database).search(admin.principal["actorId"], None, None, 10)) < len(expected):
            await asyncio.sleep(0.02)
    assert [one.target for _, one in entries[::-1]] == expected


ODD = ("%00", "a%00b", "%ED%A0%80", "%FF", "%F0%9F%91%8B", "user:%00", "guest:%00", "x" * 500, "%0A", "1.%00", "9" * 30)
QUERIES = [f"{route.path}?{parameter.name}=" for route in OF_ADMINS for parameter in route.parameters if parameter.where == "query"]
PLACES = [route for route in OF_ADMINS if "{" in route.path]


@pytest.mark.parametrize("odd", ODD)
async def test_what_is_odd_in_a_path_or_a_query_is_an_error_of_whoever_asks(api: Api, admin: Account, odd: str) -> None:
    asked = [("GET", query + odd) for query in QUERIES]
    asked += [(route.method, re.sub(r"\{\w+\}", odd, route.path)) for route in PLACES]
    answers = {(method, path): await api.call(method, path, {"outcome": "acted"}, admin.bearer) for method, path in asked}
    assert not [(asked, answer.status) for asked, answer in answers.items() if answer.status >= 500]
    assert {answer.status for (method, _), answer in answers.items() if method != "GET"} <= {400, 404, 422}
