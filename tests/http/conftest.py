"""One node for the whole folder, in this process: its database takes longer to start than all requests together."""

import asyncio
import io
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
import uvloop

from commonroom.app import Node
from commonroom.bench.target.port import free_port
from commonroom.config.settings import HttpSettings, LimitSettings, MailSettings, ProvidersSettings, Settings
from tests.http.account import registered, unused
from tests.http.api import Account, Api
from tests.support.client import Peer
from tests.support.github import GithubServer
from tests.support.log import logged
from tests.support.mail import MailServer
from tests.support.postgres import fill


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The node runs on uvloop, so its tests do."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Short (a Unix socket's path is limited) and open to the database's own user."""
    path = Path(tempfile.mkdtemp(prefix="cr-http-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def mail() -> AsyncIterator[MailServer]:
    async with MailServer() as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def github() -> AsyncIterator[GithubServer]:
    async with GithubServer() as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def node(folder: Path, made_data: Path, mail: MailServer, github: GithubServer) -> AsyncIterator[Node]:
    http = HttpSettings(port=0, metrics_port=free_port(), allowed_origins=("https://friend.example",))
    letters = MailSettings(smtp_url=mail.url, sender="Commonroom <rooms@example.org>")
    providers, limits = ProvidersSettings(github=github.settings), LimitSettings(scale=1000)
    fill(folder / "data", made_data)
    node = Node(Settings(data=folder / "data", http=http, mail=letters, providers=providers, limits=limits))
    await node.open()
    github.redirect_uris.add(f"{node.url}/v1/auth/github/callback")
    yield node
    await node.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def api(node: Node) -> AsyncIterator[Api]:
    session = aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, skip_auto_headers=("Accept-Encoding", "Content-Type")
    )
    async with session:
        yield Api(node, session)


@pytest_asyncio.fixture(loop_scope="session")
async def ada(api: Api) -> Account:
    return await api.guest("Ada")


@pytest_asyncio.fixture(loop_scope="session")
async def bob(api: Api) -> Account:
    return await api.guest("Bob")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def uma(api: Api, mail: MailServer) -> Account:
    """A user, to whom all is open but what is an admin's."""
    return await registered(api, mail, unused())


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything this process logs during the test."""
    with logged() as out:
        yield out


@pytest_asyncio.fixture(loop_scope="session")
async def peers() -> AsyncIterator[list[Peer]]:
    """Whatever is put into it is closed."""
    opened: list[Peer] = []
    yield opened
    for peer in opened:
        await peer.close()
