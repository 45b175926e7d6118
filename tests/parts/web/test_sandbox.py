from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

import pytest
from sqlalchemy import Engine, select, update
from tests.patience import serving

from unsealed.core.token import seal_click, seal_pixel
from unsealed.inlets.web import looks, sandbox
from unsealed.inlets.web.surroundings import Surroundings
from unsealed.model.message import CopyId, MessageId, public_id
from unsealed.model.policy import Level
from unsealed.store import schema

Mail = dict[str, MessageId]
BASE = "http://127.0.0.1:8026"


class Collector(ThreadingMixIn, UnixStreamServer):
    """Stands in for the collector: notes what it is asked for."""

    def __init__(self, path: Path) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        super().__init__(str(path), Asked)


class Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Collector

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers.items())))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def collector(around: Surroundings) -> Iterator[Collector]:
    server = Collector(around.collector_socket)
    with serving(server):
        yield server


def tracked(around: Surroundings, copy: CopyId) -> tuple[bytes, str, list[str]]:
    """A delivered copy with a picture and two links of its own, and a picture of another copy in its quote."""
    pixel = f"/o/{seal_pixel(around.keys, 0, copy, Level.FULL)}.gif"
    foreign = f"/o/{seal_pixel(around.keys, 0, CopyId(7), Level.FULL)}.gif"
    links = [
        f"/c/{seal_click(around.keys, 0, copy, Level.FULL, position, f'https://tidewater.example/{position}')}"
        for position in (0, 1)
    ]
    mail = EmailMessage()
    mail["Subject"] = "Proposal"
    mail.set_content("text")
    mail.add_alternative(
        f'<a href="{BASE}{links[0]}">Pricing</a><a href="{BASE}{links[1]}">Plan</a><img src="{BASE}{pixel}">'
        f'<blockquote><img src="{BASE}{foreign}"><img src="{BASE}/o/forged.gif"></blockquote>',
        subtype="html",
    )
    return mail.as_bytes(), pixel, links


@pytest.fixture(autouse=True)
def _no_judge_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "LOOKS", 1)


@pytest.fixture
def copy(engine: Engine, mail: Mail, around: Surroundings) -> CopyId:
    """Ines's copy of the proposal, lying in the sandbox with working tokens."""
    with engine.begin() as connection:
        number = CopyId(
            connection.execute(
                select(schema.copies.c.id).where(
                    schema.copies.c.message_id == mail["proposal"], schema.copies.c.position == 0
                )
            ).scalar_one()
        )
        raw, _, _ = tracked(around, number)
        connection.execute(update(schema.sandbox).where(schema.sandbox.c.copy_id == number).values(raw=raw))
    return number


async def test_the_mailbox_shows_the_letter_and_what_can_be_done_with_it(mara: Any, copy: CopyId) -> None:
    body = (await mara.get(f"/sandbox/{public_id(copy)}")).text

    assert "The copy for Ines Marchetti" in body
    others = [name for group, names in looks.READERS.items() if group != "Usual" for name in names]
    assert re.findall(r'name="as" value="([^"]+)"', body) == [*looks.READERS["Usual"], "you"]
    assert re.findall(r'<option value="([a-z-]+)">', body) == [*others, *looks.CLICKERS, "you"]
    assert re.findall(r'<option value="(\d)">([^<]+)<', body) == [("0", "Pricing"), ("1", "Depot plan")]
    assert "Remote pictures are off." in body
    assert f'src="/sandbox/{public_id(copy)}/letter" title="The letter as it arrived" sandbox=""' in body


async def test_pictures_from_outside_load_only_when_asked_for(mara: Any, copy: CopyId) -> None:
    quiet = await mara.get(f"/sandbox/{public_id(copy)}/letter")
    shown = await mara.get(f"/sandbox/{public_id(copy)}/letter?pictures=on")

    assert "http:" not in quiet.headers["content-security-policy"]
    assert "img-src data: https: http:" in shown.headers["content-security-policy"]
    assert (
        f"/sandbox/{public_id(copy)}/letter?pictures=on"
        in (await mara.get(f"/sandbox/{public_id(copy)}?pictures=on")).text
    )


