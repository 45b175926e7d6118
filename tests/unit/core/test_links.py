from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from re import compile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unsealed.core import links
from unsealed.core.instrument import Tracking
from unsealed.core.links import LEFT_REASONS, Rules, host_of, may_opt_out, own_token, plain, visible_host
from unsealed.core.token import safe_destination, seal_click, seal_pixel
from unsealed.model.message import CopyId
from unsealed.model.policy import Level, VisibleUrl

Decide = Callable[..., str]


@pytest.fixture
def rules(tracking: Tracking) -> Rules:
    return Rules(
        base_url=tracking.base_url,
        keys=tracking.keys,
        clicks=True,
        visible_urls=VisibleUrl.LEAVE,
        excluded_domains=frozenset({"bank.example", "xn--bcher-kva.example"}),
        list_unsubscribe=frozenset({"https://x.example/u/17"}),
    )


def reason(rules: Rules, destination: str, text: str = "go", **attributes: str) -> str:
    named = {name.replace("_", "-"): value for name, value in attributes.items()}
    return rules.decide(destination, text=text, attributes=named)


@pytest.mark.parametrize(
    "destination",
    [
        "https://x.example/",
        "http://x.example",
        "https://x.example/a?b=1&c=2#d",
        "https://x.example/%7B%20%2F",
        "https://x.example/?a[]=1&b[x]=2",
        "https://[2001:db8::1]/a",
        "https://optout.example/",
        "https://password.example/reset-of-the-year",
        "https://x.example/tokens?page=2",
        "https://x.example/blog/how-to-stay-secure?key=ab",
        "https://x.example/100%25-off",
        "https://x.example/%ABC%20x",
    ],
)
def test_ordinary_links_are_tracked(destination: str, rules: Rules) -> None:
    assert reason(rules, destination) == ""


@pytest.mark.parametrize(
    "destination",
    [
        "",
        "#",
        "/a",
        "//x.example/a",
        "x.example/a",
        "www.x.example",
        "mailto:a@b.example?body={{x}}",
        "http:",
        "http://",
        "https:x.example",
        "https:/x.example",
        "https:///x",
        "java script:x",
        "file:///etc",
        "ws://x.example/",
        "HTTPS:\\\\x",
    ],
)
def test_other_addresses_are_not_web(destination: str, rules: Rules) -> None:
    assert reason(rules, destination) == "not-web"


@pytest.mark.parametrize(
    "destination",
    [
        "{{url}}",
        "{url}",
        "${url}",
        "#{url}",
        "%%url%%",
        "%url%",
        "%{url}",
        "{% url %}",
        "*|URL|*",
        "[url]",
        "[[url]]",
        "<%= url %>",
        "@@url@@",
        "https://x.example/{{a}}/b",
        "https://x.example/?e=[email]",
        "https://x.example/{id}",
        "https://%host%/a",
        "https://x.example/?e=%recipient.id%",
        "https://x.example/%date%/a",
    ],
)
def test_placeholders_are_known(destination: str, rules: Rules) -> None:
    assert reason(rules, destination) == "placeholder"


@pytest.mark.parametrize(
    "destination",
    [
        "https://x.example/unsubscribe?u=1",
        "https://unsubscribe.x.example/u/1",
        "https://OptOut.x.example/u/1",
        "https://x.example/Unsub/1",
        "https://x.example/?action=opt-out",
        "https://x.example/optout",
        "https://x.example/abmelden",
        "https://x.example/newsletter/abbestellen",
        "https://x.example/email-preferences/1",
        "https://x.example/manage-subscription",
        "https://x.example/newsletter/austragen",
        "https://x.example/un-subscribe/1",
    ],
)
def test_unsubscribe_addresses_are_left(destination: str, rules: Rules) -> None:
    assert reason(rules, destination) == "unsubscribe"


@pytest.mark.parametrize(
    "text",
    [
        "Unsubscribe",
        "click here to unsubscribe",
        "Abmelden",
        "Abmeldung",
        "un-subscribe",
        "Newsletter abbestellen",
        "Se d\u00e9sabonner",
        "Darse de baja",
        "Cancelar inscri\u00e7\u00e3o",
        "Annulla l'iscrizione",
        "Afmelden",
        "Wypisz si\u0119",
        "Отписаться",
        "退订",
        "配信停止",
    ],
)
def test_unsubscribe_words_are_known_in_many_languages(text: str, rules: Rules) -> None:
    assert reason(rules, "https://x.example/l/1", text) == "unsubscribe"


