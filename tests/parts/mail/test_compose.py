"""From a draft to a message, and back again."""

from __future__ import annotations

import email
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select

from unsealed.core.draft_check import check
from unsealed.core.drafting import Desk
from unsealed.core.instrument import Tracking
from unsealed.flow import compose, policy, send
from unsealed.flow.compose import Changed, Sent, Wrong
from unsealed.model.draft import Check, Draft, DraftId, Mode
from unsealed.model.message import MessageId, Outgoing, UserId, public_id
from unsealed.model.policy import Level, Place, Rule, Scope, Switches
from unsealed.store import drafts, identities, jobs, preferences, schema
from unsealed.store.engine import reading

HTML = (
    '<p><a href="https://offer.example/a">one</a> <a href="https://quiet.example/b">two</a> '
    '<a href="https://offer.example/c" data-unsealed="off">three</a> <a href="javascript:x()">four</a> '
    '<a href="https://shop.example/unsubscribe">five</a> <a href="https://offer.example/d">offer.example</a> '
    '<a href="https://offer.example/a">six</a></p>'
)
DRAFT = Draft(to="Ines <ines@x.example>, rob@y.example", subject="Offer", html=HTML)


@pytest.fixture
def desk(tracking: Tracking, clock: Callable[[], datetime]) -> Desk:
    return Desk(tracking=tracking, switches=Switches(), now=clock())


@pytest.fixture
def checked(engine: Engine, ann: Any, desk: Desk) -> Callable[..., Check]:
    def look(draft: Draft, at: Desk = desk) -> Check:
        with reading(engine) as connection:
            return check(compose.gather(connection, ann.user, draft, None), at)

    return look


def kept(engine: Engine, user: UserId, draft: Draft, now: datetime) -> DraftId:
    with engine.begin() as connection:
        return compose.keep(connection, user, draft, now)


def attach(engine: Engine, draft: DraftId, now: datetime) -> bool:
    with engine.begin() as connection:
        made = drafts.attach(
            connection, draft, name="a.pdf", media_type="application/pdf", content=b"%PDF", inline=False, now=now
        )
    return made is not None


def original(engine: Engine, message: MessageId) -> Any:
    with engine.connect() as connection:
        query = select(schema.originals.c.raw).where(schema.originals.c.message_id == message)
        return email.message_from_bytes(connection.execute(query).scalar_one())


def say(engine: Engine, user: UserId, place: Place, now: datetime) -> None:
    with engine.begin() as connection:
        policy.keep(connection, user, place, Switches(), now)


def test_a_check_names_what_becomes_of_each_link(
    engine: Engine, ann: Any, checked: Callable[..., Check], clock: Any
) -> None:
    with engine.begin() as connection:
        policy.exclude_destination(connection, ann.user, "quiet.example", everybody=False, now=clock())
    found = checked(DRAFT)

    assert {} == found.errors
    assert [
        (0, True, "", True),
        (1, False, "excluded-domain", False),
        (2, False, "opt-out", True),
        (3, False, "unsafe", False),
        (4, False, "unsubscribe", False),
        (5, False, "visible-url", False),
        (6, True, "", True),
    ] == [(each.n, each.tracked, each.reason, each.may) for each in found.links]
    assert (2, 5) == (found.tracked, found.left)
    assert all(each.words for each in found.links)


def test_what_a_check_says_is_what_is_sent(engine: Engine, ann: Any, checked: Callable[..., Check], desk: Desk) -> None:
    found = checked(DRAFT)
    sent = compose.dispatch(engine, ann.user, kept(engine, ann.user, DRAFT, desk.now), 1, desk)
    assert isinstance(sent, Sent)
    with engine.connect() as connection:
        links = connection.execute(
            select(schema.links.c.destination, schema.links.c.tracked)
            .where(schema.links.c.message_id == sent.message)
            .order_by(schema.links.c.position)
        ).all()

    assert [(each.url, each.tracked) for each in found.links if each.reason != "unsafe"] == [
        tuple(row) for row in links
    ]


