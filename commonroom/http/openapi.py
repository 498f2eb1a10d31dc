"""The OpenAPI 3.1 document (spec.openapis.org/oas/v3.1.1), made from the routes' declarations and the structs they name."""

import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from http import HTTPStatus
from inspect import getdoc
from types import UnionType
from typing import Any, Final, get_args

import msgspec

from commonroom.errors import TABLE, CommonroomError, RateLimited
from commonroom.http.auth import COOKIE
from commonroom.http.problem import Problem
from commonroom.http.route import Parameter, Proof, Route

__all__ = ["document"]

Json = dict[str, Any]

SCHEMA: Final = "#/components/schemas/{name}"
RESPONSE: Final = "#/components/responses/{name}"
SECURITY_SCHEMES: Final[Json] = {
    "accessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "An access token; see /v1/guests."},
    "refreshCookie": {
        "type": "apiKey", "in": "cookie", "name": COOKIE,
        "description": "The refresh token, where a browser keeps it. The request must come from a page of this server.",
    },
}  # fmt: skip
SECURITY: Final[dict[Proof, list[Json]]] = {
    False: [],
    True: [{"accessToken": []}],
    "cookie": [{"refreshCookie": []}, {}],
    "either": [{"accessToken": []}, {"refreshCookie": []}],
    "guest": [{}, {"accessToken": []}, {"refreshCookie": []}],
}

RETRY_AFTER: Final[Json] = {"description": "Seconds to wait.", "required": True, "schema": {"type": "integer", "minimum": 1}}


class Schemas:
    """The JSON Schemas of types; what they share is in `components`."""

    def __init__(self, kinds: Iterable[Any]) -> None:
        plain = list(dict.fromkeys(part for kind in kinds for part in _parts(kind)))
        schemas, components = msgspec.json.schema_components(plain, ref_template=SCHEMA)
        self._by_kind = dict(zip(plain, map(_ecma, schemas), strict=True))
        self.components: Json = _ecma(components)

    def of(self, kind: Any) -> Json:
        """The schema of a type, or of any of a union's."""
        schemas = [self._by_kind[part] for part in _parts(kind)]
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _ecma(schema: Any) -> Any:
    """The schema with its patterns as JSON Schema has them (ECMA-262), which knows no `A` and `Z` with a backslash."""
    if isinstance(schema, list):
        return [_ecma(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _pattern(value) if name == "pattern" and isinstance(value, str) else _ecma(value) for name, value in schema.items()}


def _pattern(pattern: str) -> str:
    return pattern.replace(r"\A", "^").replace(r"\Z", "$")


def document(routes: Iterable[Route]) -> Json:
    """Paths, schemas and security schemes of these routes, ready for JSON."""
    routes = list(routes)
    schemas = Schemas(_kinds(routes))
    paths: dict[str, Json] = {}
    for route, name in zip(routes, _names(routes), strict=True):
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, name, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Commonroom",
            "version": "v1",
            "description": "Rooms, people and history over HTTP. What happens in a room goes over the WebSocket: see docs/PROTOCOL.md.",
        },
        "tags": _tags(routes),
        "paths": paths,
        "components": {"schemas": schemas.components, "responses": _refusals(routes), "securitySchemes": SECURITY_SCHEMES},
    }


def _kinds(routes: Iterable[Route]) -> Iterator[Any]:
    """All types that schemas are needed of. msgspec wants them together: names are given to all at once."""
    yield Problem
    for route in routes:
        yield from (parameter.kind for parameter in route.parameters)
        yield from (kind for kind in (route.body, *route.answers.values()) if kind is not None)


def _parts(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if isinstance(kind, UnionType) else (kind,)


def _names(routes: Iterable[Route]) -> Iterator[str]:
    """An operationId each: the handler's name, numbered where it has several routes."""
    seen: Counter[str] = Counter()
    for route in routes:
        name = getattr(route.handler, "__name__", "")
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}_{seen[name]}"


def _tags(routes: Iterable[Route]) -> list[Json]:
    """The areas, each with what its module says of itself."""
    modules = dict.fromkeys(route.handler.__module__ for route in routes)
    return [{"name": _tag(module), "description": _first_line(sys.modules[module])} for module in modules]


def _tag(module: str) -> str:
    return module.rpartition(".")[2]


def _operation(route: Route, name: str, schemas: Schemas) -> Json:
    operation: Json = {
        "operationId": name,
        "tags": [_tag(route.handler.__module__)],
        "summary": route.summary,
        "security": SECURITY[route.signed_in],
        "responses": _responses(route, schemas),
    }
    if route.description:
        operation["description"] = route.description
    if route.parameters:
        operation["parameters"] = [_parameter(parameter, schemas) for parameter in route.parameters]
    if route.body is not None:
        operation["requestBody"] = {"required": route.body_needed, "content": {"application/json": {"schema": schemas.of(route.body)}}}
    return operation


def _parameter(parameter: Parameter, schemas: Schemas) -> Json:
    needed = parameter.needed or parameter.where == "path"
    said: Json = {"name": parameter.name, "in": parameter.where, "description": parameter.meaning, "schema": schemas.of(parameter.kind)}
    if parameter.where == "query" and not needed:
        said["allowEmptyValue"] = True  # as if it were left out
    return {**said, "required": needed}


def _responses(route: Route, schemas: Schemas) -> Json:
    """By status. One that is both an answer and an error has both contents."""
    responses: dict[int, Json] = {status: _answer(status, kind, schemas) for status, kind in route.answers.items()}
    for status, errors in _by_status(route).items():
        if status in responses:
            responses[status].setdefault("content", {}).update(_refusal(status, errors)["content"])
        else:
            responses[status] = {"$ref": RESPONSE.format(name=_name(errors))}
    return {str(status): responses[status] for status in sorted(responses)}


def _refusals(routes: Iterable[Route]) -> Json:
    """Every set of errors that some route answers with under one status, by name."""
    return {_name(errors): _refusal(status, errors) for route in routes for status, errors in _by_status(route).items()}


def _answer(status: int, kind: Any, schemas: Schemas) -> Json:
    response: Json = {"description": HTTPStatus(status).phrase}
    if kind is not None:
        response["content"] = {"application/json": {"schema": schemas.of(kind)}}
    return response


def _by_status(route: Route) -> dict[int, list[type[CommonroomError]]]:
    grouped: dict[int, list[type[CommonroomError]]] = {}
    for error in dict.fromkeys(route.all_errors()):
        grouped.setdefault(TABLE[error].http.value, []).append(error)
    return grouped


def _name(errors: Iterable[type[CommonroomError]]) -> str:
    return "-".join(TABLE[error].code.name for error in errors)


def _refusal(status: int, errors: Collection[type[CommonroomError]]) -> Json:
    """A problem of this status, of one of these names."""
    rows = [TABLE[error] for error in errors]
    narrowed = {
        "status": {"const": status},
        "name": {"enum": [row.code.name for row in rows]},
        "code": {"enum": [row.code.value for row in rows]},
    }
    schema = {"allOf": [{"$ref": SCHEMA.format(name=Problem.__name__)}, {"properties": narrowed}]}
    meaning = " ".join(f"{TABLE[error].code.name}: {_first_line(error)}" for error in errors)
    refusal: Json = {"description": meaning, "content": {"application/problem+json": {"schema": schema}}}
    return {**refusal, "headers": {"Retry-After": RETRY_AFTER}} if RateLimited in errors else refusal


def _first_line(documented: object) -> str:
    return (getdoc(documented) or "").partition("\n")[0]