@pytest.mark.parametrize(
    "destination",
    [
        "https://x.example/reset-password/abc",
        "https://x.example/password_reset?t=1",
        "https://x.example/users/password/edit?reset_password_token=abcdef",
        "https://x.example/magic-link/abc",
        "https://x.example/verify-email?code=123456",
        "https://x.example/confirm?confirmation_token=abc",
        "https://x.example/account/activate?key=abcdef123",
        "https://x.example/invite/accept?token=abcdef",
        "https://x.example/login?token=abcdef123",
        "https://x.example/auth/callback?code=abcdef123",
        "https://x.example/?oobCode=abcdef&mode=resetPassword",
        "https://x.example/sign-in/link/abc",
        "https://x.example/one-time/abc",
        "https://x.example/otp?x=1",
        "https://x.example/verify?code=1234",
        *(
            f"https://x.example{place}"
            for word in ("reset", "magic", "verify", "confirm", "activate", "invite", "accept-invite", "login", "auth")
            for secret in ("9f8c7b6a5d4e3f2a1b0c", "Xy7-abcd_efgh", "550e8400-e29b-41d4-a716-446655440000")
            for place in (
                f"/{word}/{secret}",
                f"/a/{word}/{secret}/b",
                f"/{word}?{secret}",
                f"/{word}/?{secret}",
                f"/?{word}={secret}",
                f"/?a=1&{word}={secret}",
            )
        ),
    ],
)
def test_one_time_addresses_are_left(destination: str, rules: Rules) -> None:
    assert reason(rules, destination) == "one-time"


@pytest.mark.parametrize(
    "text",
    [
        "Reset your password",
        "Confirm your email",
        "Passwort zur\u00fccksetzen",
        "Log in with this link",
        "Magic link",
        "Accept invitation",
        "Accept your invite",
        "Join the workspace",
        "Registrierung best\u00e4tigen",
        "Einladung annehmen",
        "Confirmer mon adresse",
        "Accepter l\u2019invitation",
        "Confirmar tu correo",
        "Redefinir senha",
        "Conferma la tua registrazione",
        "Bevestig je e-mail",
    ],
)
def test_one_time_words_are_left(text: str, rules: Rules) -> None:
    assert reason(rules, "https://x.example/l/1", text) == "one-time"


@pytest.mark.parametrize(
    ("destination", "text"),
    [
        ("https://x.example/login", "Sign in"),
        ("https://x.example/login/help", "Help"),
        ("https://x.example/auth/providers?page=2", ""),
        ("https://x.example/news/confirm-2026-results", "Results confirmed"),
        ("https://x.example/blog/magic/tricks-of-trade", "Magic tricks"),
        ("https://x.example/products/reset-button-2000", "The reset button"),
        ("https://x.example/authors/john-1234567", "The author"),
        ("https://x.example/invite/friends", "Join our team"),
        ("https://x.example/?page=login&id=12345678", "Confirm the date"),
    ],
)
def test_what_only_sounds_like_a_door_is_tracked(destination: str, text: str, rules: Rules) -> None:
    assert reason(rules, destination, text) == ""


def test_the_address_of_list_unsubscribe_is_left(rules: Rules) -> None:
    assert reason(rules, "https://x.example/u/17") == "list-unsubscribe"
    assert reason(rules, "https://x.example/u/18") == ""


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("bank.example", "excluded-domain"),
        ("a.b.Bank.Example", "excluded-domain"),
        ("bank.example.", "excluded-domain"),
        ("bank.example:8443", "excluded-domain"),
        ("b\u00fccher.example", "excluded-domain"),
        ("shop.B\u00dcCHER.example", "excluded-domain"),
        ("notbank.example", ""),
        ("bank.example.net", ""),
        ("a\u0300" * 70 + ".example", "excluded-domain"),  # has no comparable form
    ],
)
def test_domains_are_excluded_by_label(host: str, expected: str, rules: Rules) -> None:
    assert reason(rules, f"https://{host}/") == expected


