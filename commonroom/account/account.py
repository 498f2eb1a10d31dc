"""Accounts: made, signed in to, and given new addresses and passwords.

No account has an address that was not confirmed: a registration waits in a one-time token
until its letter was read. So whoever proves an address may sign in as who has it, and
linking by an address that a provider has verified gives nothing away.

What is asked of an address answers the same, in the same time, whether it is known or not
(RELIABILITY T15): each branch hashes, writes and posts alike.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from commonroom.account import letter
from commonroom.account.address import email_key, parse_address
from commonroom.account.letter import Letter
from commonroom.account.login import Logins, SignedIn
from commonroom.account.mail import Mailer
from commonroom.account.name import folded, username_key
from commonroom.account.password import Passwords
from commonroom.clock import Clock
from commonroom.errors import Conflict, Forbidden, Invalid, Unauthenticated
from commonroom.identity import Authority
from commonroom.ids import new_id
from commonroom.storage.repository.login_session import LoginSession
from commonroom.storage.repository.one_time_token import TTL_MS, OneTimeToken, OneTimeTokens
from commonroom.storage.repository.user import NewUser, User, Users

__all__ = ["Accounts", "Identified", "Proof", "Visitor"]

REGISTER: Final = "register"
SIGN_IN: Final = "sign-in"
NEW_ADDRESS: Final = "address"
RESET: Final = "reset"
UNNAMED: Final = "Newcomer"

WRONG_LOGIN: Final = "the address or the password is wrong"
WRONG_PROOF: Final = "the link or code is wrong, used or too old: ask for a new one"


class Visitor(NamedTuple):
    """Who signs in: the login session there is, if any, and what they use."""

    login: LoginSession | None
    agent: str

    @property
    def guest(self) -> LoginSession | None:
        """The one that becomes the user's."""
        return self.login if self.login is not None and self.login.principal.actor_type == "guest" else None


class Proof(NamedTuple):
    """What a letter said: its link's token, or the address and its code."""

    token: str | None = None
    email: str | None = None
    code: str | None = None


class Identified(NamedTuple):
    """Who somebody is to a provider; `email` only where the provider has verified it."""

    provider: str
    subject: str
    email: str | None
    name: str


class _Pending(Struct):
    """What waits for an address to be confirmed."""

    email: str
    name: str = ""
    password_hash: str | None = None


