"""The HTTP application: routes by area behind the common middleware."""

from aiohttp import web

from commonroom.http.assets import Assets
from commonroom.http.middleware import MIDDLEWARES
from commonroom.http.routes import account, auth, health, me, messages, provider, rooms, socket, users
from commonroom.http.services import SERVICES, Services

__all__ = ["build"]

AREAS = (health, auth, account, provider, me, users, rooms, messages, socket)


def build(services: Services) -> web.Application:
    """All routes of the public port.

    Raises:
        ConfigError: the installation has no page.
    """
    app = web.Application(middlewares=MIDDLEWARES, client_max_size=services.settings.max_body_bytes)
    app[SERVICES] = services
    for area in AREAS:
        for method, path, handler in area.TABLE:
            app.router.add_route(method, path, handler)
    Assets().add_routes(app.router)
    return app
