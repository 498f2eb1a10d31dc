"""RELIABILITY A4: what is put in the place of each field of each JSON body. The matrix is made from the routes."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any, Final

import pytest
import pytest_asyncio
from msgspec import inspect as ins

from commonroom.app import Node
from commonroom.cli.user import create_admin
from commonroom.http.application import routes
from commonroom.http.route import Route
from commonroom.permissions import NEVER, TABLE
from commonroom.storage.embedded.postgres import running
from tests.fuzz.value import value
from tests.http.account import PASSWORD, log_in, registered, unused
from tests.http.api import Account, Api, account_of
from tests.support.mail import MailServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

Bearers = dict[str, dict[str, str]]

ROUTES: Final = [route for route in routes(with_docs=True) if route.body is not None]
DEPTH: Final = 15_000
"""Levels that fit into a body of 64 KiB."""

OTHER_TYPES: Final[tuple[Any, ...]] = ({"$ne": 1}, {"$gt": ""}, [], [[]], ["a", "b"], {}, {"a": {"b": [1]}}, -1, 1.5, 10**30, 1e308)
"""Of no field at all, or only of one that takes such a thing."""

TEXTS: Final = ("a\x00b", "\u202eevil", "\ud800", "x" * 60_000, "", " \u200b ", "\n", "' or 1=1--", "%", "../..")
"""Texts that a field may take or not; no answer to them is a failure of ours."""

BYTES: Final = {
    "nothing": b"",
    "a text": b'"x"',
    "a list": b"[]",
    "null": b"null",
    "an unknown field": b'{"is_admin":true}',
    "arrays of arrays": b"[" * DEPTH,
    "objects of objects": b'{"a":' * (DEPTH // 5),
    "a closed nest": b'{"a":' + b"[" * (DEPTH // 2) + b"]" * (DEPTH // 2) + b"}",
    "100,000 levels": b"[" * 100_000,
    "a number of 60,000 digits": b'{"a":' + b"9" * 60_000 + b"}",
    "a number of 100,000 digits": b'{"a":' + b"9" * 100_000 + b"}",
    "NaN": b'{"a":NaN}',
    "Infinity": b"Infinity",
    "1e400": b"1e400",
    "bytes that are no UTF-8": b'{"a":"\xc3\x28"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "two bodies": b"{}{}",
    "half a body": b'{"a":',
    "a comment": b"{}//",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bearers(api: Api, node: Node, mail: MailServer) -> Bearers:
    """The header of who may ask a route: a user, or an admin."""
    address = unused()
    url = running(node.settings.data)
    assert url is not None
    await create_admin(url, address, "Ada", PASSWORD)
    admin = account_of(await log_in(api, address))
    return {"user": (await registered(api, mail, unused())).bearer, "admin": admin.bearer}


def _allowed(route: Route) -> str:
    return "admin" if TABLE[route.action].user is NEVER else "user"


def _path(route: Route) -> str:
    return "/".join("github" if part == "{provider}" else "0" * 26 if part.startswith("{") else part for part in route.path.split("/"))


def _fields(kind: ins.Type, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], ins.Type]]:
    """Every field, nested ones too, by the names on the way to it."""
    if isinstance(kind, ins.StructType):
        for field in kind.fields:
            yield (*path, field.encode_name), field.type
            yield from _fields(field.type, (*path, field.encode_name))


def _with(body: Any, path: tuple[str, ...], replaced: Any) -> Any:
    """The body with this in the place of the field."""
    name, *rest = path
    return {**body, name: _with(body.get(name, {}), tuple(rest), replaced) if rest else replaced}


TAKEN: Final[dict[type, Any]] = {
    **dict.fromkeys((ins.ListType, ins.VarTupleType), list),
    **dict.fromkeys((ins.DictType, ins.StructType), dict),
    ins.FloatType: (int, float),
    ins.IntType: int,
}


def _takes(kind: ins.Type, one: Any) -> bool:
    """Whether such a value may be right there."""
    if isinstance(kind, ins.UnionType):
        return any(_takes(member, one) for member in kind.types)
    if isinstance(kind, ins.Metadata):
        return _takes(kind.type, one)
    return any(isinstance(kind, known) and isinstance(one, plain) for known, plain in TAKEN.items())


def _whole(route: Route, seed: int) -> dict[str, Any]:
    body: dict[str, Any] = value(ins.type_info(route.body), Random(seed))
    return body


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_A4_a_field_of_another_type_is_refused_and_named(api: Api, bearers: Bearers, route: Route, seed: int) -> None:
    headers = bearers[_allowed(route)]
    for path, kind in _fields(ins.type_info(route.body)):
        for other in OTHER_TYPES:
            if _takes(kind, other):
                continue
            answer = await api.call(route.method, _path(route), _with(_whole(route, seed), path, other), headers)
            problem = answer.problem(422, "INVALID")
            assert problem["field"].startswith(f"$.{path[0]}"), (path, other, problem)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_A4_a_text_that_nobody_writes_is_taken_as_text_or_refused(api: Api, bearers: Bearers, route: Route, seed: int) -> None:
    headers = {**bearers[_allowed(route)], "Content-Type": "application/json"}
    texts = [path for path, kind in _fields(ins.type_info(route.body)) if "StrType" in repr(kind)]
    for path in texts:
        for text in TEXTS:
            data = json.dumps(_with(_whole(route, seed), path, text)).encode()
            answer = await api.call(route.method, _path(route), headers=headers, data=data)
            assert answer.status < 500 or answer.json["name"] == "MAIL_NOT_CONFIGURED", (path, text, answer.body)
            if text == "\ud800":
                answer.problem(400, "BAD_REQUEST")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_A4_bytes_that_are_no_body_are_refused(api: Api, bearers: Bearers, route: Route) -> None:
    for name, data in BYTES.items():
        if name == "nothing" and not route.body_needed:
            continue
        answer = await api.call(route.method, _path(route), headers=bearers[_allowed(route)], data=data)
        answer.problem(answer.status, answer.json["name"])
        assert answer.status in {400, 413, 422}, (name, answer.body)


LISTS: Final = [route for route in routes(with_docs=True) if any(one.name in {"limit", "before"} for one in route.parameters)]


NUMBERS: Final = ("1e308", "-1", "0", "1.5", "NaN", "٣", "9" * 100, "0x10", "1_0", "%2B1", "%00", "[]", "true")


@pytest.mark.parametrize("route", LISTS, ids=lambda route: route.path)
async def test_A4_a_limit_that_is_no_number_is_refused(api: Api, bearers: Bearers, ada: Account, route: Route) -> None:
    path = _path(route).replace("0" * 26, await api.room(ada))
    for name in {one.name for one in route.parameters} & {"limit", "before"}:
        for number in NUMBERS:
            answer = await api.call(route.method, f"{path}?q=ada&{name}={number}", headers=bearers[_allowed(route)])
            assert answer.problem(422, "INVALID")["field"] == name, number


@pytest.mark.parametrize("route", LISTS, ids=lambda route: route.path)
async def test_A4_a_huge_limit_is_clamped(api: Api, bearers: Bearers, ada: Account, route: Route) -> None:
    path = _path(route).replace("0" * 26, await api.room(ada))
    assert (await api.call(route.method, f"{path}?q=ada&limit={10**15}", headers=bearers[_allowed(route)])).status == 200


async def test_A4_of_a_field_that_is_there_twice_the_last_counts_as_for_every_reader_of_ours(api: Api) -> None:
    made = await api.call("POST", "/v1/guests", data=b'{"name":"First","name":"Last"}')
    assert made.json["name"] == "Last"
    (await api.call("POST", "/v1/guests", data=b'{"name":"First","name":{"$ne":1}}')).problem(422, "INVALID")
