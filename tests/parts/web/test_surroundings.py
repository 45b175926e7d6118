from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request

from unsealed.inlets.web.surroundings import Surroundings, surroundings


def test_a_request_knows_the_surroundings_of_its_app(app: Starlette, around: Surroundings) -> None:
    assert surroundings(Request({"type": "http", "app": app, "headers": []})) is around


def test_surroundings_do_not_show_keys_or_store_in_a_log(around: Surroundings) -> None:
    assert "engine" not in repr(around)
    assert "keys" not in repr(around)
