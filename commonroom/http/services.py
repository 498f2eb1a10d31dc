"""What the routes work with, wired once by the node."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from aiohttp import web

from commonroom.account.account import Accounts
from commonroom.account.by_letter import ByLetter
from commonroom.account.flow import SignInFlows
from commonroom.account.judgement import Judgement
from commonroom.account.login import Logins
from commonroom.account.mail import Mailer
from commonroom.account.provider import Provider
from commonroom.audit import Audit
from commonroom.challenge import Challenge
from commonroom.clock import Clock
from commonroom.config.settings import HttpSettings
from commonroom.engine.cluster.status import ClusterStatus
from commonroom.engine.flag import Flags
from commonroom.engine.gateway.hidden import HiddenPeople
from commonroom.engine.notice import Notices
from commonroom.engine.router import Router
from commonroom.engine.sanction import Sanctions
from commonroom.engine.trace import Remembered
from commonroom.http.page_cache import PageCache
from commonroom.limit import Limiter
from commonroom.limit.founding import Founding
from commonroom.network import Networks
from commonroom.storage.repository.audit import AuditLog
from commonroom.storage.repository.block import Blocks
from commonroom.storage.repository.directory import Directory
from commonroom.storage.repository.favourite import Favourites
from commonroom.storage.repository.login_session import LoginSessions
from commonroom.storage.repository.membership import Memberships
from commonroom.storage.repository.message import Messages
from commonroom.storage.repository.personal_data import PersonalData
from commonroom.storage.repository.preference import Preferences
from commonroom.storage.repository.report import Reports
from commonroom.storage.repository.room_list import RoomList
from commonroom.storage.repository.sanction import SanctionTable
from commonroom.storage.repository.user import Users
from commonroom.storage.repository.visit import Visits
from commonroom.token import PrincipalTokens

__all__ = ["REQUEST_ID", "SERVICES", "Desk", "Services"]


class Desk(NamedTuple):
    """What admins work with, and what is told them."""

    judgement: Judgement
    sanctions: SanctionTable
    reports: Reports
    directory: Directory
    audit: AuditLog
    status: Callable[[], Awaitable[ClusterStatus]]


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
    room_list: RoomList
    visits: Visits
    favourites: Favourites
    preferences: Preferences
    memberships: Memberships
    messages: Messages
    personal_data: PersonalData
    blocks: Blocks
    hidden: HiddenPeople
    notices: Notices
    ws_tokens: PrincipalTokens
    proxies: Networks
    """Those in front of us that are believed."""
    limiter: Limiter
    founding: Founding
    challenge: Challenge
    audit: Audit
    sanctions: Sanctions
    """What stands against whom, in memory."""
    desk: Desk
    adopt: Callable[[asyncio.Transport, bytes], None]
    """Takes a kept-alive connection that asks for an upgrade."""
    unready: Callable[[], Awaitable[list[str]]]
    """Why the node cannot serve, in words that tell no secret; empty: it can."""
    pages: PageCache
    flags: Flags
    recollect: Callable[[Sequence[str]], Awaitable[Remembered]]
    """The connections of principals with these ids, on all nodes. Raises Unavailable: too much is asked already."""


SERVICES = web.AppKey("services", Services)
REQUEST_ID = web.RequestKey("request_id", str)
