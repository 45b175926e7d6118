from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path

import pytest

from unsealed.app.config import ConfigError, Problem, Settings, load
from unsealed.model.policy import HiddenLink, Level, LinkScope, Switches, VisibleUrl
from unsealed.model.upstream import Tls, Upstream

PASSWORD = "canary-4711"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("UNSEALED_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def problems(**given: object) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        load(given)
    return [(each.key, each.words) for each in caught.value.problems]


def test_without_any_setting_everything_has_a_default(tmp_path: Path) -> None:
    settings = load()

    assert tmp_path / "unsealed-data" == settings.data
    assert f"sqlite:///{tmp_path}/unsealed-data/unsealed.db" == settings.store_url
    assert ["127.0.0.1:8025", "127.0.0.1:8026", "127.0.0.1:2525"] == [
        str(settings.web.listen),
        str(settings.track.listen),
        str(settings.smtp.listen),
    ]
    assert "http://127.0.0.1:8026" == settings.track_url
    assert "http://127.0.0.1:8025" == settings.web_url
    assert settings.upstream.url is None
    assert Switches(hidden_link=HiddenLink.MANY) == settings.tracking.switches


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unsealed.toml").write_text(
        'owner = "file@example.org"\n[web]\nlisten = "127.0.0.1:1"\n[track]\nlisten = "127.0.0.1:1"\n'
        '[smtp]\nlisten = "127.0.0.1:1"\n'
    )
    monkeypatch.setenv("UNSEALED_WEB_LISTEN", "127.0.0.1:2")
    monkeypatch.setenv("UNSEALED_TRACK_LISTEN", "127.0.0.1:2")

    settings = load({"track": "127.0.0.1:3", "web": None})

    assert [1, 2, 3] == [settings.smtp.listen.port, settings.web.listen.port, settings.track.listen.port]
    assert "file@example.org" == settings.owner


@pytest.mark.parametrize("place", ["working folder", "data folder", "named"])
def test_the_file_is_found_in_the_working_folder_in_the_data_folder_or_where_the_environment_says(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "kept"
    data.mkdir()
    path = {"working folder": tmp_path, "data folder": data, "named": tmp_path / "kept"}[place] / "unsealed.toml"
    if place == "named":
        path = tmp_path / "other.toml"
        monkeypatch.setenv("UNSEALED_CONFIG", str(path))
    path.write_text('owner = "ines@example.org"\n')

    assert "ines@example.org" == load({"data": data}).owner


def test_a_file_that_is_named_but_missing_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UNSEALED_CONFIG", str(tmp_path / "gone.toml"))

    assert str(tmp_path / "gone.toml") == problems()[0][0]


def test_a_file_that_is_not_toml_is_an_error_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "unsealed.toml").write_text("[track\n")

    ((key, words),) = problems()

    assert "unsealed.toml" == key
    assert "line 1" in words


def test_all_errors_are_reported_at_once_with_their_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "unsealed.toml").write_text('[log]\nlevel = "loud"\n[smtp]\ncertificate = "a.pem"\nmax_size = "big"\n')
    monkeypatch.setenv("UNSEALED_WEB_LISTEN", "8025")
    monkeypatch.setenv("UNSEALED_TRCK_URL", "http://t.example.org")
    monkeypatch.setenv("UNSEALED_TRACK_ULR", "http://t.example.org")
    monkeypatch.setenv("UNSEALED_TRACK_TRUSTED_PROXIES", "10.0.0.0/8, *")

    keys = [key for key, _ in problems(track_url="t.example.org")]

    assert [
        "UNSEALED_TRCK_URL",
        "log.level",
        "smtp.key",
        "smtp.max_size",
        "track.trusted_proxies.1",
        "track.ulr",
        "track.url",
        "web.listen",
    ] == sorted(keys)


def test_the_message_holds_every_problem() -> None:
    error = ConfigError((Problem(key="a.b", words="no"), Problem(key="c", words="neither")))

    assert "these settings cannot be used:\n  a.b: no\n  c: neither" == str(error)
    assert not error.temporary


