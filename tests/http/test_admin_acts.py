"""What admins do to people: once, whole or not at all, to all that somebody is and was, and on record (FEATURES C9, P35)."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from commonroom.app import Node
from commonroom.errors import Unavailable
from commonroom.http.routes.admin import moderation
from commonroom.storage.repository.audit import AuditLog
from commonroom.storage.repository.report import Reports
from tests.http.account import registered, unused
from tests.http.admin import admin_of
from tests.http.api import Account, Answer, Api
from tests.http.test_reports import report
from tests.http.test_sanctions import WITHIN_S, imposed, stands
from tests.support.client import until
from tests.support.mail import MailServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def admin(api: Api, mail: MailServer) -> Account:
    return await admin_of(api, mail)


async def resolve(api: Api, admin: Account, told: str, kind: str | None = None) -> Answer:
    sanction = {} if kind is None else {"sanction": {"kind": kind, "reason": "because"}}
    return await api.call("POST", f"/v1/admin/reports/{told}/resolve", {"outcome": "acted", **sanction}, admin.bearer)


async def sanctions(api: Api, admin: Account, who: str, state: str = "all") -> list[dict[str, Any]]:
    answer = await api.call("GET", f"/v1/admin/sanctions?state={state}&who={who}", headers=admin.bearer)
    found: list[dict[str, Any]] = answer.json["sanctions"]
    return found


async def acts(node: Node, admin: Account, count: int) -> list[tuple[str, str, str]]:
    """The lines about people, in order, once there are so many."""
    async with asyncio.timeout(20):
        while True:
            lines = await AuditLog(node._storage.database).search(admin.principal["actorId"], None, None, 100)
            found = [(one.action, one.target, one.why) for _, one in reversed(lines) if not one.target.startswith("/")]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.02)


async def test_C9_what_stands_against_a_guest_stands_against_the_user_as_soon_as_they_sign_in(
    api: Api, mail: MailServer, admin: Account, ada: Account, node: Node
) -> None:
    await imposed(api, admin, ada, "mute")
    await until(lambda: stands(node, ada), "the mute")
    user = await registered(api, mail, unused(), ada.bearer)
    await until(lambda: stands(node, user), "the mute of the user", WITHIN_S)


async def test_C9_what_a_guest_got_is_found_and_replaced_by_the_user_it_became(
    api: Api, mail: MailServer, admin: Account, ada: Account
) -> None:
    mute = await imposed(api, admin, ada, "mute")
    user = await registered(api, mail, unused(), ada.bearer)
    ident = f"user:{user.principal['actorId']}"
    for named in (ident, f"guest:{ada.sid}"):
        assert [one["id"] for one in await sanctions(api, admin, named, "standing")] == [mute]
    shadow = await imposed(api, admin, user, "shadow")
    assert [one["id"] for one in await sanctions(api, admin, ident, "standing")] == [shadow]
    dossier = await api.call("GET", f"/v1/admin/users/{user.principal['actorId']}", headers=admin.bearer)
    assert [one["id"] for one in dossier.json["sanctions"]] == [shadow, mute]
    exported = (await api.call("GET", "/v1/me/export", headers=user.bearer)).json["sanctions"]
    assert [(one["kind"], one["liftedAt"] is None) for one in exported] == [("mute", False)]


async def test_of_two_admins_who_resolve_a_report_at_once_one_imposes(
    api: Api, mail: MailServer, admin: Account, ada: Account, bob: Account
) -> None:
    user, other = await registered(api, mail, unused()), await admin_of(api, mail)
    for who in (f"guest:{ada.sid}", f"user:{user.principal['actorId']}"):
        told = (await report(api, bob, user=who)).json["id"]
        answers = await asyncio.gather(*(resolve(api, one, told, kind) for one in (admin, other) for kind in ("mute", "ban")))
        statuses = [answer.status for answer in answers]
        assert statuses.count(200) == 1
        assert set(statuses) <= {200, 409, 404}, "resolved already, or a guest who is banned already"
        assert len(await sanctions(api, admin, who)) == 1


async def test_a_report_that_another_admin_has_resolved_leads_to_nothing_more(
    api: Api, node: Node, admin: Account, ada: Account, bob: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = (await report(api, bob, user=f"guest:{ada.sid}")).json["id"]
    as_it_was = await Reports(node._storage.database).get(told)
    assert (await resolve(api, admin, told)).status == 200

    async def late(_reports: Reports, _report: str) -> object:
        return as_it_was

    monkeypatch.setattr(Reports, "get", late)
    (await resolve(api, admin, told, "ban")).problem(409, "CONFLICT")
    assert await sanctions(api, admin, f"guest:{ada.sid}") == []
    assert (await api.call("GET", "/v1/me", headers=ada.bearer)).status == 200


async def test_P35_what_was_done_is_on_record_though_the_answer_failed(
    api: Api, node: Node, mail: MailServer, ada: Account, bob: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await admin_of(api, mail)
    told = (await report(api, bob, user=f"guest:{ada.sid}")).json["id"]

    async def away(*_: object) -> None:
        raise Unavailable("the database went away")

    with monkeypatch.context() as broken:
        broken.setattr(moderation, "faces_of", away)
        (await resolve(api, admin, told, "mute")).problem(503, "RETRY")
    (mute,) = await sanctions(api, admin, f"guest:{ada.sid}")
    who = f"guest {ada.sid}"
    assert (await acts(node, admin, 2))[:2] == [
        ("admin.report.resolve", who, f"report {told} acted"),
        ("admin.sanction", who, f"mute {mute['id']}"),
    ]


async def test_P35_a_lift_and_an_end_of_sessions_say_of_whom_and_what(api: Api, node: Node, mail: MailServer, ada: Account) -> None:
    admin = await admin_of(api, mail)
    mute = await imposed(api, admin, ada, "mute")
    assert (await api.call("DELETE", f"/v1/admin/sanctions/{mute}", headers=admin.bearer)).status == 204
    assert (await api.call("DELETE", f"/v1/admin/users/guest:{ada.sid}/sessions", headers=admin.bearer)).status == 204
    (await api.call("GET", "/v1/me", headers=ada.bearer)).problem(401, "UNAUTHENTICATED")
    assert await acts(node, admin, 3) == [
        ("admin.sanction", f"guest {ada.sid}", f"mute {mute}"),
        ("admin.sanction", f"guest {ada.sid}", f"mute {mute} lifted"),
        ("admin.session.end", f"guest {ada.sid}", "1 login sessions ended"),
    ]


async def test_P6_an_admin_signs_themselves_out_and_no_other_admin(api: Api, mail: MailServer, admin: Account) -> None:
    other = await admin_of(api, mail)
    path = f"/v1/admin/users/{other.principal['actorId']}/sessions"
    (await api.call("DELETE", path, headers=admin.bearer)).problem(403, "FORBIDDEN")
    assert (await api.call("GET", "/v1/me", headers=other.bearer)).status == 200
    assert (await api.call("DELETE", path, headers=other.bearer)).status == 204
    (await api.call("GET", "/v1/me", headers=other.bearer)).problem(401, "UNAUTHENTICATED")
