"""A next hop, and how it is written."""

from __future__ import annotations

import pytest

from unsealed.model.errors import BadInput
from unsealed.model.upstream import Tls, Upstream, is_local, parse_upstream


@pytest.mark.parametrize(
    ("url", "upstream"),
    [
        ("smtp://mx.example:2525", Upstream(host="mx.example", port=2525, tls=Tls.STARTTLS)),
        ("smtp://mx.example", Upstream(host="mx.example", port=587, tls=Tls.STARTTLS)),
        ("smtp://mx.example:465", Upstream(host="mx.example", port=465, tls=Tls.IMPLICIT)),
        ("smtp://mx.example?tls=implicit", Upstream(host="mx.example", port=465, tls=Tls.IMPLICIT)),
        ("smtp://mx.example:25?tls=none", Upstream(host="mx.example", port=25, tls=Tls.NONE)),
        ("smtp://127.0.0.1:2525", Upstream(host="127.0.0.1", port=2525, tls=Tls.NONE)),
        ("smtp://[::1]:2525/", Upstream(host="::1", port=2525, tls=Tls.NONE)),
        ("smtp://localhost", Upstream(host="localhost", port=25, tls=Tls.NONE)),
        (
            "smtp://ann%40x:p%2Fw@mx.example:587",
            Upstream(host="mx.example", port=587, tls=Tls.STARTTLS, user="ann@x", password="p/w"),
        ),
    ],
)
def test_an_upstream_url_is_read(url: str, upstream: Upstream) -> None:
    assert parse_upstream(url) == upstream


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mx.example:25", "must begin with smtp://"),
        ("smtps://mx.example", "must begin with smtp://"),
        ("smtp://", "names no host"),
        ("smtp://mx.example:x", "no proper host and port"),
        ("smtp://mx.example:99999", "no proper host and port"),
        ("smtp://mx.example/path", "ends after host and port"),
        ("smtp://mx.example?tls=maybe", "must be none, starttls or implicit"),
        ("smtp://mx.example?verify=no", "knows only"),
        ("smtp://ann@mx.example", "needs user and password"),
    ],
)
def test_a_wrong_upstream_url_says_what_is_wrong(url: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        parse_upstream(url)


def test_the_password_is_never_shown() -> None:
    assert "sesame" not in repr(parse_upstream("smtp://ann:sesame@mx.example"))


@pytest.mark.parametrize("host", ["localhost", "mail.localhost", "127.0.0.1", "127.8.0.9", "::1"])
def test_this_machine_is_known(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize("host", ["", "localhost.example", "mylocalhost", "10.0.0.1", "::2", "0.0.0.0", "127.1"])
def test_nothing_else_is_this_machine(host: str) -> None:
    assert not is_local(host)
