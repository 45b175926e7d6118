from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, update

from unsealed.core.reading import Silence
from unsealed.core.reliability import Trait
from unsealed.inlets.copies import Known, is_forwarded, known
from unsealed.model.event import ClientKind, Device, Finding, NetworkClass, PlaceState
from unsealed.model.message import MessageId, UserId
from unsealed.store import judged, schema, views
from unsealed.store.engine import reading

Mail = dict[str, MessageId]
MARA = UserId(0x5E9D_0000_0000_0001)
NOON = datetime.fromisoformat("2026-11-21T12:00:00+00:00")


def told(connection: Connection, message: MessageId, now: datetime = NOON) -> list[Known]:
    """Of each recipient, in the order of the envelope."""
    found = views.message(connection, MARA, message, now)
    assert found is not None
    by_id = known(connection, MARA, found, found.copies, now)
    return [by_id[copy.id] for copy in found.copies]


def test_a_click_makes_a_reading_certain_and_devices_are_counted(engine: Engine, mail: Mail) -> None:
    with reading(engine) as connection:
        ines, rob, _ = told(connection, mail["proposal"])
        [hanne] = told(connection, mail["renewal"])

    assert (ines.certain, ines.devices, len(ines.readers)) == (True, 2, 4)  # a computer and a phone, Gmail tells none
    assert (rob.certain, rob.devices, rob.readers) == (False, 0, ())
    assert (hanne.certain, hanne.devices) == (False, 1)


def test_another_device_in_another_place_may_be_a_forward(engine: Engine, mail: Mail) -> None:
    with engine.begin() as connection:
        for client, country in (("Thunderbird", "PT"), ("Safari", "ES")):
            connection.execute(
                update(schema.events)
                .where(schema.events.c.client == client)
                .values(place=PlaceState.KNOWN, country=country, network=NetworkClass.RESIDENTIAL)
            )
        ines, *_ = told(connection, mail["proposal"])
        events = judged.of_message(connection, MARA, mail["proposal"]).items

    assert {each.client for each in events if is_forwarded(each, ines.readers)} == {"Thunderbird"}
    assert [(each.sighting.client, each.forwarded) for each in ines.readers] == [
        ("Gmail Image Proxy", False),
        ("Safari", False),
        ("Thunderbird", True),
        ("Firefox", False),
    ]


def test_a_preview_of_a_link_is_a_paste(engine: Engine, mail: Mail) -> None:
    with engine.begin() as connection:
        connection.execute(
            update(schema.events)
            .where(schema.events.c.finding == Finding.SCANNER_CLICK)
            .values(client="Slackbot", client_kind=ClientKind.LINK_PREVIEW, device=Device.UNKNOWN)
        )
        ines, rob, _ = told(connection, mail["proposal"])

    assert ines.pasted == ()
    assert [each.client for each in rob.pasted] == ["Slackbot"]  # three links, one paste


def test_only_what_counts_as_no_signal_says_why(engine: Engine, mail: Mail) -> None:
    with engine.begin() as connection:
        connection.execute(
            update(schema.copies).values(user_id=MARA, mailbox=schema.copies.c.address, domain="weidner.example")
        )
        [silent] = told(connection, mail["silent"])
        [opened] = told(connection, mail["renewal"])
        [early] = told(connection, mail["sent"])
        [late] = told(connection, mail["sent"], NOON + timedelta(days=2))

    assert silent.silence == (Silence.PICTURES_MAY_BE_BLOCKED,)
    assert opened.silence == early.silence == ()
    assert late.silence


def test_habits_of_the_recipient_and_the_company_are_told_apart(engine: Engine, mail: Mail) -> None:
    with engine.begin() as connection:
        connection.execute(
            update(schema.copies)
            .where(schema.copies.c.address == "olu@bello.example")
            .values(user_id=MARA, mailbox="olu@bello.example", domain="bello.example")
        )
        [olu] = told(connection, mail["older1"])
        [amara] = told(connection, mail["clicked"])

    assert (Trait.RELIABLE in olu.traits) == (Trait.RELIABLE in olu.company)
    assert (amara.traits, amara.company) == ((), ())
