"""What was found in a mailbox becomes answers and reports, each once, in one transaction with the folder's place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.exc import OperationalError
from tests.conftest import NOON
from tests.parts.house import KEYS, SENDER, THUNDERBIRD, House, a_hit, snapshot
from tests.unit.core.test_reply import report

from unsealed.core import reply
from unsealed.flow import observe
from unsealed.flow.ingest import recount
from unsealed.model.errors import BadInput
from unsealed.model.message import CopyId, Delivery, UserId, public_id
from unsealed.model.reply import Found, Mailbox
from unsealed.model.upstream import Auth, OAuth, Tls
from unsealed.store import feed, mailboxes, people, schema
from unsealed.store.mailboxes import Cursor, Kept

LATER = NOON + timedelta(hours=1)


def answer(
    *, by: str = "rob0@x.example", to: str = "<1@example.org>", number: int = 1, references: str = "", more: str = ""
) -> bytes:
    return (
        f"From: {by}\r\nMessage-ID: <a{number}@x.example>\r\nIn-Reply-To: {to}\r\nReferences: {references} {to}\r\n"
        f"{more}\r\n"
    ).encode()


def failed(copy: str, action: str = "failed", status: str = "5.1.1", *, top: str = "", envelope: str = "") -> bytes:
    raw = report(
        f"Final-Recipient: rfc822; {copy}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; 550 {status} no such user",
        returned="Message-ID: <1@example.org>",
        top=top,
    )
    said = f"Original-Envelope-Id: {envelope}\r\nReporting-MTA".encode() if envelope else b"Reporting-MTA"
    return raw.replace(b"Reporting-MTA", said)


class Office:
    """A house whose sender has a mailbox."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.house = House(engine, folder)
        self.engine = engine
        self.uid = 0
        with engine.begin() as connection:
            people.add_identity(connection, SENDER, "ines@example.org", NOON)
            mailboxes.connect(
                connection, SENDER, host="mail.example.org", port=993, tls=Tls.IMPLICIT, user="i", secret=b"s", now=NOON
            )
        self.kept = self.mailbox()

    def mailbox(self) -> Kept:
        with self.engine.connect() as connection:
            found = mailboxes.of(connection, SENDER)
        assert found is not None
        return found

    def comes(self, *messages: bytes, folder: str = "INBOX") -> bool:
        found = [Found(uid=self.uid + place, at=LATER, raw=raw) for place, raw in enumerate(messages, 1)]
        self.uid += len(messages)
        upto = Cursor(uidvalidity=1, uid=self.uid)
        return observe.take_in(self.engine, self.kept, folder, found, upto, LATER)

    def kinds(self) -> list[tuple[str, CopyId | None]]:
        r = schema.replies.c
        with self.engine.connect() as connection:
            return [(row.kind, row.copy_id) for row in connection.execute(select(r.kind, r.copy_id).order_by(r.id))]

    def replies(self, copy: CopyId) -> tuple[int, Any, int]:
        """Of the copy, since when, and of its message."""
        c, m = schema.copies.c, schema.messages.c
        query = select(c.replies, c.replied_at, m.replies.label("all")).join(schema.messages, m.id == c.message_id)
        with self.engine.connect() as connection:
            row = connection.execute(query.where(c.id == copy)).one()
        return (row.replies, row.replied_at, row.all)

    def delivery(self, copy: CopyId) -> tuple[str, str]:
        c = schema.copies.c
        with self.engine.connect() as connection:
            row = connection.execute(select(c.delivery, c.reply).where(c.id == copy)).one()
        return (row.delivery, row.reply)

    def fed(self) -> list[tuple[str, CopyId | None]]:
        f = schema.feed.c
        with self.engine.connect() as connection:
            return [(row.what, row.copy_id) for row in connection.execute(select(f.what, f.copy_id).order_by(f.id))]


@pytest.fixture
def office(engine: Engine, tmp_path: Path) -> Iterator[Office]:
    it = Office(engine, tmp_path)
    yield it
    it.house.journal.close()


