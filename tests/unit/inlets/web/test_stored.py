from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.core import hits
from tests.unit.core.hits import CONTEXTS, HITS, number

from unsealed.app.languages import languages
from unsealed.core.judge import judge
from unsealed.core.network import BUILT_IN
from unsealed.core.scene import Context, SeenHit
from unsealed.inlets.web.stored import CHANGES, FORMS, change, read, reread
from unsealed.model.texts import ENGLISH
from unsealed.store.audit import What

GERMAN = languages().known["de"]
PLACES = [each for name, each in vars(hits).items() if name.isupper() and isinstance(each, tuple)]
AGENTS = (*(each for name, each in vars(hits).items() if name.isupper() and isinstance(each, str)), "", "curl/8", "x y")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("opened in Thunderbird, 15 min after delivery", "geöffnet in Thunderbird, 15 Min. nach der Zustellung"),
        (
            "followed in a browser on mail.example, at an unknown time after delivery",
            "aufgerufen in einem Browser auf mail.example, zu unbekannter Zeit nach der Zustellung",
        ),
        ("the same again after 1.5 s", "dasselbe noch einmal nach 1,5 s"),
        ("rules 2026.10 -> 2026.11", "Regeln 2026.10 -> 2026.11"),
        ("rules 2026.11", "Regeln 2026.11"),
        ("new data about networks and places", "neue Daten über Netze und Orte"),
        ("the same again after a blink", "dasselbe noch einmal nach einem Augenblick"),
        ("you said on 2 Mar 2026 that this was them", "Sie haben am 2. März 2026 gesagt, dass das der Empfänger war"),
        (
            "one picture through the network of a mail provider, 3 h after delivery",
            "ein Bild durch das Netz von einem Mailanbieter, 3 Std. nach der Zustellung",
        ),
        (
            "you took back that this was you: Thunderbird on Linux, 192.0.2.0/24, for rob@x.example",
            "Sie haben zurückgenommen, dass Sie das waren: Thunderbird unter Linux, 192.0.2.0/24, für rob@x.example",
        ),
        (
            "asked for but not done: open tracking is switched off for mail to example.org",
            "gewünscht, aber nicht getan: das Verfolgen von Öffnungen ist für Nachrichten an example.org abgeschaltet",
        ),
        (
            "Firefox on Windows, your own network, this event only",
            "Firefox unter Windows, Ihr eigenes Netz, nur dieses Ereignis",
        ),
        (
            "no access token: x.example answered 400: no; enter a new refresh token, or correct client ID and secret",
            "kein Zugriffstoken: x.example answered 400: no; geben Sie ein neues Refresh-Token ein, oder berichtigen "
            "Sie Client-ID und Secret",
        ),
    ],
)
def test_stored_words_are_said_in_the_language_of_who_reads(words: str, expected: str) -> None:
    assert expected == reread(words, GERMAN)
    assert words == reread(words, ENGLISH)


