from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from unsealed.model.draft import Identity
from unsealed.model.errors import BadInput, Refused
from unsealed.model.message import UserId
from unsealed.store import audit, identities, people, schema
from unsealed.store.engine import reading
from unsealed.store.identities import Proof, Waiting

SALES = "sales@example.org"
NO_ADDRESSES = [
    "",
    "nobody",
    "sales@example.org\r\nBcc: x@example.com",
    "sales@exam\nple.org",
    "sa\0les@example.org",
    "sales@example.org\x7f",
    "sa\N{RIGHT-TO-LEFT OVERRIDE}les@example.org",
    "sales\N{ZERO WIDTH SPACE}@example.org",
    '"sales team"@example.org',
    "sales@team@example.org",
    "Sales <sales@example.org>",
    "a" * 10_000 + "@example.org",
    "sales@" + "a" * 10_000,
    "\ud800@example.org",
]


def code_for(engine: Engine, user: UserId, now: datetime, address: str = SALES) -> str:
    with engine.begin() as connection:
        return identities.new_code(connection, user, address, now)[1]


def enter(engine: Engine, user: UserId, code: str, now: datetime, address: str = SALES) -> Proof:
    with engine.begin() as connection:
        return identities.enter_code(connection, user, address, code, now)


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


def may_send(engine: Engine, user: UserId, address: str = SALES) -> bool:
    with reading(engine) as connection:
        return people.may_send_from(connection, user, address)


def test_an_address_is_the_users_once_its_code_was_entered(engine: Engine, ines: UserId, now: datetime) -> None:
    code = code_for(engine, ines, now, " Sales@Example.ORG ")
    assert not may_send(engine, ines)
    with reading(engine) as connection:
        assert [Waiting(address=SALES, tries_left=5)] == identities.waiting(connection, ines, now)

    assert Proof.PROVEN is enter(engine, ines, f" {code[:3]}-{code[3:]} ", now, "SALES@example.org")

    assert may_send(engine, ines)
    with reading(engine) as connection:
        assert [] == identities.waiting(connection, ines, now)
        assert ["ines@example.org", SALES] == [each.address for each in identities.list_for(connection, ines)]
        assert ("address added", SALES) == (lambda line: (line.what, line.words))(audit.lines(connection, ines)[0])
    assert Proof.NONE is enter(engine, ines, code, now)


def test_a_code_is_six_figures_and_is_not_kept(engine: Engine, ines: UserId, now: datetime) -> None:
    code = code_for(engine, ines, now)

    assert (6, True) == (len(code), code.isdecimal())
    with engine.connect() as connection:
        [row] = connection.execute(select(schema.address_codes))
    assert code not in str(row.hash)


def test_five_tries_and_the_right_code_is_worth_nothing_any_more(engine: Engine, ines: UserId, now: datetime) -> None:
    code = code_for(engine, ines, now)
    for left in (4, 3, 2, 1, 0):
        assert Proof.WRONG is enter(engine, ines, wrong(code), now)
        with reading(engine) as connection:
            assert [Waiting(address=SALES, tries_left=left)] == identities.waiting(connection, ines, now)

    assert Proof.NONE is enter(engine, ines, code, now)
    assert not may_send(engine, ines)


def test_a_code_dies_after_a_quarter_of_an_hour_and_when_a_newer_one_is_made(
    engine: Engine, ines: UserId, clock: Any
) -> None:
    first = code_for(engine, ines, clock())
    second = code_for(engine, ines, clock())
    if first != second:
        assert Proof.WRONG is enter(engine, ines, first, clock())
    clock.advance(timedelta(minutes=15))

    assert Proof.NONE is enter(engine, ines, second, clock())
    with reading(engine) as connection:
        assert [Waiting(address=SALES, tries_left=0)] == identities.waiting(connection, ines, clock())
        assert [] == identities.waiting(connection, ines, clock() + timedelta(days=1))


def test_a_code_of_one_user_is_worth_nothing_to_another_nor_for_another_address(
    engine: Engine, ines: UserId, rob: UserId, now: datetime
) -> None:
    code = code_for(engine, ines, now)

    assert Proof.NONE is enter(engine, rob, code, now)
    assert Proof.NONE is enter(engine, ines, code, now, "boss@example.org")
    code_for(engine, ines, now, "boss@example.org")
    assert Proof.WRONG is enter(engine, ines, code, now, "boss@example.org")
    assert Proof.PROVEN is enter(engine, ines, code, now)


def test_only_who_reads_its_mail_learns_that_an_address_is_anothers(
    engine: Engine, ines: UserId, rob: UserId, now: datetime
) -> None:
    code = code_for(engine, rob, now, "ines@example.org")  # asked like for any other address

    assert Proof.WRONG is enter(engine, rob, wrong(code), now, "ines@example.org")
    assert Proof.TAKEN is enter(engine, rob, code, now, "ines@example.org")
    assert not may_send(engine, rob, "ines@example.org")


