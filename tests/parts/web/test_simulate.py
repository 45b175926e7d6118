from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest

from unsealed.core.token import seal_click, seal_pixel
from unsealed.inlets.web import looks, simulate
from unsealed.inlets.web.surroundings import Surroundings
from unsealed.model.errors import Unavailable
from unsealed.model.message import CopyId
from unsealed.model.policy import Level

BASE = "http://127.0.0.1:8026"


def test_a_copys_own_picture_and_links_are_found_and_no_others(around: Surroundings) -> None:
    own, other = CopyId(42), CopyId(7)
    pixel, foreign = (f"/o/{seal_pixel(around.keys, 0, copy, Level.FULL)}.gif" for copy in (own, other))
    links = {
        position: f"/c/{seal_click(around.keys, 0, own, Level.FULL, position, f'https://tidewater.example/{position}')}"
        for position in (0, 1)
    }
    mail = EmailMessage()
    mail.set_content("text")
    mail.add_alternative(
        f'<a href="{BASE}{links[0]}">Pricing</a><a href="{BASE}{links[1]}">Plan</a><img src="{BASE}{pixel}">'
        f'<blockquote><img src="{BASE}{foreign}"><img src="{BASE}/o/forged.gif"></blockquote>',
        subtype="html",
    )

    found = simulate.trackers(mail.as_bytes(), own, BASE, around.keys)

    assert found == simulate.Trackers(pixel=pixel, links=links)


def test_a_missing_collector_is_temporary(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        simulate.request(["/o/x.gif"], looks.READERS["Usual"]["gmail"], collector=tmp_path / "none", base=BASE)
