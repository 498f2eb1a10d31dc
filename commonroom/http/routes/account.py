"""Accounts: by letter and by password, and what one does with one's own. /v1/auth/…, /v1/me/…"""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from commonroom.account.proof import Proof, Visitor
from commonroom.errors import Conflict, Forbidden, MailNotConfigured, NotFound
from commonroom.http.auth import agent_of, authority_of, clear_cookie, login_of, session_answer, sign_in_answer
from commonroom.http.body import Body, answer, clean_name, read
from commonroom.http.limit import admit, remember
from commonroom.http.route import Parameter, Route
from commonroom.http.services import SERVICES
from commonroom.http.shape import Confirmed, Methods, MethodShape, Registered, Session
from commonroom.limit.limit import ACCOUNT_CHANGES, AUTH_BY_ADDRESS, LETTERS, LETTERS_A_DAY, LOGINS, LOGINS_OF_STRANGERS, PROOFS

__all__ = ["PROVIDER", "TABLE"]

Email = Annotated[str, Meta(min_length=3, max_length=320, extra_json_schema={"format": "email"})]
Password = Annotated[str, Meta(min_length=1, max_length=4096)]
Token = Annotated[str, Meta(min_length=1, max_length=200)]
Code = Annotated[str, Meta(pattern=r"\A[0-9]{6}\Z")]


class Registration(Body, frozen=True):
    """An account to make."""

    email: Email
    password: Password
    name: Annotated[str, Meta(max_length=256)]


class Address(Body, frozen=True):
    """Where to send a letter."""

    email: Email


class LogIn(Body, frozen=True):
    """`cookie` false: the refresh token comes in the answer, for clients that are no browsers."""

    email: Email
    password: Password
    cookie: bool = True


class Confirmation(Body, frozen=True):
    """What the letter said: the link's token, or address and code; `registration`: what /v1/auth/register told."""

    token: Token | None = None
    email: Email | None = None
    code: Code | None = None
    registration: Token | None = None
    cookie: bool = True


class Reset(Body, frozen=True):
    """What the letter said, and the new password."""

    password: Password
    token: Token | None = None
    email: Email | None = None
    code: Code | None = None
    cookie: bool = True


class NewPassword(Body, frozen=True):
    """`current` is needed where there is one."""

    password: Password
    current: Password | None = None
    cookie: bool = True


class Username(Body, frozen=True):
    """The username to claim."""

    username: Annotated[str, Meta(min_length=1, max_length=64)]


async def register(request: web.Request) -> web.Response:
    """Ask for an account; it is made once the letter is answered. Whether the address is known is not told."""
    wanted = await read(request, Registration)
    await admit(request, email=wanted.email)
    secret = await request.app[SERVICES].by_letter.register(wanted.email, wanted.password, clean_name(wanted.name))
    return answer(Registered(secret), 202)


async def send_link(request: web.Request) -> web.Response:
    """Send a link and a code to sign in with; who is new gets an account by using them."""
    wanted = await read(request, Address)
    await admit(request, email=wanted.email)
    await request.app[SERVICES].by_letter.send_link(wanted.email)
    return web.Response(status=202)


async def forgot_password(request: web.Request) -> web.Response:
    """Send a link and a code to set a new password with. Whether the address is known is not told."""
    wanted = await read(request, Address)
    await admit(request, email=wanted.email)
    await request.app[SERVICES].by_letter.forgot(wanted.email)
    return web.Response(status=202)


async def confirm(request: web.Request) -> web.Response:
    """Answer a letter, by its link's token or by address and code: its reader is signed in."""
    wanted = await read(request, Confirmation)
    await admit(request, email=wanted.email)
    proof = Proof(wanted.token, wanted.email, wanted.code, wanted.registration)
    signed_in, purpose = await request.app[SERVICES].by_letter.confirm(proof, await _visitor(request))
    await remember(request, signed_in.login)
    return await sign_in_answer(request, signed_in, cookie=wanted.cookie, purpose=purpose)


async def reset_password(request: web.Request) -> web.Response:
    """Set a new password by a letter. All login sessions end but the one this begins."""
    wanted = await read(request, Reset)
    await admit(request, email=wanted.email)
    proof = Proof(wanted.token, wanted.email, wanted.code)
    signed_in = await request.app[SERVICES].by_letter.reset(proof, wanted.password, await _visitor(request))
    await remember(request, signed_in.login)
    return await sign_in_answer(request, signed_in, cookie=wanted.cookie)


async def log_in(request: web.Request) -> web.Response:
    """Sign in by address and password. A guest stays where it is and becomes the user."""
    wanted = await read(request, LogIn)
    await admit(request, email=wanted.email)
    signed_in = await request.app[SERVICES].accounts.log_in(wanted.email, wanted.password, await _visitor(request))
    await remember(request, signed_in.login, wanted.email)
    return await sign_in_answer(request, signed_in, cookie=wanted.cookie)


