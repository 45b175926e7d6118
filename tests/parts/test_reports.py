from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, select, update
from tests.parts import many_letters
from tests.parts.many_letters import LONG, SHORT
from tests.parts.test_views import walked

from unsealed.core import report as judge
from unsealed.model.errors import Refused
from unsealed.model.message import MessageId, UserId
from unsealed.model.policy import Level
from unsealed.model.report import Act, Asked, By, Part, Team
from unsealed.model.template import TemplateId
from unsealed.store import reports, schema
from unsealed.store.engine import reading

MARA = UserId(0x5E9D_0000_0000_0001)
OTHER = UserId(0x5E9D_0000_0000_0002)
Mail = Mapping[str, MessageId]


@pytest.fixture
def made(engine: Engine, mail: Mail, now: datetime) -> dict[str, TemplateId]:
    with engine.begin() as connection:
        # The letters of other tests lie in the last weeks; these stand before them.
        return many_letters.write(connection, MARA, now - timedelta(days=100))


@pytest.fixture
def asked(now: datetime) -> Asked:
    return Asked(since=now - timedelta(days=130), until=now - timedelta(days=100))


@pytest.fixture
def ask(engine: Engine, made: dict[str, TemplateId]) -> Any:
    def run(question: Callable[..., Any], *given: Any, **named: Any) -> Any:
        with reading(engine) as connection:
            return question(connection, *given, **named)

    return run


def test_every_part_is_of_its_whole_and_tracked_recipients_fall_into_four_kinds(ask: Any, asked: Asked) -> None:
    found = ask(reports.look, MARA, asked).figures
    counts = found.counts

    assert (240, 240, 5) == (found.messages, counts.recipients, counts.bounced)
    assert counts.tracked == counts.with_pixel == counts.with_links == 235
    assert counts.tracked == counts.opened + counts.machine + counts.silent + _replied_unseen(ask, asked)
    assert 0 < counts.clicked < counts.opened
    assert 0 < counts.machine <= counts.machine_clicks
    assert counts.opened == sum(found.quarters.values()) == len(found.delays_s)
    assert list(found.delays_s) == sorted(found.delays_s)
    assert all(each >= 300 for each in found.delays_s)


def _replied_unseen(ask: Any, asked: Asked) -> int:
    c = schema.copies.c
    query = select(c.id).where(c.user_id == MARA, c.sent_at < asked.until, c.opens == 0, c.replies > 0)
    return len(ask(Connection.execute, query.where(c.mailbox.like("person%"))).all())


def test_filters_divide_what_there_is(ask: Any, asked: Asked, made: dict[str, TemplateId]) -> None:
    def sent(**narrowed: Any) -> int:
        within = Asked(since=asked.since, until=asked.until, **narrowed)
        found: int = ask(reports.look, MARA, within).figures.counts.recipients
        return found

    assert [120, 120] == [sent(template=each) for each in made.values()]
    assert [60] * 4 == [sent(domain=f"company{number}.example") for number in range(4)]
    assert 192 == sent(tag="spring")
    assert 48 == sent(tag="spring", domain="company0.example")
    assert 0 == sent(tag="autumn")
    assert ["spring"] == [tag for tag in ask(reports.tags, MARA) if tag == "spring"]


def test_the_period_is_when_letters_were_submitted(ask: Any, asked: Asked) -> None:
    middle = asked.since + timedelta(days=15)
    halves = (Asked(since=asked.since, until=middle), Asked(since=middle, until=asked.until))

    assert 240 == sum(ask(reports.look, MARA, half).figures.messages for half in halves)


def test_templates_are_ranked_by_what_they_brought(ask: Any, asked: Asked) -> None:
    found = ask(reports.look, MARA, asked, By.TEMPLATE).groups(Act.REPLIED)

    assert [(LONG, 1), (SHORT, 1)] == [(group.name, group.version) for group in found]
    assert 235 == sum(group.counts.part(Act.REPLIED).whole for group in found)
    assert found[0].counts.replied > found[1].counts.replied


def test_versions_and_templates_of_one_name_are_told_apart(
    ask: Any, asked: Asked, engine: Engine, made: dict[str, TemplateId]
) -> None:
    with engine.begin() as connection:
        m = schema.messages.c
        connection.execute(
            update(schema.messages).where(m.tag == "spring", m.user_id == MARA).values(template_version=2)
        )
        connection.execute(update(schema.templates).values(name="Proposal"))
    found = [group.name for group in ask(reports.look, MARA, asked, By.TEMPLATE).groups(Act.REPLIED)]

    assert 4 == len(set(found)) == len(found)
    assert all(name.startswith("Proposal, ") and ", version " in name for name in found)


def test_subjects_are_put_together_as_they_stand(ask: Any, asked: Asked) -> None:
    found = ask(reports.look, MARA, asked, By.SUBJECT).groups(Act.OPENED)

    assert {f"{name} {number}" for name in (LONG, SHORT) for number in range(3)} == {each.name for each in found}
    assert [40] * 6 == [each.counts.recipients for each in found]


