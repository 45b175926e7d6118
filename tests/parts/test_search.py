from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, event, text
from tests.conftest import NOON
from tests.parts.conftest import MARA, OTHER, Seeding
from tests.parts.test_views import walked

from unsealed.model.message import Link, LinkPart, MessageId, Recipient, UserId, public_id
from unsealed.store import contacts, schema, search, sent
from unsealed.store.engine import connect, reading
from unsealed.store.migrate import MIGRATIONS, migrate

INES = ("Inès Marchetti-Öztürk", "ines.m+events@harbour-line.example")
ROB = ("Rob", "rob@fennel.example")
DAY = timedelta(days=1)


@pytest.fixture
def seeding(engine: Engine) -> Any:
    with engine.begin() as connection:
        made = Seeding(connection, NOON)
        made.person(MARA, "mara@tidewater.example", "Mara")
        made.person(OTHER, "otto@tidewater.example", "Otto")
        yield made


def found(connection: Connection, sought: str, **more: Any) -> list[str]:
    return [row.subject for row in sent.listed(connection, MARA, search=sought, now=NOON, **more).items]


def few(connection: Connection, words: Sequence[str], *, sure: bool = True) -> Sequence[int] | None:
    return search.few_with_words(connection, MARA, words, search.weeks_of(connection, MARA), sure=sure)[0]


def met(connection: Connection, words: Sequence[str]) -> Sequence[int]:
    """The messages of all weeks that have these words."""
    weeks = search.weeks_of(connection, MARA)
    ids, looked = search.with_words(connection, MARA, words, weeks, most=1_000)
    assert len(weeks) == looked
    return ids


# What is found


@pytest.mark.parametrize(
    "sought",
    [
        "invoice", "INVO", "i", "no. 2026", "2026/11", "straße", "STRASSE", "cafe", "CAFÉ", "cafe\u0301",  # the subject
        "ines", "Inès", "oztu", "marchetti ines", "inv mar", "ines.m+ev", "events", "harbour-line", "line.ex",
        "INES.M+EVENTS@HARBOUR-LINE.EXAMPLE",
        "pric", "plans", "shop.example/a", "shop summer sale", "sale", "reach us", "mailto@box.example",  # links
        "in\u00advo", "\u202einvoice\u202c", "\u200binv", "invoice\0", "ｉｎｖｏｉｃｅ",
        "請求", "書", "🎉", "🎉 invoice",
    ],
)  # fmt: skip
def test_every_word_typed_begins_a_word_of_the_message(seeding: Seeding, sought: str) -> None:
    subject = "Invoice no. 2026/11: Café, Straße 🎉請求書"
    links = (
        ("Pricing & plans", "https://shop.example/a/summer%20sale?id=1"),
        ("Reach us", "mailto:mailto@box.example"),
    )
    seeding.send(subject, [INES, ROB], DAY, links=links)
    seeding.send("Something else", [("", "zoe@other.test")], DAY)

    assert [subject] == found(seeding.connection, sought)


@pytest.mark.parametrize(
    "sought",
    ["voice", "invoices", "invoice zoe", "%", "_", "!!!", "@", "secret", "\u202e", "'", "*", "x" * 10_000, "a " * 5_000,
     "\ud800"],
)  # fmt: skip
def test_what_begins_no_word_finds_nothing(seeding: Seeding, sought: str) -> None:
    seeding.send("Invoice", [INES], DAY, links=[("Offer", "https://shop.example/x?token=secret#secret")])

    assert [] == found(seeding.connection, sought)


@pytest.mark.parametrize(
    "sought",
    [
        'inv" OR "rob', "inv OR rob", "inv NOT ines", "NOT inv", "-inv rob", "words:inv", "{words}: inv", "^inv rob",
        "NEAR(inv rob)", "inv' | 'rob':*", "inv*) OR (rob*", "inv') OR 1=1 --", "inv\\' | 'rob",
    ],
)  # fmt: skip
def test_operators_are_words_like_others(seeding: Seeding, sought: str) -> None:
    seeding.send("Invoice", [INES], DAY)
    seeding.send("Report", [ROB], DAY)

    assert [] == found(seeding.connection, sought)


