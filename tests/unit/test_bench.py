from __future__ import annotations

import asyncio
import re
import socket
from email import message_from_bytes, policy
from pathlib import Path
from time import perf_counter

import pytest
from bench import messages, run
from bench.hits import fire, pixel_path
from bench.sender import send
from bench.sink import Sink
from bench.table import Table, middle, number, percentile
from tests.patience import PATIENCE_S

LINK = re.compile(rb'<(?:a|v:roundrect)\b[^>]*? href="https://')


@pytest.mark.parametrize(("size", "links"), [(55_000, 30), (200_000, 30), (20_000, 6)])
def test_the_newsletter_has_exactly_the_stated_size_and_links(size: int, links: int) -> None:
    html = messages.newsletter_html(size, links)

    assert (size, links) == (len(html), len(LINK.findall(html)))
    assert b"\n" not in html.replace(b"\r\n", b"")


def test_the_newsletter_is_as_dense_as_real_ones_and_always_the_same() -> None:
    html = messages.newsletter_html()

    assert html == messages.newsletter_html()
    assert 15 < 1000 * len(re.findall(rb"</?[a-z]", html)) / len(html) < 19
    assert 1.0 < 1000 * html.count(b"<!--[if") / len(html) < 1.5
    assert 5 == html.count(b"<v:roundrect")


def test_links_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(ValueError, match="30 links do not fit into 9000 bytes"):
        messages.newsletter_html(9_000, 30)


def test_a_reader_of_messages_finds_the_newsletter_again() -> None:
    html = messages.newsletter_html()
    part = message_from_bytes(messages.newsletter(html), policy=policy.SMTP).get_body(("html",))

    assert part is not None
    assert html.replace(b"\r\n", b"\n").rstrip() == part.get_content().encode().replace(b"\r\n", b"\n").rstrip()


@pytest.mark.parametrize("size", [2_000, 50_000])
def test_a_letter_has_exactly_the_stated_size_and_two_links(size: int) -> None:
    letters = [messages.letter(size, number=number) for number in range(3)]

    assert [size, size, size] == [len(letter) for letter in letters]
    assert 3 == len(set(letters))
    part = message_from_bytes(letters[0], policy=policy.SMTP).get_body(("html",))
    assert part is not None
    assert 2 == part.get_content().count("<a href=")


def test_hostile_input_has_about_the_stated_size() -> None:
    found = messages.hostile(50_000) | messages.flood(50_000)

    assert not {name: len(raw) for name, raw in found.items() if not 48_000 <= len(raw) <= 51_000}


def test_a_table_is_markdown() -> None:
    table = Table(columns=("what", "a", "b"))
    table.add("one", "1", "2")

    assert "| what | a | b |\n| --- | ---: | ---: |\n| one | 1 | 2 |\n" == table.markdown()
    with pytest.raises(ValueError, match="2 cells for 3 columns"):
        table.add("one", "1")


@pytest.mark.parametrize(
    ("value", "shown"), [(14_238.0, "14,240"), (999.6, "1,000"), (87.4, "87"), (3.14, "3.1"), (0.418, "0.42")]
)
def test_figures_have_no_more_digits_than_they_mean(value: float, shown: str) -> None:
    assert shown == number(value)


def test_a_median_comes_with_its_range() -> None:
    assert ("3.0 (1.00 to 9.0)", "5.0") == (middle([9, 1, 3]), middle([5]))


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(1, 101)]

    assert (50.0, 99.0, 100.0, 1.0) == tuple(percentile(values, share) for share in (0.5, 0.99, 1.0, 0.0))


def test_the_sink_takes_and_counts_every_message() -> None:
    mails = [messages.letter(2_000, number=number) for number in range(20)]
    with Sink() as sink:
        sent = send(sink.port, [*mails, b"Subject: dots\r\n\r\n.\r\n..\r\n"], connections=3)

        assert (21, 21, 21) == (sink.taken(), sent.messages, len(sent.waits_s))


def test_hits_come_at_the_asked_rate_and_every_answer_is_told() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (await reader.readline()).startswith(b"GET /o/"):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nGIF")
        writer.close()
        await writer.wait_closed()

    async def measure() -> dict[int, float]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        told: dict[int, float] = {}
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(PATIENCE_S):
            await fire(port, [b"/o/x.gif"] * 50, rate=500, answered=told.__setitem__)
            server.close()
            await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
        return told

    begun = perf_counter()
    told = asyncio.run(measure())

    assert set(range(50)) == set(told)
    assert max(told.values()) - begun >= 49 / 500


def test_the_pixel_of_a_copy_is_found_behind_soft_line_ends() -> None:
    raw = b'<p>x</p><img src=3D"http://127.0.0.1:8026/o/abc=\r\ndef.gif" alt=3D"">'

    assert b"/o/abcdef.gif" == pixel_path(raw)


def test_the_facts_name_no_host_and_no_path() -> None:
    facts = run.facts().markdown()

    assert {"processor", "memory", "kernel", "Python", "file system"} <= set(re.findall(r"^\| (.+?) \|", facts, re.M))
    assert socket.gethostname() not in facts
    assert str(Path.cwd()) not in facts
