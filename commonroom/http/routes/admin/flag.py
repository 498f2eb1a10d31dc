"""Flags: what is on for how many. /v1/admin/flags, and for oneself /v1/me/flags"""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from commonroom.config.field import fields
from commonroom.engine.flag import FLAGS, FlagName, Flags
from commonroom.errors import NotFound
from commonroom.http.auth import authority_of
from commonroom.http.body import Body, answer, read
from commonroom.http.route import Parameter, Route
from commonroom.http.services import REQUEST_ID, SERVICES
from commonroom.http.shape import Shape

__all__ = ["TABLE"]

PerCent = Annotated[float, Meta(ge=0, le=100)]


class FlagShape(Shape, frozen=True):
    """A flag. Shares in per cent of the principals; `set_at` and `set_by` null: no admin said anything, `configured` counts."""

    name: str
    about: str
    share: float
    configured: float
    set_at: int | None
    set_by: str | None


class FlagList(Shape, frozen=True):
    """All flags of this version."""

    flags: list[FlagShape]


class MyFlags(Shape, frozen=True):
    """Those that I have."""

    flags: list[str]


class NewShare(Body, frozen=True):
    """How many are to have the flag; null: as the settings say."""

    share: PerCent | None


async def list_flags(request: web.Request) -> web.Response:
    """All flags, what they are about and how many have them."""
    flags = request.app[SERVICES].flags
    return answer(FlagList([_shape(flags, name) for name in FLAGS]))


async def change_flag(request: web.Request) -> web.Response:
    """Give a flag to this share of the principals, on every node within two seconds; null: to as many as the settings say."""
    services, authority = request.app[SERVICES], authority_of(request)
    wanted = await read(request, NewShare)
    name = _named(request.match_info["flag"])
    await services.flags.change(name, wanted.share, services.clock.now(), authority.principal.actor_id)
    said = "as the settings say" if wanted.share is None else f"{wanted.share:g} %"
    services.audit.write("done", authority, "admin.flag", target=f"flag {name}", why=said, request=request[REQUEST_ID])
    return web.Response(status=204)


async def my_flags(request: web.Request) -> web.Response:
    """The flags that I have: features that not everybody has yet."""
    flags, principal = request.app[SERVICES].flags, authority_of(request).principal
    return answer(MyFlags([name for name in FLAGS if flags.is_on(name, principal)]))


def _named(text: str) -> FlagName:
    for name in FLAGS:
        if name == text:
            return name
    raise NotFound("no such flag")


def _shape(flags: Flags, name: FlagName) -> FlagShape:
    share = flags.share(name)
    at, by = (None, None) if share.told is None else (share.told.at, share.told.by)
    return FlagShape(name, fields()[f"flags.{name}"].description, share.per_cent, flags.configured[name], at, by)


FLAG = Parameter("flag", "path", str, "The flag's name.")

TABLE = (
    Route("GET", "/v1/admin/flags", "admin.read", list_flags, answer=FlagList),
    Route("PUT", "/v1/admin/flags/{flag}", "admin.flag", change_flag, (FLAG,), body=NewShare, status=204, errors=(NotFound,)),
    Route("GET", "/v1/me/flags", "me.read", my_flags, answer=MyFlags),
)
