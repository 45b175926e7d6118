from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.patience import PATIENCE_S

from unsealed.core.token import seal_click, seal_pixel
from unsealed.inlets.collect.collector import Collector
from unsealed.inlets.collect.connection import Connection
from unsealed.inlets.collect.settings import CollectSettings
from unsealed.model.message import CopyId
from unsealed.model.policy import Level
from unsealed.store.journal import Journal
from unsealed.store.keyring import load


class Wire(asyncio.Transport):
    """Remembers what was sent, and whether it is read from."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.read = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.7", 1234) if name == "peername" else default

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def pause_reading(self) -> None:
        self.read = False

    def resume_reading(self) -> None:
        self.read = True

    def abort(self) -> None:
        self.read = False


@pytest.mark.parametrize("at_once", [1, 3])
async def test_a_client_that_does_not_wait_for_its_answers_is_not_read_from_until_it_has_them(
    tmp_path: Path, at_once: int
) -> None:
    ring, wire = load(tmp_path), Wire()
    journal = Journal(tmp_path / "journal", "c1")
    settings = CollectSettings(
        sockets=(), journal=tmp_path / "journal", collector="c1", keys=ring, clock=lambda: datetime.now(UTC)
    )
    collector = Collector(settings, journal, asyncio.get_running_loop())
    connection = Connection(collector, False)
    connection.connection_made(wire)
    links = [f"https://n{number}.example/" for number in range(300)]
    paths = [f"/c/{seal_click(ring, 1, CopyId(7), Level.FULL, 0, link)}" for link in links]
    paths[0] = f"/o/{seal_pixel(ring, 1, CopyId(7), Level.FULL)}.gif"
    asked = [f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in paths]

    while asked and wire.read:  # nothing is answered meanwhile: the disk's turn does not come
        packet, asked = asked[:at_once], asked[at_once:]
        connection.data_received(b"".join(packet))
    assert connection.waiting == 64

    async with asyncio.timeout(PATIENCE_S):
        while len(wire.sent) < 300:
            await asyncio.sleep(0)
            if asked and wire.read:
                packet, asked = asked[:at_once], asked[at_once:]
                connection.data_received(b"".join(packet))
    answered = [b"200 OK" in wire.sent[0]] + [
        f"\r\nLocation: {link}\r\n".encode() in answer for link, answer in zip(links[1:], wire.sent[1:], strict=True)
    ]
    collector.close()
    journal.close()

    assert all(answered)
