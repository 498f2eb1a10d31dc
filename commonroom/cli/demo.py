"""`commonroom demo seed`: a lively server to look at. Accounts are made by the operator, as they need a letter; all else over the wire."""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from commonroom.account.address import email_key
from commonroom.account.name import folded
from commonroom.account.password import Passwords
from commonroom.cli.cluster import ALL_INTERFACES
from commonroom.cli.database import opened
from commonroom.config.check import is_loopback, is_production
from commonroom.config.settings import Settings
from commonroom.demo.scene import PEOPLE
from commonroom.demo.seed import Made, seed
from commonroom.errors import ConfigError
from commonroom.ids import new_id
from commonroom.storage.repository.user import NewUser, Users

__all__ = ["lively", "refuse_production", "report", "url_of"]

MINUTE_S: Final = 60.0


def refuse_production(settings: Settings, url: str) -> None:
    """Raises ConfigError: people work there, or it is somebody else's."""
    if is_production(settings) or not is_loopback(urlsplit(url).hostname or ""):
        raise ConfigError("this server is in production: demo people and rooms would stand among the real ones (--in-production does it)")


def url_of(settings: Settings) -> str:
    """Where the server with these settings is reached."""
    host = ALL_INTERFACES.get(settings.http.host, settings.http.host)
    return settings.http.public_url or (f"http://[{host}]:{settings.http.port}" if ":" in host else f"http://{host}:{settings.http.port}")


async def lively(database_url: str, url: str, password: str, *, stay_minutes: float, tell: Callable[[str], None]) -> tuple[int, Made]:
    """Make what is missing: how many accounts, and what else.

    Args:
        tell: called once all is there, with what it is.

    Raises:
        Unavailable: the server does not answer, or has these accounts with another password.
        Invalid: the password cannot be one.
    """
    accounts = await _make_accounts(database_url, password)
    made = await seed(
        url.rstrip("/"), password, stay_s=stay_minutes * MINUTE_S, ready=lambda made: tell(report(accounts, made, url, password))
    )
    return accounts, made


def report(accounts: int, made: Made, url: str, password: str) -> str:
    """What it made and how to sign in."""
    lines = [
        f"made {accounts} accounts, {made.rooms} rooms, {made.messages} messages; started {made.timers} timers",
        *(f"could not: {trouble}" for trouble in made.troubles),
        f"look: {url}",
        f"sign in as {PEOPLE[0].email}, password: {password} (or {PEOPLE[1].email} … {PEOPLE[-1].email})",
    ]
    return "\n".join(lines)


async def _make_accounts(database_url: str, password: str) -> int:
    passwords = Passwords()
    try:
        password_hash = await passwords.hash(password)
    finally:
        passwords.close()
    async with opened(database_url) as (database, clock):
        made, users = 0, Users(database)
        for figure in PEOPLE:
            now = clock.now()
            new = NewUser(new_id(now), figure.name, folded(figure.name), figure.email, email_key(figure.email), password_hash)
            made += await users.create(new, now)
        return made
