"""`commonroom user …`: accounts made and mended by the operator, also while servers run."""

from typing import Final

from commonroom.account.address import email_key, parse_address
from commonroom.account.name import folded
from commonroom.account.password import Passwords
from commonroom.cli.database import opened
from commonroom.errors import Conflict, NotFound
from commonroom.ids import new_id
from commonroom.storage.repository.account_change import account_change
from commonroom.storage.repository.user import NewUser, Users
from commonroom.token import LONGEST_S

__all__ = ["create_admin", "reset_password"]

TOKENS_MS: Final = LONGEST_S["access"] * 1000 + 60_000
"""Tokens of ended sessions are refused for so long: all are over then."""


async def create_admin(url: str, email: str, name: str, password: str) -> str:
    """A new account with the role ADMIN; its id.

    Raises:
        Invalid: address or password cannot be one.
        Conflict: somebody has the address.
    """
    address, password_hash = parse_address(email), await _hashed(password)
    async with opened(url) as (database, clock):
        now = clock.now()
        new = NewUser(new_id(now), name, folded(name), address, email_key(address), password_hash, "ADMIN")
        if not await Users(database).create(new, now):
            raise Conflict(f"{address} belongs to an account already")
        return new.id


async def reset_password(url: str, email: str, password: str) -> int:
    """Set a password; all login sessions of the account end. How many.

    Raises:
        Invalid: the password cannot be one.
        NotFound: nobody has the address.
    """
    address, password_hash = parse_address(email), await _hashed(password)
    async with opened(url) as (database, clock):
        now = clock.now()
        user = await Users(database).by_email(email_key(address))
        async with account_change(database, user.id if user else "") as change:
            if change is None:
                raise NotFound(f"nobody has the address {address}")
            await change.set_password(password_hash)
            return len(await change.end_sessions(now, now + TOKENS_MS))


async def _hashed(password: str) -> str:
    passwords = Passwords()
    try:
        return await passwords.hash(password)
    finally:
        passwords.close()
