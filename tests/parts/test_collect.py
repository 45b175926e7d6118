"""The collector as a process of its own, asked over real sockets."""

from __future__ import annotations

import contextlib
import http.client
import json
import multiprocessing
import os
import re
import resource
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from unsealed.core.token import open_device, seal_click, seal_device, seal_pixel
from unsealed.inlets.collect import CollectSettings, Limits, run
from unsealed.model.hit import Hit
from unsealed.model.message import CopyId
from unsealed.model.policy import Level
from unsealed.store.journal import decode_hit, read
from unsealed.store.keyring import KeyRing, load

GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00"
    b"\x01\x00\x00\x02\x02D\x01\x00;"
)
URL = "https://www.example.org/bread?q=ü b"
LOCATION = "https://www.example.org/bread?q=%C3%BC%20b"
DEADLINE_S = 20.0


def until(true: Callable[[], bool]) -> bool:
    """Ask again until it is so, or the deadline is over."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False


@dataclass(kw_only=True)
class Collector:
    """A running collector."""

    port: int
    private: Path
    journal: Path
    ring: KeyRing
    process: multiprocessing.process.BaseProcess
    opened: list[socket.socket] = field(default_factory=list)

    def pixel(self, copy: int = 1) -> str:
        return f"/o/{seal_pixel(self.ring, 1, CopyId(copy), Level.FULL)}.gif"

    def link(self, url: str = URL, copy: int = 1) -> str:
        return f"/c/{seal_click(self.ring, 1, CopyId(copy), Level.FULL, 0, url)}"

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def raw(self, sent: bytes) -> bytes:
        """All that comes back until the collector closes."""
        with self.connect() as sock:
            sock.sendall(sent)
            return receive(sock)

    def connect(self) -> socket.socket:
        """A connection; closed with the test at the latest."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S)
        self.opened.append(sock)
        return sock

    def hits(self) -> list[Hit]:
        return [decode_hit(payload) for _, payload in read(self.journal, None, 10**9).records]

    def health(self) -> dict[str, object]:
        answer: dict[str, object] = json.loads(self.ask("/healthz")[2])
        return answer


def receive(sock: socket.socket) -> bytes:
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := sock.recv(65536):
            got += chunk
    return got


def _live(settings: CollectSettings, tell: Connection, files: int) -> None:
    if files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    run(settings, lambda: tell.send("ready"))


