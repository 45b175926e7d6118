"""What somebody typed about a next hop: read, or refused in words beside the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.next_hop import Written, clean_host, clean_port, read
from unsealed.model.errors import BadInput
from unsealed.model.upstream import Auth, OAuth, Tls, Upstream

WRITTEN = Written(host="smtp.example.org", port="587", tls="starttls", auth="password", user="ann", password="open")
TOKENS = Written(
    host="smtp.gmail.com",
    port="587",
    tls="starttls",
    auth="xoauth2",
    user="ann@example.org",
    token_url="https://oauth2.googleapis.com/token",
    client_id="id",
    client_secret="secret",
    refresh_token="refresh",
)
HOSTILE = [
    "a\r\nDATA",
    "a\nb",
    "a\0b",
    "a\tb",
    "x" * 10_000,
    "ev\N{RIGHT-TO-LEFT OVERRIDE}il",
    "a\N{ZERO WIDTH SPACE}b",
]
FIELDS = tuple(Written.__dataclass_fields__)


def kept(written: Written, before: Upstream | None = None, *, inside: bool = False) -> Upstream:
    found = read(written, before, inside=inside)
    assert isinstance(found, Upstream), found
    return found


def wrong(written: Written, before: Upstream | None = None, *, inside: bool = False) -> Mapping[str, str]:
    found = read(written, before, inside=inside)
    assert not isinstance(found, Upstream)
    return found


def test_a_form_becomes_a_next_hop() -> None:
    assert kept(WRITTEN) == Upstream(
        host="smtp.example.org", port=587, tls=Tls.STARTTLS, user="ann", password="open", inside=False
    )


def test_a_server_without_sign_in_is_fine() -> None:
    assert kept(replace(WRITTEN, user="", password="")).user == ""


def test_tokens_are_read() -> None:
    assert kept(TOKENS).oauth == OAuth(
        token_url="https://oauth2.googleapis.com/token", client_id="id", client_secret="secret", refresh_token="refresh"
    )


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        (" SMTP.Example.org. ", "smtp.example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("192.0.2.7", "192.0.2.7"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("localhost", "localhost"),
        ("my_relay", "my_relay"),
    ],
)
def test_hosts_are_kept_as_they_are_looked_up(typed: str, host: str) -> None:
    assert clean_host(typed) == host


@pytest.mark.parametrize(
    "typed",
    [
        *HOSTILE,
        "",
        ".",
        "a..b",
        ".example",
        "smtp://smtp.example.org",
        "smtp.example.org/x",
        "ann@example.org",
        "smtp.example.org:587",
        "a b.example",
        "a" * 64 + ".example",
        ".".join(["a" * 60] * 5),
        "127.1",
        "2130706433",
        "0x7f.1",
        "127.0x1",
        "017700000001",
        "1.2.3.4.5",
        "exa<mple.org",
        "\ud800.example",
        "ä" * 300,
    ],
)
def test_what_names_no_server_is_refused(typed: str) -> None:
    with pytest.raises(BadInput):
        clean_host(typed)


@given(st.text(max_size=40))
def test_no_host_whatever_can_end_a_line(typed: str) -> None:
    try:
        host = clean_host(typed)
    except BadInput:
        return
    assert host.isascii()
    assert not set(host) & set(" \r\n\0\t<>@/")


@pytest.mark.parametrize("typed", ["", "0", "-1", "65536", "99999999999", "25x", "٢٥", "5 87", "5.7", "+25"])
def test_what_is_no_port_is_refused(typed: str) -> None:
    with pytest.raises(BadInput):
        clean_port(typed)


@given(st.integers(1, 65_535))
def test_every_port_is_a_port(port: int) -> None:
    assert port == clean_port(f" {port} ")


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", HOSTILE)
def test_what_could_break_out_is_refused_beside_its_field(field: str, value: str) -> None:
    for written in (WRITTEN, TOKENS):
        if field in ("password",) and written is TOKENS:
            continue
        if field in ("token_url", "client_id", "client_secret", "refresh_token") and written is WRITTEN:
            continue
        found = wrong(replace(written, **{field: value}))

        assert field in found
        assert value not in found[field]


@given(st.sampled_from(FIELDS), st.text(max_size=60))
def test_nothing_typed_breaks_the_reading(field: str, value: str) -> None:
    for written in (WRITTEN, TOKENS):
        found = read(replace(written, **{field: value}), None, inside=False)
        if isinstance(found, Upstream):
            assert not {"\r", "\n", "\0"} & set(found.host + found.user + found.password + str(found.oauth))


def test_without_tls_only_this_machine_can_be_used() -> None:
    clear = replace(WRITTEN, tls="none")

    assert "tls" in wrong(clear)
    assert kept(replace(clear, host="localhost"), inside=True).tls is Tls.NONE


@pytest.mark.parametrize("host", ["localhost", "relay.localhost", "127.0.0.1", "10.0.0.5", "[::1]", "169.254.169.254"])
def test_private_addresses_are_for_those_who_may(host: str) -> None:
    assert "private network" in wrong(replace(WRITTEN, host=host))["host"]
    assert kept(replace(WRITTEN, host=host), inside=True).inside


def test_a_user_name_needs_a_password_and_the_other_way_round() -> None:
    assert list(wrong(replace(WRITTEN, password=""))) == ["password"]
    assert list(wrong(replace(WRITTEN, user=""))) == ["user"]


def test_the_kept_password_goes_on_as_long_as_it_goes_to_the_same_place() -> None:
    before = kept(WRITTEN)
    silent = replace(WRITTEN, password="")

    assert kept(replace(silent, port="465", tls="implicit"), before).password == "open"
    for moved in (replace(silent, host="smtp.evil.example"), replace(silent, user="eve")):
        found = wrong(moved, before)
        assert list(found) == ["password"]
        assert "ann at smtp.example.org" in found["password"]
        assert "open" not in found["password"]


def test_kept_tokens_go_on_as_long_as_they_go_to_the_same_place() -> None:
    before = kept(TOKENS)
    silent = replace(TOKENS, client_secret="", refresh_token="")

    assert kept(replace(silent, port="465"), before).oauth == before.oauth
    for moved in (
        replace(silent, token_url="https://evil.example/token"),
        replace(silent, client_id="other"),
        replace(silent, host="smtp.evil.example"),
    ):
        assert "refresh_token" in wrong(moved, before)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "oauth2.googleapis.com/token",
        "http://oauth2.googleapis.com/token",
        "http://127.0.0.1/token",
        "https://127.0.0.1/token",
        "https://ann:x@tokens.example/",
        "https://tokens.example:x/",
        "https:///token",
        "ftp://tokens.example/",
        "https://tokens.example/#x",
        "https://tokens.example/a b",
        "https://2130706433/token",
    ],
)
def test_secrets_are_sent_to_no_such_address(url: str) -> None:
    assert "token_url" in wrong(replace(TOKENS, token_url=url))


def test_on_this_machine_tokens_may_come_without_tls() -> None:
    assert kept(replace(TOKENS, token_url="http://127.0.0.1:8080/token"), inside=True).oauth is not None


def test_closed_lists_take_nothing_else() -> None:
    assert list(wrong(replace(WRITTEN, tls="maybe", auth="magic"))) == ["tls", "auth"]
    assert Auth("xoauth2") is Auth.XOAUTH2


def test_secrets_are_in_no_repr() -> None:
    for shown in (repr(TOKENS), repr(WRITTEN), repr(kept(TOKENS)), repr(kept(WRITTEN))):
        assert "open" not in shown
        assert "'refresh'" not in shown
        assert "'secret'" not in shown
