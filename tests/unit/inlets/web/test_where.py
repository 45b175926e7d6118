from __future__ import annotations

from urllib.parse import quote

import pytest
from starlette.requests import Request

from unsealed.inlets.web.where import BACK_LETTERS, Where


def request(query: str, path: str = "/sent") -> Request:
    return Request({"type": "http", "path": path, "query_string": query.encode(), "headers": []})


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


@pytest.mark.parametrize(
    "list_",
    [
        "/sent?q=a+%26+b&state=opened&after=1f.00&m=0a",
        "/activity?state=clicks",
        "/opened",
        "/contacts?q=ines",
        "/contacts/in%20es@x.example?after=2",
        "/thread/00000000000000ff?back=%2Fsent%3Fq%3Da",
    ],
)
def test_a_page_leads_back_to_the_list_that_it_was_opened_from_through_all_its_tabs(list_: str) -> None:
    message = Where.of(request(f"show=clicks&back={quote(list_)}", "/message/ab"))

    assert list_ == message.back
    assert list_ == Where.of(request(message.to(show="raw").partition("?")[2], "/message/ab")).back


@pytest.mark.parametrize(
    "hostile",
    [
        "https://evil.example/sent",
        "//evil.example/sent",
        "/\\evil.example/sent",
        "/\t/evil.example/sent",
        "javascript:alert(1)",
        "/sent\n",
        "/sent\r\nSet-Cookie: a=b",
        "/sent#x",
        "/sentence",
        "/sign-out",
        "/message/ab",
        "sent",
        "",
        "/contacts/",
        "/sent?q=" + "a" * BACK_LETTERS,
    ],
)
def test_nothing_else_is_a_way_back(hostile: str) -> None:
    where = Where.of(request(f"back={quote(hostile)}&q=x", "/message/ab"))

    assert Where("/message/ab", q="x") == where


def test_what_stands_open_is_no_part_of_the_way_back() -> None:
    where = Where("/opened", state="silent", m="0a", open="11", correction="2")

    assert "/message/0a?back=%2Fopened%3Fstate%3Dsilent%26m%3D0a" == where.beyond("/message/0a")


def test_from_page_to_page_the_way_back_is_the_same() -> None:
    message = Where("/message/0a", show="clicks", back="/opened?state=silent")

    assert "/message/0a?show=raw&back=%2Fopened%3Fstate%3Dsilent" == message.beyond("/message/0a", show="raw")
    assert "/thread/0b?m=0a&back=%2Fopened%3Fstate%3Dsilent" == message.beyond("/thread/0b", m="0a")


def test_a_way_back_never_grows_by_going_to_and_fro() -> None:
    thread = Where("/thread/0b", m="0a", back="/opened?state=silent")
    message = Where.of(request(thread.beyond("/message/0a").partition("?")[2], "/message/0a"))

    assert thread.to() == message.back == message.beyond("/thread/0b", m="0a")


def test_lists_that_pages_lead_back_to_by_themselves_need_no_word() -> None:
    assert "/message/0a" == Where("/sent").beyond("/message/0a")
    assert "/contacts/a@x.example" == Where("/contacts").beyond("/contacts/a@x.example")