def test_what_is_off_for_everybody_cannot_be_switched_on(
    engine: Engine, ann: Any, checked: Callable[..., Check], clock: Any
) -> None:
    say(engine, ann.user, Place(limit=Rule(scope=Scope.ACCOUNT, clicks=Level.OFF)), clock())
    found = checked(Draft(to="ines@x.example", html=HTML, clicks=True))

    assert (True, False) == (found.controls.opens.may, found.controls.clicks.may)
    assert "Link tracking is switched off for everybody here." == found.controls.clicks.why
    assert ("full", "off", 0) == (found.opens, found.clicks, found.tracked)


def test_recipients_who_are_not_tracked_are_named(
    engine: Engine, ann: Any, checked: Callable[..., Check], clock: Any
) -> None:
    with engine.begin() as connection:
        policy.exclude_recipient(
            connection, ann.user, "x.example", opens=Level.OFF, clicks=None, everybody=False, now=clock()
        )

    assert ["Ines: open tracking is switched off for mail to x.example."] == [
        each.words for each in checked(DRAFT).warnings
    ]


def test_what_cannot_be_sent_stays_a_draft(engine: Engine, ann: Any, desk: Desk, rows: Any) -> None:
    draft = kept(engine, ann.user, Draft(subject="{{first_name}}"), desk.now)
    answer = compose.dispatch(engine, ann.user, draft, 1, desk)

    assert isinstance(answer, Wrong)
    assert {"to", "subject"} == set(answer.fields)
    assert [] == rows(schema.messages)
    assert 1 == len(rows(schema.drafts))


def test_a_signature_stands_below_and_its_links_apart(
    engine: Engine, ann: Any, checked: Callable[..., Check], desk: Desk
) -> None:
    with engine.begin() as connection:
        [own] = identities.list_for(connection, ann.user)
        identities.describe(connection, ann.user, own.address, name="Ann", signature="Ann <x>\nhttps://ann.example/")
    found = checked(DRAFT)
    sent = compose.dispatch(engine, ann.user, kept(engine, ann.user, DRAFT, desk.now), 1, desk)
    assert isinstance(sent, Sent)
    message = original(engine, sent.message)
    text, html = (part.get_payload(decode=True).decode() for part in message.get_payload())

    assert ["signature"] == [each.where for each in found.links if each.where != "body"]
    assert f"Ann <{own.address}>" == message["from"]
    assert text.replace("\r\n", "\n").endswith("-- \nAnn <x>\nhttps://ann.example/\n")
    assert "Ann &lt;x&gt;<br>" in html
    assert not [
        each for each in checked(Draft(to="a@x.example", html=HTML, signature=False)).links if each.where != "body"
    ]


def test_a_blind_copy_is_seen_by_nobody_else(engine: Engine, ann: Any, desk: Desk, copies: Any) -> None:
    draft = Draft(to="ines@x.example", bcc="Boss <boss@x.example>", subject="s", html="<p>x</p>")
    sent = compose.dispatch(engine, ann.user, kept(engine, ann.user, draft, desk.now), 1, desk)

    assert isinstance(sent, Sent)
    assert {"ines@x.example": "to", "boss@x.example": "bcc"} == {name: row["kind"] for name, row in copies().items()}
    assert b"boss" not in original(engine, sent.message).as_bytes().lower()


def test_an_answer_quotes_joins_the_conversation_and_goes_to_the_same_people(
    engine: Engine, ann: Any, desk: Desk, checked: Callable[..., Check], clock: Any
) -> None:
    first = Draft(to="Ines <ines@x.example>", cc="rob@y.example", bcc="boss@x.example", subject="Offer", html=HTML)
    sent = compose.dispatch(engine, ann.user, kept(engine, ann.user, first, desk.now), 1, desk)
    assert isinstance(sent, Sent)
    with reading(engine) as connection:
        answers = {
            mode: compose.answer(connection, ann.user, sent.message, mode, clock())
            for mode in (Mode.REPLY, Mode.REPLY_ALL, Mode.FORWARD)
        }
        [boss] = connection.execute(select(schema.copies.c.id).where(schema.copies.c.kind == "bcc")).scalars()
        alone = compose.answer(connection, ann.user, sent.message, Mode.REPLY, clock(), boss)
    reply, reply_all, forward = answers.values()
    assert reply is not None
    assert reply_all is not None
    assert forward is not None
    assert alone is not None
    again = compose.dispatch(engine, ann.user, kept(engine, ann.user, reply, desk.now), 1, desk)
    assert isinstance(again, Sent)
    raw = original(engine, again.message)
    with engine.connect() as connection:
        threads = set(connection.execute(select(schema.messages.c.thread)).scalars())

    assert ('"Ines" <ines@x.example>', "", "", "Re: Offer") == (reply.to, reply.cc, reply.bcc, reply.subject)
    assert ('"Ines" <ines@x.example>', "rob@y.example", "") == (reply_all.to, reply_all.cc, reply_all.bcc)
    assert ("", "", "Fwd: Offer") == (forward.to, forward.cc, forward.subject)
    assert ("boss@x.example", "") == (alone.to, alone.cc)
    assert raw["in-reply-to"] == original(engine, sent.message)["message-id"]
    assert b"<blockquote" in raw.get_payload()[1].get_payload(decode=True)
    assert 1 == len(threads)
    assert {"quote"} == {each.where for each in checked(reply).links}