@pytest.mark.parametrize("everyone", ["*", "0.0.0.0/0", "::/0"])
def test_trusting_every_proxy_is_refused_with_the_reason(everyone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSEALED_TRACK_TRUSTED_PROXIES", everyone)

    ((key, words),) = problems()

    assert "track.trusted_proxies.0" == key
    assert "the address that is recorded" in words


def test_trusted_proxies_are_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSEALED_TRACK_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.7,2001:db8::/32")

    assert (ip_network("10.0.0.0/8"), ip_network("192.0.2.7"), ip_network("2001:db8::/32")) == (
        load().track.trusted_proxies
    )


def test_the_upstream_is_read() -> None:
    assert Upstream(host="mail.example.org", port=465, tls=Tls.IMPLICIT, user="ines@example.org", password="a/b:") == (
        load({"upstream": "smtp://ines%40example.org:a%2Fb%3A@mail.example.org:465"}).upstream.url
    )
    assert load({"upstream": ""}).upstream.url is None


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.org:587",
        f"http://u:{PASSWORD}@h:1",
        f"smtp://u:{PASSWORD}@h:587?tls=maybe",
        f"smtp://u:{PASSWORD}@h:587/path",
        f"smtp://{PASSWORD}@h:587",
        f"smtp://u:{PASSWORD}@h:x",
        f"smtp://u:{PASSWORD}@:587",
    ],
)
def test_an_upstream_that_cannot_be_used_is_refused_without_showing_the_password(url: str) -> None:
    ((key, words),) = problems(upstream=url)

    assert "upstream.url" == key
    assert PASSWORD not in words


def test_passwords_print_as_stars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSEALED_STORE_URL", f"postgresql://u:{PASSWORD}@h/d")
    settings = load({"upstream": f"smtp://u:{PASSWORD}@h:25"})

    assert PASSWORD not in repr(settings) + str(settings)
    assert f"postgresql://u:{PASSWORD}@h/d" == settings.store_url


def test_a_store_of_another_kind_is_refused_without_showing_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSEALED_STORE_URL", f"mysql://u:{PASSWORD}@h/d")

    ((key, words),) = problems()

    assert "store.url" == key
    assert PASSWORD not in words


def test_tls_for_mail_programs_needs_certificate_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSEALED_SMTP_TLS_LISTEN", "127.0.0.1:465")

    assert [("smtp.key", "smtp.tls_listen needs smtp.certificate and smtp.key")] == problems()


def test_tracking_defaults_become_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSEALED_TRACKING_OPENS", "off")
    monkeypatch.setenv("UNSEALED_TRACKING_LINKS", "html+text")
    monkeypatch.setenv("UNSEALED_TRACKING_VISIBLE_URLS", "track")
    monkeypatch.setenv("UNSEALED_TRACKING_EXCLUDED_DOMAINS", "Example.org, bücher.example")
    monkeypatch.setenv("UNSEALED_TRACKING_HIDDEN_LINK", "always")

    assert (
        Switches(
            opens=Level.OFF,
            links=LinkScope.HTML_AND_TEXT,
            visible_urls=VisibleUrl.TRACK,
            excluded_domains=frozenset({"example.org", "xn--bcher-kva.example"}),
            hidden_link=HiddenLink.ALWAYS,
        )
        == load().tracking.switches
    )


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ("off", Level.OFF),
        ("false", Level.OFF),
        ("no", Level.OFF),
        ("identified", Level.IDENTIFIED),
        ("Full", Level.FULL),
        ("true", Level.FULL),
        ("1", Level.FULL),
    ],
)
@pytest.mark.parametrize("axis", ["opens", "clicks"])
def test_each_level_that_works_can_be_the_ceiling_of_each_axis(
    monkeypatch: pytest.MonkeyPatch, axis: str, said: str, level: Level
) -> None:
    monkeypatch.setenv(f"UNSEALED_TRACKING_{axis.upper()}", said)

    found = load().tracking.switches

    other = "clicks" if axis == "opens" else "opens"
    assert (level, Level.FULL) == (getattr(found, axis), getattr(found, other))


