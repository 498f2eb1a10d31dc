"""What a user prefers, on all devices: /v1/me/preferences"""

from functools import cache
from typing import Annotated
from zoneinfo import available_timezones

from aiohttp import web
from msgspec import Meta
from msgspec.structs import asdict

from commonroom.errors import Invalid, NotFound
from commonroom.http.auth import authority_of
from commonroom.http.body import Body, answer, read
from commonroom.http.route import Route
from commonroom.http.services import SERVICES
from commonroom.http.shape import Shape
from commonroom.limit.limit import PROFILE_CHANGES, REQUESTS
from commonroom.protocol.user import BusyWhen
from commonroom.storage.repository.preference import Theme

__all__ = ["TABLE", "PreferencesShape"]


class PreferencesShape(Shape, frozen=True):
    """What I prefer.

    `dnd`: I want not to be disturbed. `busy`: when I am shown as busy by myself: in a room whose timer runs, in its focus
    phases alone, never. `hideStatus`: who is in no room with me sees me offline. `hideRoom`: nor which room I am in.
    `timeZone`: an IANA name.
    """

    dnd: bool
    busy: BusyWhen
    hide_status: bool
    hide_room: bool
    theme: Theme
    sounds: bool
    time_zone: str


class PreferencesChange(Body, frozen=True):
    """What to change; what is left out stays."""

    dnd: bool | None = None
    busy: BusyWhen | None = None
    hide_status: bool | None = None
    hide_room: bool | None = None
    theme: Theme | None = None
    sounds: bool | None = None
    time_zone: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


async def read_preferences(request: web.Request) -> web.Response:
    """What I prefer."""
    return answer(PreferencesShape(*await request.app[SERVICES].preferences.of(authority_of(request).principal.actor_id)))


async def change_preferences(request: web.Request) -> web.Response:
    """Change what I prefer. My status follows on all nodes within two seconds."""
    services, user = request.app[SERVICES], authority_of(request).principal.actor_id
    wanted = await read(request, PreferencesChange)
    if wanted.time_zone is not None and wanted.time_zone not in _time_zones():
        raise Invalid("this server knows no such time zone", field="$.timeZone")
    changed = await services.preferences.change(user, asdict(wanted))
    services.notices.tell("status", [user])
    return answer(PreferencesShape(*changed))


@cache
def _time_zones() -> frozenset[str]:
    """As the system has them, UTC in any case. Read once: milliseconds."""
    return frozenset(available_timezones()) | {"UTC"}


TABLE = (
    Route("GET", "/v1/me/preferences", "me.preferences", read_preferences, answer=PreferencesShape),
    Route(
        "PATCH", "/v1/me/preferences", "me.preferences", change_preferences, body=PreferencesChange, answer=PreferencesShape,
        errors=(NotFound,), limits=(PROFILE_CHANGES, REQUESTS),
    ),
)  # fmt: skip
