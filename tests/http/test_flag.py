"""Flags over HTTP: admins change them, everybody may ask for their own."""

import io
import json
from typing import Any

import pytest
import pytest_asyncio

from tests.http.admin import admin_of
from tests.http.api import Account, Answer, Api
from tests.support.mail import MailServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATH = "/v1/admin/flags/live_list"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def admin(api: Api, mail: MailServer) -> Account:
    return await admin_of(api, mail)


async def change(api: Api, admin: Account, share: Any) -> Answer:
    return await api.call("PUT", PATH, {"share": share}, admin.bearer)


async def listed(api: Api, admin: Account) -> dict[str, Any]:
    (flag,) = (await api.call("GET", "/v1/admin/flags", headers=admin.bearer)).json["flags"]
    found: dict[str, Any] = flag
    return found


async def mine(api: Api, account: Account) -> list[str]:
    found: list[str] = (await api.call("GET", "/v1/me/flags", headers=account.bearer)).json["flags"]
    return found


async def test_P33_an_admin_takes_a_feature_from_everybody_and_gives_it_back(api: Api, admin: Account, ada: Account, uma: Account) -> None:
    flag = await listed(api, admin)
    assert (flag["name"], flag["share"], flag["configured"], flag["setAt"], flag["setBy"]) == ("live_list", 100, 100, None, None)
    assert "list of rooms" in flag["about"]
    assert (await change(api, admin, 0)).status == 204
    flag = await listed(api, admin)
    assert (flag["share"], flag["configured"], flag["setBy"]) == (0, 100, admin.principal["actorId"])
    assert flag["setAt"] > 0
    assert [await mine(api, who) for who in (ada, uma)] == [[], []]
    assert (await change(api, admin, 100)).status == 204
    assert [await mine(api, who) for who in (ada, uma)] == [["live_list"]] * 2
    assert (await change(api, admin, None)).status == 204
    assert (await listed(api, admin))["setAt"] is None


@pytest.mark.parametrize("share", [-1, 100.5, "50", True, [1]])
async def test_P33_a_share_is_a_part_of_a_hundred(api: Api, admin: Account, share: Any) -> None:
    (await change(api, admin, share)).problem(422, "INVALID")
    (await api.call("PUT", PATH, {}, admin.bearer)).problem(422, "INVALID")


async def test_P33_a_flag_that_is_not_declared_cannot_be_set(api: Api, admin: Account) -> None:
    (await api.call("PUT", "/v1/admin/flags/of_tomorrow", {"share": 1}, admin.bearer)).problem(404, "NOT_FOUND")


async def test_P33_who_changed_a_flag_is_on_record(api: Api, admin: Account, log: io.StringIO) -> None:
    await change(api, admin, 12.5)
    await change(api, admin, None)
    lines = [
        line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == "audit" and line["target"] == "flag live_list"
    ]
    assert {(line["actorId"], line["action"]) for line in lines} == {(admin.principal["actorId"], "admin.flag")}
    assert [line["why"] for line in lines] == ["12.5 %", "as the settings say"]
