from __future__ import annotations

import pytest

from unsealed.app import config_values
from unsealed.app.config_values import Listen


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("127.0.0.1:8026", Listen("127.0.0.1", 8026)),
        ("[::1]:0", Listen("::1", 0)),
        ("localhost:65535", Listen("localhost", 65535)),
    ],
)
def test_an_address_to_listen_on_is_read_and_written_the_same(text: str, listen: Listen) -> None:
    assert listen == config_values.listen(text)
    assert text == str(listen)
    assert listen.loopback


@pytest.mark.parametrize(
    "text", ["8026", ":8026", "127.0.0.1", "127.0.0.1:65536", "::1:8026", "a b:1", "", "a:-1", "*:1"]
)
def test_other_spellings_of_an_address_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it as HOST:PORT"):
        config_values.listen(text)


def test_a_wildcard_address_gives_the_url_of_this_machine() -> None:
    assert ("127.0.0.1", "::1", "mail.example") == tuple(
        Listen(host, 80).near for host in ("0.0.0.0", "::", "mail.example")
    )
    assert "http://127.0.0.1:80" == Listen("0.0.0.0", 80).url
    assert "http://[::1]:80" == Listen("::", 80).url
    assert not Listen("0.0.0.0", 80).loopback


def test_a_base_url_loses_its_slash() -> None:
    assert "https://t.example.org" == config_values.base_url("https://T.example.org/")


@pytest.mark.parametrize(
    "url",
    [
        "t.example.org",
        "ftp://t.example.org",
        "https://t.example.org/path",
        "https://t.example.org?x=1",
        "https://t.example.org#x",
        "https://user@t.example.org",
        "https://",
        "https://t.example.org:x",
        "https://t.example.org:0",
        "https://bücher.example",
    ],
)
def test_other_things_than_scheme_host_and_port_are_refused_in_a_base_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"write it as https://HOST|only scheme, host and port"):
        config_values.base_url(url)


@pytest.mark.parametrize(
    ("written", "domain"), [("Example.ORG.", "example.org"), ("bücher.example", "xn--bcher-kva.example")]
)
def test_a_domain_is_kept_as_it_stands_in_the_dns(written: str, domain: str) -> None:
    assert domain == config_values.domain(written)


@pytest.mark.parametrize("written", ["", "a b", "a..b", "https://a.example", "ines@a.example", "*.a.example"])
def test_other_things_are_no_domains(written: str) -> None:
    with pytest.raises(ValueError, match="is not a domain"):
        config_values.domain(written)


@pytest.mark.parametrize("written", ["", "ines", "ines@", "a@b, c@d", "Ines <ines@example.org>"])
def test_an_address_of_mail_is_one_without_a_name(written: str) -> None:
    assert "ines@example.org" == config_values.email(" Ines@example.org ")
    with pytest.raises(ValueError, match="write one address"):
        config_values.email(written)


@pytest.mark.parametrize("written", ["x", "no", "[notrack]\r\nBcc: a@b", "ü" * 5, "a" * 41])
def test_a_mark_in_subjects_is_short_visible_ascii(written: str) -> None:
    assert "[notrack]" == config_values.subject_mark(" [notrack] ")
    with pytest.raises(ValueError, match="write 3 to 40 letters"):
        config_values.subject_mark(written)
