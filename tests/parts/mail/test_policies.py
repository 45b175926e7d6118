from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, Engine, insert
from tests.conftest import NOON

from unsealed.core.instrument import Tracking
from unsealed.flow import policy, send
from unsealed.model.errors import AboveCeiling, Refused
from unsealed.model.message import Outgoing, Recipient, UserId, public_id
from unsealed.model.policy import Level, Place, Rule, Scope, Switches
from unsealed.model.template import Content
from unsealed.store import audit, messages, policies, schema, templates
from unsealed.store.engine import reading
from unsealed.store.policies import EVERYBODY

INES, ROB = UserId(7), UserId(8)
NOBODY = Rule(scope=Scope.RECIPIENT_DOMAIN, name="quiet.example", opens=Level.OFF, clicks=Level.OFF)


@pytest.fixture
def users(engine: Engine) -> Engine:
    with engine.begin() as connection:
        for user in (INES, ROB):
            row = {"id": user, "email": f"{user}@example.org", "role": "member", "created_at": NOON}
            connection.execute(insert(schema.users).values(row))
    return engine


def lines(connection: Connection, user: UserId) -> list[str]:
    return [each.words for each in audit.lines(connection, user)]


def test_nothing_is_said_at_first(users: Engine) -> None:
    with reading(users) as connection:
        said = policies.said(connection, INES, ["ines@example.org", "example.org"])

        assert (said.places, said.recipients, said.destinations) == ((), (), frozenset())
        assert not policies.chosen(connection)
        assert policies.place(connection, EVERYBODY) == Place(limit=Rule(scope=Scope.ACCOUNT))


def test_what_is_said_for_everybody_holds_for_each_and_what_one_says_for_nobody_else(users: Engine) -> None:
    house = Place(limit=Rule(scope=Scope.ACCOUNT, clicks=Level.IDENTIFIED), opens=Level.OFF, opens_may_change=False)
    own = Place(limit=Rule(scope=Scope.USER), clicks=Level.OFF, strict=True)
    with users.begin() as connection:
        assert policies.keep(connection, EVERYBODY, house, by=INES, now=NOON)
        assert policies.keep(connection, INES, own, by=INES, now=NOON)
        assert not policies.keep(connection, INES, own, by=INES, now=NOON)

        assert policies.chosen(connection)
        assert set(policies.said(connection, INES, []).places) == {house, own}
        assert policies.said(connection, ROB, []).places == (house,)
        assert lines(connection, INES) == [
            "in your settings: links by default unsaid -> off, refuse mail that asks for more yes",
            "for everybody: opens by default unsaid -> off, links at most unsaid -> identified, "
            "users may change opens no",
        ]
        assert lines(connection, ROB) == []


def test_saying_again_what_is_the_default_is_a_choice_too(users: Engine) -> None:
    nothing = Place(limit=Rule(scope=Scope.ACCOUNT))
    with users.begin() as connection:
        assert policies.keep(connection, EVERYBODY, nothing, by=INES, now=NOON)

        assert policies.chosen(connection)
        assert lines(connection, INES) == ["for everybody: confirmed as it was"]


def test_lists_of_everybody_and_of_one_user_meet(users: Engine) -> None:
    with users.begin() as connection:
        half = Rule(scope=Scope.RECIPIENT_DOMAIN, name="quiet.example", opens=Level.OFF)
        other = Rule(scope=Scope.RECIPIENT_DOMAIN, name="quiet.example", clicks=Level.OFF)
        assert policies.exclude(connection, EVERYBODY, half, by=INES, now=NOON)
        assert not policies.exclude(connection, EVERYBODY, half, by=INES, now=NOON)
        assert policies.exclude(connection, ROB, other, by=ROB, now=NOON)
        link = Rule(scope=Scope.DESTINATION, name="calendar.example", clicks=Level.OFF)
        assert policies.exclude(connection, ROB, link, by=ROB, now=NOON)

        rob = policies.said(connection, ROB, ["a@quiet.example", "quiet.example", "example"])
        assert rob.recipients == (NOBODY,)
        assert rob.destinations == {"calendar.example"}
        assert policies.said(connection, INES, ["quiet.example"]).recipients == (half,)
        assert policies.said(connection, INES, ["loud.example"]).recipients == ()
        assert [row.name for row in policies.exclusions(connection, ROB)] == ["calendar.example", "quiet.example"]
        assert [row.name for row in policies.exclusions(connection, INES)] == []
        assert lines(connection, ROB) == [
            "in your settings: links to calendar.example are left alone",
            "in your settings: links of mail to quiet.example: off",
        ]


