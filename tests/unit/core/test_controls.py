from __future__ import annotations

from collections.abc import Sequence

import pytest

from unsealed.core.controls import Controls, is_control, read
from unsealed.core.header import fields
from unsealed.core.policy import Ceiling, Standing, installation, standing
from unsealed.model.policy import HiddenLink, Level, LinkScope, Rule, Scope, Switches

DEFAULT = Switches()


def asked(head: str, defaults: Switches = DEFAULT) -> Controls:
    return under(head, standing([installation(defaults)]), defaults)


def under(head: str, holds: Standing, switches: Switches = DEFAULT, *, also: Sequence[bool] = ()) -> Controls:
    return read(fields(head.replace("\n", "\r\n").encode() + b"\r\n\r\n"), switches, holds, also=also)


@pytest.mark.parametrize(
    ("head", "opens", "clicks"),
    [
        ("Subject: nothing asked", True, True),
        ("X-PM-TrackOpens: true", True, True),
        ("x-pm-trackopens: FALSE", False, True),
        ("X-Pm-Trackopens: maybe", False, True),
        ("X-PM-TrackOpens: true\nX-PM-TrackOpens: false", False, True),
        ("X-PM-TrackLinks: None", True, False),
        ("X-PM-TrackLinks: TextOnly", True, False),
        ("X-PM-TrackLinks: sometimes", True, False),
        ("X-PM-TrackLinks: HtmlOnly\nX-PM-TrackLinks: None", True, False),
        ("X-Mailgun-Track: no", False, False),
        ("X-Mailgun-Track-Opens: no", False, True),
        ("X-Mailgun-Track-Clicks: no", True, False),
        ("X-Mailgun-Track-Clicks: htmlonly", True, True),
        ("X-Mailgun-Track: perhaps", False, False),
        ('X-SMTPAPI: {"filters": {"opentrack": {"settings": {"enable": 0}}}}', False, True),
        ('X-SMTPAPI: {"filters": {"clicktrack": {"settings": {"enable": "0"}}}}', True, False),
        ('X-SMTPAPI: {"filters": {"clicktrack": {"settings": {"enable": 1}}}}', True, True),
        ('X-SMTPAPI: {"filters": {"clicktrack": 7}}', True, False),
        ("X-SMTPAPI: {broken", False, False),
        ("X-SMTPAPI: " + "[" * 100_000, False, False),
        ('X-MSYS-API: {"options": {"click_tracking": false}}', True, False),
        ('X-MSYS-API: {"options": {"open_tracking": false, "click_tracking": true}}', False, True),
        ('X-MSYS-API: {"options": []}', False, False),
        ("X-MC-Track: opens,clicks", True, True),
        ("X-MC-Track: opens", True, False),
        ("X-MC-Track: none", False, False),
        ("X-MC-Track: bananas", False, False),
        ("X-Mailjet-TrackClick: 0", True, False),
        ("X-Mailjet-TrackOpen: 0", False, True),
        ("X-MT-Category: news", True, True),
        ("X-PM-TrackOpens: false\nX-Mailgun-Track: yes", False, True),
    ],
)
def test_asking_for_less_wins_and_nonsense_switches_its_axis_off(head: str, opens: bool, clicks: bool) -> None:
    switches = asked(head).switches

    assert (switches.opens > Level.OFF, switches.tracks_links) == (opens, clicks)


@pytest.mark.parametrize(
    ("head", "scope"),
    [
        ("X-PM-TrackLinks: HtmlAndText", LinkScope.HTML_AND_TEXT),
        ("X-PM-TrackLinks: HtmlOnly", LinkScope.HTML),
        ("X-PM-TrackLinks: HtmlAndText\nX-PM-TrackLinks: HtmlOnly", LinkScope.HTML),
        ("X-PM-TrackLinks: true", LinkScope.HTML),
    ],
)
def test_the_parts_with_tracked_links_can_be_chosen(head: str, scope: LinkScope) -> None:
    assert asked(head).switches.links is scope