@pytest.mark.parametrize(
    "sought", ["!inv", "inv & !ines", "inv | ines", "inv <-> ines", "inv\\", "inv';--", '"inv', "(inv"]
)
def test_signs_between_words_do_nothing(seeding: Seeding, sought: str) -> None:
    seeding.send("Invoice", [INES], DAY)
    seeding.send("Report", [ROB], DAY)

    assert ["Invoice"] == found(seeding.connection, sought)


def test_nothing_typed_narrows_nothing(seeding: Seeding) -> None:
    seeding.send("Invoice", [INES], DAY)

    assert ["Invoice"] == found(seeding.connection, " \0\t ")


def test_words_of_others_find_nothing(seeding: Seeding) -> None:
    seeding.send("Invoice", [INES], DAY, user=OTHER)
    seeding.send("Report", [ROB], DAY)

    assert [] == found(seeding.connection, "invoice")
    assert 0 == sent.count(seeding.connection, MARA, search="invoice", now=NOON)


def test_a_search_and_a_state_both_narrow(seeding: Seeding) -> None:
    seeding.send("Invoice one", [INES], DAY, tag="spring")
    seeding.send("Invoice two", [INES], DAY * 2)
    seeding.send("Report", [INES], DAY * 3, tag="spring")

    assert ["Invoice one"] == found(seeding.connection, "invoice", tag="spring")
    assert [] == found(seeding.connection, "invoice", state="opened")
    assert 2 == sent.count(seeding.connection, MARA, search="invoice", now=NOON)
    assert 1 == sent.count(seeding.connection, MARA, search="invoice", tag="spring", now=NOON)


def test_words_go_with_their_message(engine: Engine, seeding: Seeding) -> None:
    gone, kept = (seeding.send("Invoice", [INES], DAY), seeding.send("Invoice again", [ROB], DAY))
    connection = seeding.connection

    connection.execute(schema.messages.delete().where(schema.messages.c.id == gone))

    assert [kept] == few(connection, ["invoice"])
    connection.execute(schema.users.delete().where(schema.users.c.id == MARA))
    again = MessageId(7)
    seeding.person(MARA, "mara@tidewater.example", "Mara")
    seeding.numbers = itertools.count(again)
    seeding.send("Report", [ROB], DAY)
    assert [] == few(connection, ["invoice"])
    assert [again] == few(connection, ["rob"])


@pytest.mark.parametrize("alike", [1, 4, 5])
def test_words_meet_however_many_begin_so(seeding: Seeding, alike: int) -> None:
    """Few words of a week are asked for one by one, of more SQLite puts all hits together."""
    meeting = [seeding.send(f"Report {number}, invoice{number}", [ROB], DAY) for number in range(alike)]
    meeting.append(seeding.send("Invoices reported", [ROB], timedelta(weeks=5)))
    seeding.send("Invoice", [INES], DAY)
    seeding.send("Report", [INES], DAY)
    connection = seeding.connection

    assert sorted(meeting) == sorted(met(connection, ["invoice", "report"]))
    assert meeting[-1:] == met(connection, ["invoices", "repo", "rob"])
    assert [] == met(connection, ["invoice", "report", "nothing"])


@given(written=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), end=st.integers(1, 8))
@example(written="a\U0010ffff b\U000e0100", end=1)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_all_words_of_a_message_lead_to_it(seeding: Seeding, written: str, end: int) -> None:
    message = seeding.send(written, [ROB], DAY)
    words = [word[:end] for word in search.typed_words(written) or []]

    assert message in met(seeding.connection, ["rob", *words])


def test_the_hidden_link_is_not_found(engine: Engine, seeding: Seeding) -> None:
    trap = Link(position=0, offset=0, part=LinkPart.HTML, destination="https://t.example/trapped", trap=True)
    message = seeding.send("Invoice", [INES], DAY)
    seeding.connection.execute(schema.texts.delete())

    search.add(seeding.connection, message, MARA, NOON, subject="Invoice", recipients=(), links=[trap])

    assert [] == found(seeding.connection, "trapped")