def test_an_answer_counts_on_the_copy_and_the_message_and_reaches_live_pages(office: Office) -> None:
    rob, lotte = office.house.message(copies=2)

    assert office.comes(answer())

    assert (1, LATER, 1) == office.replies(rob)
    assert (0, None, 1) == office.replies(lotte)
    assert [("reply", rob)] == office.fed()


def test_an_answer_by_a_person_and_a_bounce_are_causes_of_notices_and_nothing_else_is(office: Office) -> None:
    answered, bounced = office.house.message(), office.house.message()
    office.comes(answer(), answer(number=2, more="Auto-Submitted: auto-replied\r\n"), answer(number=3))
    office.comes(answer(), folder="Archive")
    office.comes(failed("rob0@x.example", envelope=public_id(bounced[0])))
    office.comes(failed("rob0@x.example", envelope=public_id(answered[0]), action="delayed", status="4.4.1"))

    n = schema.notices.c
    with office.engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(select(n.act, n.state).order_by(n.id))]
    assert [("replied", "new"), ("replied", "new"), ("bounced", "new")] == found


def test_an_answer_is_counted_once_wherever_and_however_often_it_is_found(office: Office) -> None:
    [rob] = office.house.message()
    office.comes(answer(), answer())
    office.comes(answer(), folder="Archive")
    office.comes(answer(number=2))

    assert (2, LATER, 2) == office.replies(rob)


def test_an_automatic_answer_is_kept_and_counts_nothing(office: Office) -> None:
    [rob] = office.house.message()
    office.comes(answer(more="Auto-Submitted: auto-replied\r\n"))

    assert (0, None, 0) == office.replies(rob)
    assert [("automatic", rob)] == office.kinds()


def test_a_stranger_who_knows_the_message_raises_no_copy(office: Office) -> None:
    rob, _ = office.house.message(copies=2)
    office.comes(answer(by="stranger@y.example"))

    assert (0, None, 1) == office.replies(rob)
    assert [("reply", None)] == office.kinds()


def test_who_is_forged_as_their_server_says_raises_no_copy(office: Office) -> None:
    [rob] = office.house.message()
    office.comes(answer(more="Authentication-Results: mx.example.org; dmarc=fail header.from=x.example\r\n"))

    assert (0, None, 1) == office.replies(rob)


def test_an_answer_to_somebody_elses_answer_counts_in_the_conversation_alone(office: Office) -> None:
    [rob] = office.house.message()
    office.comes(answer(to="<lottes@y.example>", references="<1@example.org>"))

    assert (0, None, 1) == office.replies(rob)


def test_the_senders_own_mail_is_no_answer(office: Office) -> None:
    [rob] = office.house.message()
    office.comes(answer(by="Ines@Example.org"), folder="All Mail")

    assert (0, None, 0) == office.replies(rob)
    assert [] == office.kinds()


def test_messages_of_other_users_are_never_touched(office: Office) -> None:
    [rob] = office.house.message()
    with office.engine.begin() as connection:
        connection.execute(schema.users.insert().values(id=8, email="b@y.example", role="member", created_at=NOON))
        connection.execute(update(schema.messages).values(user_id=8))
    office.comes(answer(), failed("rob0@x.example"), failed("a@b.example", envelope=public_id(rob)))

    assert (0, None, 0) == office.replies(rob)
    assert ([], []) == (office.kinds(), office.fed())
    assert "sent" == office.delivery(rob)[0]


def test_a_report_moves_the_copy_that_it_names(office: Office) -> None:
    rob, lotte = office.house.message(copies=2)
    office.comes(failed("ROB0@x.example"), failed("rob1@x.example", "delivered", "2.0.0", top="X: 1\r\n"))

    assert ("bounced", "550 5.1.1 no such user") == office.delivery(rob)
    assert "sent" == office.delivery(lotte)[0], "the second report has the Message-ID of the first"
    assert [("bounce", rob)] == office.kinds()
    assert [("delivery", rob)] == office.fed()


def test_the_envelope_id_says_which_copy_whatever_the_recipient_is_called_there(office: Office) -> None:
    rob, lotte = office.house.message(copies=2)
    office.comes(failed("robert@inside.example", "delivered", "2.0.0", envelope=public_id(lotte)))

    assert ("sent", "delivered") == (office.delivery(rob)[0], office.delivery(lotte)[0])