def test_asking_for_more_than_the_account_allows_is_noted_and_not_done() -> None:
    off = Switches(opens=Level.OFF, clicks=Level.OFF, links=LinkScope.NONE)

    made = asked("X-PM-TrackOpens: true\nX-PM-TrackLinks: HtmlAndText", off)

    assert made.switches.off
    assert made.notes == (
        "asked for but not done: open tracking is switched off in the settings file of this installation",
        "asked for but not done: link tracking is switched off in the settings file of this installation",
    )


def test_malformed_headers_are_named_in_a_note() -> None:
    assert asked("x-pm-trackopens: maybe").notes == ("X-PM-Trackopens could not be understood; opens are not tracked",)


@pytest.mark.parametrize(
    ("head", "tag", "metadata"),
    [
        ("X-PM-Tag: =?utf-8?Q?caf=C3=A9?=\nX-PM-Metadata-Color: blue", "caf\xe9", (("color", "blue"),)),
        ('X-Mailgun-Tag: a\nX-Mailgun-Variables: {"n": 1, "S": "x"}', "a", (("n", "1"), ("s", "x"))),
        ('X-SMTPAPI: {"category": ["one", "two"], "unique_args": {"k": "v"}}', "one", (("k", "v"),)),
        ('X-MSYS-API: {"campaign_id": "c", "metadata": {"k": "v"}}', "c", (("k", "v"),)),
        ('X-MC-Tags: t\nX-MC-Metadata: {"k": "v"}', "t", (("k", "v"),)),
        ('X-MT-Category: t\nX-MT-Custom-Variables: {"k": "v"}', "t", (("k", "v"),)),
        ("X-PM-Tag: first\nX-PM-Tag: second", "first", ()),
        ("X-MC-Metadata: [1]", "", ()),
    ],
)
def test_tag_and_metadata_are_read_in_every_dialect(head: str, tag: str, metadata: tuple[tuple[str, str], ...]) -> None:
    made = asked(head)

    assert (made.tag, made.metadata) == (tag, metadata)


def test_metadata_is_bounded() -> None:
    made = asked("\n".join(f"X-PM-Metadata-N{number}: {'x' * 600}" for number in range(60)))

    assert len(made.metadata) == 50
    assert max(len(value) for _, value in made.metadata) == 500
    assert len(made.notes) == 10


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("X-Pm-Anything", True),
        ("x-smtpapi", True),
        ("X-MAILGUN-DKIM", True),
        ("X-Mailer", False),
        ("X-Priority", False),
    ],
)
def test_every_control_header_is_known_for_what_it_is(name: str, ours: bool) -> None:
    assert [is_control(item) for item in fields(f"{name}: x\r\n\r\n".encode())] == [ours]


@pytest.mark.parametrize(
    ("head", "shared", "notes"),
    [
        ("Subject: nothing asked", False, 0),
        ("X-Unsealed-Copies: own", False, 0),
        ("x-unsealed-copies: SHARED", True, 0),
        ("X-Unsealed-Copies: own\nX-Unsealed-Copies: shared", True, 0),
        ("X-Unsealed-Copies: four", True, 1),
    ],
)
def test_recipients_share_a_copy_when_that_is_asked_for(head: str, shared: bool, notes: int) -> None:
    found = asked(head)

    assert (found.switches.shared, len(found.notes)) == (shared, notes)