def test_a_message_to_very_many_is_found_by_the_first_of_them(seeding: Seeding) -> None:
    message = seeding.send("Invoice", [INES], DAY)
    seeding.connection.execute(schema.texts.delete())
    many = [Recipient(address=f"{'ä' * 30}{number}@x.example") for number in range(20_000)]

    search.add(seeding.connection, message, MARA, NOON - DAY, subject="Invoice", recipients=many)

    assert ["Invoice"] == found(seeding.connection, "invoice") == found(seeding.connection, f"{'a' * 30}17")


@given(st.text())
@settings(max_examples=300, deadline=None)
def test_words_hold_nothing_but_letters_digits_marks_and_signs(written: str) -> None:
    words = search.typed_words(f"x{written}") or []

    assert len(words) <= search.TYPED_WORDS
    for word in words:
        assert len(word) <= search.WORD_CHARACTERS
        assert all(each.isalnum() or unicodedata.category(each) in ("So", "Mc", "Mn", "Me") for each in word)
        assert all(each.isalnum() for each in word if each.isascii())


@given(st.text(), st.integers(0, 8))
@settings(max_examples=300, deadline=None)
def test_the_beginning_of_a_message_finds_it(written: str, end: int) -> None:
    kept = search.words_kept(written, (), ()).split(" ")[1:]

    for word in search.typed_words(written) or []:
        assert word in kept
        assert any(each.startswith(word[:end]) for each in kept)


# The same pages, whichever way


@dataclass(frozen=True)
class Letter:
    subject: str
    ago: timedelta
    signal_ago: timedelta
    opens: int
    id: MessageId


WORDS = ("invoice", "invoices", "report", "rare")


def fill(seeding: Seeding, letters: Sequence[tuple[int, int, int, int]]) -> list[Letter]:
    made = []
    for number, (words, weeks, hours, late) in enumerate(letters):
        subject = " ".join([word for bit, word in enumerate(WORDS) if words >> bit & 1] + [f"n{number}"])
        ago = timedelta(weeks=weeks, hours=hours % 3)  # several at the same moment
        signal = max(ago - timedelta(days=late), timedelta(0))
        id = seeding.send(subject, [ROB], ago)
        opens = int(late > 0)
        seeding.connection.execute(
            schema.messages.update()
            .where(schema.messages.c.id == id)
            .values(signal_at=NOON - signal, opens=opens, last_at=NOON - signal if opens else None)
        )
        made.append(Letter(subject, ago, signal, opens, id))
    return made


def model(letters: Sequence[Letter], sought: str, sort: str) -> list[str]:
    """What `sent` promises, in the plainest words."""
    wanted = [
        each
        for each in letters
        if all(any(word.startswith(part) for word in each.subject.split()) for part in sought.split())
        and (sort != "opened" or each.opens)
    ]
    by: dict[str, Callable[[Letter], Any]] = {
        "sent": lambda each: (NOON - each.ago, each.id),
        "signal": lambda each: (NOON - each.signal_ago, each.id),
        "opened": lambda each: (NOON - each.signal_ago, each.id),
    }
    return [public_id(each.id) for each in sorted(wanted, key=by[sort], reverse=True)]