def test_an_entry_can_be_taken_off_by_its_owner_only(users: Engine) -> None:
    with users.begin() as connection:
        policies.exclude(connection, ROB, NOBODY, by=ROB, now=NOON)

        assert not policies.include(connection, INES, NOBODY.scope, NOBODY.name, by=INES, now=NOON)
        assert not policies.include(connection, ROB, Scope.USER, "", by=ROB, now=NOON)
        assert policies.include(connection, ROB, NOBODY.scope, NOBODY.name, by=ROB, now=NOON)
        assert policies.exclusions(connection, ROB) == []
        assert lines(connection, ROB)[0] == "in your settings: quiet.example is no longer excluded"


def test_the_list_has_an_end(users: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "EXCLUSIONS", 1)
    more = Rule(scope=Scope.RECIPIENT_DOMAIN, name="more.example", opens=Level.OFF)
    with users.begin() as connection:
        policies.exclude(connection, ROB, NOBODY, by=ROB, now=NOON)

        with pytest.raises(Refused, match="no room for more"):
            policies.exclude(connection, ROB, more, by=ROB, now=NOON)
        changed = Rule(scope=NOBODY.scope, name=NOBODY.name, opens=Level.OFF)
        assert policies.exclude(connection, ROB, changed, by=ROB, now=NOON)


@pytest.mark.parametrize(
    "rule",
    [
        Rule(scope=Scope.USER, name="x", opens=Level.OFF),
        Rule(scope=Scope.RECIPIENT, name="", opens=Level.OFF),
        Rule(scope=Scope.RECIPIENT, name="a@b.example"),
    ],
)
def test_only_recipients_and_destinations_are_excluded(users: Engine, rule: Rule) -> None:
    with users.begin() as connection, pytest.raises(Refused):
        policies.exclude(connection, ROB, rule, by=ROB, now=NOON)


def test_a_user_cannot_speak_for_everybody(users: Engine) -> None:
    with users.begin() as connection, pytest.raises(Refused):
        policies.keep(connection, ROB, Place(limit=Rule(scope=Scope.ACCOUNT)), by=ROB, now=NOON)


HTML = (
    b"From: a@x.example\r\nTo: b@y.example\r\nSubject: hi\r\nContent-Type: text/html\r\n\r\n"
    b'<p>Hello <a href="https://z.example/">there</a></p>\r\n'
)


@pytest.mark.parametrize("shared", [False, True])
def test_each_copy_has_the_levels_that_were_frozen_for_it(users: Engine, tracking: Tracking, shared: bool) -> None:
    off, full = Level.OFF, Level.FULL
    to = (
        Recipient(address="both@y.example"),
        Recipient(address="opens@y.example", clicks=off),
        Recipient(address="links@y.example", opens=off),
        Recipient(address="none@y.example", opens=off, clicks=off),
    )
    outgoing = Outgoing(
        user=INES,
        envelope_from="a@x.example",
        recipients=to,
        raw=HTML,
        switches=Switches(shared=shared),
        received_at=datetime(2026, 11, 21, tzinfo=UTC),
    )

    message = send.accept(users, outgoing, tracking=tracking, now=NOON)

    found = {}
    with reading(users) as connection:
        ids = connection.execute(
            schema.copies.select().where(schema.copies.c.message_id == message, schema.copies.c.address != "")
        )
        rows = {row.address: row for row in ids}
    for address, row in rows.items():
        raw = send.copy_of(users, row.id, keys=tracking.keys).raw
        assert raw == send.copy_of(users, row.id, keys=tracking.keys).raw
        found[address.partition("@")[0]] = (b"/o/" in raw, b"/c/" in raw)
        assert (raw == HTML) is (address == "none@y.example")
    assert found == {"both": (True, True), "opens": (True, False), "links": (False, True), "none": (False, False)}
    assert (rows["none@y.example"].opens_level, rows["both@y.example"].opens_level) == (off, full)
    if not shared:
        assert [address for address, row in rows.items() if not row.tracked] == ["none@y.example"]