@pytest.mark.parametrize(
    ("head", "default", "expected", "notes"),
    [
        ("Subject: nothing asked", HiddenLink.MANY, HiddenLink.MANY, 0),
        ("X-Unsealed-Hidden-Link: on", HiddenLink.MANY, HiddenLink.ALWAYS, 0),
        ("X-Unsealed-Hidden-Link: off", HiddenLink.ALWAYS, HiddenLink.NEVER, 0),
        ("X-Unsealed-Hidden-Link: on\nX-Unsealed-Hidden-Link: off", HiddenLink.MANY, HiddenLink.NEVER, 0),
        ("X-Unsealed-Hidden-Link: perhaps", HiddenLink.MANY, HiddenLink.NEVER, 1),
        ("X-Unsealed-Hidden-Link: on", HiddenLink.NEVER, HiddenLink.NEVER, 1),
    ],
)
def test_the_hidden_link_can_be_asked_for_and_declined(
    head: str, default: HiddenLink, expected: HiddenLink, notes: int
) -> None:
    found = asked(head, Switches(hidden_link=default))

    assert (found.switches.hidden_link, len(found.notes)) == (expected, notes)


NAMED = Rule(scope=Scope.USER, opens=Level.IDENTIFIED, clicks=Level.IDENTIFIED)
LIMITED = Ceiling(opens=Level.IDENTIFIED, clicks=Level.IDENTIFIED, opens_by=NAMED, clicks_by=NAMED)


@pytest.mark.parametrize(
    ("head", "also", "holds", "opens", "clicks", "refused"),
    [
        # a default is no request, and a yes asks for what is usual here
        ("", [], Standing(opens=Level.OFF), Level.OFF, Level.FULL, 0),
        ("X-PM-TrackOpens: true", [], Standing(opens=Level.OFF), Level.FULL, Level.FULL, 0),
        ("X-PM-TrackOpens: true", [], Standing(opens=Level.IDENTIFIED), Level.IDENTIFIED, Level.FULL, 0),
        (
            "X-PM-TrackOpens: true",
            [],
            Standing(opens=Level.OFF, clicks=Level.OFF, ceiling=LIMITED),
            Level.IDENTIFIED,
            Level.OFF,
            0,
        ),
        # a level is asked for by name
        ("X-Unsealed-Opens: identified", [], Standing(), Level.IDENTIFIED, Level.FULL, 0),
        ("X-Unsealed-Clicks: FULL", [], Standing(clicks=Level.OFF), Level.FULL, Level.FULL, 0),
        (
            "X-Unsealed-Opens: full\nX-Unsealed-Clicks: full",
            [],
            Standing(opens=Level.IDENTIFIED, clicks=Level.IDENTIFIED, ceiling=LIMITED),
            Level.IDENTIFIED,
            Level.IDENTIFIED,
            2,
        ),
        ("X-Unsealed-Opens: full\nX-Unsealed-Opens: off", [], Standing(), Level.OFF, Level.FULL, 0),
        ("X-Unsealed-Clicks: anonymous", [], Standing(), Level.FULL, Level.OFF, 0),
        ("X-Unsealed-Opens: identified\nX-PM-TrackOpens: false", [], Standing(), Level.OFF, Level.FULL, 0),
        # the name at sign-in or the subject
        ("", [False], Standing(), Level.OFF, Level.OFF, 0),
        ("", [True], Standing(opens=Level.OFF, clicks=Level.OFF), Level.FULL, Level.FULL, 0),
        ("X-PM-TrackLinks: HtmlOnly", [False], Standing(), Level.OFF, Level.OFF, 0),
        ("X-PM-TrackLinks: None", [True], Standing(), Level.FULL, Level.OFF, 0),
    ],
)
def test_levels_are_asked_for_within_the_ceiling(
    head: str, also: Sequence[bool], holds: Standing, opens: Level, clicks: Level, refused: int
) -> None:
    found = under(head, holds, also=also)

    assert (found.switches.opens, found.switches.clicks, len(found.refused)) == (opens, clicks, refused)


def test_what_was_asked_for_is_told_apart_from_what_is_usual() -> None:
    assert asked("Subject: nothing").wanted == frozenset()
    assert asked("X-PM-TrackOpens: true").wanted == {"opens"}
    assert asked("X-PM-TrackLinks: HtmlOnly").wanted == {"clicks"}
    assert asked("X-PM-TrackLinks: None").wanted == frozenset()
