"""What is done by letter: an address is proven, and with it who reads its letters.

No account has an address that was not confirmed: a registration waits in a one-time token
until its letter was read. So whoever proves an address may sign in as who has it, and
linking by an address that a provider has verified gives nothing away.

What is asked of an address answers the same, in the same time, whether it is known or not
(RELIABILITY T15): each branch hashes, writes and posts alike.
"""

import hmac
from collections.abc import Callable
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from commonroom.account import letter
from commonroom.account.address import email_key, parse_address
from commonroom.account.change import Changes
from commonroom.account.letter import Letter
from commonroom.account.login import Logins, SignedIn
from commonroom.account.mail import Mailer
from commonroom.account.name import folded
from commonroom.account.password import Passwords
from commonroom.account.proof import UNNAMED, Confirmed, Proof, Visitor, account_key
from commonroom.clock import Clock
from commonroom.errors import Conflict, Unauthenticated
from commonroom.identity import Authority
from commonroom.ids import new_id, new_secret
from commonroom.storage.repository.one_time_token import TTL_MS, OneTimeToken, OneTimeTokens
from commonroom.storage.repository.user import NewUser, User, Users

__all__ = ["ByLetter"]

REGISTER: Final = "register"
SIGN_IN: Final = "sign-in"
NEW_ADDRESS: Final = "address"
RESET: Final = "reset"

WRONG_PROOF: Final = "the link or code is wrong, used or too old: ask for a new one"
NOT_HERE: Final = "open this where you asked for the new address, signed in"


class _Pending(Struct):
    """What waits for an address to be confirmed.

    Whoever asks last with somebody's address is not whoever reads the letter: name and password count
    only for whom `asked_by`, a hash of what `register` told, is known to.
    """

    email: str
    name: str = ""
    password_hash: str | None = None
    asked_by: bytes = b""


