from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select
from tests.conftest import NOON

from unsealed.model.errors import Refused
from unsealed.model.message import UserId
from unsealed.model.template import Content, TemplateId, TemplateUse
from unsealed.store import schema, templates
from unsealed.store.engine import reading

MARA, ROB = UserId(1), UserId(2)
FIRST = Content(subject="Welcome, {{first_name}}", html="<p>Hello</p>", text="Hello")
SECOND = Content(subject="Welcome", html="<p>Good day</p>")


@pytest.fixture
def shelf(engine: Engine) -> Engine:
    with engine.begin() as connection:
        for user, role in ((MARA, "owner"), (ROB, "member")):
            row = {"id": user, "email": f"{user}@x.example", "role": role, "created_at": NOON}
            connection.execute(schema.users.insert(), row)
    return engine


def add(engine: Engine, user: UserId = MARA, name: str = "Welcome", content: Content = FIRST) -> TemplateId:
    with engine.begin() as connection:
        return templates.add(connection, user, name, content, NOON)


def offered(engine: Engine, user: UserId) -> list[str]:
    with reading(engine) as connection:
        return [each.name for each in templates.list_for(connection, user)]


def test_old_versions_never_change(shelf: Engine) -> None:
    template = add(shelf)
    with shelf.begin() as connection:
        assert templates.change(connection, template, SECOND, by=ROB, now=NOON + timedelta(hours=1)) == 2
        templates.rename(connection, template, "Good day", NOON + timedelta(hours=2))

    with reading(shelf) as connection:
        found = templates.versions(connection, template)
        assert [(2, SECOND, "2@x.example"), (1, FIRST, "1@x.example")] == [
            (each.version, each.content, each.by) for each in found
        ]
        assert templates.version(connection, template, 1) == found[1]
        assert templates.version(connection, template, 3) is None
        row = templates.find(connection, MARA, template)
        assert row is not None
        assert ("Good day", 2, "Welcome", "1@x.example") == (row.name, row.version, row.subject, row.owner)


def test_what_somebody_else_changed_meanwhile_is_not_covered(shelf: Engine) -> None:
    template = add(shelf)
    with shelf.begin() as connection:
        assert templates.change(connection, template, SECOND, by=MARA, now=NOON, based_on=1) == 2
        assert templates.change(connection, template, FIRST, by=ROB, now=NOON, based_on=1) is None
        assert [SECOND, FIRST] == [each.content for each in templates.versions(connection, template)]


def test_others_see_what_is_shared_alone(shelf: Engine) -> None:
    template = add(shelf)
    add(shelf, ROB, "arrival")
    assert (["Welcome"], ["arrival"]) == (offered(shelf, MARA), offered(shelf, ROB))
    with shelf.begin() as connection:
        assert templates.find(connection, ROB, template) is None
        templates.share(connection, template, True)
        assert templates.find(connection, ROB, template) is not None
    assert ["arrival", "Welcome"] == offered(shelf, ROB)


def test_what_is_not_offered_any_more_keeps_its_versions(shelf: Engine) -> None:
    template = add(shelf)
    with shelf.begin() as connection:
        templates.offer(connection, template, False, NOON)
    assert [] == offered(shelf, MARA)
    with shelf.begin() as connection:
        row = templates.find(connection, MARA, template)
        assert row is not None
        assert row.removed
        assert [1] == [each.version for each in templates.versions(connection, template)]
        templates.offer(connection, template, True, NOON)
    assert ["Welcome"] == offered(shelf, MARA)


def test_a_shelf_has_an_end(shelf: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "TEMPLATES", 1)
    add(shelf)
    with pytest.raises(Refused, match="no room for more"):
        add(shelf)
    assert [1] == [len(offered(shelf, user)) for user in (MARA,)]
    add(shelf, ROB)


def test_what_came_of_the_letters_is_told_by_version_and_to_their_sender_alone(shelf: Engine) -> None:
    template = add(shelf)
    with shelf.begin() as connection:
        for number, (version, opens) in enumerate([(1, [1, 0]), (1, [3]), (2, [0])], 1):
            sent(connection.execute, number, template, version, opens)

        assert templates.uses(connection, MARA, template) == {
            1: TemplateUse(version=1, messages=2, copies=3, opened=2, clicked=0),
            2: TemplateUse(version=2, messages=1, copies=1, opened=0, clicked=0),
        }
        assert templates.uses(connection, ROB, template) == {}


def sent(
    execute: Callable[..., object],
    number: int,
    template: TemplateId,
    version: int,
    opens: list[int],
    at: datetime = NOON,
) -> None:
    message = {
        "id": number,
        "user_id": MARA,
        "thread": number,
        "template_id": template,
        "template_version": version,
        "envelope_from": "mara@x.example",
        "message_id": f"<{number}@x.example>",
        "subject": "Welcome",
        "recipients": "rob@y.example",
        "recipient_count": len(opens),
        "size": 1,
        "opens_level": 4,
        "clicks_level": 4,
        "switches": "{}",
        "key_id": 0,
        "tracking_url": "https://t.example.org",
        "survey": "{}",
        "received_at": at,
        "signal_at": at,
    }
    execute(schema.messages.insert().values(message))
    people = [(f"{place}@y.example", count) for place, count in enumerate(opens)]
    for place, (address, count) in enumerate([*people, ("", sum(opens))]):  # the last stands for a shared copy
        copy = {
            "id": number * 100 + place,
            "message_id": number,
            "position": place,
            "address": address,
            "user_id": MARA,
            "mailbox": address,
            "domain": "y.example",
            "kind": "to" if address else "bcc",
            "tracked": True,
            "delivery": "sent",
            "opens": count,
        }
        execute(schema.copies.insert().values(copy))


def test_the_name_of_a_template_is_known_to_all(shelf: Engine) -> None:
    template = add(shelf)
    with reading(shelf) as connection:
        assert ("Welcome", "") == (
            templates.name_of(connection, template),
            templates.name_of(connection, TemplateId(3)),
        )
        assert connection.execute(select(schema.templates.c.user_id)).scalar_one() == MARA
