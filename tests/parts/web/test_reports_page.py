from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine, delete, update
from tests.parts import many_letters
from tests.parts.many_letters import LONG, SHORT
from tests.parts.web.read import text

from unsealed.inlets.report import read
from unsealed.inlets.web import reports
from unsealed.inlets.web.moments import Times
from unsealed.inlets.web.reports import Address, Chart, duration, likelier, says
from unsealed.model.errors import BadInput
from unsealed.model.message import UserId, public_id
from unsealed.model.report import Counts, Group, Part
from unsealed.model.template import TemplateId
from unsealed.model.texts import ENGLISH
from unsealed.store import people, proofs, schema
from unsealed.store.people import Role

MARA = UserId(0x5E9D_0000_0000_0001)
OTHER = UserId(0x5E9D_0000_0000_0002)
HOSTILE = '=HYPERLINK("https://evil.example"),<script>alert(1)</script>'


def cells(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))


@pytest.fixture
def made(engine: Engine, mail: Any, clock: Callable[[], datetime]) -> dict[str, TemplateId]:
    with engine.begin() as connection:
        return many_letters.write(connection, MARA, clock(), letters=600)


async def test_a_rate_stands_with_its_count_its_whole_and_its_range(mara: Any, made: Any) -> None:
    answer = await mara.get("/reports")
    wholes = "tracked recipients|with tracked links|recipients"
    found = re.findall(rf"(\d+\.\d) % ([\d,]+) of ([\d,]+) (?:{wholes}) range", text(answer.text))

    assert 200 == answer.status
    assert 3 == len(found)
    for value, of, whole in found:
        assert float(value) == pytest.approx(100 * int(of.replace(",", "")) / int(whole.replace(",", "")), abs=0.05)


async def test_the_time_to_the_first_open_has_its_units(mara: Any, made: Any) -> None:
    body = (await mara.get("/reports")).text

    assert '<dd class="big">2 <small>h</small> 36 <small>min</small></dd><dd class="of">median of 364 people' in body


async def test_the_better_template_is_ahead_and_the_two_are_compared_since_both_were_in_use(
    mara: Any, made: Any
) -> None:
    shown = text((await mara.get("/reports")).text)

    assert f"ahead of {SHORT}" in shown
    assert f"behind {LONG}" in shown
    assert "Two by two 1 comparison" in shown


async def test_opens_of_equal_templates_have_no_winner(mara: Any, made: Any) -> None:
    shown = text((await mara.get("/reports?act=opened")).text)

    assert 2 <= shown.count("no winner yet")
    assert "ahead of" not in shown


async def test_few_letters_get_no_figures_but_how_many_are_missing(mara: Any, mail: Any) -> None:
    answer = await mara.get("/reports?period=7&tag=nothing-has-this")

    assert "Figures start at 20 tracked recipients" in text(answer.text)
    assert "Sent last 7 days: 0." in text(answer.text)
    assert "Clear the filters" in answer.text
    assert '<dl class="figures">' not in answer.text


