"""Accounts: signed in to by password and provider, changed, deleted. What takes a letter is in `by_letter`."""

from typing import Final

from commonroom.account.address import email_key
from commonroom.account.by_letter import ByLetter
from commonroom.account.change import Changes
from commonroom.account.login import Logins, SignedIn
from commonroom.account.name import folded, username_key
from commonroom.account.password import Passwords
from commonroom.account.proof import UNNAMED, Identified, Visitor, account_key
from commonroom.clock import Clock
from commonroom.errors import Conflict, Forbidden, NotFound, Unauthenticated
from commonroom.identity import Authority
from commonroom.ids import new_id
from commonroom.storage.repository.user import NewUser, User, Users

__all__ = ["Accounts"]

WRONG_LOGIN: Final = "the address or the password is wrong"
LOG_IN_TRIES: Final = 2
"""Again once, if the password was changed while it was verified: it may be the new one that was typed."""


class Accounts:
    """Every method raises Unavailable where the database does not answer."""

    def __init__(self, users: Users, changes: Changes, logins: Logins, passwords: Passwords, letters: ByLetter, *, clock: Clock) -> None:
        self._users = users
        self._changes = changes
        self._logins = logins
        self._passwords = passwords
        self._letters = letters
        self._clock = clock

    # -- by password -------------------------------------------------------------------

    async def log_in(self, email: str, password: str, visitor: Visitor) -> SignedIn:
        """Raises Unauthenticated: address or password is wrong, without saying which."""
        for _ in range(LOG_IN_TRIES):
            user = await self._users.by_email(account_key(email))
            if not await self._passwords.verify(user.password_hash if user else None, password) or user is None:
                break
            signed_in = await self._logins.sign_in_as_seen(user, visitor.agent, visitor.guest)
            if signed_in is not None:
                await self._renew_hash(user, password)
                return signed_in
        raise Unauthenticated(WRONG_LOGIN)

    async def _renew_hash(self, user: User, password: str) -> None:
        if user.password_hash is not None and self._passwords.is_outdated(user.password_hash):
            await self._users.replace_password(user.id, user.password_hash, await self._passwords.hash(password))

    async def change_password(self, authority: Authority, current: str | None, new: str) -> SignedIn:
        """All other login sessions end; this one gets new tokens.

        Raises:
            Forbidden: the current one is wrong.
            Invalid: the new one cannot be one.
            Conflict: there is no address to sign in with by it; or it was changed elsewhere at the same time.
        """
        before = await self._changes.user(authority)
        if before.email is None:
            raise Conflict("a password needs an address: add one first")
        if before.password_hash is not None and not await self._passwords.verify(before.password_hash, current or ""):
            raise Forbidden("the current password is wrong")
        password_hash = await self._passwords.hash(new)
        async with self._changes.by(authority) as change:
            if change.user.password_hash != before.password_hash:
                raise Conflict("the password was changed elsewhere just now")
            await change.account.set_password(password_hash)
            await change.end_sessions(authority.sid)
            signed_in = await self._logins.renew(authority.sid, change.sessions)
        self._letters.tell_of_password(change.user)
        return signed_in

    # -- by provider -------------------------------------------------------------------

    async def sign_in_by(self, who: Identified, visitor: Visitor) -> SignedIn:
        """The account that is linked, else who has the verified address, else a new one."""
        user = await self._users.by_method(who.provider, who.subject)
        if user is None:
            user = await self._linked_by_address(who) or await self._create(who, visitor)
        return await self._logins.sign_in(user, visitor.agent, visitor.guest)

    async def link(self, authority: Authority, who: Identified) -> None:
        """Raises Conflict: that account there is linked to somebody already."""
        async with self._changes.by(authority) as change:
            users, user = change.users, change.user
            new = await users.link(user.id, who.provider, who.subject, who.email, self._clock.now())
            if not new and await users.by_method(who.provider, who.subject) != user.id:
                raise Conflict(f"this {who.provider} account belongs to somebody else here")
            if user.email is None and who.email is not None and await users.by_email(email_key(who.email)) is None:
                await users.set_email(user.id, who.email, email_key(who.email))

    async def unlink(self, authority: Authority, provider: str) -> None:
        """Sign in by this provider no more.

        Raises:
            NotFound: it is not linked.
            Conflict: it is the only way in.
        """
        async with self._changes.by(authority) as change:
            linked = {one.provider for one in await change.users.methods(change.user.id)}
            if provider not in linked:
                raise NotFound("this provider is not linked")
            if linked == {provider} and change.user.email is None:
                raise Conflict("this is the only way to sign in: add another first")
            await change.users.unlink(change.user.id, provider)

    # -- the account -------------------------------------------------------------------

    async def claim_username(self, authority: Authority, username: str) -> None:
        """Raises Invalid: it cannot be one. Conflict: somebody has it, or one that looks alike."""
        wanted = username.strip().lower()
        key = username_key(wanted)
        async with self._changes.by(authority) as change:
            await change.users.claim_username(change.user.id, wanted, key)

    async def delete(self, authority: Authority) -> None:
        """The account is anonymous at once, all its login sessions end; what is left is purged later."""
        async with self._changes.by(authority) as change:
            await change.account.delete(self._clock.now())
            await change.end_sessions()

    # -- inside ------------------------------------------------------------------------

    async def _linked_by_address(self, who: Identified) -> str | None:
        if who.email is None or (user := await self._users.by_email(email_key(who.email))) is None:
            return None
        async with self._changes.of(user.id) as change:
            if change.user.email != user.email:
                return None  # moved away from that address just now: it is not this account that the provider has verified
            await change.users.link(user.id, who.provider, who.subject, who.email, self._clock.now())
        return user.id

    async def _create(self, who: Identified, visitor: Visitor) -> str:
        name = who.name or (visitor.guest.name if visitor.guest else UNNAMED)
        key = email_key(who.email) if who.email else None
        new = NewUser(new_id(self._clock.now()), name, folded(name), who.email, key)
        if await self._users.create(new, self._clock.now(), (who.provider, who.subject)):
            return new.id
        raise Conflict("this account was made just now: sign in again")