async def change_password(request: web.Request) -> web.Response:
    """Set a new password. All other login sessions end; this one gets new tokens."""
    authority, wanted = authority_of(request), await read(request, NewPassword)
    signed_in = await request.app[SERVICES].accounts.change_password(authority, wanted.current, wanted.password)
    return session_answer(request, signed_in, cookie=wanted.cookie)


async def change_email(request: web.Request) -> web.Response:
    """Send a letter to a new address, which counts once that is answered."""
    authority, wanted = authority_of(request), await read(request, Address)
    await admit(request, email=wanted.email)
    await request.app[SERVICES].by_letter.change_email(authority, wanted.email)
    return web.Response(status=202)


async def claim_username(request: web.Request) -> web.Response:
    """Choose a username, or another one."""
    authority, wanted = authority_of(request), await read(request, Username)
    await request.app[SERVICES].accounts.claim_username(authority, wanted.username)
    return web.Response(status=204)


async def list_methods(request: web.Request) -> web.Response:
    """The providers I sign in by."""
    methods = await request.app[SERVICES].users.methods(authority_of(request).principal.actor_id)
    return answer(Methods([MethodShape(one.provider, one.email, one.linked_at) for one in methods]))


async def unlink(request: web.Request) -> web.Response:
    """Sign in by this provider no more. The last way in stays."""
    await request.app[SERVICES].accounts.unlink(authority_of(request), request.match_info["provider"])
    return web.Response(status=204)


async def delete_me(request: web.Request) -> web.Response:
    """Delete my account: anonymous at once, signed out everywhere, purged after 30 days."""
    await request.app[SERVICES].accounts.delete(authority_of(request))
    response = web.Response(status=204)
    clear_cookie(request, response)
    return response


async def _visitor(request: web.Request) -> Visitor:
    return Visitor(await login_of(request), agent_of(request))


PROVIDER = Parameter("provider", "path", str, "The provider's name; see /v1/auth/providers.")
LETTER_LIMITS = (AUTH_BY_ADDRESS, LETTERS, LETTERS_A_DAY)
LOGIN_LIMITS = (AUTH_BY_ADDRESS, LOGINS, LOGINS_OF_STRANGERS)
PROOF_LIMITS = (AUTH_BY_ADDRESS, PROOFS)

TABLE = (
    Route(
        "POST", "/v1/auth/register", "auth.sign_in", register, body=Registration, answer=Registered, status=202,
        signed_in=False, errors=(MailNotConfigured,), limits=LETTER_LIMITS,
    ),
    Route(
        "POST", "/v1/auth/magic", "auth.sign_in", send_link, body=Address, status=202,
        signed_in=False, errors=(MailNotConfigured,), limits=LETTER_LIMITS,
    ),
    Route(
        "POST", "/v1/auth/confirm", "auth.sign_in", confirm, body=Confirmation, answer=Confirmed,
        signed_in="guest", errors=(Conflict,), limits=PROOF_LIMITS,
    ),
    Route("POST", "/v1/auth/login", "auth.sign_in", log_in, body=LogIn, answer=Session, signed_in="guest", limits=LOGIN_LIMITS),
    Route(
        "POST", "/v1/auth/password/forgot", "auth.sign_in", forgot_password, body=Address, status=202,
        signed_in=False, errors=(MailNotConfigured,), limits=LETTER_LIMITS,
    ),
    Route(
        "POST", "/v1/auth/password/reset", "auth.sign_in", reset_password, body=Reset, answer=Session,
        signed_in="guest", limits=PROOF_LIMITS,
    ),
    Route(
        "PUT", "/v1/me/password", "me.password", change_password, body=NewPassword, answer=Session,
        errors=(Forbidden, Conflict), limits=(AUTH_BY_ADDRESS, ACCOUNT_CHANGES),
    ),
    Route(
        "PUT", "/v1/me/email", "me.email", change_email, body=Address, status=202,
        errors=(MailNotConfigured,), limits=(ACCOUNT_CHANGES, LETTERS, LETTERS_A_DAY),
    ),
    Route(
        "PUT", "/v1/me/username", "me.username", claim_username, body=Username, status=204, errors=(Conflict,), limits=(ACCOUNT_CHANGES,),
    ),
    Route("GET", "/v1/me/methods", "me.methods", list_methods, answer=Methods),
    Route("DELETE", "/v1/me/methods/{provider}", "me.methods", unlink, (PROVIDER,), status=204, errors=(NotFound, Conflict)),
    Route("DELETE", "/v1/me", "me.delete", delete_me, status=204),
)  # fmt: skip