async def test_with_nothing_sent_there_is_what_will_appear_and_the_one_thing_to_do(
    mara: Any, mail: Any, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(delete(schema.sandbox))
        connection.execute(delete(schema.messages))
    body = (await mara.get("/reports?period=7")).text

    assert "How many people opened, clicked and replied stands here" in text(body)
    assert 'href="/compose">Write a letter</a>' in body
    assert "All people together" in body  # what others sent is seen there
    assert [] == [each for each in ("Last 30 days", "this year", "CSV", "Any domain") if each in body]


async def test_a_longer_period_is_offered_only_where_it_holds_more(
    mara: Any, mail: Any, engine: Engine, clock: Callable[[], datetime]
) -> None:
    def sent(days_ago: int) -> None:
        with engine.begin() as connection:
            connection.execute(update(schema.messages).values(received_at=clock() - timedelta(days=days_ago)))

    with engine.begin() as connection:
        connection.execute(delete(schema.sandbox))
        connection.execute(delete(schema.messages).where(schema.messages.c.id != mail["proposal"]))
    offers = []
    for days_ago in (0, 40, 200):
        sent(days_ago)
        body = (await mara.get("/reports?period=30")).text
        offers.append(re.findall(r'class="button primary" href="([^"]+)">([^<]+)<', body))

    today, weeks, months = offers
    assert [("/compose", "Write a letter")] == today
    assert [("/reports?period=year", "Look at this year")] == months
    assert weeks[0][0] in ("/reports?period=90", "/reports?period=year")


async def test_every_state_has_an_address_and_filters_stay_when_the_period_changes(mara: Any, made: Any) -> None:
    template = public_id(made[LONG])
    answer = await mara.get(f"/reports?template={template}&tag=spring&domain=company1.example&by=subject")
    links = re.findall(r'href="(/reports\?[^"]*period=90[^"]*)"', answer.text)

    assert 200 == answer.status
    query = urlsplit(html.unescape(links[0])).query
    kept = {f"template={template}", "tag=spring", "domain=company1.example", "by=subject", "period=90"}
    assert kept == set(query.split("&"))


@pytest.mark.parametrize(
    "query",
    ["period=8", "period=own", "period=own&from=2026-11-02&to=2026-11-01", "by=colour", "act=slept", "template=7"],
)
async def test_what_cannot_be_asked_is_said(mara: Any, mail: Any, query: str) -> None:
    assert 400 == (await mara.get(f"/reports?{query}")).status


async def test_own_days_are_days_of_the_reader(mara: Any, made: Any, clock: Callable[[], datetime]) -> None:
    day = clock().date()
    mara.cookies["zone"] = "Asia/Tokyo~540"
    answer = await mara.get(f"/reports?period=own&from={day.replace(day=1)}&to={day}")

    assert 200 == answer.status
    assert f"1 {day:%b} to {day.day} {day:%b}" in text(answer.text)


async def test_without_a_mailbox_and_answers_replies_are_not_known(mara: Any, made: Any, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(update(schema.copies).values(replies=0, replied_at=None))
    answer = await mara.get("/reports")

    assert "connect your mailbox" in answer.text
    assert "By replies" not in answer.text


@pytest.mark.parametrize("by", ["template", "subject", "link"])
async def test_what_strangers_wrote_is_text_in_the_page_and_no_formula_in_the_file(
    mara: Any, made: Any, engine: Engine, by: str
) -> None:
    with engine.begin() as connection:
        connection.execute(update(schema.messages).values(subject=HOSTILE, tag=HOSTILE))
        connection.execute(update(schema.links).values(text=HOSTILE, destination=HOSTILE))
        connection.execute(update(schema.templates).values(name=HOSTILE))
        connection.execute(update(schema.copies).values(name=HOSTILE))
        connection.execute(update(schema.events).values(client=HOSTILE, system=HOSTILE))
    page = await mara.get(f"/reports?by={by}")

    assert "<script>alert" not in page.text
    assert html.escape(HOSTILE, quote=False).split(",")[1] in page.text
    for name in ("figures", "messages", "recipients", "events"):
        rows = cells((await mara.get(f"/reports/{name}.csv?by={by}")).body)
        found = [cell for row in rows for cell in row]
        assert any(HOSTILE in cell for cell in found), name
        assert [] == [cell for cell in found if cell[:1] in "=+@\t\r" and cell != ""], name
        assert {len(rows[0])} == {len(row) for row in rows}, name


async def test_files_hold_what_the_filters_leave(mara: Any, made: Any, mail: Any) -> None:
    query = f"period=own&from=2025-01-01&to=2027-12-31&template={public_id(made[LONG])}"
    answer = await mara.get(f"/reports/messages.csv?{query}")
    head, *rows = cells(answer.body)

    assert "text/csv; charset=utf-8" == answer.headers["content-type"]
    assert 'filename="unsealed-messages-20250101-20271231.csv"' in answer.headers["content-disposition"]
    assert answer.body.startswith(b"\xef\xbb\xbf")
    assert 300 == len(rows)
    assert {LONG} == {dict(zip(head, row, strict=True))["template"] for row in rows}
    assert all(re.fullmatch(r"[0-9a-f]{16}", row[0]) for row in rows)
    assert 300 == len(cells((await mara.get(f"/reports/recipients.csv?{query}")).body)) - 1
    assert 100 < len(cells((await mara.get(f"/reports/events.csv?{query}")).body))


async def test_the_file_of_figures_says_what_the_page_says(mara: Any, made: Any) -> None:
    rows = cells((await mara.get("/reports/figures.csv")).body)
    opened = next(row for row in rows if row[:2] == ["figures", "opened"])
    shown = text((await mara.get("/reports")).text)

    assert f"{int(opened[2]):,} of {int(opened[3]):,} tracked recipients" in shown
    assert 7 * 24 == sum(row[0] == "hours" for row in rows)
    assert any(row[0] == "comparison" and row[1] == f"{LONG} stands clear of {SHORT}" for row in rows)


async def test_programs_get_the_same_figures(
    mara: Any, made: Any, engine: Engine, clock: Any, browser: Any, app: Any
) -> None:
    with engine.begin() as connection:
        token = {"authorization": f"Bearer {proofs.new_api_token(connection, MARA, 'test', clock())}"}
    it = browser(app=app)
    found = (await it.get("/api/v1/reports?by=template", **token)).json
    links = (await it.get("/api/v1/reports?by=link", **token)).json
    few = (await it.get("/api/v1/reports?tag=none", **token)).json
    shown = text((await mara.get("/reports")).text)

    assert f"{found['opened']['count']:,} of {found['opened']['of']:,} tracked recipients" in shown
    assert [LONG, SHORT] == [group["name"] for group in found["groups"]]
    assert [(LONG, SHORT, True)] == [(each["first"], each["second"], each["winner"]) for each in found["comparisons"]]
    assert {"Pricing", "Visit"} <= {link["text"] for link in links["links"]}
    assert {"count": 0, "of": 0, "rate": None, "low": None, "high": None} == few["opened"]
    assert 400 == (await it.get("/api/v1/reports?colour=red", **token)).status


# All people together


@pytest.fixture
def kees(app: Any, mail: Any, engine: Engine, clock: Any, browser: Any) -> Any:
    it = browser(app=app, origin="http://127.0.0.1:8025")
    with engine.begin() as connection:
        cookie, it.token = proofs.new_session(connection, OTHER, "127.0.0.1", "test", clock())
    it.cookies["unsealed"] = cookie
    return it


async def test_nobody_sees_figures_of_all_people_until_an_owner_allows_it(mara: Any, kees: Any, engine: Engine) -> None:
    assert "Nobody sees these figures" in text((await mara.get("/reports/team")).text)
    assert 403 == (await kees.get("/reports/team")).status
    assert 403 == (await kees.post("/reports/team", {"allowed": "sums"})).status
    await mara.get("/reports/team")
    assert 303 == (await mara.post("/reports/team", {"allowed": "sums"})).status

    assert "Not enough yet" in text((await mara.get("/reports/team?weeks=13")).text)
    assert 403 == (await kees.get("/reports/team")).status


@pytest.fixture
async def with_five_others(mara: Any, mail: Any, engine: Engine, clock: Any) -> Any:
    """Mara, who allows sums over all people, beside five others who sent letters."""
    await mara.get("/reports/team")
    await mara.post("/reports/team", {"allowed": "sums"})
    with engine.begin() as connection:
        for number in range(5):
            user = people.add_user(connection, f"u{number}@z.example", Role.MEMBER, clock())
            many_letters.write(connection, user, clock(), letters=60, seed=number)
    return mara


async def test_five_others_give_a_sum(with_five_others: Any) -> None:
    shown = text((await with_five_others.get("/reports/team?weeks=4")).text)

    assert "Sums over" in shown
    assert "u0@z.example" not in shown
    assert re.search(r"\d+\.\d % \d+ of \d+ tracked recipients", shown)
    assert not re.search(r"u\d@z", shown)


async def test_each_week_of_the_period_is_accounted_for(with_five_others: Any) -> None:
    told = {}
    for span in (4, 13):
        shown = text((await with_five_others.get(f"/reports/team?weeks={span}")).text)
        assert f"Last {span} whole weeks" in shown
        told[span] = [
            int(found[1]) if (found := re.search(words, shown)) else 0
            for words in (
                rf"Sums over (\d+) of the {span} whole weeks",
                r"(\d+) weeks? left out",
                r"In (\d+) weeks? nobody wrote",
            )
        ]

    assert {4: 4, 13: 13} == {span: sum(weeks) for span, weeks in told.items()}
    assert told[13][0]
    assert told[13][2]


async def test_each_person_is_shown_only_when_an_owner_says_so_and_everybody_is_told(
    mara: Any, mail: Any, engine: Engine, clock: Any
) -> None:
    await mara.get("/reports/team")
    told = "Owners and administrators see"
    assert told not in text((await mara.get("/reports")).text)
    assert 400 == (await mara.post("/reports/team", {"allowed": "all"})).status
    assert 303 == (await mara.post("/reports/team", {"allowed": "people"})).status
    with engine.begin() as connection:
        user = people.add_user(connection, "u1@z.example", Role.MEMBER, clock())
        many_letters.write(connection, user, clock(), letters=60, seed=1)
    shown = text((await mara.get("/reports/team?weeks=4")).text)

    assert re.search(r"u1@z\.example \d+\.\d % ?, \d+ of \d+ \d+\.\d to \d+\.\d", shown)
    assert told in text((await mara.get("/reports")).text)


# Words and drawings


@pytest.mark.parametrize(
    ("seconds", "words"), [(40, "40 s"), (1320, "22 min"), (9600, "2 h 40 min"), (7200, "2 h"), (3 * 86_400, "3 days")]
)
def test_durations_are_short(seconds: int, words: str) -> None:
    assert words == duration(seconds, ENGLISH)


def test_evidence_is_said_plainly() -> None:
    assert ["0.7 times", "44 times", "more than 1,000 times"] == [
        likelier(each, ENGLISH) for each in (0.7, 44.9, 10**6)
    ]


def test_a_range_is_drawn_within_the_axis() -> None:
    chart = Chart(0.4, ())

    assert [(4, "0"), (90, "10"), (176, "20"), (262, "30"), (348, "40")] == chart.ticks
    assert 348 == chart.x(0.9)


def test_what_was_not_compared_says_nothing() -> None:
    assert "" == says(Group(name="alone", counts=Counts()), [], ENGLISH)


def test_a_bar_of_nobody_has_no_width() -> None:
    (share,) = reports.shares([("none", Part(0, 0), "f")])

    assert (0, "-") == (share.width, share.percent)


def test_an_address_keeps_only_what_reports_know() -> None:
    where = Address({"tag": "spring", "evil": "x", "from": ""})

    assert "/reports?tag=spring&from=2026-11-01" == where.to(from_="2026-11-01")
    assert "/reports" == where.to(tag="")


def test_the_axis_ends_behind_the_highest_range() -> None:
    assert [0.04, 0.4, 0.4, 1.0] == [reports._top(each) for each in (0.01, 0.325, 0.4, 0.81)]


def test_a_period_is_whole_days_of_the_reader() -> None:
    now = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    found = read({"period": "7"}, now, UTC)

    assert datetime(2026, 11, 16, tzinfo=UTC) == found.asked.since
    assert datetime(2026, 11, 23, tzinfo=UTC) == found.asked.until
    assert "Last 7 days" == reports.period_words(found, Times(now))
    with pytest.raises(BadInput):
        read({"period": "own", "from": "0001-01-01", "to": "9999-12-31"}, now, UTC)