def test_what_is_forwarded_brings_its_files(engine: Engine, ann: Any, desk: Desk) -> None:
    first = kept(engine, ann.user, Draft(to="ines@x.example", subject="s", html="<p>x</p>"), desk.now)
    attach(engine, first, desk.now)
    sent = compose.dispatch(engine, ann.user, first, 1, desk)
    assert isinstance(sent, Sent)
    with reading(engine) as connection:
        forward = compose.answer(connection, ann.user, sent.message, Mode.FORWARD, desk.now)
    assert forward is not None
    made = kept(engine, ann.user, forward, desk.now)
    with reading(engine) as connection:
        found = drafts.load(connection, ann.user, made)

    assert found is not None
    assert [("a.pdf", 4)] == [(each.name, each.size) for each in found.attachments]


def test_a_sealed_letter_is_never_quoted(
    engine: Engine, ann: Any, desk: Desk, outgoing: Callable[..., Outgoing], tracking: Tracking
) -> None:
    message = send.accept(engine, outgoing(), tracking=tracking, now=desk.now)
    with engine.begin() as connection:
        connection.execute(schema.messages.update().values(sealed=True))
        assert compose.answer(connection, ann.user, message, Mode.REPLY, desk.now) is None
        draft = Draft(answers=public_id(message), mode=Mode.REPLY)
        assert compose.gather(connection, ann.user, draft, None).answered is None


def test_nobody_answers_mail_of_another(
    engine: Engine, ann: Any, desk: Desk, outgoing: Callable[..., Outgoing], tracking: Tracking
) -> None:
    message = send.accept(engine, outgoing(), tracking=tracking, now=desk.now)
    with reading(engine) as connection:
        draft = Draft(answers=public_id(message), mode=Mode.FORWARD)

        assert compose.answer(connection, UserId(5), message, Mode.REPLY, desk.now) is None
        assert compose.gather(connection, UserId(5), draft, None).answered is None


def test_a_letter_waits_as_long_as_its_sender_wants(engine: Engine, ann: Any, desk: Desk, rows: Any) -> None:
    with engine.begin() as connection:
        preferences.put(connection, ann.user, preferences.UNDO_S, 30)
    compose.dispatch(engine, ann.user, kept(engine, ann.user, DRAFT, desk.now), 1, desk)

    assert {desk.now + timedelta(seconds=30)} == {row["due_at"] for row in rows(schema.jobs)}


def leased(connection: Connection, now: datetime) -> int:
    until = now + timedelta(minutes=10)
    return len(jobs.lease(connection, [jobs.COPY], owner="mail", now=now, until=until, limit=1))


def test_what_is_taken_back_leaves_no_trace_and_can_be_sent_again(
    engine: Engine, ann: Any, desk: Desk, rows: Any
) -> None:
    draft = kept(engine, ann.user, DRAFT, desk.now)
    sent = compose.dispatch(engine, ann.user, draft, 1, desk)
    with engine.begin() as connection:
        assert 0 == leased(connection, desk.now + timedelta(seconds=9))
    back = compose.take_back(engine, ann.user, draft, desk.now)

    assert isinstance(sent, Sent)
    assert 3 == back
    for table in (schema.messages, schema.copies, schema.links, schema.jobs, schema.originals, schema.contacts):
        assert [] == rows(table)
    assert ["accepted", "gone"] == [row["what"] for row in rows(schema.feed)]
    assert isinstance(compose.dispatch(engine, ann.user, draft, 3, desk), Sent)


