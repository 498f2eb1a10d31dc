"""The OpenAPI document: whole, and true, as everything it says is tried."""

import asyncio
import copy
import inspect
import re
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from commonroom.config.settings import HttpSettings
from commonroom.http.application import build, routes
from commonroom.http.assets import Assets
from commonroom.http.openapi import document
from commonroom.http.route import Route
from commonroom.http.services import Services
from tests.http.account import registered, unused
from tests.http.api import Account, Api
from tests.http.prober import Findings, probe
from tests.support.mail import MailServer

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.untraced]  # other tests reach each line of a route on purpose

Json = dict[str, Any]
EXAMPLES = 1
"""Random requests of each operation; the limits of every field come on top of them, and `make fuzz` goes on from there."""
ENDINGS = frozenset({"delete_me", "log_out", "log_out_everywhere"})
"""Operations after which whoever asked is nobody."""


@pytest.fixture(scope="module")
def made() -> Json:
    return document(routes(with_docs=True))


def _operations(document: Json) -> list[Json]:
    return [operation for path in document["paths"].values() for operation in path.values()]


def _application(*, production: bool = False, docs: bool = False) -> web.Application:
    """Needs no more to be built than this."""
    challenge = SimpleNamespace(origin="")
    return build(cast("Services", SimpleNamespace(settings=HttpSettings(docs=docs), production=production, challenge=challenge)))


async def test_every_route_is_declared() -> None:
    declared = {(route.method, route.path): route.handler for route in routes(with_docs=True)}
    for served in _application().router.routes():
        assert served.resource is not None
        if isinstance(getattr(served.handler, "__self__", None), Assets):
            continue  # a file
        assert declared.get((served.method, served.resource.canonical)) is inspect.unwrap(served.handler), (
            f"{served.method} {served.resource.canonical}"
        )


async def test_every_declaration_says_what_the_route_does_and_takes() -> None:
    for route in routes(with_docs=True):
        assert isinstance(route, Route), f"{route[:2]} has no declaration"
        assert re.fullmatch(r"[A-Z].*\.", route.summary), f"{route.path}: {route.summary!r} is no sentence"
        named = {parameter.name for parameter in route.parameters if parameter.where == "path"}
        assert named == set(re.findall(r"{(\w+)}", route.path)), route.path


async def test_operations_have_names_of_their_own(made: Json) -> None:
    names = [operation["operationId"] for operation in _operations(made)]
    assert len(names) == len(set(names))


async def test_references_lead_somewhere(made: Json) -> None:
    for reference in re.findall(r"'\$ref': '([^']+)'", str(made)):
        place: Any = made
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


async def test_patterns_are_those_of_json_schema(made: Json) -> None:
    assert not re.search(r"\\\\[AZz]", str(made))


