"""`unsealed data`: files fetched, added and listed; a source in trouble never costs a file."""

from __future__ import annotations

import http.server
import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from tests.mmdb import flat, mmdb, nested
from tests.parts.test_places import known
from tests.patience import serving
from typer.testing import CliRunner, Result

from unsealed.app import data
from unsealed.app.cli import cli
from unsealed.model.event import NetworkClass
from unsealed.model.view import DataFileRow
from unsealed.store.places import data_files

COUNTRIES = mmdb({"198.51.100.0/24": flat("DE"), "2001:db8::/32": flat("FR")})
ROUTES = b"198.51.100.0,198.51.100.255,64512,Example Telecom\n"
ROUTES_6 = b"2001:db8::,2001:db8:ffff:ffff:ffff:ffff:ffff:ffff,64512,Example Telecom\n"
RELAY = b"192.0.2.0/27,GB,GB-EN,London,\n"
AWS = b'{"createDate": "2026-11-20-20-33-10", "prefixes": [{"ip_prefix": "203.0.113.0/26"}], "ipv6_prefixes": []}'
GOOGLE = b'{"creationTime": "2026-11-19", "prefixes": [{"ipv4Prefix": "203.0.113.128/26", "service": "Google Cloud"}]}'
PUBLISHED = {
    "user-country.mmdb": COUNTRIES,
    "origin-asn-ipv4.csv": ROUTES,
    "origin-asn-ipv6.csv": ROUTES_6,
    "egress-ip-ranges.csv": RELAY,
    "ip-ranges.json": AWS,
    "cloud.json": GOOGLE,
}
NAMES = ["aws", "country", "google-cloud", "relay-ipv4", "routes-ipv4", "routes-ipv6"]

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def unsealed(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """`unsealed("list")`: the command, on an own data folder."""
    monkeypatch.chdir(tmp_path)
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    return lambda *words: CliRunner().invoke(cli, ["data", *words, "--data", str(folder)], catch_exceptions=True)


@pytest.fixture
def published() -> Iterator[tuple[str, dict[str, bytes | Answer]]]:
    """The address of a publisher on this machine, and what it publishes: bytes, or how it misbehaves."""
    files: dict[str, bytes | Answer] = dict(PUBLISHED)

    class Publisher(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path.rpartition("/")[2])
            if content is None:
                self.send_error(404)
            elif callable(content):
                content(self)
            else:
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Last-Modified", "Sun, 15 Nov 2026 12:00:00 GMT")
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Publisher)
    with serving(server) as (_, port):
        yield f"http://127.0.0.1:{port}/latest", files


def rows(folder: Path) -> dict[str, DataFileRow]:
    return {row.name: row for row in data_files(folder / "places")}


def cut(request: http.server.BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "5000")
    request.end_headers()
    request.wfile.write(ROUTES)


def elsewhere(request: http.server.BaseHTTPRequestHandler) -> None:
    request.send_response(302)
    request.send_header("Location", "http://data.example/origin-asn-ipv4.csv")
    request.end_headers()


def endless(request: http.server.BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    request.wfile.write(ROUTES * 400)


def broken(request: http.server.BaseHTTPRequestHandler) -> None:
    request.send_error(503, "Down")


def test_one_command_brings_all_files(
    unsealed: Callable[..., Result], folder: Path, published: tuple[str, dict[str, bytes | Answer]]
) -> None:
    done = unsealed("update", "--from", published[0])

    assert (0, "") == (done.exit_code, done.stderr)
    assert NAMES == sorted(rows(folder))
    assert date(2026, 11, 15) == rows(folder)["relay-ipv4"].as_of  # as the server says
    assert date(2026, 11, 20) == rows(folder)["aws"].as_of  # as the file says
    assert f"{published[0]}/user-country.mmdb" == rows(folder)["country"].source
    places = known(folder / "places")
    assert "DE" == places.look_up("198.51.100.7").place.country
    assert "Example Telecom" == places.look_up("2001:db8::7").network.operator
    assert NetworkClass.APPLE_RELAY == places.look_up("192.0.2.1").network.kind
    assert ["Amazon", "Google Cloud"] == [
        places.look_up(address).network.operator for address in ("203.0.113.1", "203.0.113.129")
    ]


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (None, "404"),
        (broken, "503 Down"),
        (cut, "cut short"),
        (elsewhere, "not https"),
        (endless, "MB; not fetched"),
        (b"<html>Sign in to the hotel</html>", "not a file that is known here"),
        (ROUTES + b"198.51.101.0", "line 2"),
        (b"", "empty"),
        (b"198.51.100.0,198.51.100.255,64512,Alone\n", "the old file 3"),
    ],
)
def test_a_source_in_trouble_keeps_the_old_file_and_the_others_come(
    unsealed: Callable[..., Result],
    folder: Path,
    published: tuple[str, dict[str, bytes | Answer]],
    monkeypatch: pytest.MonkeyPatch,
    trouble: bytes | Answer | None,
    words: str,
) -> None:
    address, files = published
    files["origin-asn-ipv4.csv"] = b"".join(b"198.51.10%d.0,198.51.10%d.255,64512,Old\n" % (n, n) for n in range(3))
    unsealed("update", "--from", address)
    before = rows(folder)
    monkeypatch.setattr(data, "BYTES_MAX", 10_000)
    if trouble is None:
        del files["origin-asn-ipv4.csv"]
    else:
        files["origin-asn-ipv4.csv"] = trouble
    files["egress-ip-ranges.csv"] = RELAY + RELAY.replace(b"192.0.2.0", b"192.0.2.64")
    done = unsealed("update", "--from", address)

    assert 1 == done.exit_code
    assert words in done.stderr
    assert "origin-asn-ipv4.csv" in done.stderr
    assert before["routes-ipv4"] == rows(folder)["routes-ipv4"]
    assert 2 == rows(folder)["relay-ipv4"].rows
    assert "Old" == known(folder / "places").look_up("198.51.100.7").network.operator