Start = Callable[..., Collector]


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start collectors; they end with the test."""
    started: list[Collector] = []
    held: list[socket.socket] = []

    def begin(*, files: int = 0, trusted: tuple[str, ...] = (), https: bool = False, **limits: float) -> Collector:
        public = socket.create_server(("127.0.0.1", 0), backlog=4096)
        private = socket.socket(socket.AF_UNIX)
        place = tmp_path / f"private{len(started)}"
        private.bind(str(place))
        private.listen()
        held.extend((public, private))
        ring = load(tmp_path)
        settings = CollectSettings(
            sockets=(public.fileno(),),
            private_socket=private.fileno(),
            journal=tmp_path / "journal" / "main",
            collector="main",
            keys=ring,
            clock=_now,
            trusted_proxies=tuple(ip_network(network) for network in trusted),
            https=https,
            limits=replace(Limits(), **limits),  # type: ignore[arg-type]
        )
        ready, tell = multiprocessing.Pipe()
        # Fork, as the parent of the roles does: the sockets are inherited.
        process = multiprocessing.get_context("fork").Process(target=_live, args=(settings, tell, files))
        process.start()
        collector = Collector(
            port=public.getsockname()[1], private=place, journal=settings.journal, ring=ring, process=process
        )
        started.append(collector)
        assert ready.poll(DEADLINE_S)
        return collector

    yield begin
    for each in started:
        each.process.kill()
        each.process.join()
        held.extend(each.opened)
    for sock in held:
        sock.close()


@pytest.fixture
def collector(start: Start) -> Collector:
    return start()


# Pixels


def test_a_pixel_is_answered_with_the_picture_and_recorded(collector: Collector) -> None:
    before = datetime.now(UTC)
    status, headers, body = collector.ask(collector.pixel(), User_Agent="Thunderbird", Accept="image/*")

    assert (200, GIF) == (status, body)
    assert len(body) == 43
    assert "image/gif" == headers["Content-Type"]
    assert "no-cache, no-store, max-age=0, must-revalidate, private" == headers["Cache-Control"]
    assert not {"ETag", "Last-Modified", "Set-Cookie", "Server"} & set(headers)
    (hit,) = collector.hits()
    assert collector.pixel() == f"/o/{hit.token}.gif"
    assert before - timedelta(seconds=1) <= hit.at <= datetime.now(UTC)
    assert ("GET", "127.0.0.1", "Thunderbird", "image/*", None) == (
        hit.method,
        hit.address,
        hit.user_agent,
        hit.accept,
        hit.accept_language,
    )


@pytest.mark.parametrize("token", ["", "x", "A" * 36, "A" * 5000, "a.b", "%41", "\xe9", "\xff" * 36, "a/b"])
def test_a_bad_pixel_gets_the_same_bytes_and_is_not_recorded(collector: Collector, token: str) -> None:
    request = "GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    def answer(path: str) -> bytes:
        return collector.raw(request.format(path).encode("latin-1"))

    # The date moves on; within one second the bytes are the same.
    assert until(lambda: answer(collector.pixel()) == answer(f"/o/{token}.gif"))
    assert {collector.pixel()} == {f"/o/{hit.token}.gif" for hit in collector.hits()}


def test_a_link_s_token_is_no_pixel_and_a_pixel_s_token_is_no_link(collector: Collector) -> None:
    pixel, link = collector.pixel(), collector.link()

    assert collector.ask(link.replace("/c/", "/o/") + ".gif")[0] == 200
    assert collector.ask(pixel.replace("/o/", "/c/").removesuffix(".gif"))[0] == 404
    assert [] == collector.hits()


def test_head_is_answered_like_get_without_the_picture_and_recorded_as_head(collector: Collector) -> None:
    get, head = collector.ask(collector.pixel()), collector.ask(collector.pixel(), "HEAD")

    assert b"" == head[2]
    assert {**get[1], "Date": ""} == {**head[1], "Date": ""}
    assert ["GET", "HEAD"] == [hit.method for hit in collector.hits()]


def test_conditional_and_range_requests_get_the_whole_picture(collector: Collector) -> None:
    asked = collector.ask(collector.pixel(), Range="bytes=0-1", If_None_Match="*", If_Modified_Since="x")

    assert (200, GIF) == (asked[0], asked[2])


def test_query_strings_are_ignored(collector: Collector) -> None:
    assert collector.ask(collector.pixel() + "?a=b/c.png")[0] == 200
    assert collector.ask(collector.link() + "?utm_source=x")[1]["Location"] == LOCATION
    assert len(collector.hits()) == 2


# Links


def test_a_link_leads_where_it_led_and_is_recorded(collector: Collector) -> None:
    status, headers, body = collector.ask(collector.link())

    assert (302, LOCATION, b"") == (status, headers["Location"], body)
    assert "no-referrer" == headers["Referrer-Policy"]
    assert "no-store" in headers["Cache-Control"]
    assert [collector.link()] == [f"/c/{hit.token}" for hit in collector.hits()]


@pytest.mark.parametrize(
    "damage", ["{}x", "{}=", "{})", "{}.", "{}/", "{}=3D", "{}%20", "x{}", "{}{}", "/https://evil.example"]
)
def test_a_damaged_link_gets_a_neutral_page_without_a_link(collector: Collector, damage: str) -> None:
    token = collector.link().removeprefix("/c/")
    status, headers, body = collector.ask("/c/" + damage.format(token, token))

    assert status == 404
    assert "Location" not in headers
    assert not any(word in body.lower() for word in (b"href", b"http:", b"https:", b"evil", b"unsealed", b"<a"))
    assert [] == collector.hits()


def test_head_on_a_link_redirects_and_is_recorded_as_head(collector: Collector) -> None:
    assert (302, LOCATION) == (
        collector.ask(collector.link(), "HEAD")[0],
        collector.ask(collector.link())[1]["Location"],
    )
    assert ["HEAD", "GET"] == [hit.method for hit in collector.hits()]


# Everything else


@pytest.mark.parametrize(
    "path", ["/", "/index.html", "/o/", "/o/x", "/c", "/admin", "/o", "/c/", "/favicon.ico", "//", "/O/x.gif"]
)
def test_nothing_else_lives_here(collector: Collector, path: str) -> None:
    assert collector.ask(path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "X"])
def test_other_methods_change_nothing(collector: Collector, method: str) -> None:
    assert collector.ask(collector.pixel(), method, Content_Length="0")[0] == 405
    assert collector.ask(collector.link(), method, Content_Length="0")[1]["Allow"] == "GET, HEAD"
    assert collector.ask("/healthz", method, Content_Length="0")[0] == 404
    assert [] == collector.hits()


BACK = "https://mail.example/settings?tab=devices"


@pytest.mark.parametrize(
    ("https", "guard"), [(True, "HttpOnly; SameSite=None; Secure"), (False, "HttpOnly; SameSite=Lax")]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_browser_of_the_sender_s_is_given_its_cookie_and_sent_back(
    start: Start, https: bool, guard: str, method: str
) -> None:
    collector = start(https=https)
    status, headers, body = collector.ask(f"/me/{seal_device(collector.ring, 1, 77, BACK)}", method)

    assert (303, b"", BACK) == (status, body, headers["Location"])
    cookie, _, attributes = headers["Set-Cookie"].partition("; ")
    name, _, value = cookie.partition("=")
    assert (name, f"Max-Age=34560000; Path=/; {guard}") == ("unsealed_me", attributes)
    assert open_device(collector.ring, value) == (77, "")
    assert "no-store" in headers["Cache-Control"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert collector.hits() == []


def test_no_other_token_gives_a_cookie(collector: Collector) -> None:
    good = seal_device(collector.ring, 1, 77, BACK)
    kept = seal_device(collector.ring, 1, 77, "")
    pixel, link = collector.pixel()[3:-4], collector.link()[3:]
    for token in (kept, pixel, link, good[:-1], f"{good}=", good.swapcase(), "", "AQ", "%0d%0a"):
        status, headers, body = collector.ask(f"/me/{token}")
        assert (404, False, False) == (status, "Set-Cookie" in headers, "Location" in headers)
        assert b"Not found" in body
    assert collector.ask(f"/me/{good}", "POST")[0] == 404


def test_a_device_s_token_is_neither_pixel_nor_link(collector: Collector) -> None:
    token = seal_device(collector.ring, 1, 77, BACK)

    assert collector.ask(f"/c/{token}")[0] == 404
    assert collector.ask(f"/o/{token}.gif")[0] == 200
    assert collector.hits() == []


def test_a_recipient_is_never_given_a_cookie(collector: Collector) -> None:
    mine = f"unsealed_me={seal_device(collector.ring, 1, 77, '')}"
    for path in (collector.pixel(), collector.link(), "/o/x.gif", "/c/x", "/", "/robots.txt", "/healthz"):
        for method in ("GET", "HEAD", "POST"):
            for sent in ({}, {"Cookie": mine}):
                assert "Set-Cookie" not in collector.ask(path, method, **sent)[1]


@pytest.mark.parametrize(
    ("cookie", "device"),
    [
        ("unsealed_me=AQEd-_9", "AQEd-_9"),
        ("a=b; unsealed_me=AQEd; c=d", "AQEd"),
        ("a=b;unsealed_me=AQEd", "AQEd"),
        ("unsealed_me=AQEd; unsealed_me=other", "AQEd"),
        ("unsealed_me=" + "A" * 128, "A" * 128),
        ("unsealed_me=" + "A" * 129, ""),
        ("unsealed_me=A=", ""),
        ('unsealed_me="AQEd"', ""),
        ("unsealed_me=AQ\u00e9d", ""),
        ("unsealed_me=AQ\x01d", ""),
        ("unsealed_me=A Q", ""),
        ("unsealed_me=", ""),
        ("unsealed_me", ""),
        ("unsealed_meA=AQEd", ""),
        ("xunsealed_me=AQEd", ""),
        ("Unsealed_Me=AQEd", ""),
        ("session=secret", ""),
        (";;;=;", ""),
    ],
)
def test_of_cookies_only_what_may_be_ours_is_recorded(collector: Collector, cookie: str, device: str) -> None:
    for path in (collector.pixel(), collector.link()):
        assert collector.ask(path, Cookie=cookie)[0] in (200, 302)

    assert [device, device] == [hit.device for hit in collector.hits()]


def test_robots_are_kept_out(collector: Collector) -> None:
    assert (200, b"User-agent: *\nDisallow: /\n") == collector.ask("/robots.txt")[::2]


def test_any_host_name_is_served_tracking_paths_alone(collector: Collector) -> None:
    assert collector.ask(collector.pixel(), Host="evil.example")[0] == 200
    assert collector.ask("/", Host="admin.example")[0] == 404


def test_health_is_green_with_counters_for_this_machine_and_without_for_others(start: Start) -> None:
    collector = start(trusted=("127.0.0.1/32",))
    collector.ask(collector.pixel())
    collector.ask("/o/x.gif")
    status, headers, body = collector.ask("/healthz")
    here = json.loads(body)

    assert (200, "application/json") == (status, headers["Content-Type"])
    assert (True, "main", "writable", 1, 0, 1) == tuple(
        here[name] for name in ("ok", "collector", "journal", "hits", "misses", "bad_tokens")
    )
    away = json.loads(collector.ask("/healthz", X_Forwarded_For="192.0.2.1")[2])
    assert {"ok": True, "role": "collect", "reasons": []} == away


# What is recorded


def test_health_is_red_on_a_full_disk_although_hits_are_still_recorded(start: Start) -> None:
    collector = start(free_bytes=2**62)

    assert 200 == collector.ask(collector.pixel())[0]
    status, _, body = collector.ask("/healthz")

    assert 503 == status
    assert ["the disk of the journal is full; what it has set aside will not last"] == json.loads(body)["reasons"]
    assert 1 == len(collector.hits())


def test_every_field_is_recorded_bounded_and_printable(collector: Collector) -> None:
    collector.ask(
        collector.pixel(),
        User_Agent="a\x01b\x7f" + "x" * 600,
        Accept_Language="de,en;q=0.5",
        Referer="https://ann:secret@Mail.Example:8443/inbox?q=1",
        Sec_Purpose="prefetch",
        Purpose="preview",
        Sec_Fetch_Site="cross-site",
        Sec_Fetch_Mode="no-cors",
        Sec_Fetch_Dest="image",
    )

    (hit,) = collector.hits()
    assert hit.user_agent == ("a\\x01b\\x7f" + "x" * 600)[:512]
    assert hit.accept_language == "de,en;q=0.5"
    assert hit.referer_host == "mail.example"
    assert hit.prefetch == "prefetch"
    assert hit.sec_fetch == "cross-site/no-cors/image/"


@pytest.mark.parametrize(
    ("written", "recorded"),
    [
        (b"plain", "plain"),
        (b"", ""),
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("latin-1"), "Grüße"),
        (b"\xff\xfe", "ÿþ"),
        ("\u202egnp".encode(), "\\u202egnp"),
        ("é".encode() * 300, "é" * 256),
        (b"x" + "é".encode() * 300, "x" + "é" * 255),
        (b"\x1b[31m\t", "\\x1b[31m"),
        (b"a\tb", "a\\tb"),
    ],
)
def test_a_text_is_recorded_as_it_can_be_shown(collector: Collector, written: bytes, recorded: str) -> None:
    request = b"GET %b HTTP/1.0\r\nUser-Agent: %b\r\n\r\n" % (collector.pixel().encode(), written)
    assert collector.raw(request).startswith(b"HTTP/1.1 200 ")

    assert [recorded] == [hit.user_agent for hit in collector.hits()]


@pytest.mark.parametrize(
    ("referer", "host"),
    [
        ("https://mail.example", "mail.example"),
        ("https://[2001:db8::1]:8443/a", "[2001:db8::1]"),
        ("https://a.example?b@c", "a.example"),
        ("android-app://com.google.android.gm/", "com.google.android.gm"),
        ("about:blank", ""),
        ("/inbox", ""),
    ],
)
def test_of_a_referer_only_the_host_is_recorded(collector: Collector, referer: str, host: str) -> None:
    collector.ask(collector.pixel(), Referer=referer)

    assert [host] == [hit.referer_host for hit in collector.hits()]


def test_a_stranger_cannot_write_its_address(collector: Collector) -> None:
    collector.ask(collector.pixel(), X_Forwarded_For="198.51.100.1")

    assert ["127.0.0.1"] == [hit.address for hit in collector.hits()]


def test_a_trusted_proxy_tells_the_address_also_in_several_lines(start: Start) -> None:
    collector = start(trusted=("127.0.0.0/8",))
    collector.ask(collector.pixel(), X_Forwarded_For="203.0.113.9, 198.51.100.1")
    collector.raw(
        b"GET %b HTTP/1.0\r\nX-Forwarded-For: 203.0.113.9\r\nx-forwarded-for: 198.51.100.2\r\n\r\n"
        % collector.pixel().encode()
    )
    collector.ask(collector.pixel())

    assert ["198.51.100.1", "198.51.100.2", "127.0.0.1"] == [hit.address for hit in collector.hits()]


def test_the_private_socket_is_believed(collector: Collector) -> None:
    for header in (b"", b"X-Forwarded-For: 66.249.84.1\r\n"):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(DEADLINE_S)
            sock.connect(str(collector.private))
            sock.sendall(b"GET %b HTTP/1.0\r\n%b\r\n" % (collector.pixel().encode(), header))
            assert receive(sock).endswith(GIF)

    assert ["", "66.249.84.1"] == [hit.address for hit in collector.hits()]


# HTTP


def test_a_connection_is_kept_and_pipelined_answers_keep_their_order(collector: Collector) -> None:
    paths = [collector.pixel(), collector.link(), "/robots.txt", "/c/bad", "/o/bad.gif", "/healthz"] * 40
    sent = b"".join(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode() for path in paths)
    with collector.connect() as sock:
        sock.sendall(sent + b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answers = receive(sock)

    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answers)]
    assert [200, 302, 200, 404, 200, 200] * 40 + [404] == statuses
    assert len(collector.hits()) == 80


def test_a_request_may_come_in_pieces(collector: Collector) -> None:
    request = b"\r\nGET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % collector.pixel().encode()
    with collector.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request:
            sock.sendall(bytes([byte]))
        assert receive(sock).endswith(GIF)

    assert len(collector.hits()) == 1


def test_a_client_that_ends_its_side_still_gets_its_answers(collector: Collector) -> None:
    with collector.connect() as sock:
        sock.sendall(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % collector.pixel().encode() * 5)
        sock.shutdown(socket.SHUT_WR)
        assert receive(sock).count(GIF) == 5


def test_old_clients_are_answered_and_the_connection_closed(collector: Collector) -> None:
    answer = collector.raw(b"GET %b HTTP/1.0\r\n\r\n" % collector.pixel().encode())

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(GIF)


def test_a_request_through_a_proxy_names_the_whole_address(collector: Collector) -> None:
    answer = collector.raw(
        b"GET http://t.example%b HTTP/1.1\r\nHost: t.example\r\nConnection: close\r\n\r\n" % collector.pixel().encode()
    )

    assert answer.endswith(GIF)
    assert len(collector.hits()) == 1


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",  # TLS at the wrong door
        b"GET\r\n\r\n",
        b"GET PATH\r\n\r\n",
        b"GET  PATH HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET PATH HTTP/1.1 x\r\nHost: x\r\n\r\n",
        b"GET PATH HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET PATH http/1.1\r\nHost: x\r\n\r\n",
        b"GET PATH HTTP/1.1\r\n\r\n",  # RFC 9112 §3.2: no Host
        b"GET PATH HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET PATH HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET PATH HTTP/1.1\r\nHost: x\r\nA\r\n\r\n",
        b"GET PATH HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n",
        b"GET PATH HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n",
        b"GET PATH HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
        b"GET PATH HTTP/1.1\r\nHost: x\r\nA: b\nC: d\r\n\r\n",
        b"GET PATH HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n",
        b"GET PATH HTTP/1.1\r\nHost: x\r\nA: b\0\r\n\r\n",
        b"GET PATH HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        b"GET PATH HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n",
        b"GET PATH HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        b"GET PATH HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET PATH HTTP/1.1\r\nHost: x\r\ntransfer-encoding:\tidentity\r\n\r\n",
        b"GET PATH HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n",
        b"POST PATH HTTP/1.1\r\nHost: x\r\nContent-Length: 48\r\n\r\nGET PATH HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_no_request_of_ours_is_refused_and_nothing_behind_it_is_read(
    collector: Collector, request_: bytes
) -> None:
    follower = b"GET PATH HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = collector.raw((request_ + follower).replace(b"PATH", collector.pixel().encode()))

    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert [] == collector.hits()


@pytest.mark.parametrize("before", [b"", b"\r\n", b"\n", b"\r\n\r\n"], ids=["nothing", "line", "newline", "two lines"])
def test_a_request_that_came_before_is_understood_in_the_same_way(collector: Collector, before: bytes) -> None:
    pixel, link = collector.pixel().encode(), collector.link().encode()
    kept = b"%b HTTP/1.1\r\nHost: t\r\n\r\n"
    last = b"%b HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
    for _ in range(3):
        for path, status in ((pixel, b"HTTP/1.1 200 OK"), (link, b"HTTP/1.1 302 Found")):
            with collector.connect() as sock:
                for _ in range(2):  # the second meets all that is remembered
                    sock.sendall(before + b"GET " + kept % path)
                    assert sock.recv(65536).startswith(status)
                sock.sendall(before + b"HEAD " + last % path)
                assert receive(sock).startswith(status)
            assert collector.raw(before + b"GET " + path + b" HTTP/1.0\r\n\r\n").startswith(status)
            assert collector.raw(b"GET " + path + b" HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400")

    assert Counter(hit.method for hit in collector.hits()) == {"GET": 18, "HEAD": 6}
    assert {hit.token for hit in collector.hits()} == {pixel[3:-4].decode(), link[3:].decode()}


def test_an_address_behind_a_proxy_is_that_of_each_request(start: Start) -> None:
    collector = start(trusted=("127.0.0.1/32",))
    with collector.connect() as sock:
        for number in (1, 2, 1, 3, 3):
            sock.sendall(
                f"GET {collector.pixel()} HTTP/1.1\r\nHost: t\r\nX-Forwarded-For: 192.0.2.{number}\r\n\r\n".encode()
            )
            assert sock.recv(65536).startswith(b"HTTP/1.1 200")

    assert [f"192.0.2.{number}" for number in (1, 2, 1, 3, 3)] == [hit.address for hit in collector.hits()]


def test_a_body_of_no_bytes_is_no_body(collector: Collector) -> None:
    assert collector.ask(collector.pixel(), Content_Length="0")[0] == 200


# Limits


@pytest.mark.parametrize("ended", [True, False])
def test_a_head_of_more_than_32_kb_is_refused(collector: Collector, ended: bool) -> None:
    start = b"GET %b HTTP/1.1\r\nHost: x\r\nA: " % collector.pixel().encode()
    fits = start.ljust(32 * 1024 - 64, b"a") + b"\r\nConnection: close\r\n\r\n"
    too_long = start.ljust(33 * 1024, b"a") + (b"\r\n\r\n" if ended else b"")

    assert collector.raw(fits).startswith(b"HTTP/1.1 200 ")
    answer = collector.raw(too_long)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"Connection: close" in answer


def test_a_flood_of_headers_ends_early(collector: Collector) -> None:
    sent = 0
    with collector.connect() as sock, contextlib.suppress(ConnectionError):
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        while sent < 200 * 2**20:
            sock.sendall(b"A: " + b"a" * 65536 + b"\r\n")
            sent += 65536

    assert sent < 20 * 2**20  # mostly what the buffers of both sockets hold
    assert collector.ask(collector.pixel())[0] == 200


def gone(sock: socket.socket) -> bool:
    """Whether the collector closed its side."""
    sock.setblocking(False)
    try:
        return sock.recv(65536) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_half_open_connections_are_closed_and_do_not_slow_good_ones(start: Start) -> None:
    collector = start(head_s=2.0)
    silent = [collector.connect() for _ in range(1500)]
    for number, sock in enumerate(silent):
        if number % 3:
            sock.sendall(b"GET /o/x.gif HTTP/1.1\r\nHost: x\r\nA: "[: 10 + number % 30])
    dripping = silent[1]
    slowest_s = 0.0

    def all_gone() -> bool:
        nonlocal slowest_s
        began = time.perf_counter()
        assert collector.ask(collector.pixel())[0] == 200
        slowest_s = max(slowest_s, time.perf_counter() - began)
        with contextlib.suppress(OSError):
            dripping.sendall(b"x")  # a byte now and then does not help
        return collector.health()["connections"] == 1

    assert until(all_gone)
    assert all(gone(sock) for sock in silent if sock is not dripping)
    assert slowest_s < 1.0  # on a busy machine; usually 2 ms


def test_with_the_limits_of_every_day_they_are_gone_after_thirty_seconds(collector: Collector) -> None:
    silent = [collector.connect() for _ in range(1500)]
    for sock in silent[::2]:
        sock.sendall(b"GET /o/x.gif HTTP/1.1\r\n")
    began = time.monotonic()
    assert until(lambda: collector.health()["connections"] == 1)
    assert time.monotonic() - began < 30
    assert all(gone(sock) for sock in silent)


def test_an_idle_connection_is_closed(start: Start) -> None:
    collector = start(idle_s=1.0)
    with collector.connect() as sock:
        sock.sendall(b"GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in sock.recv(65536)
        assert until(lambda: gone(sock))


def test_a_client_that_does_not_read_its_answers_is_closed(start: Start) -> None:
    collector = start(idle_s=1.0)
    request = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(DEADLINE_S)
        sock.connect(("127.0.0.1", collector.port))
        sock.setblocking(False)

        def closed() -> bool:
            try:
                sock.send(request * 200)
            except BlockingIOError:
                return False
            except ConnectionError:
                return True
            return False

        assert until(closed)
    assert collector.ask(collector.pixel())[0] == 200


def test_when_there_are_too_many_the_oldest_silent_one_makes_room(start: Start) -> None:
    collector = start(connections=20)
    silent = [collector.connect() for _ in range(40)]

    assert collector.ask(collector.pixel())[0] == 200
    assert until(lambda: sum(gone(sock) for sock in silent) >= 20)
    assert not gone(silent[-1])


def test_one_address_cannot_take_all_connections(start: Start) -> None:
    collector = start(connections_per_address=5)
    speaking = [collector.connect() for _ in range(5)]
    for sock in speaking:
        sock.sendall(b"GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in sock.recv(65536)
    with collector.connect() as one_more:
        assert until(lambda: gone(one_more))

    with socket.socket() as elsewhere:
        elsewhere.settimeout(DEADLINE_S)
        elsewhere.bind(("127.0.0.2", 0))
        elsewhere.connect(("127.0.0.1", collector.port))
        elsewhere.sendall(b"GET /robots.txt HTTP/1.0\r\n\r\n")
        assert b"200 OK" in receive(elsewhere)


def test_few_file_descriptors_lower_the_number_of_connections(start: Start) -> None:
    collector = start(files=128)
    for _ in range(200):
        collector.connect()

    assert collector.ask(collector.pixel())[0] == 200


# Ending and starting again


def test_sigterm_answers_what_was_asked_and_ends(collector: Collector) -> None:
    with collector.connect() as sock:
        sock.sendall(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % collector.pixel().encode())
        assert GIF in sock.recv(65536)
        os.kill(collector.process.pid or 0, signal.SIGTERM)
        collector.process.join(DEADLINE_S)
        assert collector.process.exitcode == 0
        assert gone(sock)
        assert collector.private.exists()  # its path belongs to whoever opened the socket

    assert len(collector.hits()) == 1


def test_a_second_collector_on_the_same_journal_does_not_start(collector: Collector, tmp_path: Path) -> None:
    settings = CollectSettings(sockets=(), journal=collector.journal, collector="main", keys=collector.ring, clock=_now)
    process = multiprocessing.get_context("fork").Process(target=run, args=(settings,))
    process.start()
    process.join(DEADLINE_S)

    assert process.exitcode not in (0, None)
    assert collector.ask(collector.pixel())[0] == 200