def test_a_sign_in_name_stays_its_users_also_when_nothing_is_sent_from_it(
    engine: Engine, ines: UserId, rob: UserId, now: datetime
) -> None:
    with engine.begin() as connection:
        people.add_identity(connection, ines, SALES, now)
        identities.remove(connection, ines, "ines@example.org", now)

    code = code_for(engine, rob, now, "ines@example.org")
    assert Proof.TAKEN is enter(engine, rob, code, now, "ines@example.org")


def test_an_address_gets_three_codes_an_hour_whoever_asks_and_a_user_ten(
    engine: Engine, ines: UserId, rob: UserId, clock: Any
) -> None:
    for user in (ines, ines, rob):
        code_for(engine, user, clock())
    with pytest.raises(Refused, match="3 codes went to sales@"):
        code_for(engine, rob, clock())
    for number in range(8):
        code_for(engine, ines, clock(), f"team{number}@example.org")
    with pytest.raises(Refused, match="many codes"):
        code_for(engine, ines, clock(), "team9@example.org")

    clock.advance(timedelta(hours=1))
    code_for(engine, ines, clock())


def test_giving_up_and_asking_anew_does_not_lift_the_limit(engine: Engine, ines: UserId, now: datetime) -> None:
    for _ in range(3):
        code = code_for(engine, ines, now)
        with engine.begin() as connection:
            assert identities.remove(connection, ines, SALES, now)
            assert not identities.remove(connection, ines, SALES, now)
        assert Proof.NONE is enter(engine, ines, code, now)
    with pytest.raises(Refused):
        code_for(engine, ines, now)


@pytest.mark.parametrize("address", NO_ADDRESSES, ids=lambda each: repr(each)[:30])
def test_what_is_no_address_gets_no_code(engine: Engine, ines: UserId, now: datetime, address: str) -> None:
    with engine.begin() as connection, pytest.raises(BadInput):
        identities.new_code(connection, ines, address, now)
    assert Proof.NONE is enter(engine, ines, "123456", now, address)
    with engine.begin() as connection:
        assert not identities.remove(connection, ines, address, now)
        assert not identities.describe(connection, ines, address, name="", signature="")


def test_an_address_of_the_user_needs_no_code(engine: Engine, ines: UserId, now: datetime) -> None:
    with pytest.raises(BadInput, match="you send from ines@"):
        code_for(engine, ines, now, "Ines@example.org")


def test_an_international_address_is_proven_like_any_other(engine: Engine, ines: UserId, now: datetime) -> None:
    code = code_for(engine, ines, now, "Grüße@Bücher.example")

    assert Proof.PROVEN is enter(engine, ines, code, now, "GRÜSSE@bücher.example".replace("GRÜSSE", "GRÜßE"))
    assert may_send(engine, ines, "grüße@bücher.example")


@pytest.mark.parametrize("code", ["", "0" * 10_000, "١٢٣٤٥٦", "\0", "\ud800", "12345\n6"])
def test_what_is_no_code_is_a_wrong_one(engine: Engine, ines: UserId, now: datetime, code: str) -> None:
    code_for(engine, ines, now)

    assert Proof.WRONG is enter(engine, ines, code, now)


def test_name_and_signature_stand_beside_an_address_of_the_user_alone(
    engine: Engine, ines: UserId, rob: UserId, now: datetime
) -> None:
    with engine.begin() as connection:
        assert identities.describe(connection, ines, "INES@example.org", name="Ines", signature="Ines\nSales")
        assert not identities.describe(connection, rob, "ines@example.org", name="Rob", signature="")

        expected = [Identity(address="ines@example.org", name="Ines", signature="Ines\nSales")]
        assert expected == identities.list_for(connection, ines)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Ines Marchetti", "Ines Marchetti"),
        ("Ines\r\nBcc: x@example.com", "Ines Bcc: x@example.com"),
        ("Ines\0\x1b[31m", "Ines [31m"),
        ("Ines\N{RIGHT-TO-LEFT OVERRIDE}tsop", "Ines tsop"),
        ("  李 小龍 ", "李 小龍"),
    ],
)
def test_a_name_is_one_printable_line(typed: str, kept: str) -> None:
    assert kept == identities.clean_name(typed)


def test_a_signature_keeps_its_lines_and_loses_what_is_no_text() -> None:
    assert "Ines\n\tSales" == identities.clean_signature("Ines\r\n\tSa\0les\N{RIGHT-TO-LEFT OVERRIDE}\r\r\n \x1b")


def test_what_is_too_long_is_refused_in_words() -> None:
    with pytest.raises(BadInput, match="longer than 80 characters"):
        identities.clean_name("x" * 10_000)
    with pytest.raises(BadInput, match="longer than 2,000 characters"):
        identities.clean_signature("x" * 10_000)
