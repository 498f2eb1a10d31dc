"""The HTTP application: routes by area behind the common middleware."""

import msgspec
from aiohttp import web

from commonroom.http import openapi
from commonroom.http.assets import ASSETS, Assets
from commonroom.http.gate import guarded
from commonroom.http.limit import limited
from commonroom.http.middleware import MIDDLEWARES
from commonroom.http.page_cache import Page
from commonroom.http.route import Route
from commonroom.http.routes import (
    account,
    auth,
    blocks,
    connections,
    docs,
    export,
    health,
    listing,
    me,
    messages,
    own_rooms,
    preferences,
    provider,
    reports,
    rooms,
    socket,
    users,
)
from commonroom.http.routes.admin import flag, moderation, people, server
from commonroom.http.routes.room import invites, members, order, settings
from commonroom.http.services import SERVICES, Services

__all__ = ["build", "routes"]

AREAS = (
    health,
    auth,
    account,
    provider,
    me,
    preferences,
    connections,
    export,
    users,
    blocks,
    listing,
    rooms,
    settings,
    order,
    invites,
    members,
    own_rooms,
    messages,
    reports,
    moderation,
    people,
    server,
    flag,
    socket,
)


def build(services: Services) -> web.Application:
    """All routes of the public port.

    Raises:
        ConfigError: the installation has no page.
    """
    app = web.Application(middlewares=MIDDLEWARES, client_max_size=services.settings.max_body_bytes)
    app[SERVICES] = services
    app[export.EXPORTS] = exports = export.Exports()
    app.on_shutdown.append(exports.close)
    with_docs = services.settings.docs or not services.production
    table = routes(with_docs=with_docs)
    for route in table:
        app.router.add_route(route.method, route.path, guarded(route, limited(route)))
    if with_docs:
        app[docs.DOCUMENT] = Page.of(msgspec.json.encode(openapi.document(table)))
    app[ASSETS] = assets = Assets(services.challenge.origin)
    assets.add_routes(app.router, with_docs=with_docs)
    return app


def routes(*, with_docs: bool) -> list[Route]:
    """All declared routes; those that explain the others only if wanted."""
    areas = (*AREAS, docs) if with_docs else AREAS
    return [route for area in areas for route in area.TABLE]