@pytest.mark.parametrize("before", [Delivery.QUEUED, Delivery.DELAYED, Delivery.DELIVERED, Delivery.BOUNCED])
@pytest.mark.parametrize("action", ["failed", "delivered"])
def test_only_what_the_next_hop_took_is_moved_by_a_report(office: Office, before: Delivery, action: str) -> None:
    [rob] = office.house.message(delivery=before)
    office.comes(failed("rob0@x.example", action))

    assert (before, "") == office.delivery(rob)
    assert [] == office.fed()


def test_a_delay_is_noted_and_the_copy_stays_on_its_way(office: Office) -> None:
    [rob] = office.house.message()
    office.comes(failed("rob0@x.example", "delayed", "4.4.1"))

    assert ("sent", "") == office.delivery(rob)
    assert [("delayed", rob)] == office.kinds()


def test_an_answer_is_the_last_signal_until_another_one_comes(office: Office) -> None:
    house = office.house
    [rob] = house.message()

    def signal_at() -> object:
        with office.engine.connect() as connection:
            return connection.execute(select(schema.messages.c.signal_at)).scalars().one()

    house.write(a_hit(rob, 300, THUNDERBIRD))
    house.take_in()
    office.comes(answer())
    assert LATER == signal_at()
    house.write(a_hit(rob, 600, THUNDERBIRD))  # found later, though it came earlier
    house.take_in()
    assert LATER == signal_at()
    assert 0 == recount(office.engine)
    house.write(a_hit(rob, 4000, THUNDERBIRD))
    house.take_in()
    assert NOON + timedelta(seconds=4000) == signal_at()
    assert 0 == recount(office.engine)


def test_events_are_not_rewritten_and_judging_again_leaves_answers_alone(office: Office) -> None:
    house = office.house
    [rob] = house.message()
    house.write(a_hit(rob, 300, THUNDERBIRD))
    house.take_in()
    before = snapshot(house, [rob])
    office.comes(answer())

    after = snapshot(house, [rob])
    assert before["message"] != after.pop("message")  # the last signal is the answer
    assert {name: rows for name, rows in before.items() if name != "message"} == after
    house.write(a_hit(rob, 4000, THUNDERBIRD))
    house.take_in()
    assert (1, LATER, 1) == office.replies(rob)


def test_what_fails_half_way_leaves_nothing_and_is_found_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    [rob] = office.house.message()

    def fails(*_: object) -> None:
        raise OperationalError("insert", None, Exception("the disk is full"))

    with monkeypatch.context() as broken:
        broken.setattr(feed, "add_feed", fails)
        with pytest.raises(OperationalError):
            office.comes(answer())
    with office.engine.connect() as connection:
        assert None is mailboxes.cursor(connection, SENDER, "INBOX")
    assert ((0, None, 0), []) == (office.replies(rob), office.kinds())

    office.comes(answer())
    assert (1, LATER, 1) == office.replies(rob)