@pytest.mark.parametrize(
    "mark",
    [
        {"data-unsealed": "off"},
        {"data-track": "OFF"},
        {"clicktracking": "off"},
        {"data-skip-click": ""},
        {"data-dont-track": "true"},
        {"data-pm-no-track": ""},
        {"ses:no-track": ""},
        {"mc:disable-tracking": ""},
        {"data-msys-clicktrack": " 0 "},
        {"disable-tracking": "true"},
        {"disable-tracking": ""},
    ],
)
def test_opt_out_marks_of_all_services_are_honoured(mark: dict[str, str], rules: Rules) -> None:
    assert rules.decide("https://x.example/", text="go", attributes=mark) == "opt-out"


@pytest.mark.parametrize(
    "mark", [{"clicktracking": "on"}, {"data-track": ""}, {"disable-tracking": "false"}, {"class": "off"}]
)
def test_other_attributes_are_no_opt_out(mark: dict[str, str], rules: Rules) -> None:
    assert rules.decide("https://x.example/", text="go", attributes=mark) == ""


def test_postal_spelling_of_an_opt_out_is_honoured(rules: Rules) -> None:
    assert reason(rules, "https+notrack://x.example/") == "opt-out"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://y.example/a", "visible-url"),
        ("HTTP://Y.EXAMPLE", "visible-url"),
        ("www.y.example", "visible-url"),
        ("y.example", "visible-url"),
        ("\u2192 y.example/a?b \u203a", "visible-url"),
        ("(y.example)", "visible-url"),
        ("y.example:8080", "visible-url"),
        ("b\u00fccher.example", "visible-url"),
        ("xn--bcher-kva.example", "visible-url"),
        ("sub.xn--p1ai", "visible-url"),
        ("Visit https://y.example today", "visible-url"),
        ("Visit www.y.example today", "visible-url"),
        ("y.exam\u00adple", "visible-url"),
        ("www.y.\u200bexample", "visible-url"),
        ("https://www.sender.example/a", ""),  # the same site as the click host
        ("shop.sender.example", ""),
        ("Read more", ""),
        ("Report.pdf", ""),
        ("index.html", ""),
        ("y.pdf/a", "visible-url"),
        ("3.14", ""),
        ("e.g. this", ""),
        ("Version 1.2", ""),
        ("Hello. World", ""),
        ("", ""),
    ],
)
def test_a_visible_address_of_another_site_is_left(text: str, expected: str, rules: Rules) -> None:
    assert reason(rules, "https://x.example/", text) == expected
    assert reason(replace(rules, visible_urls=VisibleUrl.TRACK), "https://x.example/", text) == ""


@pytest.mark.parametrize(
    ("base", "shown", "expected"),
    [
        ("https://t.firm.co.uk", "www.firm.co.uk", ""),
        ("https://t.firm.co.uk", "other.co.uk", "visible-url"),
        ("http://127.0.0.1:8026", "127.0.0.2.example", "visible-url"),
        ("http://localhost:8026", "y.example", "visible-url"),
        ("http://[::1]:8026", "y.example", "visible-url"),
    ],
)
def test_sites_are_compared_by_registrable_domain(base: str, shown: str, expected: str, rules: Rules) -> None:
    assert reason(replace(rules, base_url=base), "https://x.example/", shown) == expected


def test_own_links_are_left_and_unwrapped_in_quotes(rules: Rules, tracking: Tracking) -> None:
    token = seal_click(tracking.keys, tracking.key_id, CopyId(1), Level.FULL, 3, "https://x.example/old")
    own = f"{tracking.base_url}/c/{token}"

    assert rules.decide(own, text="", attributes={}) == "own-link"
    assert rules.unwrapped(own) == "https://x.example/old"
    assert rules.unwrapped(own.replace("https://t", "HTTPS://T")) == "https://x.example/old"
    assert rules.unwrapped(f"{tracking.base_url}/c/x") is None


@pytest.mark.parametrize("path", ["", "/", "/c/", "/c/x", "/o/x.gif", "/c/" + "A" * 60, "?x", "#x", "/other"])
def test_other_addresses_of_the_tracking_host_are_left(path: str, rules: Rules, tracking: Tracking) -> None:
    assert reason(rules, tracking.base_url + path) == "own-host"


@pytest.mark.parametrize(
    "other", ["https://t.sender.example.net/", "https://t.sender.example:81/", "http://t.sender.example/"]
)
def test_hosts_that_only_look_alike_are_others(other: str, rules: Rules) -> None:
    assert reason(rules, other) == ""


