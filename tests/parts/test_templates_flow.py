from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Engine
from tests.conftest import NOON

from unsealed.flow import templates
from unsealed.flow.templates import Written, read
from unsealed.model.errors import AboveCeiling, BadInput, Refused
from unsealed.model.message import Recipient, UserId, public_id
from unsealed.model.policy import Level, Place, Rule, Scope, Switches
from unsealed.model.template import TemplateId, TemplateRow
from unsealed.store import contacts, identities, policies, schema
from unsealed.store import templates as shelf
from unsealed.store.engine import reading

MARA, ROB, ADA = UserId(1), UserId(2), UserId(3)
WORDS = read(name="Welcome", subject="Hi {{first_name}}", html="<p>From {{sender_name|us}} to {{company}}</p>")
OTHERS = read(name="Good day", subject="Hi", html="<p>Good day</p>")


@pytest.fixture
def house(engine: Engine) -> Engine:
    with engine.begin() as connection:
        for user, role in ((MARA, "member"), (ROB, "member"), (ADA, "admin")):
            row = {"id": user, "email": f"{user}@x.example", "role": role, "created_at": NOON}
            connection.execute(schema.users.insert(), row)
        schema_row = {"user_id": MARA, "address": "1@x.example", "created_at": NOON}
        connection.execute(schema.identities.insert(), schema_row)
    return engine


def kept(engine: Engine, *, shared: bool = False, words: Written = WORDS) -> TemplateId:
    with engine.begin() as connection:
        template = templates.create(connection, MARA, words, NOON)
        shelf.share(connection, template, shared)
        return template


def row(engine: Engine, template: TemplateId, user: UserId = MARA) -> TemplateRow:
    with reading(engine) as connection:
        found = shelf.find(connection, user, template)
        assert found is not None
        return found


def test_other_words_make_a_version_and_another_name_does_not(house: Engine) -> None:
    template = kept(house)
    numbers = []
    for words, based_on in ((replace(WORDS, name="Hello"), None), (OTHERS, 1), (WORDS, 1)):
        found = row(house, template)
        with house.begin() as connection:
            numbers.append(templates.change(connection, MARA, found, words, NOON, based_on))
    assert [1, 2, None] == numbers
    assert "Good day" == row(house, template).name


def test_an_old_version_is_taken_back_as_the_newest(house: Engine) -> None:
    template = kept(house)
    found = row(house, template)
    with house.begin() as connection:
        templates.change(connection, MARA, found, OTHERS, NOON)
        assert templates.take_back(connection, MARA, found, 1, NOON) == 3
        assert templates.take_back(connection, MARA, found, 9, NOON) is None
        newest = shelf.version(connection, template, 3)
    assert newest is not None
    assert WORDS.content == newest.content


@pytest.mark.parametrize(("user", "shared", "may"), [(MARA, False, True), (ROB, True, False), (ADA, True, True)])
def test_a_shared_template_is_changed_by_its_maker_or_an_administrator(
    house: Engine, user: UserId, shared: bool, may: bool
) -> None:
    template = kept(house, shared=shared)
    found = row(house, template, user)
    place = Place(limit=Rule(scope=Scope.TEMPLATE, name=public_id(template)), opens=Level.OFF)
    with house.begin() as connection:
        assert may == templates.may_change(connection, user, found)
        changes: list[Callable[[], object]] = [
            lambda: templates.change(connection, user, found, OTHERS, NOON),
            lambda: templates.take_back(connection, user, found, 1, NOON),
            lambda: templates.keep_tracking(connection, user, found, place, Switches(), NOON),
            lambda: templates.offer(connection, user, found, True, NOON),
            lambda: templates.share(connection, user, found, False),
        ]
        for change in changes:
            if may:
                change()
            else:
                with pytest.raises(Refused, match="belongs to 1@x"):
                    change()
    assert may == (row(house, template).version > 1)


def test_an_administrator_neither_sees_nor_changes_what_is_not_shared(house: Engine) -> None:
    template = kept(house)
    found = row(house, template)
    with house.begin() as connection:
        assert shelf.find(connection, ADA, template) is None
        assert not templates.may_change(connection, ADA, found)


def test_a_template_asks_for_no_more_than_everybody_may(house: Engine) -> None:
    template = kept(house)
    place = Place(limit=Rule(scope=Scope.TEMPLATE, name=public_id(template)), opens=Level.FULL)
    found = row(house, template)
    with house.begin() as connection:
        with pytest.raises(AboveCeiling):
            templates.keep_tracking(connection, MARA, found, place, Switches(opens=Level.OFF), NOON)
        assert policies.of_template(connection, public_id(template)).opens is None


