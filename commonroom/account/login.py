"""Login sessions and their tokens: made, refreshed, upgraded, ended.

guest ──sign in──► user (the same sid: rooms, offsets and roster places are kept)
│                  │
└── refresh token used once, brings its successor ──┘   reuse after the grace ends the session
"""

import hmac
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import NamedTuple

import structlog

from commonroom.clock import Clock
from commonroom.engine.revocation import Revocations
from commonroom.errors import Conflict, Unauthenticated
from commonroom.identity import Authority, Principal, SessionId, guest_part
from commonroom.storage.repository.login_session import LoginSession, LoginSessions, Rotation
from commonroom.storage.repository.user import User
from commonroom.token import Minted, PrincipalTokens, RefreshTokens
from commonroom.token.refresh import hash_of

__all__ = ["Logins", "SignedIn"]

log = structlog.get_logger(__name__)

ENDED = "the login session has ended"

MAX_OF_A_USER = 100
"""Login sessions of a user at once: as many as the list of them shows, so that none is out of sight; more than anybody has devices,
so that only scripts meet it that sign in anew each time."""


class SignedIn(NamedTuple):
    """A login session with what proves it: `access` for requests, `refresh` for the next of both."""

    login: LoginSession
    access: Minted
    refresh: Minted


class Logins:
    """Every method raises Unavailable where the database does not answer.

    Args:
        tokens: access and refresh.
        grace_s: so long a used refresh token brings the same successor once more.
    """

    def __init__(
        self,
        sessions: LoginSessions,
        revocations: Revocations,
        tokens: tuple[PrincipalTokens, RefreshTokens],
        clock: Clock,
        grace_s: float,
    ) -> None:
        self._sessions = sessions
        self._revocations = revocations
        self._access, self._refresh = tokens
        self._clock = clock
        self._grace_ms = int(grace_s * 1000)
        self.on_upgraded: Callable[[Principal, Principal], None] = _nobody
        """Called with a guest and the user who it has become."""

    async def new_guest(self, name: str, agent: str) -> SignedIn:
        """A new guest. `agent`: what signs in, as people would recognise it."""
        now, jti = self._clock.now(), self._refresh.first()
        return self._signed_in(await self._sessions.create_guest(name, hash_of(jti), agent, now), jti, now)

    async def sign_in(self, user: str, agent: str, guest: LoginSession | None = None) -> SignedIn:
        """This user, in the login session of `guest` if there is one that is still a guest's, else in a new one.

        Of more than `MAX_OF_A_USER` those end that were not seen for the longest time.

        Raises:
            Unauthenticated: the account was deleted meanwhile.
            Banned: an admin keeps them out.
        """
        signed_in = await self._begin(user, None, agent, guest)
        if signed_in is None:
            raise Unauthenticated("this account was deleted just now")
        return signed_in

    async def sign_in_as_seen(self, user: User, agent: str, guest: LoginSession | None = None) -> SignedIn | None:
        """As `sign_in`, for a proof of what `user` was before. None: it has another password or address by now. Raises Banned."""
        return await self._begin(user.id, user, agent, guest)

    async def _begin(self, user: str, seen: User | None, agent: str, guest: LoginSession | None) -> SignedIn | None:
        jti, was = self._refresh.first(), None if guest is None else guest.sid
        with self._revocations.ending() as ending:
            now = ending.now
            sid = await self._sessions.begin(user, was, hash_of(jti), agent, now, until=ending.until, seen=seen)
            if sid is not None and sid == was:
                ending.sids.append(guest_part(sid))  # whoever had the guest's tokens may be somebody else
        if sid is None:
            return None
        if guest is not None and sid == was:
            self.on_upgraded(guest.principal, Principal("user", user))
        await self._end_beyond_cap(user, sid)
        login = await self._sessions.find(sid)
        return None if login is None else self._signed_in(login, jti, now)

    async def renew(self, sid: SessionId, within: LoginSessions | None = None) -> SignedIn:
        """The login session goes on with new tokens; its former refresh tokens are over.

        Args:
            within: the transaction that this belongs to.

        Raises:
            Unauthenticated: it has ended.
        """
        now, jti, sessions = self._clock.now(), self._refresh.first(), within or self._sessions
        login = await sessions.find(sid) if await sessions.renew(sid, hash_of(jti), now) else None
        if login is None:
            raise Unauthenticated(ENDED)
        return self._signed_in(login, jti, now)

    async def refresh(self, token: object) -> SignedIn:
        """Use a refresh token.

        Raises:
            TokenExpired, Unauthenticated: it is none, or over. One that was used before the grace is taken for stolen:
                its login session ends.
            Conflict: others have used its successor already; theirs is the one to use.
        """
        claims = self._refresh.verify(token)
        sid, now = SessionId(claims.sub), self._clock.now()
        if self._revocations.refuses(sid):
            raise Unauthenticated(ENDED)
        successor = self._refresh.successor(claims.jti)
        rotation = await self._sessions.rotate(sid, hash_of(claims.jti), hash_of(successor), now)
        if rotation is None:
            raise Unauthenticated(ENDED)
        if not hmac.compare_digest(rotation.present, hash_of(successor)):
            await self._judge(rotation, now)
        elif now - rotation.refreshed_at > self._grace_ms:
            await self._end_stolen(rotation.login)
        return self._signed_in(rotation.login, successor, rotation.refreshed_at)

    def sid_of(self, token: object) -> SessionId:
        """Whose refresh token it is, used up or not. No I/O. Raises TokenExpired, Unauthenticated."""
        return SessionId(self._refresh.verify(token).sub)

    async def of(self, token: object) -> LoginSession | None:
        """The login session of a refresh token that could be used now; None: there is none. Nothing is used up."""
        try:
            claims = self._refresh.verify(token)
        except Unauthenticated:
            return None
        sid = SessionId(claims.sub)
        return None if self._revocations.refuses(sid) else await self._sessions.holder(sid, hash_of(claims.jti))

    async def current(self, authority: Authority) -> LoginSession | None:
        """The login session of a token as it is now; None: it has ended, or is somebody else's than when the token was minted."""
        login = await self._sessions.find(authority.sid)
        return login if login is not None and login.principal == authority.principal else None

    def has_ended(self, sid: SessionId) -> bool:
        """Whether a login session has ended since somebody was seen in it, some minutes ago at most. No I/O."""
        return self._revocations.refuses(sid)

    async def end(self, *sids: SessionId) -> None:
        """No secret, token or socket of these works any more, on any node within 2 s."""
        await self._revocations.revoke(*sids)

    async def end_by(self, token: object) -> None:
        """As `end`, for the login session of a refresh token, if there is one.

        The token may have been used: another tab did that a moment ago, or else it is stolen and using it ends the session anyway.
        """
        if (login := await self._of_any(token)) is not None:
            await self._revocations.revoke(login.sid)

    async def end_replaced(self, token: object, by: LoginSession) -> None:
        """As `end_by`, if that is another session than `by`, and a user's: the browser that had `token` forgets it for that of `by`."""
        login = await self._of_any(token)
        if login is not None and login.principal.actor_type == "user" and login.sid != by.sid:
            await self._revocations.revoke(login.sid)

    async def end_all(self, actor: str, but: SessionId | None = None) -> Sequence[SessionId]:
        """As `end`, for all login sessions of somebody but one; those that ended."""
        return await self._revocations.revoke_all(actor, but)

    async def _end_beyond_cap(self, user: str, present: SessionId) -> None:
        oldest = await self._sessions.beyond(user, present, MAX_OF_A_USER - 1)
        if oldest:
            await self._revocations.revoke(*oldest)

    async def _of_any(self, token: object) -> LoginSession | None:
        """The login session of a refresh token that was minted for it, used or not."""
        try:
            sid = self.sid_of(token)
        except Unauthenticated:
            return None
        return await self._sessions.find(sid)

    async def _judge(self, rotation: Rotation, now: int) -> None:
        """The token is neither the valid one nor the one before it."""
        if now - rotation.refreshed_at <= self._grace_ms:
            raise Conflict("this login session was refreshed elsewhere: use the newer token", retry_after_ms=500)
        await self._end_stolen(rotation.login)

    async def _end_stolen(self, login: LoginSession) -> None:
        log.warning("refresh_token_reused", who=login.principal, session=sha256(login.sid.encode()).hexdigest()[:12])
        await self._revocations.revoke(login.sid)
        raise Unauthenticated("this login session was refreshed elsewhere and has ended: sign in again")

    def _signed_in(self, login: LoginSession, jti: str, issued_at: int) -> SignedIn:
        return SignedIn(login, self._access.mint(login.authority(0)), self._refresh.mint(login.sid, jti, issued_at))

    def proven(self, access: object) -> Authority:
        """What an access token proves. No I/O. Raises TokenExpired, Unauthenticated."""
        return self._revocations.admit(self._access.verify(access), self._access.ttl_ms)


def _nobody(_guest: Principal, _user: Principal) -> None:
    """Nobody asked."""
