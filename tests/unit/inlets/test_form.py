from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.requests import Request

from unsealed.inlets import form

FORM = "application/x-www-form-urlencoded"


def request(sent: bytes, media_type: str = FORM, path: str = "/change") -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": sent, "more_body": False}

    headers = [(b"content-type", media_type.encode()), (b"content-length", b"%d" % len(sent))]
    return Request({"type": "http", "method": "POST", "path": path, "headers": headers}, receive)


@pytest.mark.parametrize("media_type", [FORM, FORM.upper(), f"{FORM}; charset=utf-8"])
async def test_the_first_field_of_each_name_counts_and_empty_ones_are_kept(media_type: str) -> None:
    assert {"a": "1 ü", "b": ""} == await form.read(request(b"a=1+%C3%BC&b=&a=2", media_type))


@pytest.mark.parametrize("media_type", ["", "text/plain", "multipart/form-data", f"{FORM}x"])
async def test_what_does_not_call_itself_a_form_is_none_unless_it_is_empty(media_type: str) -> None:
    assert await form.read(request(b"a=1", media_type)) is None
    assert {} == await form.read(request(b"", media_type))


async def test_a_form_has_a_limit_of_fields_and_of_bytes() -> None:
    many = urlencode([(f"f{number}", "") for number in range(form.FIELDS_MAX + 1)]).encode()

    assert await form.read(request(many)) is None
    assert await form.read(request(b"a=" + b"x" * form.BYTES_MAX)) is None
    assert await form.read(request(b"a=\xff")) is None


@pytest.mark.parametrize("path", ["/paste", "/templates/1"])
async def test_a_whole_letter_may_be_pasted(path: str) -> None:
    assert await form.read(request(b"a=" + b"x" * form.BYTES_MAX, path=path))


def test_who_typed_too_much_reads_how_much() -> None:
    assert (
        "What you entered has 257 kB, and 256 kB is the most that this form takes. Nothing was done: enter less."
        == form.why_not_read(request(b"x" * (form.BYTES_MAX + 1)))
    )
    assert "no form of ours" in form.why_not_read(request(b"x"))