async def test_the_document_is_sent_once(api: Api, made: Json) -> None:
    first = await api.call("GET", "/openapi.json")
    assert (first.status, first.headers["Content-Type"]) == (200, "application/json")
    assert first.json == made
    again = await api.call("GET", "/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(("production", "docs", "explained"), [(True, False, False), (True, True, True), (False, False, True)])
async def test_S9_production_explains_itself_only_if_asked_to(production: bool, docs: bool, explained: bool) -> None:
    paths = {served.resource.canonical for served in _application(production=production, docs=docs).router.routes() if served.resource}
    assert ("/openapi.json" in paths) is ("/docs" in paths) is explained
    assert "/v1/rooms" in paths


async def test_strangers_are_answered_as_declared(api: Api, made: Json) -> None:
    wanted = _names(made, lambda operation: not _needs_sign_in(operation))
    found = await _probed(made, api, wanted, {})
    assert 401 not in {status for label, status in found.answers if label in {"POST /v1/guests", "GET /v1/rooms"}}


async def test_a_guest_is_answered_as_declared(api: Api, ada: Account, made: Json) -> None:
    known = {"path.room": await api.room(ada), "path.provider": "github"}
    wanted = _names(made, _needs_sign_in) - ENDINGS
    found = await _probed(made, api, wanted, ada.bearer, known)
    for label in ("GET /v1/me", "PATCH /v1/me", "GET /v1/rooms/{room}", "GET /v1/rooms/{room}/messages", "POST /v1/ws-token"):
        assert found.answers[label, 200], f"{label} succeeded never"
    assert found.answers["POST /v1/rooms", 201]


async def test_a_user_is_answered_as_declared_where_guests_are_refused(api: Api, mail: MailServer, made: Json) -> None:
    user = await registered(api, mail, unused())
    wanted = _names(made, lambda operation: _needs_sign_in(operation) and "403" in operation["responses"]) - ENDINGS
    found = await _probed(made, api, wanted, user.bearer, {"path.provider": "github"})
    for label in ("PATCH /v1/me", "GET /v1/me/methods", "POST /v1/me/methods/{provider}", "GET /v1/users/search"):
        assert found.answers[label, 200], f"{label} succeeded never"


@pytest.mark.parametrize("ending", sorted(ENDINGS))
async def test_what_ends_a_login_session_is_answered_as_declared(api: Api, mail: MailServer, made: Json, ending: str) -> None:
    user = await registered(api, mail, unused())
    found = await _probed(made, api, {ending}, user.bearer)
    assert 204 in {status for _, status in found.answers}


def _needs_sign_in(operation: Json) -> bool:
    return bool(operation["security"]) and {} not in operation["security"]


def _names(document: Json, chosen: Callable[[Json], bool]) -> set[str]:
    return {operation["operationId"] for operation in _operations(document) if chosen(operation)}


async def _probed(document: Json, api: Api, wanted: set[str], headers: Mapping[str, str], known: Json | None = None) -> Findings:
    """What was answered; all that was wanted was asked, and nothing contradicts the document."""
    others = _names(document, lambda operation: operation["operationId"] not in wanted)
    found = await asyncio.to_thread(probe, document, api.url, headers=headers, examples=EXAMPLES, leave_out=others, known=known)
    assert found.contradictions == []
    assert {label for label, _ in found.answers} == {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation["operationId"] in wanted
    }
    return found


def _no_such_status(room: Json) -> None:
    del room["get"]["responses"]["404"]


def _another_type(room: Json) -> None:
    content = room["get"]["responses"]["200"]["content"]["application/json"]
    content["schema"] = {"allOf": [content["schema"], {"properties": {"createdAt": {"type": "string"}}}]}


def _a_field_that_is_not_there(room: Json) -> None:
    content = room["get"]["responses"]["200"]["content"]["application/json"]
    content["schema"] = {"allOf": [content["schema"], {"required": ["members"]}]}


def _another_media_type(room: Json) -> None:
    content = room["get"]["responses"]["200"]["content"]
    content["text/html"] = content.pop("application/json")


def _another_error(room: Json) -> None:
    room["get"]["responses"]["404"] = {"$ref": "#/components/responses/CONFLICT"}


def _open_to_everybody(room: Json) -> None:
    room["get"]["responses"].pop("401")


@pytest.mark.parametrize(
    ("lie", "to_whom", "room"),
    [
        (_another_type, "a guest", "theirs"),
        (_a_field_that_is_not_there, "a guest", "theirs"),
        (_another_media_type, "a guest", "theirs"),
        (_no_such_status, "a guest", "any"),
        (_another_error, "a guest", "any"),
        (_open_to_everybody, "a stranger", "any"),
    ],
)
async def test_a_lie_in_the_document_is_found(
    api: Api, ada: Account, made: Json, lie: Callable[[Json], None], to_whom: str, room: str
) -> None:
    path = "/v1/rooms/{room}"
    lying = copy.deepcopy({**made, "paths": {path: made["paths"][path]}})
    lie(lying["paths"][path])
    headers = ada.bearer if to_whom == "a guest" else {}
    known = {"path.room": await api.room(ada)} if room == "theirs" else {}
    found = await asyncio.to_thread(probe, lying, api.url, headers=headers, examples=1, known=known)
    assert found.contradictions