@pytest.mark.parametrize("said", ["anonymous", "pseudonymous", "most", ""])
def test_a_level_that_does_not_work_yet_is_refused(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("UNSEALED_TRACKING_CLICKS", said)

    assert ["tracking.clicks"] == [key for key, _ in problems()]


def test_sizes_may_be_written_with_a_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSEALED_SMTP_MAX_SIZE", "10 MB")

    assert 10_000_000 == load().smtp.max_size


def test_settings_never_change_after_they_were_read() -> None:
    settings = load()

    with pytest.raises(ValueError, match="frozen"):
        settings.owner = "x@example.org"


def test_every_setting_says_what_it_is_for() -> None:
    sections = [field.annotation for field in Settings.model_fields.values()]
    fields = [field for section in sections for field in getattr(section, "model_fields", {}).values()]

    assert [] == [field for field in fields if not field.description]
    assert [] == [section for section in sections if hasattr(section, "model_fields") and not section.__doc__]


@pytest.mark.parametrize(
    ("upstream", "track_url", "reached"),
    [
        (None, None, True),  # the sandbox
        ("smtp://127.0.0.1:2500", None, True),
        ("smtp://localhost:2500", "http://127.0.0.1:8026", True),
        ("smtp://smtp.example.org:587", None, False),
        ("smtp://smtp.example.org:587", "http://t.localhost", False),
        ("smtp://smtp.example.org:587", "https://t.example.org", True),
    ],
)
def test_links_that_would_lead_readers_to_their_own_machine_are_known(
    upstream: str | None, track_url: str | None, reached: bool
) -> None:
    assert reached is load({"upstream": upstream, "track_url": track_url}).links_reach_readers


def test_what_may_be_tracked_follows_where_mail_goes() -> None:
    here, public = load({}), load({"track_url": "https://t.example.org"})

    assert [here.allowed_by(host).off for host in ("", "localhost", "smtp.example.org")] == [False, False, True]
    assert public.allowed_by("smtp.example.org") == public.tracking.switches


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("track.connections", "many", "write a whole number (given: 'many')"),
        ("track.connections", "1.5", "write a whole number (given: '1.5')"),
        ("track.collector", "../x", "write small letters, digits and hyphens, at most 32 (given: '../x')"),
        ("smtp.max_size", "-1", "write a size, such as 50 MB (given: '-1')"),
        ("smtp.max_size", "5 cows", "write a size, such as 50 MB (given: '5 cows')"),
        ("keep.requests_days", "0", "write 1 or more (given: '0')"),
        ("log.level", "loud", "write 'debug', 'info', 'warning' or 'error' (given: 'loud')"),
        ("people.private_hosts", "perhaps", "write true or false (given: 'perhaps')"),
        ("owner", 5, "write a text in quotes (given: '5')"),
        ("track.trusted_proxies", 5, 'write a list, such as ["one", "two"] (given: \'5\')'),
        ("web", "127.0.0.1", "this is a section: write [web] above its keys (given: '127.0.0.1')"),
    ],
)
def test_what_to_write_is_said_in_plain_words(key: str, value: object, words: str, tmp_path: Path) -> None:
    section, _, name = key.partition(".")
    text = f"[{section}]\n{name} = {value!r}\n" if name else f"{section} = {value!r}\n"
    (tmp_path / "unsealed.toml").write_text(text)

    assert [(key, words)] == problems()


def test_a_file_that_cannot_be_read_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "unsealed.toml"
    file.write_bytes(b"\xff\xfe")
    assert [("unsealed.toml", "not a text in UTF-8")] == problems()

    monkeypatch.setenv("UNSEALED_CONFIG", str(tmp_path))
    assert [(str(tmp_path), "cannot be read: Is a directory")] == problems()
