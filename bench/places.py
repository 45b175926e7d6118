"""How long it takes to say where an address is, for addresses that were never seen before: `python -m bench.places`.

The files are synthetic, as large as the free ones: a city database of the layout of MaxMind, made by `tests.mmdb`, and
a routing table. Every address is asked for once, so nothing is remembered of it; CPU time, in rounds that take turns.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from time import process_time

from tests.mmdb import mmdb, nested

from bench.table import Table, middle, number
from unsealed.core.network import built_in, network_of, told_of
from unsealed.store.places import Places, keep

_SEED = 20_261_122
_CITIES = 20_000
_NETWORKS = 60_000
_ROUNDS = 5
_V6_SHARE = 4  # one prefix of so many


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefixes:
    """Where the files say something: the first bits of addresses."""

    four: list[int]  # 24 bits
    six: list[int]  # 40 bits

    @classmethod
    def drawn(cls, wanted: int, draw: random.Random) -> Prefixes:
        """So many of both together."""
        six = [0x2A00 << 24 | each for each in draw.sample(range(1 << 24), wanted // _V6_SHARE)]
        return cls(four=draw.sample(range(0x0B_0000, 0xDF_0000), wanted - len(six)), six=six)

    def written(self) -> Iterator[str]:
        """As text."""
        yield from (f"{IPv4Address(each << 8)}/24" for each in self.four)
        yield from (f"{IPv6Address(each << 88)}/40" for each in self.six)

    def addresses(self, wanted: int, draw: random.Random) -> dict[str, list[str]]:
        """So many addresses of each kind, no one twice. The files know all of them: that costs most."""
        four = {each << 8 | draw.randrange(256) for each in draw.choices(self.four, k=wanted)}
        six = {each << 88 | draw.randrange(1 << 88) for each in draw.choices(self.six, k=wanted)}
        return {"IPv4": [str(IPv4Address(each)) for each in four], "IPv6": [str(IPv6Address(each)) for each in six]}


def files(folder: Path, prefixes: Prefixes, draw: random.Random) -> dict[str, int]:
    """Put a city database and a routing table among the data files; how many rows each has."""
    records = [nested("DE", f"Region {n % 400}", f"City {n}") for n in range(_CITIES)]
    said = {prefix: records[n % _CITIES] for n, prefix in enumerate(prefixes.written())}
    cities = folder / "cities"
    cities.write_bytes(mmdb(said, database_type="City"))
    routes = folder / "routes"
    with routes.open("w") as out:
        for each in prefixes.four:
            # A few networks have most people: three quarters in the first 250, a sixteenth in the smallest of all.
            n = min(int(draw.paretovariate(0.25)), _NETWORKS)
            first, last = IPv4Address(each << 8), IPv4Address(each << 8 | 255)
            print(first, last, n, f"Network {n}", sep=",", file=out)
    now = datetime.now(UTC)
    kept = [
        keep(folder / "places", path, name=path.name, source="bench", dated=date(2026, 11, 1), at=now)
        for path in (cities, routes)
    ]
    return {row.holds: row.rows for row in kept}


def look_ups(prefixes: int, wanted: int, rounds: int) -> Table:
    """Microseconds of CPU time for a look-up."""
    table = Table(columns=("address", "asked for the first time, µs", "again, µs"))
    draw = random.Random(_SEED)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        drawn = Prefixes.drawn(prefixes, draw)
        rows = files(folder, drawn, draw)
        known = Places(folder / "places", built_in=built_in(), network_of=network_of, told_of=told_of)
        costs: dict[str, tuple[list[float], list[float]]] = {}
        for _ in range(rounds):
            for kind, some in drawn.addresses(wanted, draw).items():
                first, again = costs.setdefault(kind, ([], []))
                first.append(_cost(known, some))
                again.append(_cost(known, some[-1000:] * (wanted // 1000 or 1)))
    for kind, (first, again) in costs.items():
        table.add(kind, middle(first), middle(again))
    print(f"Files: {', '.join(f'{words} ({number(count)} rows)' for words, count in rows.items())}.\n")
    return table


def _cost(known: Places, some: list[str]) -> float:
    begun = process_time()
    for address in some:
        known.look_up(address)
    return 1e6 * (process_time() - begun) / len(some)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny numbers")
    quick = parser.parse_args().quick
    print("## Where an address is\n")
    print("Each address lies in a prefix drawn at random, as no traffic does: nothing is near in memory.\n")
    print(look_ups(2_000, 2_000, 2).markdown() if quick else look_ups(60_000, 30_000, _ROUNDS).markdown())


if __name__ == "__main__":
    main()