class Accounts:
    """Every method raises Unavailable where the database does not answer.

    Args:
        public_url: tells where people reach us; links begin with it.
    """

    def __init__(
        self,
        users: Users,
        tokens: OneTimeTokens,
        logins: Logins,
        passwords: Passwords,
        mailer: Mailer,
        *,
        clock: Clock,
        public_url: Callable[[], str],
    ) -> None:
        self.users = users
        self._tokens = tokens
        self._logins = logins
        self._passwords = passwords
        self._mailer = mailer
        self._clock = clock
        self._public_url = public_url

    # -- by letter ---------------------------------------------------------------------

    async def register(self, email: str, password: str, name: str) -> None:
        """Ask for an account with a password; it is made once the letter is answered.

        Raises:
            Invalid: address or password cannot be one.
            MailNotConfigured: no letter can be sent.
        """
        self._mailer.require()
        address = parse_address(email)
        password_hash = await self._passwords.hash(password)
        known = await self.users.by_email(email_key(address))
        pending = None if known else _Pending(address, name, password_hash)
        link, code = await self._issue(REGISTER, address, None, pending)
        if known is None:
            self._mailer.post(letter.confirm_registration(address, link, code, TTL_MS))
        else:
            self._mailer.post(letter.account_exists(known.email or address, f"{self._public_url()}/login"))

    async def send_link(self, email: str) -> None:
        """Send a link and a code to sign in with; who has no account yet gets one by using them. Raises as `register`."""
        self._mailer.require()
        address = parse_address(email)
        known = await self.users.by_email(email_key(address))
        link, code = await self._issue(SIGN_IN, address, known.id if known else None, _Pending(address))
        self._mailer.post(letter.sign_in(known.email or address if known else address, link, code, TTL_MS))

    async def forgot(self, email: str) -> None:
        """Send a link and a code to set a new password with, if the address is known. Raises as `register`."""
        self._mailer.require()
        address = parse_address(email)
        known = await self.users.by_email(email_key(address))
        link, code = await self._issue(RESET, address, known.id if known else None, None)
        if known is not None:
            self._mailer.post(letter.reset_password(known.email or address, link, code, TTL_MS))

    async def confirm(self, proof: Proof, visitor: Visitor) -> SignedIn:
        """Answer a letter: the address is proven, so its reader is signed in.

        A new address is confirmed by whoever asked for it: its reader may be a stranger, if it was mistyped.

        Raises:
            Unauthenticated: the proof is none, or another's.
            Conflict: the address has become another account's meanwhile.
        """
        taken = await self._take((REGISTER, SIGN_IN, NEW_ADDRESS), proof)
        if taken.payload is None:
            raise Unauthenticated(WRONG_PROOF)
        pending = msgspec.json.decode(taken.payload, type=_Pending)
        if taken.purpose == NEW_ADDRESS:
            login = visitor.login
            if login is None or login.principal.actor_id != taken.user_id:
                raise Unauthenticated("open this where you asked for the new address, signed in")
            await self._move(login.principal.actor_id, pending.email)
            return await self._logins.renew(login.sid)
        user = await self._by_address(pending, visitor)
        return await self._logins.sign_in(user, visitor.agent, visitor.guest)

    async def reset(self, proof: Proof, password: str, visitor: Visitor) -> SignedIn:
        """Set a new password by a letter. All login sessions end but the one this begins.

        Raises:
            Invalid: the password cannot be one.
            Unauthenticated: the proof is none.
        """
        password_hash = await self._passwords.hash(password)
        taken = await self._take((RESET,), proof)
        user = None if taken.user_id is None else await self.users.by_id(taken.user_id)
        if taken.user_id is None or user is None or user.email is None or email_key(user.email) != taken.email_key:
            raise Unauthenticated(WRONG_PROOF)  # the letter may be on its way to an address that is not theirs any more
        await self.users.set_password(taken.user_id, password_hash)
        await self._logins.end_all(taken.user_id)
        await self._tell_of_password(taken.user_id)
        return await self._logins.sign_in(taken.user_id, visitor.agent, visitor.guest)

    # -- by password -------------------------------------------------------------------

    async def log_in(self, email: str, password: str, visitor: Visitor) -> SignedIn:
        """Raises Unauthenticated: address or password is wrong, without saying which."""
        user = await self.users.by_email(_key_of(email))
        if not await self._passwords.verify(user.password_hash if user else None, password) or user is None:
            raise Unauthenticated(WRONG_LOGIN)
        if user.password_hash is not None and self._passwords.is_outdated(user.password_hash):
            await self.users.replace_password(user.id, user.password_hash, await self._passwords.hash(password))
        signed_in = await self._logins.sign_in(user.id, visitor.agent, visitor.guest)
        await self._check_unchanged(user, password, signed_in)
        return signed_in

    async def _check_unchanged(self, before: User, password: str, signed_in: SignedIn) -> None:
        """A password that was changed while it was verified must leave no session behind.

        The change ends all sessions after it has set the new one: what began before that is ended by it, the rest here.
        """
        now = await self.users.by_id(before.id)
        same = now is not None and now.password_hash == before.password_hash
        if not same and not await self._passwords.verify(now.password_hash if now else None, password):
            await self._logins.end(signed_in.login.sid)
            raise Unauthenticated(WRONG_LOGIN)

    async def change_password(self, authority: Authority, current: str | None, new: str) -> SignedIn:
        """All other login sessions end; this one gets new tokens.

        Raises:
            Forbidden: the current one is wrong.
            Invalid: the new one cannot be one.
            Conflict: there is no address to sign in with by it.
        """
        user = await self._user(authority)
        if user.email is None:
            raise Conflict("a password needs an address: add one first")
        if user.password_hash is not None and not await self._passwords.verify(user.password_hash, current or ""):
            raise Forbidden("the current password is wrong")
        await self.users.set_password(user.id, await self._passwords.hash(new))
        await self._logins.end_all(user.id, authority.sid)
        await self._tell_of_password(user.id)
        return await self._logins.renew(authority.sid)

    # -- by provider -------------------------------------------------------------------

    async def sign_in_by(self, who: Identified, visitor: Visitor) -> SignedIn:
        """The account that is linked, else who has the verified address, else a new one."""
        user = await self.users.by_method(who.provider, who.subject)
        if user is None:
            user = await self._linked_by_address(who) or await self._create(who, visitor)
        return await self._logins.sign_in(user, visitor.agent, visitor.guest)

    async def link(self, authority: Authority, who: Identified) -> None:
        """Raises Conflict: that account there is linked to somebody already."""
        user = await self._user(authority)
        new = await self.users.link(user.id, who.provider, who.subject, who.email, self._clock.now())
        if not new and await self.users.by_method(who.provider, who.subject) != user.id:
            raise Conflict(f"this {who.provider} account belongs to somebody else here")
        if user.email is None and who.email is not None:
            with suppress(Conflict):  # somebody else's here: the provider is linked all the same
                await self.users.set_email(user.id, who.email, email_key(who.email))

    # -- the account -------------------------------------------------------------------

    async def change_email(self, authority: Authority, email: str) -> None:
        """Send a letter to the new address; it counts once that is answered. Raises as `register`."""
        self._mailer.require()
        address = parse_address(email)
        user = await self._user(authority)
        link, code = await self._issue(NEW_ADDRESS, address, user.id, _Pending(address))
        if await self.users.by_email(email_key(address)) is None:
            self._mailer.post(letter.confirm_address(address, link, code, TTL_MS))

    async def claim_username(self, authority: Authority, username: str) -> None:
        """Raises Invalid: it cannot be one. Conflict: somebody has it, or one that looks alike."""
        user = await self._user(authority)
        await self.users.claim_username(user.id, username.strip().lower(), username_key(username.strip().lower()))

    async def delete(self, authority: Authority) -> None:
        """The account is anonymous at once, all its login sessions end; what is left is purged later."""
        user = await self._user(authority)
        await self.users.delete(user.id, self._clock.now())
        await self._tokens.void(user.id)
        await self._logins.end_all(user.id)

    # -- inside ------------------------------------------------------------------------

    async def _issue(self, purpose: str, address: str, user: str | None, pending: _Pending | None) -> tuple[str, str]:
        payload = None if pending is None else msgspec.json.encode(pending)
        token, code = await self._tokens.issue(purpose, email_key(address), user_id=user, payload=payload, now_ms=self._clock.now())
        return letter.link_to(self._public_url(), purpose, token), code

    async def _take(self, purposes: tuple[str, ...], proof: Proof) -> OneTimeToken:
        taken = None
        if proof.token is not None:
            taken = await self._tokens.take(purposes, proof.token, self._clock.now())
        elif proof.email is not None and proof.code is not None:
            taken = await self._tokens.take_by_code(purposes, _key_of(proof.email), proof.code, self._clock.now())
        if taken is None:
            raise Unauthenticated(WRONG_PROOF)
        return taken

    async def _by_address(self, pending: _Pending, visitor: Visitor) -> str:
        """Who has this proven address: the one who had it, or somebody new."""
        key = email_key(pending.email)
        if (user := await self.users.by_email(key)) is not None:
            return user.id
        name = pending.name or (visitor.guest.name if visitor.guest else UNNAMED)
        new = NewUser(new_id(self._clock.now()), name, folded(name), pending.email, key, pending.password_hash)
        if await self.users.create(new, self._clock.now()):
            return new.id
        raise Conflict("this address was registered just now: sign in")

    async def _move(self, user: str, email: str) -> str:
        before = await self.users.by_id(user)
        await self.users.set_email(user, email, email_key(email))
        await self._tokens.void(user)
        if before is not None and before.email is not None:
            self._tell(letter.address_changed(before.email))
        return user

    async def _linked_by_address(self, who: Identified) -> str | None:
        if who.email is None or (user := await self.users.by_email(email_key(who.email))) is None:
            return None
        await self.users.link(user.id, who.provider, who.subject, who.email, self._clock.now())
        return user.id

    async def _create(self, who: Identified, visitor: Visitor) -> str:
        name = who.name or (visitor.guest.name if visitor.guest else UNNAMED)
        key = email_key(who.email) if who.email else None
        new = NewUser(new_id(self._clock.now()), name, folded(name), who.email, key)
        if await self.users.create(new, self._clock.now(), (who.provider, who.subject)):
            return new.id
        raise Conflict("this account was made just now: sign in again")

    async def _user(self, authority: Authority) -> User:
        """The account, asked of the database: another node may not have heard yet that the login session ended.

        Raises:
            Forbidden: it is a guest.
            Unauthenticated: the login session has ended.
        """
        if authority.principal.actor_type != "user":
            raise Forbidden("sign in to unlock this")
        user = await self.users.by_id(authority.principal.actor_id)
        if user is None or await self._logins.current(authority) is None:
            raise Unauthenticated("the login session has ended")
        return user

    async def _tell_of_password(self, user: str) -> None:
        await self._tokens.void(user)
        known = await self.users.by_id(user)
        if known is not None and known.email is not None:
            self._tell(letter.password_changed(known.email, f"{self._public_url()}/login"))

    def _tell(self, what: Letter) -> None:
        """Of what has happened; that it cannot be told undoes nothing."""
        if self._mailer.configured:
            self._mailer.post(what)


def _key_of(email: str) -> str:
    """How a typed address is looked up; what is none is nobody's."""
    try:
        return email_key(parse_address(email))
    except Invalid:
        return ""