def test_a_message_that_we_cannot_read_costs_itself_alone(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    [rob] = office.house.message()
    read = reply.read

    def reads(raw: bytes) -> Any:
        if b"poison" in raw:
            raise RecursionError
        return read(raw)

    monkeypatch.setattr(reply, "read", reads)

    assert office.comes(answer(more="X: poison\r\n"), answer(number=2))
    assert 1 == office.replies(rob)[0]


def test_a_mailbox_that_was_changed_meanwhile_gets_nothing(office: Office) -> None:
    [rob] = office.house.message()
    with office.engine.begin() as connection:
        mailboxes.connect(
            connection, SENDER, host="other.example", port=993, tls=Tls.IMPLICIT, user="i", secret=b"s", now=LATER
        )

    assert not office.comes(answer())
    assert (0, None, 0) == office.replies(rob)
    with office.engine.begin() as connection:
        assert mailboxes.disconnect(connection, SENDER, LATER)
    assert not office.comes(answer())


def test_a_message_that_was_sent_twice_with_one_id_counts_where_the_author_is(office: Office) -> None:
    first = office.house.message()
    office.house.message(copies=3)
    with office.engine.begin() as connection:
        c = schema.copies.c
        connection.execute(update(schema.copies).where(c.id == first[0]).values(address="lotte@y.example"))
    office.comes(answer(by="lotte@y.example"))

    assert (1, LATER, 1) == office.replies(first[0])


def test_a_time_in_the_future_is_not_believed(office: Office) -> None:
    [rob] = office.house.message()
    found = [Found(uid=1, at=LATER + timedelta(days=400), raw=answer())]
    observe.take_in(office.engine, office.kept, "INBOX", found, Cursor(uidvalidity=1, uid=1), LATER)

    assert (1, LATER, 1) == office.replies(rob)
    assert UserId(7) == office.kept.owner


# Tokens

OAUTH = OAuth(token_url="https://tokens.example/t", client_id="id", client_secret="hush", refresh_token="once more")
BOX = Mailbox(host="mail.example.org", port=993, tls=Tls.IMPLICIT, user="i", oauth=OAUTH)


def connect(office: Office, mailbox: Mailbox, at: Any = LATER) -> Kept:
    with office.engine.begin() as connection:
        observe.connect(connection, SENDER, mailbox, KEYS, at)
    return office.mailbox()


def written(office: Office) -> str:
    with office.engine.connect() as connection:
        tables = [select(each).order_by(*each.primary_key) for each in (schema.mailboxes, schema.audit)]
        return str([[*row] for each in tables for row in connection.execute(each)])


def test_tokens_are_kept_sealed_and_opened_again(office: Office) -> None:
    kept = connect(office, BOX)

    assert BOX == observe.opened(kept, KEYS)
    assert [] == [word for word in ("tokens.example", "hush", "once more") if word in written(office)]


@pytest.mark.parametrize(
    "changed", [{"host": "evil.example"}, {"auth": Auth.PASSWORD}, {"auth": Auth.PASSWORD, "host": "evil.example"}]
)
def test_tokens_open_for_no_other_server_and_never_as_a_password(office: Office, changed: dict[str, Any]) -> None:
    kept = connect(office, BOX)

    with pytest.raises(BadInput, match="cannot be opened with this key ring"):
        observe.opened(replace(kept, **changed), KEYS)
    with pytest.raises(BadInput, match="the kept tokens cannot be opened"):
        observe.opened(replace(connect(office, replace(BOX, password="p", oauth=None)), auth=Auth.XOAUTH2), KEYS)


async def test_a_renewed_refresh_token_takes_the_place_of_the_last_and_it_stays_the_same_mailbox(
    office: Office,
) -> None:
    kept = connect(office, BOX)
    newer = replace(OAUTH, refresh_token="and again")
    await observe.KeptTokens(office.engine, kept, KEYS).keep(newer)

    assert newer == await observe.KeptTokens(office.engine, kept, KEYS).newest()
    assert kept.changed_at == office.mailbox().changed_at
    assert "and again" not in written(office)


@pytest.mark.parametrize("meanwhile", ["other tokens", "a password", "disconnected"])
async def test_what_was_connected_meanwhile_is_not_replaced_by_a_renewed_token(office: Office, meanwhile: str) -> None:
    tokens = observe.KeptTokens(office.engine, connect(office, BOX), KEYS)
    later = LATER + timedelta(minutes=1)
    match meanwhile:
        case "other tokens":
            connect(office, replace(BOX, oauth=replace(OAUTH, refresh_token="typed")), later)
        case "a password":
            connect(office, replace(BOX, password="p", oauth=None), later)
        case _:
            with office.engine.begin() as connection:
                mailboxes.disconnect(connection, SENDER, later)
    then = written(office)
    await tokens.keep(replace(OAUTH, refresh_token="too late"))

    assert None is await tokens.newest()
    assert then == written(office)


async def test_typed_tokens_hold_on_to_what_their_server_renewed() -> None:
    tokens = observe.TypedTokens(OAUTH)
    newer = replace(OAUTH, refresh_token="and again")
    await tokens.keep(newer)

    assert newer == await tokens.newest()
