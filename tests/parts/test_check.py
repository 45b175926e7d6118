"""Each kind of trouble that `unsealed check` promises to find, made real where that is possible."""

from __future__ import annotations

import errno
import http.server
import json
import os
import shutil
import socket
import socketserver
import ssl
import sys
from collections import namedtuple
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from sqlalchemy import Engine, text
from tests.patience import serving

from unsealed.app import check
from unsealed.app.check import Finding, State, run, show
from unsealed.app.config import Settings, load
from unsealed.app.config_values import Listen
from unsealed.app.wire import COLLECTOR_SOCKET, welcome
from unsealed.store import engine as stores
from unsealed.store import keyring, machines, people, proofs
from unsealed.store.migrate import migrate
from unsealed.store.places import keep

if TYPE_CHECKING:
    from tests.conftest import FrozenClock

Configure = Callable[..., Settings]
DiskUsage = namedtuple("DiskUsage", ["total", "used", "free"])


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_port: Callable[[], int]) -> Configure:
    """`configure(**{"track.url": ...})`: settings on free ports, with the data folder below tmp_path."""
    for name in list(os.environ):
        if name.startswith("UNSEALED_") and not name.startswith("UNSEALED_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    ports = {f"{door}.listen": f"127.0.0.1:{free_port()}" for door in ("web", "track", "smtp")}
    return lambda **given: load({"data": tmp_path / "data", **ports, **given})


def bad(findings: list[Finding]) -> list[tuple[str, State]]:
    return [(each.what, each.state) for each in findings if each.state is not State.OK]


def about(what: str, findings: list[Finding]) -> Finding:
    (found,) = [each for each in findings if each.what == what]
    return found


def healthz(status: int, said: object) -> http.server.HTTPServer:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *_: Any) -> None:
            pass

    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)


