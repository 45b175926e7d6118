from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from unsealed.model.message import (
    AddressKind,
    CopyId,
    Delivery,
    Link,
    LinkPart,
    MessageId,
    Outgoing,
    Recipient,
    Survey,
)
from unsealed.model.policy import Level, LinkScope, Switches, VisibleUrl
from unsealed.store import messages, schema

SURVEY = Survey(
    links=(
        Link(position=0, offset=12, part=LinkPart.HTML, destination="https://example.com/", text="here", tracked=True),
        Link(position=1, offset=40, part=LinkPart.TEXT, destination="mailto:a@x", reason="scheme"),
    ),
    pixel="before </body>",
    pixel_offset=99,
    warnings=("clipped",),
    html_bytes=120,
)
COPIES = [CopyId(11), CopyId(12)]


@pytest.fixture
def kept(engine: Engine, outgoing: Callable[..., Outgoing]) -> Callable[..., Outgoing]:
    """`kept()` adds message 1 with copies 11 and 12."""

    def add(survey: Survey = SURVEY, **changes: Any) -> Outgoing:
        made = outgoing("bob@x.example", "eve@x.example", **changes)
        with engine.begin() as connection:
            messages.add(
                connection,
                MessageId(1),
                made,
                survey=survey,
                copy_ids=COPIES,
                message_id="<1@example.org>",
                subject="hi",
                key_id=1,
                tracking_url="https://t.example.org",
            )
        return made

    return add


def test_everything_about_a_message_is_kept(kept: Callable[..., Outgoing], rows: Any, clock: Any) -> None:
    made = kept()

    [message] = rows(schema.messages)
    assert (message["subject"], message["message_id"], message["recipient_count"]) == ("hi", "<1@example.org>", 2)
    assert message["recipients"] == "bob@x.example, eve@x.example"
    assert message["size"] == len(made.raw)
    assert message["signal_at"] == message["received_at"] == clock()
    assert json.loads(message["survey"])["pixel_offset"] == 99
    assert [row["raw"] for row in rows(schema.originals)] == [made.raw]
    assert [(row["destination"], row["tracked"], row["reason"]) for row in rows(schema.links)] == [
        ("https://example.com/", True, ""),
        ("mailto:a@x", False, "scheme"),
    ]
    assert [(row["id"], row["position"], row["delivery"], row["tracked"]) for row in rows(schema.copies)] == [
        (11, 0, "queued", True),
        (12, 1, "queued", True),
    ]


@pytest.mark.parametrize("survey", [Survey(), Survey(unchanged="signed", pixel="before </body>")])
def test_copies_of_an_untouched_message_are_not_tracked(
    kept: Callable[..., Outgoing], rows: Any, survey: Survey
) -> None:
    kept(survey)

    assert [row["tracked"] for row in rows(schema.copies)] == [False, False]


def test_what_a_copy_follows_from_comes_back_as_it_was(kept: Callable[..., Outgoing], engine: Engine) -> None:
    switches = Switches(
        opens=Level.ANONYMOUS,
        clicks=Level.IDENTIFIED,
        links=LinkScope.HTML_AND_TEXT,
        visible_urls=VisibleUrl.TRACK,
        excluded_domains=frozenset({"example.net"}),
    )
    made = kept(switches=switches)
    with engine.connect() as connection:
        found = messages.derivation(connection, CopyId(12))
        assert messages.derivation(connection, CopyId(99)) is None

    assert found is not None
    assert found.original == made.raw
    assert found.switches == switches
    assert found.recipient == Recipient(address="eve@x.example", kind=AddressKind.TO)
    assert (found.user, found.message, found.envelope_from) == (made.user, MessageId(1), made.envelope_from)
    assert (found.key_id, found.tracking_url, found.tracked) == (1, "https://t.example.org", True)


def test_a_copy_goes_its_way(kept: Callable[..., Outgoing], engine: Engine, copies: Any, clock: Any) -> None:
    kept()
    later = clock() + timedelta(minutes=5)
    with engine.begin() as connection:
        messages.delayed(connection, CopyId(11), reply="451 \0later", next_at=later)
    bob = copies()["bob@x.example"]
    assert (bob["delivery"], bob["reply"], bob["next_at"], bob["attempts"]) == ("delayed", "451 later", later, 1)

    with engine.begin() as connection:
        messages.sent(connection, CopyId(11), reply="250 ok", at=later, final=False)
        messages.sent(connection, CopyId(12), reply="250 ok", at=later, final=True)
    bob, eve = copies()["bob@x.example"], copies()["eve@x.example"]
    assert (bob["delivery"], bob["sent_at"], bob["ended_at"], bob["next_at"]) == ("sent", later, None, None)
    assert (eve["delivery"], eve["sent_at"], eve["ended_at"]) == ("delivered", later, later)


def test_a_refusal_can_be_reported(kept: Callable[..., Outgoing], engine: Engine, clock: Any) -> None:
    made = kept()
    with engine.begin() as connection:
        assert messages.refusal(connection, CopyId(11)) is None
        messages.bounced(connection, CopyId(11), reply="550 no", at=clock())
        found = messages.refusal(connection, CopyId(11))

    assert found is not None
    assert (found.recipient, found.reply, found.envelope_from) == ("bob@x.example", "550 no", "ann@example.org")
    assert (found.original, found.ended_at) == (made.raw, clock())


def test_lists_name_three_recipients(engine: Engine, outgoing: Callable[..., Outgoing], rows: Any) -> None:
    made = outgoing(*(f"r{number}@x.example" for number in range(4)))
    with engine.begin() as connection:
        messages.add(
            connection, MessageId(1), made, survey=Survey(), copy_ids=[CopyId(number) for number in range(4)],
            message_id="", subject="", key_id=1, tracking_url="",
        )  # fmt: skip

    assert rows(schema.messages)[0]["recipients"] == "r0@x.example, r1@x.example, r2@x.example, ..."


def test_states_are_words_of_the_closed_list(kept: Callable[..., Outgoing], copies: Any) -> None:
    kept()

    assert Delivery(copies()["bob@x.example"]["delivery"]) is Delivery.QUEUED