class ByLetter:
    """Every method raises Unavailable where the database does not answer.

    Args:
        public_url: tells where people reach us; links begin with it.
    """

    def __init__(
        self,
        users: Users,
        changes: Changes,
        tokens: OneTimeTokens,
        logins: Logins,
        passwords: Passwords,
        *,
        mailer: Mailer,
        clock: Clock,
        public_url: Callable[[], str],
    ) -> None:
        self._users = users
        self._changes = changes
        self._tokens = tokens
        self._logins = logins
        self._passwords = passwords
        self._mailer = mailer
        self._clock = clock
        self._public_url = public_url

    async def register(self, email: str, password: str, name: str) -> str:
        """Ask for an account with a password; it is made once the letter is answered.

        Returns:
            A secret for `confirm`: only with it the account gets this name and password.

        Raises:
            Invalid: address or password cannot be one.
            MailNotConfigured: no letter can be sent.
        """
        self._mailer.require()
        address = parse_address(email)
        password_hash = await self._passwords.hash(password)
        known = await self._users.by_email(email_key(address))
        registration = new_secret()
        pending = None if known else _Pending(address, name, password_hash, _hash(registration))
        link, code = await self._issue(REGISTER, address, None, pending)
        if known is None:
            self._mailer.post(letter.confirm_registration(address, link, code, TTL_MS))
        else:
            self._mailer.post(letter.account_exists(known.email or address, f"{self._public_url()}/login"))
        return registration

    async def send_link(self, email: str) -> None:
        """Send a link and a code to sign in with; who has no account yet gets one by using them. Raises as `register`."""
        self._mailer.require()
        address = parse_address(email)
        known = await self._users.by_email(email_key(address))
        link, code = await self._issue(SIGN_IN, address, known.id if known else None, _Pending(address))
        self._mailer.post(letter.sign_in(known.email or address if known else address, link, code, TTL_MS))

    async def forgot(self, email: str) -> None:
        """Send a link and a code to set a new password with, if the address is known. Raises as `register`."""
        self._mailer.require()
        address = parse_address(email)
        known = await self._users.by_email(email_key(address))
        link, code = await self._issue(RESET, address, known.id if known else None, None)
        if known is not None:
            self._mailer.post(letter.reset_password(known.email or address, link, code, TTL_MS))

    async def confirm(self, proof: Proof, visitor: Visitor) -> Confirmed:
        """Answer a letter: the address is proven, so its reader is signed in.

        A new address is confirmed by whoever asked for it: its reader may be a stranger, if it was mistyped.

        Raises:
            Unauthenticated: the proof is none, or another's.
            Conflict: the address has become another account's meanwhile.
        """
        seen = await self._look(proof, visitor)
        taken = await self._take((REGISTER, SIGN_IN, NEW_ADDRESS), proof)
        if taken.payload is None:
            raise Unauthenticated(WRONG_PROOF)
        pending = msgspec.json.decode(taken.payload, type=_Pending)
        if taken.purpose == NEW_ADDRESS:
            login = visitor.login
            if login is None or login.principal.actor_id != taken.user_id:
                raise Unauthenticated(NOT_HERE)
            await self._move(login.authority(0), pending.email)
            return Confirmed(await self._logins.renew(login.sid), NEW_ADDRESS)
        signed_in = await self._sign_in_at(pending, proof, seen, visitor)
        return Confirmed(signed_in, REGISTER if taken.purpose == REGISTER else SIGN_IN)

    async def _look(self, proof: Proof, visitor: Visitor) -> User | None:
        """Who has the address before the proof is used up: a change after this is seen when the session begins.

        Raises:
            Unauthenticated: a letter about a new address, and whoever asked for it is not who is here. It stays good.
        """
        if proof.token is None:
            return await self._users.by_email(account_key(proof.email or ""))
        found = await self._tokens.look(proof.token, self._clock.now())
        if found is None:
            raise Unauthenticated(WRONG_PROOF)
        here = None if visitor.login is None else visitor.login.principal.actor_id
        if found.purpose == NEW_ADDRESS and found.user_id != here:
            raise Unauthenticated(NOT_HERE)
        return await self._users.by_email(found.email_key)

    async def _sign_in_at(self, pending: _Pending, proof: Proof, seen: User | None, visitor: Visitor) -> SignedIn:
        """As whoever has this proven address: the one who had it, or somebody new."""
        if seen is None:
            if not hmac.compare_digest(pending.asked_by, _hash(proof.registration or "")):
                pending = _Pending(pending.email)
            return await self._logins.sign_in(await self._create(pending, visitor), visitor.agent, visitor.guest)
        signed_in = await self._logins.sign_in_as_seen(seen, visitor.agent, visitor.guest)
        if signed_in is None:
            raise Unauthenticated("the account was changed just now: ask for a new letter")
        return signed_in

    async def reset(self, proof: Proof, password: str, visitor: Visitor) -> SignedIn:
        """Set a new password by a letter. All login sessions end but the one this begins.

        Raises:
            Invalid: the password cannot be one.
            Unauthenticated: the proof is none.
        """
        password_hash = await self._passwords.hash(password)
        taken = await self._take((RESET,), proof)
        if taken.user_id is None:
            raise Unauthenticated(WRONG_PROOF)
        async with self._changes.of(taken.user_id) as change:
            if change.user.email is None or email_key(change.user.email) != taken.email_key:
                raise Unauthenticated(WRONG_PROOF)  # the letter may be on its way to an address that is not theirs any more
            await change.account.set_password(password_hash)
            await change.end_sessions()
        self.tell_of_password(change.user)
        return await self._logins.sign_in(taken.user_id, visitor.agent, visitor.guest)

    async def change_email(self, authority: Authority, email: str) -> None:
        """Send a letter to the new address; it counts once that is answered. Raises as `register`."""
        self._mailer.require()
        address = parse_address(email)
        user = await self._changes.user(authority)
        link, code = await self._issue(NEW_ADDRESS, address, user.id, _Pending(address))
        if await self._users.by_email(email_key(address)) is None:
            self._mailer.post(letter.confirm_address(address, link, code, TTL_MS))

    def tell_of_password(self, user: User) -> None:
        """After the fact, in case it was somebody else."""
        if user.email is not None:
            self._tell(letter.password_changed(user.email, f"{self._public_url()}/login"))

    async def _issue(self, purpose: str, address: str, user: str | None, pending: _Pending | None) -> tuple[str, str]:
        payload = None if pending is None else msgspec.json.encode(pending)
        token, code = await self._tokens.issue(purpose, email_key(address), user_id=user, payload=payload, now_ms=self._clock.now())
        return letter.link_to(self._public_url(), purpose, token), code

    async def _take(self, purposes: tuple[str, ...], proof: Proof) -> OneTimeToken:
        taken = None
        if proof.token is not None:
            taken = await self._tokens.take(purposes, proof.token, self._clock.now())
        elif proof.email is not None and proof.code is not None:
            taken = await self._tokens.take_by_code(purposes, account_key(proof.email), proof.code, self._clock.now())
        if taken is None:
            raise Unauthenticated(WRONG_PROOF)
        return taken

    async def _create(self, pending: _Pending, visitor: Visitor) -> str:
        key = email_key(pending.email)
        name = pending.name or (visitor.guest.name if visitor.guest else UNNAMED)
        new = NewUser(new_id(self._clock.now()), name, folded(name), pending.email, key, pending.password_hash)
        if await self._users.create(new, self._clock.now()):
            return new.id
        raise Conflict("this address was registered just now: sign in")

    async def _move(self, authority: Authority, email: str) -> None:
        async with self._changes.by(authority) as change:
            await change.account.set_email(email, email_key(email))
        if change.user.email is not None:
            self._tell(letter.address_changed(change.user.email))

    def _tell(self, what: Letter) -> None:
        """Of what has happened; that it cannot be told undoes nothing."""
        if self._mailer.configured:
            self._mailer.post(what)


def _hash(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "replace")).digest()
