"""What the routes work with, wired once by the node."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from aiohttp import web

from commonroom.account.account import Accounts
from commonroom.account.by_letter import ByLetter
from commonroom.account.flow import SignInFlows
from commonroom.account.login import Logins
from commonroom.account.mail import Mailer
from commonroom.account.provider import Provider
from commonroom.clock import Clock
from commonroom.config.settings import HttpSettings
from commonroom.engine.router import Router
from commonroom.http.page_cache import PageCache
from commonroom.limit import Limiter
from commonroom.network import Networks
from commonroom.storage.repository.login_session import LoginSessions
from commonroom.storage.repository.message import Messages
from commonroom.storage.repository.personal_data import PersonalData
from commonroom.storage.repository.room import Rooms
from commonroom.storage.repository.user import Users
from commonroom.token import PrincipalTokens

__all__ = ["REQUEST_ID", "SERVICES", "Services"]


class Services(NamedTuple):
    """Repositories, the way to the actors, and what `/readyz` asks."""

    settings: HttpSettings
    production: bool
    clock: Clock
    router: Router
    public_url: Callable[[], str]
    logins: Logins
    accounts: Accounts
    by_letter: ByLetter
    flows: SignInFlows
    providers: Mapping[str, Provider]
    mailer: Mailer
    login_sessions: LoginSessions
    users: Users
    rooms: Rooms
    messages: Messages
    personal_data: PersonalData
    ws_tokens: PrincipalTokens
    proxies: Networks
    """Those in front of us that are believed."""
    limiter: Limiter
    adopt: Callable[[asyncio.Transport, bytes], None]
    """Takes a kept-alive connection that asks for an upgrade."""
    unready: Callable[[], Awaitable[list[str]]]
    """Why the node cannot serve, in words that tell no secret; empty: it can."""
    pages: PageCache


SERVICES = web.AppKey("services", Services)
REQUEST_ID = web.RequestKey("request_id", str)