def test_what_is_said_later_changes_no_mail_that_was_accepted(users: Engine, tracking: Tracking) -> None:
    outgoing = Outgoing(
        user=INES,
        envelope_from="a@x.example",
        recipients=(Recipient(address="b@quiet.example"),),
        raw=HTML,
        switches=Switches(),
        received_at=NOON,
    )
    message = send.accept(users, outgoing, tracking=tracking, now=NOON)
    with reading(users) as connection:
        copy = connection.execute(schema.copies.select().where(schema.copies.c.message_id == message)).scalar_one()
        before = messages.derivation(connection, copy)
    sent = send.copy_of(users, copy, keys=tracking.keys).raw

    with users.begin() as connection:
        policies.exclude(connection, EVERYBODY, NOBODY, by=INES, now=NOON)

    with reading(users) as connection:
        assert messages.derivation(connection, copy) == before
    assert send.copy_of(users, copy, keys=tracking.keys).raw == sent


def test_what_a_template_says_holds_for_letters_made_from_it_alone(users: Engine) -> None:
    with users.begin() as connection:
        template = templates.add(connection, INES, "Welcome", Content(subject="", html=""), NOON)
        name = public_id(template)
        unsaid = Place(limit=Rule(scope=Scope.TEMPLATE, name=name))
        assert policies.of_template(connection, name) == unsaid

        quiet = replace(unsaid, limit=replace(unsaid.limit, clicks=Level.OFF), opens=Level.IDENTIFIED)
        assert policies.keep(connection, EVERYBODY, quiet, by=INES, now=NOON)
        assert not policies.keep(connection, EVERYBODY, quiet, by=INES, now=NOON)

        assert policies.of_template(connection, name) == quiet
        assert policies.said(connection, ROB, []).places == ()
        assert policies.said(connection, ROB, [], name).places == (quiet,)
        assert policies.said(connection, ROB, [], public_id(template ^ 1)).places == ()
        assert lines(connection, INES) == [
            "for letters made from “Welcome”: opens by default unsaid -> identified, links at most unsaid -> off"
        ]


@pytest.mark.parametrize("name", ["", "0123456789abcdef"])
def test_only_at_a_template_of_the_house_something_is_said_under_a_name(users: Engine, name: str) -> None:
    with users.begin() as connection:
        for owner, scope in ((INES, Scope.TEMPLATE), (EVERYBODY, Scope.ACCOUNT), (INES, Scope.USER)):
            if name or scope is Scope.TEMPLATE:
                with pytest.raises(Refused):
                    policies.keep(connection, owner, Place(limit=Rule(scope=scope, name=name)), by=INES, now=NOON)


def test_a_template_is_named_as_people_know_it_and_held_to_what_holds_for_everybody(users: Engine) -> None:
    with users.begin() as connection:
        template = templates.add(connection, INES, "Welcome", Content(subject="", html=""), NOON)
        limit = Rule(scope=Scope.TEMPLATE, name=public_id(template), opens=Level.OFF)
        assert policy.keep_template(connection, INES, Place(limit=limit), Switches(), NOON)

        said = policy.said_about(connection, ROB, ["a@b.example"], template)
        assert [replace(limit, name="Welcome")] == [place.limit for place in said.places]
        assert policy.said_about(connection, ROB, ["a@b.example"]).places == ()

        house = Place(limit=Rule(scope=Scope.ACCOUNT, clicks=Level.IDENTIFIED))
        policies.keep(connection, EVERYBODY, house, by=INES, now=NOON)
        with pytest.raises(AboveCeiling, match="link tracking is limited to the level identified for everybody here"):
            policy.keep_template(connection, INES, Place(limit=limit, clicks=Level.FULL), Switches(), NOON)