def test_a_source_that_does_not_answer_is_named(unsealed: Callable[..., Result], free_port: Callable[[], int]) -> None:
    done = unsealed("update", "--from", f"http://127.0.0.1:{free_port()}")

    assert 1 == done.exit_code
    assert len(PUBLISHED) == done.stderr.count("not reached")


def test_data_is_not_fetched_in_clear_over_the_network(unsealed: Callable[..., Result]) -> None:
    done = unsealed("update", "--from", "http://data.example")

    assert 1 == done.exit_code
    assert len(PUBLISHED) == done.stderr.count("not https")


def test_every_source_is_fetched_under_a_name_of_its_own_and_over_tls() -> None:
    assert sorted(PUBLISHED) == sorted(source.rpartition("/")[2] for source in data.SOURCES)
    assert all(source.startswith("https://") for source in data.SOURCES)


def test_a_folder_serves_where_there_is_no_network(
    unsealed: Callable[..., Result], folder: Path, tmp_path: Path
) -> None:
    carried = tmp_path / "carried"
    carried.mkdir()
    for name, content in PUBLISHED.items():
        (carried / name).write_bytes(content)
    (carried / "README").write_text("not data")
    done = unsealed("update", "--from", str(carried))

    assert (0, "") == (done.exit_code, done.stderr)
    assert NAMES == sorted(rows(folder))
    assert "neither a folder" in str(unsealed("update", "--from", str(tmp_path / "nowhere")).exception)


def test_a_city_database_is_added_with_what_must_be_shown(
    unsealed: Callable[..., Result], folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "dbip-city-lite-2026-11.mmdb"
    path.write_bytes(mmdb({"198.51.100.0/24": nested("DE", "Land Berlin", "Berlin")}, database_type="DBIP-City-Lite"))
    done = unsealed("add", str(path))

    assert 0 == done.exit_code
    assert "IP Geolocation by DB-IP, https://db-ip.com" in done.stdout
    assert "IP Geolocation by DB-IP, https://db-ip.com" in unsealed("list").stdout
    assert "Berlin" == known(folder / "places").look_up("198.51.100.7").place.city


def test_a_company_names_its_own_gateways(unsealed: Callable[..., Result], folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "ours.csv"
    path.write_text("network,class,operator\n203.0.113.0/24,sse_proxy,Our gateway\n")

    assert 0 == unsealed("add", str(path)).exit_code
    assert "Our gateway" == known(folder / "places").look_up("203.0.113.7").network.operator


def test_a_plain_list_needs_class_and_operator(unsealed: Callable[..., Result], folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "prefixes.txt"
    path.write_text("203.0.113.0/24\n")
    asked = unsealed("add", str(path))
    given = unsealed("add", str(path), "--class", "vpn", "--operator", "Example VPN")

    assert 0 != asked.exit_code
    assert "whose they are" in str(asked.exception)
    assert 0 == given.exit_code
    assert NetworkClass.VPN == known(folder / "places").look_up("203.0.113.7").network.kind


@pytest.mark.parametrize("words", [("--kind", "castle"), ("--class", "castle"), ("--kind", "city")])
def test_a_wrong_word_changes_nothing(
    unsealed: Callable[..., Result], folder: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    path = tmp_path / "routes.csv"
    path.write_bytes(ROUTES)

    assert 0 != unsealed("add", str(path), *words).exit_code
    assert {} == rows(folder)


def test_the_list_says_how_old_everything_is_and_what_is_not_used(
    unsealed: Callable[..., Result], folder: Path, published: tuple[str, dict[str, bytes | Answer]]
) -> None:
    assert "built-in" in unsealed("list").stdout
    unsealed("update", "--from", published[0])
    note = json.loads((folder / "places" / "relay-ipv4.json").read_text())
    (folder / "places" / note["data"]).unlink()
    listed = unsealed("list").stdout.splitlines()

    assert ["built-in", *NAMES] == [line.split()[0] for line in listed]
    assert ["relay-ipv4"] == [line.split()[0] for line in listed if "NOT USED" in line]
    assert all("of 20" in line for line in listed if "NOT USED" not in line)


@pytest.mark.parametrize(
    ("as_of", "words"),
    [
        (date(2026, 11, 21), "of 2026-11-21, new"),
        (date(2026, 11, 22), "of 2026-11-22, new"),
        (date(2026, 11, 20), "of 2026-11-20, 1 day old"),
        (date(2026, 6, 17), "of 2026-06-17, 157 days old"),
    ],
)
def test_ages_are_said_in_days(as_of: date, words: str) -> None:
    row = DataFileRow(name="relay", holds="", source="", licence="", as_of=as_of)

    assert words == data.age(row, date(2026, 11, 21))
