"""What every test may use: the run's seed, a migrated database, the journal on it."""

import asyncio
import gc
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from commonroom.storage.journal.journal import PostgresJournal
from commonroom.storage.pool import Database
from commonroom.storage.slot_table import PostgresSlotTable, claim_all
from tests.support import leak, tracing
from tests.support.postgres import PostgresProcess, create_database, fill

settings.register_profile("exploring", deadline=None, print_blob=True)  # no test fails by the clock
settings.register_profile("fixed", settings.get_profile("exploring"), derandomize=True)

LEAN = Path(__file__).parent / "support" / "lean"
SERVER = pytest.StashKey[PostgresProcess]()

FIXED_SEED = 1
"""Of a run that is told no other, properties included: what passed once passes again."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=FIXED_SEED, help="explore: every seeded test derives from it")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("fixed" if config.getoption("--seed") == FIXED_SEED else "exploring")


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.getoption('--seed')} (explore with another --seed)"


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Imports thousands of tests: without the tracer, and without a collector that looks at all of them again and again."""
    if _given(session.config).get("workerid", "gw0") == "gw0":
        tracing.import_all()
    gc.disable()
    with tracing.untraced():
        collected = yield
    gc.freeze()
    gc.enable()
    return collected


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if item.get_closest_marker("untraced") is None:
        return (yield)
    with tracing.untraced():
        return (yield)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files with whole servers and browsers first, spread over the workers.

    Each worker begins with an equal part of the list, in its order, and takes from the end of another's when it is through: what
    takes long must neither lie in one part nor at an end.
    """
    tracing.mark_later_cases(items)
    heavy = {item.path for item in items if item.get_closest_marker("process") or item.get_closest_marker("browser")}
    light = [item for item in items if item.path not in heavy]
    parts: list[list[pytest.Item]] = [[] for _ in range(_given(config).get("workercount", 1))]
    for path in sorted(heavy):
        min(parts, key=len).extend(item for item in items if item.path == path)
    left = len(items)
    for place, part in enumerate(parts):
        fill = max(0, left // (len(parts) - place) - len(part))
        part.extend(light[:fill])
        light = light[fill:]
        left -= len(part)
    items[:] = [item for part in parts for item in part] + light


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist's controller: all workers share one server."""
    node.workerinput["seed"] = node.config.getoption("--seed")
    node.workerinput["postgres"] = _server(node.config).url
    node.workerinput["made"] = str(_server(node.config).made)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """xdist's controller: what a worker found after its last test."""
    leak.FOUND.extend(getattr(node, "workeroutput", {}).get("leaks", ()))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    leak.listen()


@pytest.fixture(scope="session", autouse=True)
def _lean_processes() -> Iterator[None]:
    """What tests start finds what Commonroom itself needs, and not what the tools of tests bring and libraries then load."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(LEAN))
        yield


@pytest.fixture(autouse=True)
def _nothing_leaks() -> Iterator[None]:
    """No test may bring a secret into a log (RELIABILITY S6)."""
    yield
    found = leak.FOUND.copy()
    leak.FOUND.clear()
    assert not found, "\n".join(found)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """What was logged after the last test, as by servers that end with the run."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["leaks"] = leak.FOUND
    elif leak.FOUND:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_unconfigure(config: pytest.Config) -> None:
    if (server := config.stash.get(SERVER, None)) is not None:
        server.stop()


def _server(config: pytest.Config) -> PostgresProcess:
    if SERVER not in config.stash:
        config.stash[SERVER] = PostgresProcess()
    return config.stash[SERVER]


def _given(config: pytest.Config) -> dict[str, Any]:
    given: dict[str, Any] = getattr(config, "workerinput", {})
    return given


@pytest.fixture
def data() -> Iterator[Path]:
    """A data directory that is not there yet: short (a Unix socket's path is limited to 107 bytes), open to the database's own user."""
    folder = Path(tempfile.mkdtemp(prefix="cr-"))
    folder.chmod(0o755)
    yield folder / "data"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def made_data(pytestconfig: pytest.Config) -> Path:
    """A data directory to copy (`tests.support.postgres.fill`)."""
    return Path(_given(pytestconfig).get("made") or _server(pytestconfig).made)


@pytest.fixture
def used_data(data: Path, made_data: Path) -> Path:
    """A data directory in which a server ran before, with a migrated database: a second start takes a tenth of the first one's time."""
    fill(data, made_data)
    return data


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The run's seed, the same in every worker."""
    number: int = _given(pytestconfig).get("seed", pytestconfig.getoption("--seed"))
    return number


@pytest.fixture(scope="session")
def dsn(pytestconfig: pytest.Config) -> str:
    """This worker's own migrated database."""
    given = _given(pytestconfig)
    url = given.get("postgres") or _server(pytestconfig).url
    return asyncio.run(create_database(url, f"test_{given.get('workerid', 'main')}"))


@pytest.fixture(scope="module")
def own_dsn(pytestconfig: pytest.Config) -> str:
    """A migrated database of this module alone, for hosts that load whatever is due."""
    given = _given(pytestconfig)
    url = given.get("postgres") or _server(pytestconfig).url
    return asyncio.run(create_database(url, f"own_{secrets.token_hex(6)}"))


@pytest.fixture
async def fresh_dsn(pytestconfig: pytest.Config) -> str:
    """A migrated database of this test alone, for a server process: one of its own would take seconds to be made."""
    url = _given(pytestconfig).get("postgres") or _server(pytestconfig).url
    return await create_database(url, f"fresh_{secrets.token_hex(6)}")


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    database = await Database.open(dsn)
    yield database
    await database.close()


@pytest.fixture
async def journal(dsn: str, database: Database) -> AsyncIterator[PostgresJournal]:
    """A journal that owns every slot."""
    journal = PostgresJournal(dsn, database)
    await journal.open()
    await claim_all(PostgresSlotTable(database), journal, "test")
    yield journal
    await journal.close()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for found in leak.FOUND:
        terminalreporter.write_line(f"LEAKED after the last test: {found}")
    terminalreporter.write_line(f"seed: {config.getoption('--seed')} (repeat with it as --seed)")


@pytest.fixture
def without_collections() -> Iterator[None]:
    """References alone free what is used no more."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
