"""A whole installation in real processes, driven through its command line and its doors alone."""

from __future__ import annotations

import functools
import http.client
import json
import os
import re
import shutil
import signal
import smtplib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope, Session
from tests.patience import PATIENCE_S
from tests.walks.firefox import Firefox, PushService
from tests.walks.slow import slow_proxy

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

COMMAND = [sys.executable, "-m", "unsealed.app"]
THUNDERBIRD = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Thunderbird/153.7.0"


def until(question: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> Any:
    """The first answer that is true; asks again until the time is over, less and less often, because each question
    keeps the processes that it waits for from their work."""
    deadline, pause_s = monotonic() + seconds, 0.01
    while monotonic() < deadline:
        if answer := question():
            return answer
        sleep(pause_s)
        pause_s = min(1.5 * pause_s, 0.2)
    pytest.fail(f"{what}: did not happen in {seconds} s")


def command(data: Path, *arguments: str, given: bytes) -> str:
    """What a command prints that must succeed."""
    done = subprocess.run(
        [*COMMAND, *arguments, "--data", str(data)],
        input=given,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert 0 == done.returncode, (arguments, done.stdout, done.stderr)
    return done.stdout.decode().strip()


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Furnished:
    """A data folder in which nothing was done but to add one user, and the secrets that the commands printed."""

    data: Path
    app_password: str
    token: str


@dataclass
class Installation:
    """One data folder and the server on it. Ports stay the same over restarts."""

    data: Path
    web: int
    track: int
    smtp: int
    furnished: Callable[[str, str], Furnished]
    upstream: str = ""
    process: subprocess.Popen[bytes] | None = None
    output: Path = field(init=False)

    def __post_init__(self) -> None:
        self.output = self.data.with_suffix(".out")

    def command(self, *arguments: str, given: bytes = b"") -> str:
        return command(self.data, *arguments, given=given)

    def add(self, address: str, password: str) -> tuple[str, str]:
        """Add the first user, before the first start: a password for mail programs and a token for the API. Who is the
        same in many walks is made once."""
        made = self.furnished(address, password)
        shutil.copytree(made.data, self.data)
        return made.app_password, made.token

    def start(self) -> None:
        arguments = ["--data", str(self.data), "--web", f"127.0.0.1:{self.web}", "--track", f"127.0.0.1:{self.track}"]
        arguments += ["--smtp", f"127.0.0.1:{self.smtp}"]
        if self.upstream:
            arguments += ["--upstream", self.upstream]
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                [*COMMAND, "serve", *arguments], stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )
        until(lambda: self.healthy(self.web) and self.healthy(self.track), f"ready; see {self.output}")

    def healthy(self, port: int) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.output.read_text()
        try:
            return self.get(port, "/healthz").status == 200
        except OSError:
            return False

    def welcome(self) -> str:
        """The link that the first start prints: after it is ready, so it may not be there yet."""
        link = until(lambda: re.search(r"(http://\S+/welcome/\S+)\s", self.output.read_text()), "the greeting")
        return str(link[1])

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert 0 == self.process.wait(PATIENCE_S), self.output.read_text()
        self.process = None

    def kill(self) -> None:
        """Kill -9 the parent; its roles go with it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE_S)
        self.process = None

    def get(self, port: int, path: str, *, method: str = "GET", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers={"User-Agent": THUNDERBIRD} | names)
            got = connection.getresponse()
            return Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
        finally:
            connection.close()

    def load(self, url: str, **headers: str) -> Answer:
        """Ask the tracking host for one of its addresses."""
        prefix = f"http://127.0.0.1:{self.track}"
        assert url.startswith(prefix), url
        return self.get(self.track, url.removeprefix(prefix), **headers)

    def send(self, user: str, password: str, sender: str, recipients: list[str], message: bytes) -> dict[str, Any]:
        with smtplib.SMTP("127.0.0.1", self.smtp, timeout=PATIENCE_S) as client:
            client.login(user, password)
            return client.sendmail(sender, recipients, message)


@dataclass
class Sink:
    """An upstream that accepts everything and keeps it."""

    port: int
    mails: list[Envelope] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)
    controller: Controller | None = None

    async def handle_DATA(self, server: object, session: Session, envelope: Envelope) -> str:
        with self.lock:
            self.mails.append(envelope)
        return "250 2.0.0 Ok: kept by the sink"

    def start(self) -> None:
        self.controller = Controller(
            self, hostname="127.0.0.1", port=self.port, enable_SMTPUTF8=True, ready_timeout=PATIENCE_S
        )
        self.controller.start()

    def stop(self) -> None:
        if self.controller is not None:
            self.controller.stop()
            self.controller = None

    def copy_for(self, recipient: str) -> bytes:
        with self.lock:
            found = [mail.original_content for mail in self.mails if mail.rcpt_tos == [recipient]]
        assert found, f"nothing came for {recipient}"
        assert isinstance(found[-1], bytes)
        return found[-1]


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., Any]:
    return until


@pytest.fixture
def sink(free_port: Callable[[], int]) -> Iterator[Sink]:
    sink = Sink(port=free_port())
    sink.start()
    yield sink
    sink.stop()


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Furnished]:
    """Data folders to copy: the commands that make one take as long as a start of the server."""

    @functools.cache
    def furnish(address: str, password: str) -> Furnished:
        def run(*arguments: str, given: str = "") -> str:
            return command(data, *arguments, given=given.encode())

        data = tmp_path_factory.mktemp("furnished") / "data"
        run("user", "add", address, "--password-stdin", given=f"{password}\n")
        return Furnished(data, run("app-password", address), run("api-token", address))

    return furnish


@pytest.fixture
def installation(
    tmp_path: Path, free_port: Callable[[], int], furnished: Callable[[str, str], Furnished]
) -> Iterator[Installation]:
    """A data folder with ports, not started."""
    made = Installation(
        data=tmp_path / "data", web=free_port(), track=free_port(), smtp=free_port(), furnished=furnished
    )
    yield made
    if made.process is not None and made.process.poll() is None:
        os.kill(made.process.pid, signal.SIGKILL)
        made.process.wait(PATIENCE_S)


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page of a headless Chromium. It must end without an error in the page or in its console."""
    troubles: list[str] = []
    page = chromium.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda said: troubles.append(said.text) if said.type in ("error", "warning") else None)
    yield page
    page.context.close()
    assert [] == troubles


@pytest.fixture
def shoot(page: Page) -> Callable[[str], None]:
    """`shoot("sent")` keeps a picture of the page where `UNSEALED_TEST_SHOTS` names a folder."""

    def keep(name: str) -> None:
        if folder := os.environ.get("UNSEALED_TEST_SHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=f"{folder}/{name}.png")

    return keep


@pytest.fixture
def push() -> Iterator[PushService]:
    """What Firefox takes push messages from."""
    service = PushService()
    service.start()
    yield service
    service.stop()


@pytest.fixture
def firefox(
    program: Callable[[str], str],
    tmp_path: Path,
    free_port: Callable[[], int],
    push: PushService,
    until: Callable[..., Any],
) -> Iterator[Firefox]:
    """A headless Firefox in which nothing is open."""
    with slow_proxy() as proxy:
        browser = Firefox(program("firefox-esr"), tmp_path / "firefox", free_port(), push.port, proxy)
        try:
            browser.connect(until)
            yield browser
        finally:
            browser.close()
