"""From the journal to counted events: hits/s of one process on one core, ship and judge together.

The hits are a mixture of readers, proxies, prefetches, scanners and clicks, in the order of time. Three shapes: spread
over many messages and an hour, as people read; the same within ten seconds, as a backlog after a stop looks; and one
message that is asked for again and again, which must not cost more for each hit when there are more of them. That last
is measured of the judge alone as well: ingest hands it a long history in pieces, `rejudge` and a test may not.
"""

from __future__ import annotations

import argparse
import json
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time

from sqlalchemy import Engine

from bench import DISK
from bench.table import Table, middle, progress
from unsealed.app.supervise import settle
from unsealed.core.agent import read_agent
from unsealed.core.judge import judge
from unsealed.core.network import read_network
from unsealed.core.scene import Context, SeenHit
from unsealed.core.token import seal_click, seal_pixel
from unsealed.flow.ingest import Ingest
from unsealed.model.event import HitId, HitKind
from unsealed.model.hit import Hit
from unsealed.model.message import CopyId
from unsealed.model.policy import Level
from unsealed.store import schema
from unsealed.store.engine import connect, sqlite_url
from unsealed.store.journal import Journal, encode_hit
from unsealed.store.migrate import migrate

BATCH = 10_000  # records shipped and messages judged at once
_NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
_CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
)
_READERS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Thunderbird/{0}.2.0",
    "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; Trident/7.0; Microsoft Outlook 16.0.{}; ms-office)",
    "Outlook-iOS/711.{}.prod.iphone",
    _CHROME,
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_{} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
)
_GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"