def test_switched_off_links_say_so_last(rules: Rules) -> None:
    off = replace(rules, clicks=False)

    assert reason(off, "https://x.example/") == "clicks-off"
    assert reason(off, "mailto:x") == "not-web"


def test_unreadable_characters_are_unsafe(rules: Rules) -> None:
    assert reason(rules, "https://x.example/\ufffd") == "unsafe"


def test_what_a_redirect_may_not_lead_to_is_unsafe(rules: Rules) -> None:
    assert reason(rules, "https://user@x.example/") == "unsafe"
    assert reason(rules, "https://user@x.example/reset-password") == "one-time"


def test_own_pixels_are_known_by_their_token(tracking: Tracking) -> None:
    token = seal_pixel(tracking.keys, tracking.key_id, CopyId(9), Level.FULL)
    base = tracking.base_url
    found = own_token(base, "/o/", f"{base}/o/{token}.gif?x", tracking.keys)

    assert found is not None
    assert found.copy == CopyId(9)
    assert own_token(base, "/o/", f"{base}/o/{token}", tracking.keys) is None
    assert own_token(base, "/o/", f"https://other.example/o/{token}.gif", tracking.keys) is None
    assert own_token(base, "/o/", f"{base}/o/{token[:-1]}.gif", tracking.keys) is None


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://X.example:8443/a", "x.example"),
        ("x.example?b", "x.example"),
        ("https://[2001:DB8::1]:1/", "[2001:db8::1]"),
        ("https://x.example.", "x.example"),
        ("www.x.example today", "www.x.example"),
    ],
)
def test_the_host_of_an_address_is_read(address: str, expected: str) -> None:
    assert host_of(address) == expected


@pytest.mark.parametrize("text", ["192.0.2.7", "192.0.2.7:8080", "192.0.2.7/login", "http://192.0.2.7/"])
def test_a_number_is_a_host_too(text: str) -> None:
    assert visible_host(text) == "192.0.2.7"


@pytest.mark.parametrize("text", ["Read more", "Version 2.0", "1.2.3", "4.5.6.7.8"])
def test_a_text_without_address_shows_no_host(text: str) -> None:
    assert visible_host(text) is None


def test_visible_text_is_plain_and_short() -> None:
    assert plain("Tom &amp;\u00a0Jerry &#8250;") == "Tom & Jerry \u203a"
    assert len(plain("x" * 900)) == 200


def test_every_reason_has_plain_words() -> None:
    assert all(words and words[0].islower() and not words.endswith(".") for words in LEFT_REASONS.values())


# Short ways


@given(found=st.from_regex(links._UNSUBSCRIBE) | st.from_regex(links._DOOR))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_what_the_patterns_find_holds_a_hint(found: str) -> None:
    assert links._HINT.search(found)


@given(found=st.from_regex(links._USUAL, fullmatch=True))
def test_what_looks_like_nearly_every_link_is_safe(found: str) -> None:
    assert safe_destination(found)


PIECES = [
    *(
        "https://",
        "http://",
        "HTTPS://",
        "x.example",
        "www.Bank.example",
        "t.sender.example",
        ".",
        ":8080",
        "/",
        "//",
        "?",
    ),
    *("#", "a=1", "&amp;", "%20", "%zz%", "{{x}}", "[y]", "@", "\\", "\ufffd", "\u00fc", " ", "unsubscribe", "optout"),
    *("reset-password", "token=abcdef12", "/c/", "_", "-"),
]


@given(
    destination=st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    text=st.sampled_from(["", "go", "y.example", "https://y.example", "Unsubscribe", "reset your password"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_usual_links_are_decided_like_all_others(destination: str, text: str, rules: Rules) -> None:
    decided = rules.decide(destination, text=text, attributes={})
    usual = links._USUAL
    try:
        links._USUAL = compile(r"(?!)")
        assert decided == rules.decide(destination, text=text, attributes={})
    finally:
        links._USUAL = usual


@pytest.mark.parametrize("mark", sorted(links._MARK_NAMES))
def test_a_tag_with_an_opt_out_mark_is_looked_at(mark: str) -> None:
    assert may_opt_out(f"<a {mark.upper()} href='x'>")
    assert not may_opt_out("<a class='data-of-july' href='https://x.example/'>")