def smtp(*, banner: str = "220 sink ESMTP", sign_in: str = "235 2.7.0 ok", tls: ssl.SSLContext | None = None) -> Any:
    class Dialogue(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            try:
                self.say(banner)
                for line in self.rfile:
                    verb = line.split()[0].upper()
                    answers = {b"EHLO": "250-sink\r\n250 AUTH PLAIN LOGIN", b"AUTH": sign_in, b"QUIT": "221 bye"}
                    self.say(answers.get(verb, "502 what?"))
            except OSError:
                pass  # it hung up

        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        def get_request(self) -> tuple[Any, Any]:
            connection, peer = super().get_request()
            if tls:
                connection = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            return connection, peer

    return Server(("127.0.0.1", 0), Dialogue)


def test_before_the_first_start_nothing_is_wrong_and_nothing_is_made(
    configure: Configure, clock: FrozenClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == show(configure(), clock=clock)

    assert not (tmp_path / "data").exists()
    assert "0 wrong" in capsys.readouterr().out


def test_after_the_first_start_nothing_is_wrong(configure: Configure, clock: FrozenClock, tmp_path: Path) -> None:
    keyring.load(tmp_path / "data")
    engine = stores.connect(stores.sqlite_url(tmp_path / "data"))
    migrate(engine)
    engine.dispose()

    assert [] == bad(run(configure(), clock=clock))


def test_each_trouble_is_printed_with_its_remedy_and_the_status_is_1(
    configure: Configure, clock: FrozenClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").write_text("")

    assert 1 == show(configure(), clock=clock)

    assert f"fail  data folder: {tmp_path}/data: {tmp_path}/data is not a folder\n      -> " in capsys.readouterr().out


# The data folder and the keys


def test_a_folder_of_somebody_else_is_found(
    configure: Configure, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere, and CI is root

    assert [("data folder", State.FAIL)] == bad(run(configure(), clock=clock))


@pytest.mark.parametrize(("free", "state"), [(9_900_000, State.FAIL), (999_000_000, State.WARN)])
def test_a_disk_that_is_nearly_full_is_found(
    free: int, state: State, configure: Configure, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = DiskUsage(10**12, 10**12 - free, free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    assert [("data folder", state)] == bad(run(configure(), clock=clock))


@pytest.mark.parametrize("kind", ["tmpfs", "nfs4"])
def test_a_file_system_that_forgets_or_does_not_lock_is_found(
    kind: str, configure: Configure, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "_file_system", lambda _: kind)

    assert [("data folder", State.WARN)] == bad(run(configure(), clock=clock))


def test_a_folder_that_others_may_look_into_is_found(configure: Configure, clock: FrozenClock, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o755)

    assert [("data folder", State.WARN)] == bad(run(configure(), clock=clock))


def test_a_key_ring_that_others_may_read_is_found(configure: Configure, clock: FrozenClock, tmp_path: Path) -> None:
    keyring.load(tmp_path / "data")
    (tmp_path / "data" / "keys").chmod(0o644)

    assert [("keys", State.FAIL)] == bad(run(configure(), clock=clock))


def test_a_damaged_key_ring_is_found_and_left_alone(configure: Configure, clock: FrozenClock, tmp_path: Path) -> None:
    keyring.load(tmp_path / "data")
    (tmp_path / "data" / "keys").write_text("{")

    assert [("keys", State.FAIL)] == bad(run(configure(), clock=clock))
    assert "{" == (tmp_path / "data" / "keys").read_text()


def test_a_store_without_its_keys_is_found(configure: Configure, clock: FrozenClock, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(0o700)
    engine = stores.connect(stores.sqlite_url(tmp_path / "data"))
    migrate(engine)
    engine.dispose()

    assert [("keys", State.FAIL)] == bad(run(configure(), clock=clock))


# The store and the clock


def test_a_store_that_answers_is_well(store_url: str, configure: Configure, clock: FrozenClock) -> None:
    assert [] == bad(run(configure(**{"store.url": store_url}), clock=clock))


def test_who_lost_the_link_of_the_first_start_learns_how_to_get_another(
    store_url: str, configure: Configure, clock: FrozenClock
) -> None:
    settings = configure(**{"store.url": store_url})
    engine = stores.connect(store_url)
    welcome(settings, engine, clock())
    found = about("owner", run(settings, clock=clock))
    with engine.begin() as connection:
        owner = people.owner(connection)
        assert owner is not None
        proofs.new_session(connection, owner.id, "127.0.0.1", "a browser", clock())
    engine.dispose()

    assert (State.OK, "owner@localhost") == (found.state, found.where)
    assert found.remedy.endswith(f"unsealed user link owner@localhost --data {settings.data}")
    assert "owner" not in [each.what for each in run(settings, clock=clock)]


def test_an_sqlite_that_cannot_search_is_found(
    store_url: str, configure: Configure, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "can_search", lambda _: False)

    found = about("store", run(configure(**{"store.url": store_url}), clock=clock))

    assert (State.FAIL, True) == (found.state, "FTS5" in found.words)


def test_a_store_of_a_newer_version_is_found(store_url: str, configure: Configure, clock: FrozenClock) -> None:
    engine = stores.connect(store_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()

    assert [("store", State.FAIL)] == bad(run(configure(**{"store.url": store_url}), clock=clock))


def test_an_older_store_is_brought_up_by_the_next_start(
    blank_url: str, configure: Configure, clock: FrozenClock
) -> None:
    engine = stores.connect(blank_url)
    engine.connect().close()
    engine.dispose()

    found = about("store", run(configure(**{"store.url": blank_url}), clock=clock))

    assert (State.OK, "answers; the next start brings it to schema") == (found.state, found.words[:-5])


def test_a_store_that_is_away_is_found_without_showing_the_password(
    configure: Configure, clock: FrozenClock, free_port: Callable[[], int]
) -> None:
    url = f"postgresql://ines:canary@127.0.0.1:{free_port()}/mail"

    findings = run(configure(**{"store.url": url}), clock=clock)

    assert [("store", State.FAIL)] == bad(findings)
    assert "canary" not in str(findings)


def test_a_missing_driver_is_found_with_what_to_do(
    configure: Configure, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    found = about("store", run(configure(**{"store.url": "postgresql://127.0.0.1/mail"}), clock=clock))

    assert (State.FAIL, "pip install 'psycopg[binary]'") == (found.state, found.remedy)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_machine_that_does_not_fit_the_others_is_found(
    configure: Configure, clock: FrozenClock, engine: Engine, store_url: str, tmp_path: Path
) -> None:
    with engine.begin() as connection:
        machines.join(connection, keyring.load(tmp_path / "data"), "main", "of another folder")

    found = about("store", run(configure(**{"store.url": store_url}), clock=clock))
    named = about("store", run(configure(**{"store.url": store_url, "track.collector": "second"}), clock=clock))
    (tmp_path / "data" / "keys").unlink()
    keyring.load(tmp_path / "data")
    strange = about("store", run(configure(**{"store.url": store_url, "track.collector": "second"}), clock=clock))

    assert (State.FAIL, "give this machine a name of its own with track.collector") == (found.state, found.remedy)
    assert State.OK == named.state
    assert (State.FAIL, "copy the file `keys`") == (strange.state, strange.remedy[:20])


def test_a_file_that_is_no_store_is_found(configure: Configure, clock: FrozenClock, tmp_path: Path) -> None:
    (tmp_path / "other.db").write_bytes(b"not a database at all, but long enough to be looked at" * 100)

    findings = run(configure(**{"store.url": f"sqlite:///{tmp_path}/other.db"}), clock=clock)

    assert [("store", State.FAIL)] == bad(findings)


def test_a_clock_that_is_behind_is_found(configure: Configure) -> None:
    assert [("clock", State.WARN)] == bad(run(configure(), clock=lambda: datetime(2026, 1, 1, tzinfo=UTC)))


# The addresses to listen on


@pytest.mark.parametrize("door", ["web", "track", "smtp"])
def test_a_port_that_another_program_holds_is_found(
    door: str, configure: Configure, clock: FrozenClock, listening: Callable[[], socket.socket], monkeypatch: Any
) -> None:
    monkeypatch.setattr(check, "TIMEOUT_S", 0.2)  # that program says nothing
    other = listening()

    for host in ("127.0.0.1", "localhost"):
        findings = run(configure(**{f"{door}.listen": f"{host}:{other.getsockname()[1]}"}), clock=clock)

        assert [(f"{door}.listen", State.FAIL)] == bad(findings)


def test_ports_that_this_installation_holds_are_well(configure: Configure, clock: FrozenClock) -> None:
    with (
        serving(healthz(200, {"status": "ok"})) as (_, web),
        serving(healthz(200, {"ok": True, "role": "collect", "reasons": [], "misses": 0, "hits": 3})) as (_, track),
        serving(smtp(banner="220 localhost Unsealed")) as (_, submission),
    ):
        doors = {"web": web, "track": track, "smtp": submission}
        findings = run(
            configure(**{f"{door}.listen": f"127.0.0.1:{port}" for door, port in doors.items()}), clock=clock
        )

    assert [] == bad(findings)
    assert ["Unsealed listens here"] * 3 == [each.words for each in findings if each.what.endswith(".listen")]
    assert "well; 3 requests recorded since it started" == about("collector", findings).words


def test_an_address_of_another_machine_is_found(configure: Configure, clock: FrozenClock) -> None:
    found = about("web.listen", run(configure(**{"web.listen": "192.0.2.1:8025"}), clock=clock))

    assert (State.FAIL, "this machine has no such address") == (found.state, found.words)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_two_doors_with_one_port_are_found_before_anything_starts(
    host: str, configure: Configure, clock: FrozenClock, free_port: Callable[[], int]
) -> None:
    port = free_port()
    findings = run(configure(**{"web.listen": f"127.0.0.1:{port}", "smtp.listen": f"{host}:{port}"}), clock=clock)

    (found, *_) = [each for each in findings if each.what == "smtp.listen"]
    assert (State.FAIL, "web.listen has the same port", "choose another port") == (
        found.state,
        found.words,
        found.remedy,
    )
    assert State.OK == about("web.listen", findings).state


def test_a_port_for_privileged_programs_is_found(
    configure: Configure, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forbidden(socket.socket):
        def bind(self, address: Any) -> None:
            raise OSError(errno.EACCES, "Permission denied")  # root may, and CI is root

    monkeypatch.setattr(socket, "socket", Forbidden)

    assert (State.FAIL, "ports below 1024 are for privileged programs") == check._free(Listen("127.0.0.1", 25))[:2]


def test_submission_that_others_reach_needs_a_certificate(
    configure: Configure, clock: FrozenClock, free_port: Callable[[], int]
) -> None:
    findings = run(configure(**{"smtp.listen": f"0.0.0.0:{free_port()}"}), clock=clock)

    assert [("smtp.listen", State.WARN)] == bad(findings)


# The certificate


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


def pair(authority: trustme.CA, folder: Path, ends: datetime | None = None) -> tuple[Path, Path]:
    issued = authority.issue_cert("127.0.0.1", "localhost", not_after=ends)
    certificate, key = folder / f"{len(os.listdir(folder))}.pem", folder / f"{len(os.listdir(folder))}.key"
    certificate.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    key.chmod(0o600)
    return certificate, key


@pytest.mark.parametrize(
    ("days", "expected"),
    [(400, []), (13, [("certificate", State.WARN)]), (-1, [("certificate", State.FAIL)])],
)
def test_a_certificate_that_ends_is_found(
    days: int, expected: list[tuple[str, State]], authority: trustme.CA, configure: Configure, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    certificate, key = pair(authority, tmp_path, now + timedelta(days=days))

    findings = run(configure(**{"smtp.certificate": certificate, "smtp.key": key}), clock=lambda: now)

    assert expected == bad(findings)


def test_a_key_that_does_not_belong_to_the_certificate_is_found(
    authority: trustme.CA, configure: Configure, clock: FrozenClock, tmp_path: Path
) -> None:
    certificate, _ = pair(authority, tmp_path)
    _, other_key = pair(authority, tmp_path)

    findings = run(configure(**{"smtp.certificate": certificate, "smtp.key": other_key}), clock=clock)

    assert "the key does not belong to it" == about("certificate", findings).words


def test_a_key_that_everybody_may_read_is_found(authority: trustme.CA, configure: Configure, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    certificate, key = pair(authority, tmp_path, now + timedelta(days=400))
    key.chmod(0o644)

    findings = run(configure(**{"smtp.certificate": certificate, "smtp.key": key}), clock=lambda: now)

    assert [("certificate key", State.WARN)] == bad(findings)


def test_a_file_that_is_no_certificate_is_called_so(configure: Configure, clock: FrozenClock, tmp_path: Path) -> None:
    given = {"smtp.certificate": tmp_path / "a.pem", "smtp.key": tmp_path / "a.key"}
    for file in given.values():
        file.write_text("words\n")

    assert (
        "not usable: it or its key is no PEM file" == about("certificate", run(configure(**given), clock=clock)).words
    )


def test_a_certificate_that_is_not_there_is_found(configure: Configure, clock: FrozenClock, tmp_path: Path) -> None:
    given = {"smtp.certificate": tmp_path / "a.pem", "smtp.key": tmp_path / "a.key"}

    assert [("certificate", State.FAIL)] == bad(run(configure(**given), clock=clock))


# The public addresses


def test_links_to_this_machine_in_mail_that_leaves_it_are_found(configure: Configure, clock: FrozenClock) -> None:
    settings = configure(**{"upstream.url": "smtp://mail.invalid:587"})

    assert [("tracking address", State.FAIL)] == bad(list(check.addresses(settings)))


def test_a_name_that_nobody_knows_is_found(configure: Configure) -> None:
    settings = configure(**{"track.url": "https://t.unsealed.invalid"})

    assert [("tracking address", State.FAIL)] == bad(list(check.addresses(settings)))


def test_a_tracking_address_without_tls_is_found(configure: Configure) -> None:
    settings = configure(**{"track.url": "http://192.0.2.1"})

    assert [("tracking address", State.WARN)] == bad(list(check.addresses(settings)))


def test_pages_and_tracking_under_one_name_are_found(configure: Configure) -> None:
    settings = configure(**{"track.url": "https://192.0.2.1", "web.url": "https://192.0.2.1"})

    assert [("tracking address", State.FAIL)] == bad(list(check.addresses(settings)))


def test_pages_without_tls_are_found(configure: Configure) -> None:
    settings = configure(**{"track.url": "https://192.0.2.1", "web.url": "http://192.0.2.2"})

    assert [("web address", State.WARN)] == bad(list(check.addresses(settings)))


@pytest.mark.parametrize(
    ("said", "state"), [({"ok": True, "role": "collect"}, State.OK), ({"hello": "world"}, State.FAIL)]
)
def test_a_proxy_that_leads_elsewhere_is_found(said: object, state: State, configure: Configure) -> None:
    with (
        serving(healthz(200, {"ok": True, "role": "collect"})) as (_, track),
        serving(healthz(200, said)) as (_, proxy),
    ):
        settings = configure(**{"track.listen": f"127.0.0.1:{track}", "track.url": f"http://127.0.0.1:{proxy}"})
        (found,) = check.tracking_answers(settings)

    assert state is found.state


def test_a_tracking_address_behind_which_nothing_answers_is_found(
    configure: Configure, free_port: Callable[[], int]
) -> None:
    with serving(healthz(200, {"ok": True, "role": "collect"})) as (_, track):
        settings = configure(**{"track.listen": f"127.0.0.1:{track}", "track.url": f"http://127.0.0.1:{free_port()}"})
        (found,) = check.tracking_answers(settings)

    assert (State.FAIL, "it cannot be reached: Connection refused") == (found.state, found.words)


# The collector


@pytest.mark.parametrize(
    ("status", "said", "state"),
    [
        (200, {"ok": True, "reasons": [], "misses": 0}, State.OK),
        (200, {"ok": True, "reasons": [], "misses": 2}, State.WARN),
        (503, {"ok": False, "reasons": ["the journal cannot be written"], "misses": 2}, State.FAIL),
    ],
)
def test_a_collector_that_is_not_well_is_found(
    status: int, said: dict[str, object], state: State, configure: Configure
) -> None:
    with serving(healthz(status, {"role": "collect", **said})) as (_, track):
        (found,) = check.collector(configure(**{"track.listen": f"127.0.0.1:{track}"}))

    assert state is found.state
    assert all(reason in found.words for reason in said["reasons"])  # type: ignore[attr-defined]


def test_a_collector_on_another_port_is_found_through_the_data_folder(configure: Configure) -> None:
    settings = configure()
    settings.data.mkdir()
    server = healthz(503, {"role": "collect", "ok": False, "reasons": ["the journal cannot be written"]})
    with closing(socket.socket(socket.AF_UNIX)) as private:
        private.bind(str(settings.data / COLLECTOR_SOCKET))
        private.listen()
        server.socket.close()
        server.socket = private
        server.get_request = lambda: (private.accept()[0], ("", 0))  # type: ignore[method-assign]
        with serving(server):
            (found,) = check.collector(settings)

    assert (State.FAIL, "the journal cannot be written") == (found.state, found.words)


# The upstream


def test_an_upstream_that_takes_us_is_well(configure: Configure, clock: FrozenClock) -> None:
    with serving(smtp()) as (_, port):
        (found,) = check.upstream(configure(upstream=f"smtp://ines:secret@127.0.0.1:{port}"), clock)

    assert (State.OK, "answers, signed in") == (found.state, found.words)


def test_an_upstream_that_does_not_let_us_in_is_found_without_showing_the_password(
    configure: Configure, clock: FrozenClock
) -> None:
    with serving(smtp(sign_in="535 5.7.8 no")) as (_, port):
        (found,) = check.upstream(configure(upstream=f"smtp://ines:canary@127.0.0.1:{port}"), clock)

    assert State.FAIL is found.state
    assert "535" in found.words
    assert "canary" not in str(found)


def test_an_upstream_without_tls_is_found_when_tls_is_asked_for(configure: Configure, clock: FrozenClock) -> None:
    with serving(smtp()) as (_, port):
        (found,) = check.upstream(configure(upstream=f"smtp://127.0.0.1:{port}?tls=starttls"), clock)

    assert State.FAIL is found.state
    assert "STARTTLS" in found.words


def test_an_upstream_that_is_away_is_found(
    configure: Configure, clock: FrozenClock, free_port: Callable[[], int]
) -> None:
    (found,) = check.upstream(configure(upstream=f"smtp://127.0.0.1:{free_port()}"), clock)

    assert State.FAIL is found.state


@pytest.mark.parametrize(("trusted", "state"), [(True, State.OK), (False, State.FAIL)])
def test_the_certificate_of_the_upstream_is_verified(
    trusted: bool, state: State, authority: trustme.CA, configure: Configure, clock: FrozenClock, tmp_path: Path
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    ((trusted and authority) or trustme.CA()).cert_pem.write_to_path(tmp_path / "ca.pem")

    with serving(smtp(tls=context)) as (_, port):
        settings = configure(upstream=f"smtp://127.0.0.1:{port}?tls=implicit", **{"upstream.ca": tmp_path / "ca.pem"})
        (found,) = check.upstream(settings, clock)

    assert state is found.state


def test_authorities_that_cannot_be_read_are_found(configure: Configure, clock: FrozenClock, tmp_path: Path) -> None:
    settings = configure(upstream="smtp://127.0.0.1:25", **{"upstream.ca": tmp_path / "gone.pem"})

    (found,) = check.upstream(settings, clock)

    assert State.FAIL is found.state
    assert "upstream.ca" in found.words


def test_an_upstream_in_clear_on_another_machine_is_found(
    configure: Configure, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "is_local", lambda _: False)
    with closing(socket.create_server(("127.0.0.1", 0))), serving(smtp()) as (_, port):
        findings = list(check.upstream(configure(upstream=f"smtp://127.0.0.1:{port}?tls=none"), clock))

    assert [("upstream", State.WARN)] == bad(findings)


def test_without_data_files_it_says_what_is_built_in_and_how_to_get_them(configure: Configure) -> None:
    findings = list(check.data_about_addresses(configure().data, date(2026, 11, 21)))

    assert [("built-in", State.OK), ("none", State.OK)] == [(each.where, each.state) for each in findings]
    assert "of 2026-11-01" in findings[0].words
    assert "unsealed data update" in findings[1].words


@pytest.mark.parametrize(
    ("days", "state", "remedy"), [(0, State.OK, ""), (60, State.OK, ""), (61, State.WARN, "unsealed data add FILE")]
)
def test_data_that_is_old_is_said_with_its_age(
    configure: Configure, tmp_path: Path, days: int, state: State, remedy: str
) -> None:
    relay = tmp_path / "egress-ip-ranges.csv"
    relay.write_text("192.0.2.0/27,GB,GB-EN,London,\n")
    ours = tmp_path / "ours.csv"
    ours.write_text("network,class,operator\n203.0.113.0/24,vpn,Example AG\n")
    data, today = configure().data, date(2026, 11, 21)
    for path in (relay, ours):
        dated = today - timedelta(days=days)
        keep(data / "places", path, name=path.name, source=path.name, dated=dated, at=datetime.now(UTC))
    found = {each.where: each for each in check.data_about_addresses(data, today)}

    assert state is found["relay-ipv4"].state
    assert found["relay-ipv4"].remedy.startswith(remedy)
    assert State.OK is found["own"].state  # the operator's own word does not grow old


def test_data_that_is_damaged_is_a_failure(configure: Configure, tmp_path: Path) -> None:
    relay = tmp_path / "egress-ip-ranges.csv"
    relay.write_text("192.0.2.0/27,GB,GB-EN,London,\n")
    data, today = configure().data, date(2026, 11, 21)
    keep(data / "places", relay, name=relay.name, source=relay.name, dated=today, at=datetime.now(UTC))
    (kept,) = (data / "places").glob("*.ranges")
    kept.write_bytes(kept.read_bytes()[:-1])
    found = {each.where: each for each in check.data_about_addresses(data, today)}

    assert State.FAIL is found["relay-ipv4"].state
    assert "cut short" in found["relay-ipv4"].words