def test_what_is_on_its_way_stays_sent(engine: Engine, ann: Any, desk: Desk, rows: Any) -> None:
    draft = kept(engine, ann.user, DRAFT, desk.now)
    compose.dispatch(engine, ann.user, draft, 1, desk)
    with engine.begin() as connection:
        assert 1 == leased(connection, desk.now + timedelta(seconds=10))

    assert compose.take_back(engine, ann.user, draft, desk.now) is None
    assert (1, 2, 2) == (len(rows(schema.messages)), len(rows(schema.copies)), len(rows(schema.jobs)))
    assert 2 == len(rows(schema.contacts))


def test_sending_twice_sends_once(engine: Engine, ann: Any, desk: Desk, rows: Any) -> None:
    draft = kept(engine, ann.user, DRAFT, desk.now)

    assert compose.dispatch(engine, ann.user, draft, 1, desk) == compose.dispatch(engine, ann.user, draft, 1, desk)
    assert 1 == len(rows(schema.messages))


def test_what_another_window_changed_is_not_sent(engine: Engine, ann: Any, desk: Desk, rows: Any) -> None:
    draft = kept(engine, ann.user, DRAFT, desk.now)
    with engine.begin() as connection:
        drafts.save(connection, ann.user, draft, 1, Draft(subject="other"), desk.now)
    answer = compose.dispatch(engine, ann.user, draft, 1, desk)

    assert isinstance(answer, Changed)
    assert "other" == answer.kept.draft.subject
    assert [] == rows(schema.messages)
    assert compose.dispatch(engine, UserId(5), draft, 2, desk) is None
    assert compose.take_back(engine, ann.user, draft, desk.now) is None


def test_a_file_that_comes_while_the_letter_is_sent_is_not_left_behind(
    engine: Engine, ann: Any, desk: Desk, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = kept(engine, ann.user, DRAFT, desk.now)
    plan = send.plan

    def slow_plan(outgoing: Outgoing, *, tracking: Tracking) -> send.Planned:
        assert attach(engine, draft, desk.now)
        return plan(outgoing, tracking=tracking)

    with monkeypatch.context() as patched:
        patched.setattr(send, "plan", slow_plan)
        answer = compose.dispatch(engine, ann.user, draft, 1, desk)

    assert isinstance(answer, Changed)
    assert ["a.pdf"] == [each.name for each in answer.kept.attachments]
    assert [] == rows(schema.messages)
    sent = compose.dispatch(engine, ann.user, draft, 1, desk)
    assert isinstance(sent, Sent)
    assert b"a.pdf" in bytes(original(engine, sent.message))
    assert not attach(engine, draft, desk.now)


@pytest.mark.parametrize("gone", [False, True])
def test_all_that_windows_do_at_once_ends_in_one_letter_or_none(
    engine: Engine, ann: Any, desk: Desk, rows: Any, gone: bool
) -> None:
    draft = kept(engine, ann.user, DRAFT, desk.now)

    def save(subject: str) -> None:
        with engine.begin() as connection:
            drafts.save(connection, ann.user, draft, 1, Draft(to=DRAFT.to, subject=subject), desk.now)

    def discard() -> None:
        with engine.begin() as connection:
            drafts.discard(connection, ann.user, draft)

    acts: list[Callable[[], object]] = [
        *(lambda: attach(engine, draft, desk.now) for _ in range(2)),
        *(lambda: compose.dispatch(engine, ann.user, draft, 1, desk) for _ in range(2)),
        lambda: save("one"),
        lambda: save("two"),
        *([discard] if gone else []),
    ]
    with ThreadPoolExecutor(len(acts)) as windows:
        for each in [windows.submit(act) for act in acts]:
            each.result()

    sent = rows(schema.messages)
    carried = original(engine, sent[0]["id"]).get_payload() if sent else ()
    files = [part.get_filename() for part in carried if not isinstance(part, str) and part.get_filename()]
    assert len(sent) <= 1
    assert not sent or len(files) == len(rows(schema.attachments))