class _OneKey:
    newest = 1

    def key(self, key_id: int) -> bytes | None:
        return bytes(range(64)) if key_id == self.newest else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How the hits are spread."""

    name: str
    hits: int
    messages: int
    seconds: float


def measured(shape: Shape) -> tuple[float, float]:
    """Hits/s by the clock on the wall, and by the time this process was on the processor."""
    with tempfile.TemporaryDirectory(dir=DISK) as name:
        data = Path(name)
        engine = connect(sqlite_url(data))
        migrate(engine)
        _write(data / "journal", shape, _sent(engine, shape.messages))
        ingest = Ingest(engine, keys=_OneKey(), journal=data / "journal", collector="c1", clock=lambda: _NOON)
        begun, busy = perf_counter(), process_time()
        while ingest.ship(BATCH) + ingest.judge(BATCH):
            pass
        took, worked = perf_counter() - begun, process_time() - busy
        engine.dispose()
    return shape.hits / took, shape.hits / worked


def _sent(engine: Engine, count: int) -> list[CopyId]:
    """So many messages of three copies each."""
    with engine.begin() as connection:
        connection.execute(schema.users.insert().values(id=1, email="a@x.example", role="owner", created_at=_NOON))
        messages = [
            {
                "id": 1 + number,
                "user_id": 1,
                "envelope_from": "a@x.example",
                "message_id": "",
                "subject": "",
                "recipients": "",
                "recipient_count": 3,
                "size": 1,
                "opens_level": Level.FULL,
                "clicks_level": Level.FULL,
                "switches": "{}",
                "key_id": 1,
                "tracking_url": "",
                "survey": "{}",
                "received_at": _NOON,
                "signal_at": _NOON,
            }
            for number in range(count)
        ]
        copies = [
            {
                "id": secrets.randbits(63),
                "message_id": message["id"],
                "position": position,
                "address": f"r{position}@x.example",
                "kind": "to",
                "tracked": True,
                "delivery": "sent",
                "sent_at": _NOON,
            }
            for message in messages
            for position in range(3)
        ]
        connection.execute(schema.messages.insert(), messages)
        connection.execute(schema.copies.insert(), copies)
    return [CopyId(int(str(copy["id"]))) for copy in copies]


def _write(folder: Path, shape: Shape, copies: Sequence[CopyId]) -> None:
    keys = _OneKey()
    pixels = [seal_pixel(keys, 1, copy, Level.FULL) for copy in copies]
    links = [seal_click(keys, 1, copy, Level.FULL, 3, "https://shop.example/offer?id=3") for copy in copies]
    journal = Journal(folder, "c1")
    payloads = []
    for number in range(shape.hits):
        which = number * 7919 % len(copies)
        reader = _READERS[which % len(_READERS)].format(110 + which % 30)
        address = f"203.0.{which // 250 % 250}.{which % 250}"
        token = pixels[which]
        match number % 10:
            case 0 | 1:
                reader, address = _GMAIL, "66.249.84.77"
            case 2:
                reader, address = "Mozilla/5.0", "172.226.56.12"
            case 3:
                reader, address = _CHROME.format(80), "40.94.16.20"
            case 4 | 5:
                reader, token = _CHROME.format(140), links[which]
            case _:
                pass
        at = _NOON + timedelta(seconds=5 + shape.seconds * number / shape.hits)
        payloads.append(
            encode_hit(
                Hit(at=at, token=token, method="GET", address=address, user_agent=reader, accept_language="en-GB,en")
            )
        )
    for start in range(0, len(payloads), 1_000):
        journal.commit(payloads[start : start + 1_000])
    journal.close()


def alone(count: int, seconds: float) -> float:
    """Microseconds of processor time for each hit when one message with so many is judged in one call."""
    hits = []
    for number in range(count):
        reader, address = _READERS[number % 5].format(110 + number % 30), f"203.0.{number % 7}.{number % 11}"
        match number % 10:
            case 0 | 1:
                reader, address = _GMAIL, "66.249.84.77"
            case 2 | 3:
                reader, address = _CHROME.format(80), "40.94.16.20"
            case _:
                pass
        link = number % 4 if number % 3 else None
        hit = SeenHit(
            id=HitId(number),
            copy=CopyId(number % 3),
            kind=HitKind.OPEN if link is None else HitKind.CLICK,
            link=link,
            at=_NOON + timedelta(seconds=5 + seconds * number / count),
            sent_at=_NOON,
            method="GET",
            address=address,
            user_agent=reader,
            agent=read_agent(reader),
            network=read_network(address),
            language=True,
        )
        hits.append(hit)
    context = Context(traps=frozenset({3}), views=tuple(_NOON + timedelta(seconds=at) for at in range(100)))
    begun = process_time()
    judge(hits, context)
    return 1e6 * (process_time() - begun) / count


def grown(rounds: int, few: int) -> Table:
    """What a hit costs when there are ten times as many."""
    table = Table(columns=("one message, hits within", f"{few:,} hits", f"{10 * few:,} hits", "ratio"))
    for words, seconds in (("an hour", 3_600.0), ("a minute", 60.0), ("a second", 1.0)):
        pairs = [(alone(few, seconds), alone(10 * few, seconds)) for _ in range(rounds)]
        ratio = middle([many / less for less, many in pairs])
        table.add(words, *(f"{middle([pair[size] for pair in pairs])} µs" for size in (0, 1)), ratio)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny numbers")
    parser.add_argument("--json", action="store_true", help="the figures as JSON instead of Markdown")
    asked = parser.parse_args()
    settle()  # as every role does
    many, rounds = (2_000, 1) if asked.quick else (50_000, 3)
    shapes = (
        Shape(name="1,000 messages, one hour", hits=many, messages=1_000, seconds=3_600),
        Shape(name="1,000 messages, ten seconds", hits=many, messages=1_000, seconds=10),
        Shape(name="one message, one hour", hits=many // 5, messages=1, seconds=3_600),
        Shape(name="one message, ten times as many hits", hits=many * 2, messages=1, seconds=36_000),
        Shape(name="one message, a minute", hits=many, messages=1, seconds=60),
    )
    results: dict[str, list[tuple[float, float]]] = {shape.name: [] for shape in shapes}
    for _ in range(rounds):
        for shape in shapes:
            results[shape.name].append(measured(shape))
            progress(f"{shape.name}: {results[shape.name][-1][0]:,.0f} hits/s")
    if asked.json:
        print(json.dumps({name: {"hits_per_s": [rate for rate, _ in pairs]} for name, pairs in results.items()}))
        return
    table = Table(columns=("hits spread over", "hits/s", "hits per second of processor time"))
    for name, pairs in results.items():
        table.add(name, middle([rate for rate, _ in pairs]), middle([rate for _, rate in pairs]))
    print("## Ingest: from the journal to counted events\n")
    print(f"Aim: 10,000 hits/s on one core. Ship and judge in turn, {BATCH:,} at once, SQLite with synchronous=FULL.\n")
    print(table.markdown())
    print("The judge alone, for each hit of one message, in one call; a ratio of 1 is linear:\n")
    print(grown(rounds, 1_000 if asked.quick else 10_000).markdown())


if __name__ == "__main__":
    main()
