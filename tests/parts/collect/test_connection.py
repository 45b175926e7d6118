"""HTTP, and the limits against slow and fat clients."""

from __future__ import annotations

import contextlib
import re
import socket
from collections import Counter

import pytest
from tests.parts.collect.conftest import GIF, Collector, Start, gone, receive, until
from tests.patience import PATIENCE_S

from unsealed.inlets.collect.settings import Limits

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


REFUSED = [
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
]


def test_what_is_no_request_of_ours_is_refused_and_nothing_behind_it_is_read(collector: Collector) -> None:
    follower = b"GET PATH HTTP/1.1\r\nHost: x\r\n\r\n"
    for request in REFUSED:
        answer = collector.raw((request + follower).replace(b"PATH", collector.pixel().encode()))

        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n"), request
        assert answer.count(b"HTTP/1.1 ") == 1, request
        assert [] == collector.hits(), request


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


def half_open(collector: Collector) -> list[socket.socket]:
    """Connections of which some say nothing, and some begin to ask."""
    silent = [collector.connect() for _ in range(1500)]
    for number, sock in enumerate(silent):
        if number % 3:
            sock.sendall(b"GET /o/x.gif HTTP/1.1\r\nHost: x\r\nA: "[: 10 + number % 30])
    return silent


def test_half_open_connections_keep_good_ones_from_nothing(start: Start) -> None:
    collector = start(head_s=PATIENCE_S)
    silent = half_open(collector)

    assert [200] * 20 == [collector.ask(collector.pixel())[0] for _ in range(20)]
    assert len(silent) + 1 == collector.health()["connections"]


def test_half_open_connections_are_closed_and_a_byte_now_and_then_does_not_help(start: Start) -> None:
    collector = start(head_s=2.0)
    silent = half_open(collector)
    dripping = silent[1]

    def all_gone() -> bool:
        with contextlib.suppress(OSError):
            dripping.sendall(b"x")
        with contextlib.suppress(ConnectionError):  # we were too slow as well
            return collector.health()["connections"] == 1
        return False

    assert until(all_gone)
    assert all(gone(sock) for sock in silent if sock is not dripping)


def test_with_the_limits_of_every_day_they_are_closed_within_half_a_minute(collector: Collector) -> None:
    assert Limits().head_s < 30
    silent = half_open(collector)

    assert until(lambda: collector.health()["connections"] == 1)
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
        sock.settimeout(PATIENCE_S)
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
    collector = start(connections=20, head_s=PATIENCE_S)
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
        elsewhere.settimeout(PATIENCE_S)
        elsewhere.bind(("127.0.0.2", 0))
        elsewhere.connect(("127.0.0.1", collector.port))
        elsewhere.sendall(b"GET /robots.txt HTTP/1.0\r\n\r\n")
        assert b"200 OK" in receive(elsewhere)


def test_few_file_descriptors_lower_the_number_of_connections(start: Start) -> None:
    collector = start(files=128)
    for _ in range(200):
        collector.connect()

    assert collector.ask(collector.pixel())[0] == 200