@pytest.mark.parametrize("act", list(Act))
def test_a_comparison_counts_everybody_once_and_only_when_their_time_is_over(
    ask: Any, asked: Asked, act: Act, engine: Engine
) -> None:
    groups = ask(reports.look, MARA, asked, By.TEMPLATE).groups(act)
    arms = ask(reports.arms, MARA, asked, groups, act, window=timedelta(days=3))
    wide = ask(reports.arms, MARA, asked, groups, act, window=timedelta(days=10_000))

    whole = sum(part.whole for arm in arms for part in arm.days.values())
    did = sum(part.of for arm in arms for part in arm.days.values())
    assert [LONG, SHORT] == sorted(arm.name for arm in arms)
    assert 200 < whole < 235  # not the bounced, and not those of the last three days
    assert 0 < did <= sum(group.counts.part(act).of for group in groups)
    assert not any(arm.days for arm in wide)


def test_the_better_template_of_many_letters_is_found(ask: Any, asked: Asked) -> None:
    groups = ask(reports.look, MARA, asked, By.TEMPLATE).groups(Act.REPLIED)
    (pair,) = judge.compare(ask(reports.arms, MARA, asked, groups, Act.REPLIED, window=judge.WINDOW))

    assert (LONG, True) == (pair.first, pair.wins)


def test_links_are_counted_by_people_of_all_who_followed_one(ask: Any, asked: Asked) -> None:
    found = ask(reports.link_groups, MARA, asked)

    assert {"Pricing", "Visit"} == {each.text for each in found}
    assert {each.people.whole for each in found} == {sum(each.people.of for each in found)}


def test_programs_say_how_many_a_proxy_hides(ask: Any, asked: Asked) -> None:
    found = ask(reports.programs, MARA, asked)

    assert {"Thunderbird", "Gmail Image Proxy"} == {each.client for each in found.items}
    assert found.readings == sum(each.readings for each in found.items) > 0
    assert found.whole


def test_anonymous_recipients_are_in_no_figure_about_signals(ask: Any, asked: Asked, engine: Engine) -> None:
    before = ask(reports.look, MARA, asked).figures.counts
    with engine.begin() as connection:
        levels = {"opens_level": Level.ANONYMOUS, "clicks_level": Level.ANONYMOUS}
        connection.execute(update(schema.copies).where(schema.copies.c.domain == "company1.example").values(levels))
    after = ask(reports.look, MARA, asked).figures

    assert before.recipients == after.counts.recipients
    assert (before.tracked, 58) == (after.counts.tracked + after.counts.anonymous, after.counts.anonymous)
    narrowed = Asked(since=asked.since, until=asked.until, domain="company1.example")
    alone = ask(reports.look, MARA, narrowed).figures
    assert (0, 0, 0, {}) == (alone.counts.opened, alone.counts.clicked, alone.counts.silent, alone.quarters)
    assert () == ask(reports.programs, MARA, narrowed).items
    assert [] == ask(reports.link_groups, MARA, narrowed)


def test_another_persons_report_is_empty(ask: Any, asked: Asked) -> None:
    assert 0 == ask(reports.look, OTHER, asked).figures.messages
    assert [] == ask(reports.look, OTHER, asked, By.SUBJECT).groups(Act.OPENED)
    assert [] == ask(reports.link_groups, OTHER, asked)
    assert () == ask(reports.programs, OTHER, asked).items
    assert [] == ask(reports.tags, OTHER)


def test_more_letters_than_are_looked_at_are_said_to_be_cut(
    ask: Any, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "MESSAGES", 100)
    found = ask(reports.look, MARA, asked).figures

    assert 100 == found.messages
    assert found.cut_at is not None
    assert found.cut_at > asked.since


# Files


@pytest.mark.parametrize("portion", [1, 7, 10_000])
def test_files_hold_every_row_once_in_any_portion(
    engine: Engine, made: dict[str, TemplateId], asked: Asked, portion: int
) -> None:
    sent = list(reports.sent_rows(engine, MARA, asked, portion))
    people = list(reports.people_rows(engine, MARA, asked, portion))
    happened = list(reports.event_rows(engine, MARA, asked, portion))

    assert 240 == len({row[0] for row in sent}) == len(sent)
    assert [row[1] for row in sent] == sorted(row[1] for row in sent)
    assert [row[0] for row in sent] == [row[0] for row in people]
    assert len(happened) == len({row[0] for row in happened}) > 150
    assert (len(reports.SENT), len(reports.PEOPLE), len(reports.HAPPENED)) == (
        len(sent[0]),
        len(people[0]),
        len(happened[0]),
    )


def test_files_are_narrowed_to_the_domain(engine: Engine, made: dict[str, TemplateId], asked: Asked) -> None:
    narrowed = Asked(since=asked.since, until=asked.until, domain="company2.example")

    assert 60 == len(list(reports.sent_rows(engine, MARA, narrowed)))
    assert {"company2.example"} == {row[4].partition("@")[2] for row in reports.people_rows(engine, MARA, narrowed)}
    assert {"company2.example"} == {row[8].partition("@")[2] for row in reports.event_rows(engine, MARA, narrowed)}