@pytest.mark.parametrize(("few", "walked", "looked_up"), [(5_000, 20_000, 20_000), (0, 20_000, 20_000), (0, 3, 20_000),
                                                          (4, 1, 20_000), (0, 1, 2), (2, 5, 3)])  # fmt: skip
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
# More hits in the first weeks than are looked up, and the next page begins where these weeks end.
@example(
    letters=[(1, 7, 0, 0), (1, 11, 0, 0), (6, 22, 0, 1), (7, 10, 0, 0)],
    sought="invoice",
    sort="opened",
    limit=1,
    apart=5,
)
# Several words that all are found in the first weeks.
@example(letters=[(5, 0, 0, 0), (5, 3, 0, 1)], sought="rep inv", sort="signal", limit=1, apart=1)
@given(
    letters=st.lists(
        st.tuples(st.integers(0, 15), st.integers(0, 40), st.integers(0, 5), st.sampled_from((0, 0, 1, 200))),
        max_size=25,
    ),
    sought=st.sampled_from(("invoice", "inv", "invoices", "rare", "rep inv", "n1", "zzz", "")),
    sort=st.sampled_from(("sent", "signal", "opened")),
    limit=st.integers(1, 7),
    apart=st.integers(1, 6),
)
def test_few_or_many_walked_or_looked_up_the_pages_are_the_same(
    engine: Engine,
    few: int,
    walked: int,
    looked_up: int,
    letters: Any,
    sought: str,
    sort: str,
    limit: int,
    apart: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch, engine.connect() as connection, connection.begin() as begun:
        patch.setattr(search, "FEW", few)
        patch.setattr(search, "NEWEST_WEEKS", 2)
        patch.setattr(sent, "LOOKED_UP", looked_up)
        patch.setattr(sent, "APART", apart)
        patch.setattr(sent, "WALKED_FIRST", walked)
        patch.setattr(sent, "PROBED", min(walked, 2))
        seeding = Seeding(connection, NOON)
        seeding.person(MARA, "mara@tidewater.example", "Mara")
        made = fill(seeding, letters)
        pages: list[str] = []
        after, more = None, True
        while more:
            page = sent.listed(connection, MARA, search=sought, sort=sort, after=after, limit=limit, now=NOON)
            pages += [row.id for row in page.items]
            after, more = page.next, page.next is not None
        begun.rollback()

    assert model(made, sought, sort) == pages


STATES: dict[str, dict[str, Any]] = {
    "replied": {"replies": 1},
    "bounced": {"bounced": True},
    "not_tracked": {"untracked": True},
    "loaded_by_machine": {"machine": 1, "opens": 0},
}


@pytest.mark.parametrize(("few", "walked", "looked_up"), [(5_000, 20_000, 20_000), (0, 20_000, 20_000), (0, 3, 20_000),
                                                          (4, 1, 20_000), (0, 1, 2), (2, 5, 3)])  # fmt: skip
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    letters=st.lists(
        st.tuples(st.integers(0, 15), st.integers(0, 40), st.integers(0, 5), st.sampled_from((0, 0, 1, 200))),
        max_size=20,
    ),
    chosen=st.sets(st.integers(0, 19)),
    sought=st.sampled_from(("invoice", "rep inv", "n1", "")),
    state=st.sampled_from(sorted(STATES)),
    sort=st.sampled_from(("sent", "signal")),
    apart=st.integers(1, 6),
    dense=st.integers(0, 3),
)
def test_a_state_and_words_find_the_same_whichever_way(
    engine: Engine, few: int, walked: int, looked_up: int, letters: Any, chosen: set[int], sought: str, state: str,
    sort: str, apart: int, dense: int,
) -> None:  # fmt: skip
    with pytest.MonkeyPatch.context() as patch, engine.connect() as connection, connection.begin() as begun:
        for module, name, value in (
            (search, "FEW", few), (search, "NEWEST_WEEKS", 2),
            (sent, "FEW", few), (sent, "FEW_IN_SEARCH", few), (sent, "WALKED", walked), (sent, "WALKED_FIRST", walked),
            (sent, "PROBED", min(walked, 2)), (sent, "LOOKED_UP", looked_up), (sent, "APART", apart),
            (sent, "DENSE", dense),
        ):  # fmt: skip
            patch.setattr(module, name, value)
        seeding = Seeding(connection, NOON)
        seeding.person(MARA, "mara@tidewater.example", "Mara")
        made = fill(seeding, letters)
        theirs = [letter for number, letter in enumerate(made) if number in chosen]
        among = schema.messages.c.id.in_([letter.id for letter in theirs])
        connection.execute(schema.messages.update().where(among).values(STATES[state]))
        pages: list[str] = []
        after, more = None, True
        while more:
            page = sent.listed(connection, MARA, search=sought, state=state, sort=sort, after=after, limit=3, now=NOON)
            pages += [row.id for row in page.items]
            after, more = page.next, page.next is not None
        begun.rollback()

    assert model(theirs, sought, sort) == pages


