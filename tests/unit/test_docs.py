"""The documents say everything: each setting, command, state, verdict and field of the API."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import Mock

import msgspec
import pytest
from sqlalchemy import create_engine
from tests.patience import PATIENCE_S

from unsealed.inlets import api
from unsealed.inlets.api import activity, contacts, messages, reminders, sending, tracking
from unsealed.model.event import Finding
from unsealed.model.message import CopyState, Delivery

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


def test_the_pages_made_from_the_code_are_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=PATIENCE_S,
    )

    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize("word", [*CopyState, *Finding, *Delivery])
def test_every_state_and_verdict_is_explained(word: str) -> None:
    assert f"`{word}`" in (REFERENCE / "states.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "shape",
    [
        *(messages.Message, messages.WholeMessage, messages.Copy, messages.Link, messages.Tracking, messages.Event),
        *(
            messages.Follower,
            contacts.Thread,
            contacts.Came,
            contacts.WholeContact,
            contacts.Basis,
            contacts.Hours,
            contacts.Dealing,
        ),
        *(sending.Letter, sending.Track, sending.File, sending.Accepted),
        *(reminders.Reminders, reminders.Reminder, reminders.Wanted, reminders.Kept),
        *(activity.Activity, activity.Happening, activity.Opened, activity.OpenedMessage, activity.FollowUp),
        *(tracking.Tracking, tracking.Axis, tracking.Yours, tracking.Everybody, tracking.Excluded),
    ],
    ids=lambda shape: shape.__qualname__,
)
def test_every_field_of_the_api_is_explained(shape: type[msgspec.Struct]) -> None:
    page = (REFERENCE / "api.md").read_text(encoding="utf-8")
    fields = {field.encode_name for field in msgspec.structs.fields(shape)}

    assert set() == {field for field in fields if f"`{field}`" not in page}


def test_every_route_of_the_api_is_explained() -> None:
    page = (REFERENCE / "api.md").read_text(encoding="utf-8")
    described = re.findall(r"^## (GET|PUT|POST|DELETE) (\S+)$", page, re.MULTILINE)
    routes = api.routes(engine=create_engine("sqlite://"), clock=lambda: datetime.now(UTC), desk=Mock())
    declared = [
        (method, route.path.replace(":path}", "}"))
        for route in routes
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]

    assert sorted(declared) == sorted(described)
