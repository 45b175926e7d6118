from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select
from tests.conftest import NOON

from unsealed.model.message import UserId, public_id
from unsealed.store import audit, corrections, own, people, proofs, schema

INES, ROB = UserId(7), UserId(8)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def house(engine: Engine) -> Engine:
    with engine.begin() as connection:
        for user in (INES, ROB):
            email = f"{user}@example.org"
            connection.execute(schema.users.insert().values(id=user, email=email, role="member", created_at=NOON))
    return engine


def kept(engine: Engine, user: UserId = INES) -> dict[str, datetime]:
    with engine.begin() as connection:
        return own.addresses_of(connection, [user]).get(user, {})


# Devices


def test_a_device_belongs_to_who_added_it(house: Engine) -> None:
    with house.begin() as connection:
        device = own.add_device(connection, INES, "Firefox", NOON)

        (row,) = own.list_devices(connection, INES)
        assert (public_id(device), "Firefox", NOON, None) == (row.id, row.user_agent, row.at, row.seen_at)
        assert [] == own.list_devices(connection, ROB)
        assert {INES: {device: "Firefox"}} == own.devices_of(connection, [INES, ROB])
        assert not own.remove_device(connection, ROB, device, NOON)


def test_removing_a_device_has_history_judged_again_and_leaves_a_line(house: Engine) -> None:
    with house.begin() as connection:
        device = own.add_device(connection, INES, "Firefox", NOON)

        assert own.remove_device(connection, INES, device, NOON)

        assert [] == own.list_devices(connection, INES)
        assert ["device"] == [row.cause for row in corrections.list_rejudgings(connection, INES)]
        assert ["device removed", "device added"] == [line.what for line in audit.lines(connection, INES)]


def test_it_is_noted_when_a_device_was_seen_once_a_minute(house: Engine) -> None:
    with house.begin() as connection:
        device = own.add_device(connection, INES, "Firefox", NOON)
        seen = []
        for at in (NOON, NOON + MINUTE / 2, NOON + 2 * MINUTE, NOON + MINUTE):
            own.devices_seen(connection, {device: at, 5: at})
            seen.append(own.list_devices(connection, INES)[0].seen_at)

    assert [NOON, NOON, NOON + 2 * MINUTE, NOON + 2 * MINUTE] == seen


# Addresses


def test_an_address_is_kept_with_its_last_use_written_once_a_minute(house: Engine) -> None:
    for at in (NOON, NOON + MINUTE / 2):
        with house.begin() as connection:
            own.touch_address(connection, INES, "192.0.2.7", at)
    assert {"192.0.2.7": NOON} == kept(house)

    with house.begin() as connection:
        own.touch_address(connection, INES, "192.0.2.7", NOON + MINUTE)

    assert {"192.0.2.7": NOON + MINUTE} == kept(house)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.0.1", "::1", "fe80::1%eth0", "0.0.0.0", "", "testclient"])
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_addresses_of_this_machine_are_not_kept(house: Engine, address: str) -> None:
    with house.begin() as connection:
        own.touch_address(connection, INES, address, NOON)

    assert {} == kept(house)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_address_has_one_spelling(house: Engine) -> None:
    with house.begin() as connection:
        own.touch_address(connection, INES, "::ffff:192.0.2.7", NOON)
        own.touch_address(connection, INES, "2001:DB8:0::1", NOON)

    assert {"192.0.2.7", "2001:db8::1"} == set(kept(house))


def test_addresses_that_several_users_use_are_known(house: Engine) -> None:
    with house.begin() as connection:
        for user, address in ((INES, "192.0.2.7"), (ROB, "192.0.2.7"), (INES, "192.0.2.8")):
            own.touch_address(connection, user, address, NOON)

        assert {"192.0.2.7"} == own.used_by_several(connection, ["192.0.2.7", "192.0.2.8"])
        assert frozenset() == own.used_by_several(connection, [])


def test_old_addresses_are_forgotten(house: Engine) -> None:
    with house.begin() as connection:
        own.touch_address(connection, INES, "192.0.2.7", NOON)
        own.touch_address(connection, INES, "192.0.2.8", NOON + MINUTE)

        assert 1 == own.trim(connection, NOON + MINUTE)

    assert {"192.0.2.8": NOON + MINUTE} == kept(house)


def test_signing_in_and_using_the_session_is_being_there(house: Engine) -> None:
    with house.begin() as connection:
        cookie, _ = proofs.new_session(connection, INES, "192.0.2.7", "Firefox", NOON)
    with house.begin() as connection:
        session = proofs.session(connection, cookie, NOON)
        assert session is not None
        proofs.note_session(connection, session, "192.0.2.9", "Firefox", NOON + 2 * MINUTE)

    assert {"192.0.2.7": NOON, "192.0.2.9": NOON + 2 * MINUTE} == kept(house)


def test_the_senders_mailboxes_are_known(house: Engine) -> None:
    with house.begin() as connection:
        people.add_identity(connection, INES, "Ines@Example.ORG", NOON)
        people.add_identity(connection, INES, "office@example.org", NOON)

        assert {INES: {"ines@example.org", "office@example.org"}} == own.mailboxes_of(connection, [INES, ROB])


def test_addresses_go_with_their_user(house: Engine) -> None:
    with house.begin() as connection:
        own.touch_address(connection, INES, "192.0.2.7", NOON)
        own.add_device(connection, INES, "Firefox", NOON)
        connection.execute(schema.users.delete().where(schema.users.c.id == INES))

        assert [] == connection.execute(select(schema.own_addresses)).all()
        assert [] == connection.execute(select(schema.devices)).all()