# What it costs


@pytest.mark.parametrize("few", [5_000, 0])
def test_no_search_walks_through_a_table(
    engine: Engine, seeding: Seeding, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW", few)
    for number in range(30):
        seeding.send(f"Invoice {number}", [ROB], timedelta(weeks=number))
    asked: list[tuple[str, Any]] = []
    connection = seeding.connection
    event.listen(connection, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))

    for sort in sent.SORTS:
        for sought in ("invoice", "rob 7", "zzz"):
            page = sent.listed(connection, MARA, search=sought, sort=sort, limit=3, now=NOON)
            sent.listed(connection, MARA, search=sought, sort=sort, after=page.next, limit=3, now=NOON)
    questions = {statement: given for statement, given in asked if statement.startswith("SELECT")}
    if engine.dialect.name == "postgresql":  # which rightly reads tables of thirty rows from end to end
        for way in ("seqscan", "hashjoin", "mergejoin", "material"):
            connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
    steps = {statement: walked(connection, statement, given) for statement, given in questions.items()}

    assert {statement: found for statement, found in steps.items() if found} == {}
    assert any("text_index" in each or "tsquery" in each for each in steps)


def looks(connection: Connection, words: Sequence[str], *, sure: bool) -> int:
    """How often the index of words is asked until it is known that many messages have these."""
    asked: list[str] = []

    def note(*args: Any) -> None:
        asked.append(args[2])

    event.listen(connection, "before_cursor_execute", note)
    assert few(connection, words, sure=sure) is None
    event.remove(connection, "before_cursor_execute", note)
    return sum("text_index" in each or "tsquery" in each for each in asked)


