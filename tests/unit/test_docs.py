"""The documents say everything: each setting, command, state, verdict and field of the API."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from unsealed.inlets import api
from unsealed.inlets.api import activity, contacts, sending, tracking
from unsealed.model.event import Finding
from unsealed.model.message import CopyState, Delivery

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


def test_the_pages_made_from_the_code_are_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, cwd=ROOT
    )

    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize("word", [*CopyState, *Finding, *Delivery])
def test_every_state_and_verdict_is_explained(word: str) -> None:
    assert f"`{word}`" in (REFERENCE / "states.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "shape",
    [
        *(api.Message, api.WholeMessage, api.Copy, api.Link, api.Tracking, api.Event),
        *(
            api.Follower,
            api.Thread,
            contacts.Came,
            contacts.WholeContact,
            contacts.Basis,
            contacts.Hours,
            contacts.Dealing,
        ),
        *(sending.Letter, sending.Track, sending.File, sending.Accepted),
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
    described = re.findall(r"^## (?:GET|PUT|POST|DELETE) (\S+)$", page, re.MULTILINE)
    declared = re.findall(r'oute\(\s*"(/[^"]*)"', Path(str(api.__file__)).read_text(encoding="utf-8"))

    assert sorted(path.replace(":path}", "}") for path in declared) == sorted(described)