@pytest.mark.parametrize(
    ("what", "words", "english", "german"),
    [
        (
            What.CORRECTED,
            "you: Firefox on Linux, this event only",
            "you: Firefox on Linux, this event only",
            "Sie: Firefox unter Linux, nur dieses Ereignis",
        ),
        (
            What.TRACKING,
            "for letters made from “Quote”: opens by default unsaid -> off, links at most full -> identified",
            "for letters made from “Quote”: opens by default: off (before: not chosen); "
            "links at most: by name only (before: on)",
            "für Nachrichten aus „Quote“: Öffnungen, wenn nichts anderes gesagt ist: aus (vorher: nicht gewählt); "
            "Links höchstens: nur mit Namen (vorher: an)",
        ),
        (
            What.TRACKING,
            "for everybody: opens at most unsaid -> full, users may change opens no, refuse mail that asks for more no",
            "for everybody: opens at most: on (before: no limit); users may no longer choose whether opens are "
            "tracked; mail that asks for more leaves with less",
            "für alle: Öffnungen höchstens: an (vorher: keine Grenze); Benutzer dürfen nicht mehr wählen, ob "
            "Öffnungen verfolgt werden; E-Mails, die mehr verlangen, gehen mit weniger hinaus",
        ),
        (
            What.TRACKING,
            "in your settings: opens and links of mail to x.example: off",
            "in your settings: opens and links of mail to x.example: off",
            "in Ihren Einstellungen: Öffnungen und Links von E-Mails an x.example: aus",
        ),
        (
            What.SENDING,
            "own mail: by mx.example port 25, none as ann",
            "own mail: by mx.example port 25, none as ann",
            "eigene E-Mails: über mx.example, Port 25, ohne Verschlüsselung, als ann",
        ),
        (What.SIGNED_OUT, "A browser on Linux", "A browser on Linux", "Ein Browser unter Linux"),
        (
            What.ROLE,
            "rob@x.example from member to admin, by ann@x.example",
            "rob@x.example from Member to Administrator, by ann@x.example",
            "rob@x.example, bisher Mitglied, jetzt Administrator, durch ann@x.example",
        ),
        (What.GIVEN, "API token all but one", "API token all but one", "API-Token all but one"),
        (What.REVOKED, "a browser", "a browser", "a browser"),  # the name that somebody gave it
    ],
)
def test_what_is_told_of_a_change_is_a_sentence_in_the_language_of_who_reads(
    what: What, words: str, english: str, german: str
) -> None:
    assert english == change(what, words, ENGLISH)
    assert german == change(what, words, GERMAN)


@given(st.text(min_size=1))
def test_what_has_no_known_form_is_said_as_the_catalogue_has_it_or_as_it_was_stored(words: str) -> None:
    assert read(words) is not None or reread(words, GERMAN) == GERMAN.one(words)


def test_a_value_of_a_stranger_cannot_break_a_sentence() -> None:
    assert "%(number)s %d %: Nichts beweist eine Maschine" == reread(
        "%(number)s %d %: nothing proves a machine", GERMAN
    )


def test_each_form_knows_itself_and_has_words_of_its_own() -> None:
    samples = {"number": "7", "day": "2 Mar 2026", "seconds": "1.2 s", "after": "7 s after delivery", "system": "Linux"}
    samples |= {"port": "25", "size": "300 kB", "most": "256 kB"}
    samples |= {"address": "x.example", "level": "counts", "where": "in this message"}
    samples |= {"former": "off", "limit": "full", "former_limit": "unsaid", "role": "admin", "tls": "none"}
    for kind, form in [(kind, form) for kind, forms in {"": FORMS, **CHANGES}.items() for form in forms]:
        values = {name: samples.get(name, "X") for name in re.findall(r"%\((\w+)\)s", form)}
        found = read(form % values, kind)
        assert re.search(r"[a-z]{2}|s$", re.sub(r"%\(\w+\)s", "", form)), form
        assert found is not None
        assert form % values == found[0] % found[1], form


def reasons(seen: list[SeenHit], context: Context) -> set[str]:
    return {reason.words for verdict in judge(number(seen), context).values() for reason in verdict.reasons}


def test_every_reason_for_a_single_request_is_known() -> None:
    said: set[str] = set()
    for at, agent, place, link in product((-6, 1, 30, 9000), AGENTS, PLACES, (None, 0)):
        for language, method in ((True, "GET"), (False, "GET"), (None, "HEAD")):
            hit = hits.seen(at, agent, place, link, language=language, method=method)
            said |= reasons([hit], Context())

    assert len(said) > 40
    assert set() == {each for each in said if read(each) is None}


@given(seen=HITS, context=CONTEXTS)
def test_every_reason_in_a_history_is_known(seen: list[SeenHit], context: Context) -> None:
    assert set() == {each for each in reasons(seen, context) if read(each) is None}


def test_what_data_hold_is_known() -> None:
    assert "Adressbereiche von Bildproxys" in reread(BUILT_IN.holds, GERMAN)
