from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.keys import NoKeys

from unsealed.inlets.web.surroundings import SmtpWords, Surroundings
from unsealed.inlets.web.trouble import HANDLERS
from unsealed.model.errors import BadInput, DeliveryFailed, Refused, Unavailable, sentence

CANARY = "canary-7f3a91"
ERRORS: dict[str, Exception] = {
    "bad-input": BadInput("the cursor is not one of ours"),
    "refused": Refused("this address belongs to another user"),
    "unavailable": Unavailable(),
    "gone": HTTPException(404),
    "too-many": HTTPException(429, "Wait a minute.", headers={"Retry-After": "60"}),
    "store-away": OperationalError("SELECT 1", {"secret": CANARY}, Exception(CANARY)),
    "ours-unexpected": DeliveryFailed(CANARY, temporary=True),
    "unknown": RuntimeError(CANARY),
}


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """SQLite alone: nothing here asks the store."""
    return sqlite_url


@pytest.fixture
def it(engine: Engine, clock: Callable[[], datetime], tmp_path: Path, browser: Any) -> Any:
    """A browser at an app whose addresses fail, each in its own way."""

    async def fail(request: Request) -> Response:
        raise ERRORS[request.path_params["how"]]

    app = Starlette(routes=[Route("/{how}", fail), Route("/api/{how}", fail)], exception_handlers=HANDLERS)
    app.state.surroundings = Surroundings(
        engine=engine,
        keys=NoKeys(),
        clock=clock,
        origin="https://mail.example.org",
        tracking_url="https://t.example.org",
        collector_socket=tmp_path / "collector.sock",
        smtp=SmtpWords(host="mail.example.org", port=587, tls="starttls"),
    )
    return browser(app=app)


@pytest.mark.parametrize(
    ("how", "status", "words"),
    [
        ("bad-input", 400, "The cursor is not one of ours."),
        ("refused", 403, "This address belongs to another user."),
        ("unavailable", 503, "A local fault; trying again later makes sense."),
        ("gone", 404, "The address is wrong, or what stood here is gone"),
        ("too-many", 429, "Wait a minute."),
        ("store-away", 503, "Mail on its way and links in sent mail are not affected."),
        ("ours-unexpected", 500, "Nothing that was acknowledged is lost."),
        ("unknown", 500, "Nothing that was acknowledged is lost."),
    ],
)
async def test_what_went_wrong_is_said_to_people_and_programs_with_the_number_of_the_log(
    it: Any, capfd: pytest.CaptureFixture[str], how: str, status: int, words: str
) -> None:
    page, answer = await it.get(f"/{how}"), await it.get(f"/api/{how}")
    written = "".join(capfd.readouterr())
    numbers = [re.findall(r"number <code>([0-9a-f]{8})</code>", page.text)[0]]

    assert (status, status) == (page.status, answer.status)
    assert words in page.text
    assert "<h1>" in page.text
    if how != "gone":
        assert words in answer.json["error"]["message"]
    numbers.append(answer.json["error"]["number"])
    assert all(number in written for number in numbers)
    assert CANARY not in page.text + answer.text + written


async def test_an_answer_keeps_the_headers_that_its_status_asks_for(it: Any) -> None:
    assert "60" == (await it.get("/too-many")).headers["retry-after"]


async def test_an_unknown_error_carries_the_security_headers_though_the_guard_never_sees_it(it: Any) -> None:
    answer = await it.get("/unknown")

    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "strict-transport-security" in answer.headers


def test_words_of_errors_become_sentences() -> None:
    assert "This is wrong." == sentence(BadInput("this is wrong"))
    assert "What is this?" == sentence(BadInput("What is this?"))