@pytest.mark.parametrize("name", [name for names in looks.READERS.values() for name in names])
async def test_loading_is_a_real_request_with_the_looks_of_that_program(
    mara: Any, copy: CopyId, collector: Collector, around: Surroundings, name: str
) -> None:
    _, pixel, links = tracked(around, copy)

    answer = await mara.post(f"/sandbox/{public_id(copy)}/load", {"as": name})

    look = looks.reader(name)
    assert look is not None
    assert (answer.status, answer.headers["location"]) == (303, f"/sandbox/{public_id(copy)}?as={name}")
    assert [path for path, _ in collector.asked] == ([pixel, *links] if look.follows_links else [pixel])
    _, headers = collector.asked[0]
    assert headers["Host"] == "127.0.0.1:8026"
    assert headers["X-Forwarded-For"] == look.address
    assert headers.get("User-Agent", "") == look.agent
    assert headers.get("Accept-Language", "") == look.language


@pytest.mark.parametrize("name", looks.CLICKERS)
async def test_clicking_follows_one_link(
    mara: Any, copy: CopyId, collector: Collector, around: Surroundings, name: str
) -> None:
    _, _, links = tracked(around, copy)

    answer = await mara.post(f"/sandbox/{public_id(copy)}/click", {"as": name, "link": "1"})

    assert answer.status == 303
    assert [path for path, _ in collector.asked] == [links[1]] * (2 if looks.CLICKERS[name].asks_first else 1)


@pytest.mark.parametrize(("act", "form"), [("load", {}), ("click", {"link": "0"})])
async def test_you_are_the_browser_that_asks(
    mara: Any, copy: CopyId, collector: Collector, act: str, form: dict[str, str]
) -> None:
    await mara.post(f"/sandbox/{public_id(copy)}/{act}", {"as": "you", **form})

    ((_, headers),) = collector.asked
    assert (headers["X-Forwarded-For"], headers["User-Agent"]) == ("127.0.0.1", mara.user_agent)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("load", {"as": "nobody"}),
        ("load", {}),
        ("click", {"as": "person", "link": "9"}),
        ("click", {"as": "person", "link": "\N{ARABIC-INDIC DIGIT THREE}"}),
        ("click", {"as": "nobody", "link": "0"}),
    ],
)
async def test_what_is_not_offered_is_refused(
    mara: Any, copy: CopyId, collector: Collector, path: str, form: dict[str, str]
) -> None:
    assert (await mara.post(f"/sandbox/{public_id(copy)}/{path}", form)).status == 400
    assert collector.asked == []


async def test_a_load_needs_the_token_of_a_page_of_ours(mara: Any, copy: CopyId, collector: Collector) -> None:
    mara.token = "forged"

    assert (await mara.post(f"/sandbox/{public_id(copy)}/load", {"as": "gmail"})).status == 403
    assert collector.asked == []


async def test_a_collector_that_does_not_answer_is_said(mara: Any, copy: CopyId) -> None:
    answer = await mara.post(f"/sandbox/{public_id(copy)}/load", {"as": "gmail"})

    assert answer.status == 503
    assert "The collector does not answer; nothing was loaded." in answer.text


async def test_the_answer_comes_with_its_judgement(
    mara: Any, copy: CopyId, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = iter([3, 3, 3, 4])

    async def recorded(_request: object) -> int:
        return next(judged)

    monkeypatch.setattr(sandbox, "LOOKS", 30)
    monkeypatch.setattr(sandbox, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(sandbox, "_recorded", recorded)

    answer = await mara.post(f"/sandbox/{public_id(copy)}/load", {"as": "thunderbird"})

    assert 303 == answer.status
    assert [] == list(judged)


async def test_the_judgement_stands_beside_the_letter(mara: Any, copy: CopyId) -> None:
    body = (await mara.get(f"/sandbox/{public_id(copy)}")).text
    judged = body[body.index('data-region="judge"') :]

    assert "That was you" in judged
    assert "Apple privacy" in judged
    assert "GET /o/…" in judged
    assert "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Thunderbird/153.7.0" in judged


async def test_a_copy_that_is_not_tracked_offers_nothing_to_load(mara: Any, mail: Mail, engine: Engine) -> None:
    with engine.connect() as connection:
        number = connection.execute(
            select(schema.copies.c.id).where(
                schema.copies.c.message_id == mail["proposal"], schema.copies.c.position == 2
            )
        ).scalar_one()

    body = (await mara.get(f"/sandbox/{public_id(number)}")).text

    assert "This copy carries no picture and no tracked link" in body
    assert 'name="as"' not in body


async def test_copies_of_others_are_not_there(mara: Any) -> None:
    for path in ("/sandbox/0000000000000000", "/sandbox/nonsense", "/sandbox/0000000000000000/letter"):
        assert (await mara.get(path)).status == 404


async def test_the_source_is_a_file(mara: Any, copy: CopyId, around: Surroundings) -> None:
    answer = await mara.get(f"/sandbox/{public_id(copy)}/source.eml")

    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.body.count(b"/o/") == 3
