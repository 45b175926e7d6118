from __future__ import annotations

from starlette.requests import Request

from unsealed.inlets.web.where import Where


def request(query: str) -> Request:
    return Request({"type": "http", "path": "/sent", "query_string": query.encode(), "headers": []})


def test_defaults_do_not_stand_in_an_address() -> None:
    assert Where("/sent").to() == "/sent"
    assert Where("/sent").to(sort="signal", q="") == "/sent"


def test_an_address_keeps_what_is_not_changed() -> None:
    where = Where.of(request("q=a%20%26%20b&state=opened&m=00"))

    assert where.to(m="11") == "/sent?q=a+%26+b&state=opened&m=11"
    assert where.kept("q") == [("state", "opened"), ("m", "00")]


def test_an_address_read_back_is_the_same_place() -> None:
    where = Where("/sent", q="<é>&#", state="bounced", sort="sent", after="1f.00", m="0a", show="clicks")

    assert Where.of(request(where.query())) == where


def test_what_is_unknown_is_left_out() -> None:
    assert Where.of(request("path=/evil&evil=1&q=x")) == Where("/sent", q="x")
