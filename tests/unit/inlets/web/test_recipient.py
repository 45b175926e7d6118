from __future__ import annotations

from dataclasses import replace

from tests.unit.inlets.web.rows import NOW, SAID, before

from unsealed.core.reading import Reader, Silence
from unsealed.core.reliability import Trait
from unsealed.inlets.copies import Known
from unsealed.inlets.web import recipient
from unsealed.model.event import ClientKind, Device, NetworkClass, Place, PlaceState
from unsealed.model.message import CopyId
from unsealed.model.view import Pasted, Sighting


def known(**changes: object) -> Known:
    nothing = Known(certain=False, devices=0, readers=(), pasted=(), silence=(), traits=(), company=())
    return replace(nothing, **changes)  # type: ignore[arg-type]


def said(of: Known) -> list[str]:
    return [note.words for note in recipient.notes(of, SAID)]


SIGHTING = Sighting(
    copy=CopyId(1),
    client="Outlook",
    kind=ClientKind.DESKTOP_CLIENT,
    device=Device.DESKTOP,
    system="Windows",
    network=NetworkClass.RESIDENTIAL,
    operator="",
    place=Place(state=PlaceState.KNOWN, country="ES"),
    first_at=before(hours=1),
    last_at=NOW,
    readings=1,
    clicks=0,
)


def test_a_likely_forward_and_a_paste_stand_under_the_recipient() -> None:
    readers = (Reader(replace(SIGHTING, client="Thunderbird")), Reader(SIGHTING, forwarded=True))
    pasted = (Pasted(copy=CopyId(1), client="Slackbot", at=before(minutes=30)),)

    assert said(known(readers=readers, pasted=pasted)) == [
        "Perhaps forwarded: Outlook on Windows in Spain, 13:21",
        "Pasted into Slack, 13:51",
    ]


def test_silence_says_why_it_may_be_so_and_nothing_twice() -> None:
    silent = known(
        silence=(Silence.NOT_LOADED_BEFORE,), traits=(Trait.NEVER_SEEN,), company=(Trait.GATEWAY_FOLLOWS_LINKS,)
    )

    assert said(silent) == [
        "Not the same as unread: earlier letters to this address showed nothing either",
        "This company’s gateway opens every link",
    ]


def test_what_holds_for_the_company_is_not_said_of_the_person_again() -> None:
    both = known(traits=(Trait.ALWAYS_PREFETCHED, Trait.GATEWAY_FOLLOWS_LINKS), company=(Trait.GATEWAY_FOLLOWS_LINKS,))
    calm = known(traits=(Trait.RELIABLE,), company=(Trait.RELIABLE,))

    assert len(said(both)) == 2
    assert said(calm) == ["Opens show reliably for this address"]
    assert said(known()) == []


def test_every_trait_and_silence_has_words() -> None:
    assert set(recipient.SILENCES) == set(Silence)
    assert set(recipient.TRAITS) == set(recipient.COMPANY_TRAITS) == set(Trait)
    assert not [each for each in recipient.SILENCES.values() if "unread" in each or "not opened" in each]
