"""Presses that are refused; those that are kept stand in test_notices_page.py."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from unsealed.inlets.speakers import speakers
from unsealed.model.message import MessageId, UserId, public_id

MARA = UserId(0x5E9D_0000_0000_0001)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/silence", {"scope": "everything", "silent": "1"}),
        ("/silence", {"scope": "all", "silent": "2"}),
        ("/silence", {"one": "0123456789abcdef.1"}),
        ("/silence/several", {"silent": "1", "m.FOREIGN": "1"}),
        ("/silence/several", {"silent": ""}),
    ],
)
async def test_what_is_no_press_of_ones_own_silences_nothing(
    mara: Any, engine: Engine, mail: dict[str, MessageId], path: str, form: dict[str, str]
) -> None:
    own, foreign = public_id(mail["proposal"]), public_id(mail["foreign"])
    form = {name.replace("FOREIGN", foreign): value for name, value in form.items()}

    assert 404 == (await mara.post(path, {f"m.{own}": "1", **form})).status
    with engine.connect() as connection:
        assert speakers(connection, MARA, [own])[own].why is None