def test_a_letter_is_made_of_what_is_known_and_given(house: Engine) -> None:
    template = kept(house)
    with house.begin() as connection:
        contacts.met(connection, MARA, [Recipient(address="ines@harbour.example", name="Ines Marchetti")], NOON)
        identities.describe(connection, MARA, "1@x.example", name="Mara", signature="")

        version, whole = templates.made(connection, MARA, template, contact="Ines@harbour.example") or (None, None)
        assert version is not None
        assert whole is not None
        assert (1, "Hi Ines", "<p>From Mara to harbour.example</p>", ()) == (
            version.version,
            whole.content.subject,
            whole.content.html,
            whole.missing,
        )
        values = {"first_name": "I. <b>", "company": "Harbour"}
        typed = templates.known_values(connection, MARA, "Rob Li <INES@harbour.example>")
        assert ("Rob", "Li", "INES@harbour.example") == (typed["first_name"], typed["last_name"], typed["email"])
        _, given = templates.made(connection, MARA, template, contact="new@y.example", values=values) or (None, None)
        assert given is not None
        assert ("Hi I. <b>", "<p>From Mara to Harbour</p>") == (given.content.subject, given.content.html)

        _, part = templates.made(connection, MARA, template, contact="new@y.example", whole=False) or (None, None)
        assert part is not None
        assert (("first_name",), "Hi {{first_name}}") == (part.missing, part.content.subject)
        assert part.content.html == "<p>From Mara to y.example</p>"

        assert templates.made(connection, ROB, template) is None
        shelf.offer(connection, template, False, NOON)
        assert templates.made(connection, MARA, template) is None


def test_only_what_a_letter_can_hold_is_kept_and_the_rest_is_named() -> None:
    found = read(
        name="Offer",
        subject="",
        html="<html><head><style>p{}</style></head><body><form><table bgcolor=red><tr><td style='padding:3px'>a"
        "<script>x()</script></td></tr></table></form><img src='data:image/png;base64,A'>"
        '<a href="{{link}}" onclick="x()">b</a><img src="https://x.example/a.png"></body></html>',
    )

    assert {} == found.wrong
    assert found.content.html.startswith('<table bgcolor="red"><tbody><tr><td style="padding:3px">a</td>')
    assert '<a href="{{link}}">b</a>' in found.content.html
    assert ("form", "script", "style") == found.left_out
    assert ("link",) == found.placeholders
    assert read(name="Offer", subject="", html=found.content.html).content == found.content


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("name", "", "needs a name"),
        ("name", "x" * 10_000, "10,000 characters"),
        ("name", "a\r\nb", "a line end"),
        ("name", "a\0b", r"U\+0000"),
        ("subject", "a\nBcc: x@y.example", "a line end"),
        ("subject", "a\u202eb", r"U\+202E"),
        ("subject", "=?utf-8?q?a=0d=0ab?=", "code of mail headers"),
        ("subject", "x" * 10_000, "10,000 characters"),
        ("subject", "{{first name}}", "is not a placeholder"),
        ("html", "x" * 300_001, "300,001 characters"),
        ("html", "a\0b", r"U\+0000"),
        ("html", "a\ud800b", r"U\+D800"),
        ("html", "<div>" * 5_000, "nested deeper"),
        ("html", '<p style="color:{{c}}">a</p>', "where nothing can be filled in"),
        ("html", " \r\n", "a template holds a letter"),
        ("text", "x" * 100_001, "100,001 characters"),
        ("text", "{{user.name}}", "is not a placeholder"),
        ("text", "\x1b[2J", r"U\+001B"),
    ],
)
def test_what_cannot_be_kept_is_said_at_its_field_and_stays_as_typed(field: str, typed: str, words: str) -> None:
    fields = {"name": "Offer", "subject": "Hi", "html": "<p>a</p>", "text": ""} | {field: typed}
    found = read(**fields)

    assert [field] == list(found.wrong)
    with pytest.raises(BadInput, match=words):
        templates._nothing_wrong(found)


def test_nothing_wrong_is_kept(house: Engine) -> None:
    with house.begin() as connection:
        with pytest.raises(BadInput, match="name: "):
            templates.create(connection, MARA, read(name="", subject="", html="<p>a</p>"), NOON)
        assert [] == shelf.list_for(connection, MARA)
