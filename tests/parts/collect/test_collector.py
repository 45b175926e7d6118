"""What is answered and recorded."""

from __future__ import annotations

import json
import socket
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.collector import command
from tests.parts.collect.conftest import GIF, LOCATION, Collector, Start, gone, receive, until
from tests.patience import PATIENCE_S

from unsealed.core.token import open_device, seal_device

# Pixels


def test_a_pixel_is_answered_with_the_picture_and_recorded(collector: Collector) -> None:
    before = datetime.now(UTC)
    status, headers, body = collector.ask(collector.pixel(), User_Agent="Thunderbird", Accept="image/*")

    assert (200, GIF) == (status, body)
    assert len(body) == 43
    assert "image/gif" == headers["Content-Type"]
    assert "no-cache, no-store, max-age=0, must-revalidate, private" == headers["Cache-Control"]
    assert ("no-cache", "Thu, 01 Jan 1970 00:00:00 GMT") == (headers["Pragma"], headers["Expires"])
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


def test_a_bad_pixel_gets_the_same_bytes_and_is_not_recorded(collector: Collector) -> None:
    request = "GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    def answer(path: str) -> bytes:
        return collector.raw(request.format(path).encode("latin-1"))

    def is_the_same(token: str) -> bool:
        """The date moves on; within one second the bytes are the same."""
        return until(lambda: answer(collector.pixel()) == answer(f"/o/{token}.gif"))

    tokens = ["", "x", "A" * 36, "A" * 5000, "a.b", "%41", "\xe9", "\xff" * 36, "a/b"]
    assert [] == [token for token in tokens if not is_the_same(token)]
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
    for path in collector.pixel(), collector.link():
        usual, other = (collector.ask(path + query, User_Agent="x") for query in ("", "?utm_source=b/c.png"))
        one, two = collector.hits()[-2:]

        assert (usual[0], usual[2], usual[1].get("Location")) == (other[0], other[2], other[1].get("Location"))
        assert one == replace(two, at=one.at)
        assert one.token in path


# Links


def test_a_link_leads_where_it_led_and_is_recorded(collector: Collector) -> None:
    status, headers, body = collector.ask(collector.link())

    assert (302, LOCATION, b"") == (status, headers["Location"], body)
    assert "no-referrer" == headers["Referrer-Policy"]
    assert "no-store" in headers["Cache-Control"]
    assert [collector.link()] == [f"/c/{hit.token}" for hit in collector.hits()]


DAMAGES = ["{}x", "{}=", "{})", "{}.", "{}/", "{}=3D", "{}%20", "x{}", "{}{}", "/https://evil.example"]


def test_a_damaged_link_gets_a_neutral_page_without_a_link(collector: Collector) -> None:
    token = collector.link().removeprefix("/c/")
    for damage in DAMAGES:
        status, headers, body = collector.ask("/c/" + damage.format(token, token))

        assert (404, False) == (status, "Location" in headers), damage
        told = [word for word in (b"href", b"http:", b"https:", b"evil", b"unsealed", b"<a") if word in body.lower()]
        assert [] == told, damage
    assert [] == collector.hits()


def test_head_on_a_link_redirects_and_is_recorded_as_head(collector: Collector) -> None:
    assert (302, LOCATION) == (
        collector.ask(collector.link(), "HEAD")[0],
        collector.ask(collector.link())[1]["Location"],
    )
    assert ["HEAD", "GET"] == [hit.method for hit in collector.hits()]


# Everything else


def test_nothing_else_lives_here(collector: Collector) -> None:
    paths = ["/", "/index.html", "/o/", "/o/x", "/c", "/admin", "/o", "/c/", "/favicon.ico", "//", "/O/x.gif"]

    assert dict.fromkeys(paths, 404) == {path: collector.ask(path)[0] for path in paths}


def test_other_methods_change_nothing(collector: Collector) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "X"):
        assert collector.ask(collector.pixel(), method, Content_Length="0")[0] == 405, method
        assert collector.ask(collector.link(), method, Content_Length="0")[1]["Allow"] == "GET, HEAD", method
        assert collector.ask("/healthz", method, Content_Length="0")[0] == 404, method
        assert [] == collector.hits(), method


BACK = "https://mail.example/settings?tab=devices"


@pytest.mark.parametrize(
    ("https", "guard"), [(True, "HttpOnly; SameSite=None; Secure"), (False, "HttpOnly; SameSite=Lax")]
)
def test_a_browser_of_the_sender_s_is_given_its_cookie_and_sent_back(start: Start, https: bool, guard: str) -> None:
    collector = start(https=https)
    for method in ("GET", "HEAD"):
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
            sock.settimeout(PATIENCE_S)
            sock.connect(str(collector.private))
            sock.sendall(b"GET %b HTTP/1.0\r\n%b\r\n" % (collector.pixel().encode(), header))
            assert receive(sock).endswith(GIF)

    assert ["", "66.249.84.1"] == [hit.address for hit in collector.hits()]


# Ending and starting again


def test_sigterm_answers_what_was_asked_and_ends(collector: Collector) -> None:
    with collector.connect() as sock:
        sock.sendall(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % collector.pixel().encode())
        assert GIF in sock.recv(65536)
        collector.process.terminate()
        assert 0 == collector.process.wait(PATIENCE_S)
        assert gone(sock)
        assert collector.private.exists()  # its path belongs to whoever opened the socket

    assert len(collector.hits()) == 1


def test_a_second_collector_on_the_same_journal_does_not_start(collector: Collector, tmp_path: Path) -> None:
    second = subprocess.run(command(tmp_path, 2, limits={}), stderr=subprocess.PIPE, timeout=PATIENCE_S, check=False)

    assert 0 != second.returncode
    assert b"another process writes this journal" in second.stderr
    assert collector.ask(collector.pixel())[0] == 200