def test_of_words_that_the_first_weeks_are_full_of_none_is_counted(
    seeding: Seeding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW", 10)
    for number in range(60):
        seeding.send(f"Invoice report {number}", [ROB], timedelta(weeks=number))

    # How many have these very words; then whether very few have what begins so, and whether few have.
    assert 1 + 2 == looks(seeding.connection, ["invoic"], sure=True)
    assert 1 + 2 == looks(seeding.connection, ["invoic", "repor"], sure=False)


def test_a_word_of_many_is_not_looked_for_by_its_beginning(seeding: Seeding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "FEW", 10)
    for number in range(2 * search.NEWEST_WEEKS):
        seeding.send(f"Invoice report {number}", [ROB], timedelta(weeks=number / 2))

    assert 1 == looks(seeding.connection, ["invoice"], sure=True)
    assert 1 == looks(seeding.connection, ["invoice", "report"], sure=False)
    rare = seeding.send("Invoice", [("", "rare@x.example")], DAY)
    assert [rare] == few(seeding.connection, ["invoice", "rare"], sure=False)


def test_a_word_of_which_many_are_expected_is_not_looked_for_unless_one_must_be_sure(
    seeding: Seeding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW", 10)
    for number in range(45):
        seeding.send(f"Invoice {number}", [ROB], timedelta(weeks=number))

    assert 1 == looks(seeding.connection, ["invoice"], sure=False)
    assert 1 + 2 == looks(seeding.connection, ["invoice"], sure=True)


@pytest.mark.parametrize("words", [["invoice"], ["invoice", "report"]])
@pytest.mark.parametrize(("most", "complete"), [(0, 0), (1, 0), (2, 1), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5)])
def test_no_week_is_looked_up_in_part(seeding: Seeding, words: list[str], most: int, complete: int) -> None:
    sent_in = [0, 0, 1, 3, 3, 4]  # the week of each
    ids = [seeding.send("Invoice report", [ROB], timedelta(weeks=week)) for week in sent_in]
    weeks = search.weeks_of(seeding.connection, MARA)

    found, looked = search.with_words(seeding.connection, MARA, words, weeks, most)

    assert complete == looked
    assert {id for id, week in zip(ids, sent_in, strict=True) if week < complete} == set(found)


def test_the_index_of_words_is_put_together_in_portions(
    engine: Engine, seeding: Seeding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MERGED", 2)
    subjects = [f"Invoice {number} {' '.join(f'{number}w{word}' for word in range(200))}" for number in range(20)]
    for subject in subjects:
        seeding.send(subject, [ROB], DAY)
    connection, more, written = seeding.connection, True, []
    while more:
        before = changes(connection)
        more = search.merge(connection)
        written.append(changes(connection) - before)

    assert set(subjects) == set(found(connection, "invoice"))
    assert [subjects[7]] == found(connection, "7w7 invoice")
    assert not search.merge(connection)
    if engine.dialect.name == "sqlite":
        pieces = connection.execute(text("SELECT count(DISTINCT segid) FROM text_index_idx")).scalar_one()
        assert pieces <= 2
        assert len(written) > 5
        assert max(written) < 30


def changes(connection: Connection) -> int:
    """How many rows were changed so far; on PostgreSQL nobody counts."""
    own: Any = connection.connection.driver_connection
    return getattr(own, "total_changes", 0)


def test_hits_are_found_by_the_index_of_words(engine: Engine, seeding: Seeding) -> None:
    seeding.send("Invoice", [ROB], DAY)
    connection = seeding.connection
    asked: list[tuple[str, Any]] = []
    event.listen(connection, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    few(connection, ["invoice"])
    met(connection, ["invoice", "rob"])
    questions = [(question, given) for question, given in asked if "MATCH" in question or "tsquery" in question]

    assert 3 == len(questions)
    if engine.dialect.name == "sqlite":
        for question, given in questions:
            steps = [step for *_, step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {question}", given)]
            assert any(step.startswith("SCAN text_index VIRTUAL TABLE INDEX 0:M") for step in steps)
            assert not any(step.startswith("SCAN text_terms VIRTUAL TABLE INDEX 0:") for step in steps)
        return
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    for question, given in questions:
        plan = connection.exec_driver_sql(f"EXPLAIN {question}", given).scalars()
        assert any("Bitmap Index Scan on ix_texts_words" in step for step in plan)


def test_names_of_shelves_are_of_the_same_length() -> None:
    late = datetime(3000, 1, 1, tzinfo=NOON.tzinfo)

    assert {20} == {len(search.shelf_of(user, at)) for user in (MARA, UserId(1)) for at in (schema.EPOCH, NOON, late)}


def test_messages_of_earlier_versions_are_found_after_the_upgrade(
    blank_url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = connect(blank_url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
        seeding = Seeding(connection, NOON)
        seeding.person(MARA, "mara@tidewater.example", "Mara")
        monkeypatch.setattr(search, "add", lambda *_, **__: None)
        monkeypatch.setattr("tests.parts.conftest.met", lambda *_: None)
        for subject in ("Invoice", "Sealed"):
            seeding.send(subject, [INES], DAY, links=[("Pricing", "https://shop.example/plans")])
        connection.execute(schema.messages.update().where(schema.messages.c.subject == "Sealed").values(sealed=True))
        connection.execute(text("INSERT INTO contacts (user_id, mailbox, address, name, first_at, last_at)"
                                f" VALUES ({MARA}, 'ines@x.example', 'ines@x.example', 'Inès', 0, 0)"))  # fmt: skip

    migrate(engine)

    with reading(engine) as connection:
        assert ["Invoice", "Sealed"] == sorted(found(connection, "inv oztu") + found(connection, "seal"))
        assert ["Invoice"] == found(connection, "pricing") == found(connection, "shop.example/plans")
        assert 1 == len(contacts.listed(connection, MARA, search="ines").items)
    engine.dispose()
