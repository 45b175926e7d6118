from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from email import message_from_bytes, message_from_string
from email.policy import default
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update
from tests.parts.house import KEYS, NOON, SENDER, House, a_hit

from unsealed.app.languages import languages
from unsealed.core.instrument import Tracking
from unsealed.flow import rejudge
from unsealed.flow.digest import LINES, Digests, _due
from unsealed.flow.notify import decide
from unsealed.model.event import Answer
from unsealed.model.notice import Act, Channel, Heard, Press, Quiet, Scope, Wants
from unsealed.store import notices, preferences, schema

TRACKING = Tracking(base_url="https://t.example.org", keys=KEYS, key_id=0)
DAILY = Wants(channels=frozenset({Channel.DIGEST}), zone="Europe/Lisbon")
MORNING = NOON + timedelta(hours=20, minutes=1)  # 08:01 in Lisbon


class Mail:
    """A house whose owner wants a daily letter."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.house = House(engine, folder)
        self.engine = engine
        self.now = MORNING
        self.digests = Digests(
            engine=engine, origin="https://unsealed.example.org", tracking=lambda: TRACKING, clock=lambda: self.now
        )
        with engine.begin() as connection:
            notices.want(connection, SENDER, DAILY)

    def happen(self, after_s: float = 3600) -> None:
        [copy] = self.house.message()
        self.house.write(a_hit(copy, after_s))
        self.house.take_in()
        decide(self.engine, NOON + timedelta(seconds=after_s + 1))

    def letters(self) -> list[str]:
        with self.engine.connect() as connection:
            query = select(schema.originals.c.raw).order_by(schema.originals.c.message_id)
            return [bytes(raw).decode() for raw in connection.execute(query).scalars()]


@pytest.fixture
def mail(engine: Engine, tmp_path: Path) -> Mail:
    return Mail(engine, tmp_path / "journal")


def test_a_letter_a_day_tells_what_happened_to_the_users_own_address_and_is_not_tracked(mail: Mail) -> None:
    mail.happen()

    assert (1, 0) == (mail.digests.write(), mail.digests.write())
    [letter] = mail.letters()
    assert "To: <ines@example.org>" in letter
    assert "Subject: Your mail: 1 opened" in letter
    assert "rob0@x.example opened it" in letter
    assert "https://unsealed.example.org/message/" in letter
    with mail.engine.connect() as connection:
        m = schema.messages.c
        query = select(m.opens_level, m.clicks_level).where(m.envelope_from == "ines@example.org", m.subject != "Offer")
        assert [(0, 0)] == [tuple(row) for row in connection.execute(query)]

    mail.now += timedelta(days=1)
    assert 0 == mail.digests.write()  # nothing happened since
    assert 1 == len(mail.letters())


def test_the_letter_is_in_the_language_of_who_reads_it(mail: Mail) -> None:
    with mail.engine.begin() as connection:
        preferences.put(connection, SENDER, preferences.LANGUAGE, "de")
    mail.happen()

    assert 1 == replace(mail.digests, languages=languages()).write()
    [letter] = mail.letters()
    assert "Ihre E-Mails: 1 geöffnet" == message_from_string(letter, policy=default)["Subject"]
    assert "rob0@x.example hat sie geöffnet" in letter


@pytest.mark.parametrize("words", ["=1|cmd <b>{{7*7}}\r\n.\r\nBcc: x@evil.example\x1b[2J\u202efdp.exe", "W" * 10_000])
def test_hostile_words_stay_text_on_their_lines_in_the_letter(mail: Mail, words: str) -> None:
    [copy] = mail.house.message()
    with mail.engine.begin() as connection:
        connection.execute(update(schema.copies).values(name=words))
        connection.execute(update(schema.messages).values(subject=words))
    mail.house.write(a_hit(copy, 3600))
    mail.house.take_in()
    decide(mail.engine, NOON + timedelta(hours=2))

    assert 1 == mail.digests.write()
    letter = message_from_string(mail.letters()[0], policy=default)
    lines = letter.get_content().splitlines()
    assert "text/plain" == letter.get_content_type()
    assert "Bcc" not in letter
    assert [] == [line for line in lines if not line.isprintable() or len(line) > 200 or line == "."]
    assert [words[:14]] == [line[:14] for line in lines if line.startswith(words[:14])]


def test_it_waits_for_the_users_own_hour(mail: Mail) -> None:
    mail.happen()
    mail.now = MORNING - timedelta(minutes=2)

    assert 0 == mail.digests.write()


def test_an_hour_that_comes_twice_brings_one_letter(mail: Mail) -> None:
    """Clocks in Lisbon go from 2 back to 1 at 01:00 UTC on 25 October 2026."""
    with mail.engine.begin() as connection:
        notices.want(connection, SENDER, replace(DAILY, digest_at=time(1, 30)))
    letters = []
    for minute in range(0, 180, 5):
        mail.now = datetime(2026, 10, 25, 0, 0, tzinfo=UTC) + timedelta(minutes=minute)
        with mail.engine.connect() as connection:
            letters += [mail.now for _ in _due(connection, mail.now)]
        mail.digests.write()

    assert ["00:30"] == [f"{at:%H:%M}" for at in letters]


def test_an_hour_that_is_left_out_still_brings_its_letter(mail: Mail) -> None:
    """From 1 forward to 2 at 01:00 UTC on 28 March 2027."""
    with mail.engine.begin() as connection:
        notices.want(connection, SENDER, replace(DAILY, digest_at=time(1, 30)))
    letters = []
    for minute in range(0, 180, 5):
        mail.now = datetime(2027, 3, 28, 0, 0, tzinfo=UTC) + timedelta(minutes=minute)
        with mail.engine.connect() as connection:
            letters += [mail.now for _ in _due(connection, mail.now)]
        mail.digests.write()

    assert 1 == len(letters)


def test_what_is_silenced_stands_in_no_letter(mail: Mail) -> None:
    with mail.engine.begin() as connection:
        notices.press(connection, SENDER, Press(scope=Scope.ALL, silent=True, at=NOON))
    mail.happen()

    assert 0 == mail.digests.write()


def test_what_was_silenced_after_it_was_told_stands_in_no_letter(mail: Mail) -> None:
    mail.happen()
    with mail.engine.begin() as connection:
        notices.press(connection, SENDER, Press(scope=Scope.ALL, silent=True, at=MORNING - timedelta(hours=1)))

    assert 0 == mail.digests.write()


@pytest.mark.parametrize("quiet", [None, Quiet(begins=time(0), ends=time(0))])
def test_what_was_judged_again_since_stands_in_no_letter(mail: Mail, quiet: Quiet | None) -> None:
    with mail.engine.begin() as connection:
        notices.want(connection, SENDER, replace(DAILY, quiet=quiet))
    mail.happen()
    rejudge.correct(mail.engine, SENDER, mail.house.hit(), Answer.ME, MORNING)
    mail.house.work_off()

    assert 0 == mail.digests.write()


def test_all_is_counted_where_not_all_is_listed(mail: Mail) -> None:
    [copy] = mail.house.message()
    message = mail.house.message_of(copy)
    with mail.engine.begin() as connection:
        for number in range(LINES + 2):
            one = Heard(
                cause="bounce", cause_id=number, user=SENDER, message=message, copy=copy, act=Act.BOUNCED, at=NOON
            )
            notices.hear(connection, [one])
    decide(mail.engine, NOON)

    assert 1 == mail.digests.write()
    [letter] = [message_from_string(each, policy=default) for each in mail.letters()]
    assert f"Your mail: {LINES + 2} bounces" == letter["Subject"]
    assert "And more: https://unsealed.example.org/sent" in letter.get_content()


def test_the_master_switch_stops_the_letter_as_well(mail: Mail) -> None:
    mail.happen()
    with mail.engine.begin() as connection:
        notices.press(connection, SENDER, Press(scope=Scope.REALTIME, silent=True, at=MORNING))

    assert 0 == mail.digests.write()


def test_who_counts_hours_to_twelve_reads_them_so(mail: Mail) -> None:
    with mail.engine.begin() as connection:
        preferences.put(connection, SENDER, preferences.CLOCK, "12")
    mail.happen()
    mail.digests.write()

    [letter] = [message_from_bytes(each.encode(), policy=default).get_content() for each in mail.letters()]
    assert "until 8:01\u00a0am, " in letter
    assert "\n    1:00\u00a0pm, " in letter