# A team


def test_weeks_sum_everybody_and_say_how_many_others_sent(ask: Any, engine: Engine, now: datetime) -> None:
    monday, end = judge.whole_weeks(now, 24)
    found = ask(reports.weeks, monday, end, besides=OTHER)
    mine = ask(reports.weeks, monday, end, besides=MARA)

    assert all(week.begins.weekday() == 0 for week in found)
    assert {1} == {week.senders for week in found if week.counts.replied}
    assert {0} == {week.senders for week in mine if week.counts.replied}
    assert [week.counts for week in found] == [week.counts for week in mine]
    assert 200 < sum(week.counts.recipients for week in found)


def test_the_week_of_a_letter_is_the_one_that_began_on_its_monday(engine: Engine, made: Any, ask: Any) -> None:
    sunday = datetime(2026, 1, 11, 23, 59, tzinfo=UTC)
    with engine.begin() as connection:
        connection.execute(update(schema.messages).values(received_at=sunday))

    assert [date(2026, 1, 5)] == [
        week.begins for week in ask(reports.weeks, date(2025, 12, 1), date(2026, 2, 2), besides=MARA)
    ]


def test_only_owners_allow_figures_of_all_people(engine: Engine, mail: Mail, now: datetime) -> None:
    with engine.begin() as connection:
        assert Team.NOTHING is reports.team(connection)
        with pytest.raises(Refused):
            reports.allow_team(connection, OTHER, Team.SUMS, now)
        for each in Team:
            reports.allow_team(connection, MARA, each, now)
            assert each is reports.team(connection)
        connection.execute(update(schema.settings).values(value="true"))  # as it was kept before
        assert Team.SUMS is reports.team(connection)


def test_people_add_up_to_the_weeks(ask: Any, engine: Engine, now: datetime) -> None:
    span = judge.whole_weeks(now, 24)
    people = ask(reports.by_person, *span)
    weeks = ask(reports.weeks, *span, besides=MARA)

    assert [each.name for each in people] == sorted({each.name for each in people})
    for name in ("recipients", "opened", "replied"):
        whole = sum(getattr(each.counts, name) for each in people)
        assert 0 < whole == sum(getattr(week.counts, name) for week in weeks)


# Speed


def test_no_question_walks_through_a_table(
    engine: Engine, made: dict[str, TemplateId], asked: Asked, now: datetime
) -> None:
    template = made[LONG]
    narrowed = Asked(since=asked.since, until=asked.until, tag="spring", template=template, domain="company1.example")
    asked_for: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.lstrip().startswith("SELECT"):
            asked_for.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        with reading(engine) as connection:
            for each in (asked, narrowed):
                for by in (By.TEMPLATE, By.SUBJECT):
                    groups = reports.look(connection, MARA, each, by).groups(Act.REPLIED)
                    for act in Act:
                        reports.arms(connection, MARA, each, groups, act, window=judge.WINDOW)
                reports.link_groups(connection, MARA, each)
                reports.programs(connection, MARA, each)
            reports.tags(connection, MARA)
            reports.weeks(connection, *judge.whole_weeks(now, 24), besides=MARA)
            reports.by_person(connection, *judge.whole_weeks(now, 24))
        for each in (asked, narrowed):
            list(reports.event_rows(engine, MARA, each))
            list(reports.people_rows(engine, MARA, each))
    finally:
        event.remove(engine, "before_cursor_execute", note)

    assert len(asked_for) > 30
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            for way in ("seqscan", "hashjoin", "mergejoin", "material"):
                connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        found = {step for statement, parameters in asked_for for step in walked(connection, statement, parameters)}
    assert set() == found


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # PostgreSQL goes by what it counted: here little
def test_a_rare_tag_and_a_template_are_found_by_their_index(
    engine: Engine, made: dict[str, TemplateId], asked: Asked
) -> None:
    with engine.connect() as connection:
        for narrowed, index in (({"tag": "spring"}, "tag"), ({"template": made[SHORT]}, "template")):
            chosen = reports._chosen(MARA, Asked(since=asked.since, until=asked.until, **narrowed))
            statement = select(chosen).compile(engine, compile_kwargs={"render_postcompile": True})
            values = [statement.params[name] for name in statement.positiontup or ()]
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", tuple(map(_plain, values)))

            assert any(f"ix_messages_user_{index}" in step for *_, step in plan), narrowed


def _plain(value: Any) -> Any:
    return int(value.timestamp() * 1_000_000) if isinstance(value, datetime) else value


def test_a_part_needs_no_one(ask: Any, now: datetime) -> None:
    nothing = Asked(since=now + timedelta(days=400), until=now + timedelta(days=401))

    assert Part(0, 0) == ask(reports.look, MARA, nothing).figures.counts.part(Act.OPENED)
    assert [] == ask(reports.arms, MARA, nothing, [], Act.OPENED, window=judge.WINDOW)
