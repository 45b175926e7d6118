"""Data about addresses comes while the server works, and tells the place of what was opened before."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.mmdb import mmdb, nested

from unsealed.store import engine as stores
from unsealed.store import schema

pytestmark = pytest.mark.walk

SENDER = "mara@tidewater.example"
LETTER = (
    b"From: mara@tidewater.example\r\nTo: ines@harbourline.example\r\nSubject: Depots\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/html\r\n\r\n<html><body><a href='https://tidewater.example/plan'>plan</a></body></html>\r\n"
)
CITIES = mmdb({"198.51.100.0/24": nested("DE", "Land Berlin", "Berlin")}, database_type="DBIP-City-Lite")


def test_a_city_database_tells_the_place_of_what_was_opened_before(
    installation: Any, until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def asked(query: Any) -> list[Any]:
        engine = stores.connect(stores.sqlite_url(installation.data))
        with stores.reading(engine) as connection:
            found = connection.execute(query).all()
        engine.dispose()
        return [tuple(row) for row in found]

    monkeypatch.setenv("UNSEALED_TRACK_TRUSTED_PROXIES", "127.0.0.1")
    password, _ = installation.add(SENDER, "correct horse battery")
    installation.start()
    installation.send(SENDER, password, SENDER, ["ines@harbourline.example"], LETTER)
    ((raw,),) = until(lambda: asked(select(schema.sandbox.c.raw)), "the letter in the sandbox")
    (link,) = re.findall(rb"http://[^'\" ]+/c/[\w-]+", raw)
    places = select(schema.events.c.finding, schema.events.c.country, schema.events.c.region, schema.events.c.city)

    installation.load(link.decode(), X_Forwarded_For="198.51.100.7", Accept_Language="de")
    until(lambda: asked(places) == [("human_click", "", "", "")], "the click, from nobody knows where")
    database = tmp_path / "dbip-city-lite.mmdb"
    database.write_bytes(CITIES)
    installation.command("data", "add", str(database))

    until(lambda: asked(places) == [("human_click", "DE", "Land Berlin", "Berlin")], "the same click, from Berlin")
    installation.stop()
