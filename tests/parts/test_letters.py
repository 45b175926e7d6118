from __future__ import annotations

import email
import re
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTPUTF8
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from tests.conftest import NOON
from tests.keys import OneKey

from unsealed.core.instrument import Tracking
from unsealed.flow import letters, send
from unsealed.model.errors import BadInput, Refused
from unsealed.model.message import CopyId, UserId
from unsealed.store import identities, people, proofs, schema, views
from unsealed.store.engine import reading
from unsealed.store.identities import Proof

ORIGIN = "https://mail.example.org"
SALES = "sales@example.org"


TRACKING = Tracking(base_url="https://t.example.org", keys=OneKey(), key_id=0)


def only_copy(engine: Engine) -> CopyId:
    with engine.connect() as connection:
        return CopyId(connection.execute(select(schema.copies.c.id)).scalar_one())


def sent(engine: Engine) -> EmailMessage:
    """The only letter, as it goes to the next hop."""
    parcel = send.copy_of(engine, only_copy(engine), keys=OneKey())
    found = email.message_from_bytes(parcel.raw, policy=SMTPUTF8)
    assert isinstance(found, EmailMessage)
    return found


def rows(engine: Engine, *tables: Any) -> list[int]:
    with engine.connect() as connection:
        return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]


def test_the_code_of_the_letter_proves_the_address(engine: Engine, ines: UserId, now: datetime) -> None:
    kept = letters.send_code(engine, ines, "Sales@Example.org", origin=ORIGIN, tracking=TRACKING, now=now)
    letter = sent(engine)
    [code] = re.findall(r"^    (\d{6})$", letter.get_content().replace("\r\n", "\n"), re.MULTILINE)

    assert SALES == kept == letter["To"].addresses[0].addr_spec
    assert "ines@example.org" == letter["From"].addresses[0].addr_spec
    assert [] == letter.defects
    assert now == letter["Date"].datetime
    with engine.begin() as connection:
        assert Proof.PROVEN is identities.enter_code(connection, ines, SALES, code, now)


def test_who_asked_for_a_code_cannot_read_its_letter(engine: Engine, ines: UserId, now: datetime) -> None:
    letters.send_code(engine, ines, SALES, origin=ORIGIN, tracking=TRACKING, now=now)
    with reading(engine) as connection:
        message = connection.execute(select(schema.messages.c.id)).scalar_one()

        assert views.original(connection, ines, message) is None
        assert views.owns_copy(connection, ines, only_copy(engine)) is None
        assert "Is this address yours?" == connection.execute(select(schema.messages.c.subject)).scalar_one()


def test_a_code_and_its_letter_are_kept_together_or_not_at_all(
    engine: Engine, ines: UserId, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(send, "write", break_down)
    with pytest.raises(RuntimeError):
        letters.send_code(engine, ines, SALES, origin=ORIGIN, tracking=TRACKING, now=now)
    with pytest.raises(RuntimeError):
        letters.invite(engine, ines, SALES, "member", link=str, origin=ORIGIN, tracking=TRACKING, now=now)

    assert [0, 0, 1, 0] == rows(engine, schema.address_codes, schema.messages, schema.users, schema.login_links)


def test_what_is_refused_sends_nothing(engine: Engine, ines: UserId, now: datetime) -> None:
    with pytest.raises(BadInput):
        letters.send_code(engine, ines, "sales@example.org\r\nX: y", origin=ORIGIN, tracking=TRACKING, now=now)
    with pytest.raises(Refused):
        letters.send_code(engine, UserId(7), SALES, origin=ORIGIN, tracking=TRACKING, now=now)
    with pytest.raises(Refused):
        letters.invite(engine, UserId(7), SALES, "member", link=str, origin=ORIGIN, tracking=TRACKING, now=now)

    assert [0, 0, 1] == rows(engine, schema.address_codes, schema.messages, schema.users)


@given(local=st.text(min_size=1), domain=st.text(min_size=1))
def test_no_address_breaks_out_of_the_head_of_a_letter(local: str, domain: str) -> None:
    try:
        to = people.clean_address(f"{local}@{domain}")
    except BadInput:
        return
    letter = letters.letter("ines@example.org", to, "Hello", "one\ntwo\n", NOON)
    head, _, body = letter.partition(b"\r\n\r\n")

    assert b"one\r\ntwo\r\n" == body
    names = [line.partition(b":")[0].decode() for line in head.split(b"\r\n")]
    assert ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version"] == names[:7]
    assert 9 == len(names)
    assert not set(letter) & {*range(9), 11, 12, *range(14, 32), 127}
    assert letter.count(b"\n") == letter.count(b"\r") == letter.count(b"\r\n")


def test_an_invitation_holds_the_link_and_is_mailed_only_where_mail_leaves(
    engine: Engine, ines: UserId, now: datetime
) -> None:
    def link(secret: str) -> str:
        return f"{ORIGIN}/welcome/{secret}"

    _, first = letters.invite(engine, ines, SALES, "member", link=link, origin=ORIGIN, tracking=None, now=now)
    assert [0] == rows(engine, schema.messages)
    to, second = letters.invite(engine, ines, SALES, "member", link=link, origin=ORIGIN, tracking=TRACKING, now=now)

    assert SALES == to
    assert first != second
    assert second in sent(engine).get_content()
    with reading(engine) as connection:
        found = proofs.login_link_user(connection, second.rpartition("/")[2], now)
        assert found is not None
        assert SALES == found.email
