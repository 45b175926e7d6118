"""Memory of every process of `unsealed serve`: idle, and the most while hits and messages come in.

RSS counts pages that several processes share in each of them, PSS counts their share; the sum of PSS is what the
machine gives.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from time import monotonic, sleep

import uvloop

from bench.hits import fire, pixel_path
from bench.installation import Installation, running
from bench.messages import letter
from bench.sandbox import copies, wait_for
from bench.sender import load, send
from bench.table import Table, number

Figures = dict[int, tuple[int, int]]  # process id -> RSS, PSS in bytes

_RATE = 500.0  # hits/s
_SUBMITTERS = 8
_SEEDED = 100


def resident(installation: Installation) -> Figures:
    """RSS and PSS of every process that lives."""
    found: Figures = {}
    for pid in installation.roles():
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
        sizes = {name: int(rest[0]) * 1024 for name, *rest in (line.split() for line in lines[1:])}
        found[pid] = sizes["Rss:"], sizes["Pss:"]
    return found


def seeded(installation: Installation) -> list[bytes]:
    """Paths of the pixels of a hundred messages."""
    mails = [letter(2_000, number=n) for n in range(_SEEDED)]
    send(installation.smtp, mails, connections=2, login=installation.login)
    wait_for(installation, _SEEDED)
    return [pixel_path(raw) for _, raw in copies(installation)]


async def under_load(installation: Installation, paths: list[bytes], seconds: float) -> Figures:
    """The highest figures of each process while pixels are loaded and small and large messages submitted."""
    wanted = [paths[n % len(paths)] for n in range(int(_RATE * seconds))]
    highest: Figures = {}

    async def submit() -> None:
        sent = _SEEDED
        end = monotonic() + seconds
        while monotonic() < end:
            mails = [letter((2_000, 50_000)[n % 2], number=sent + n) for n in range(100)]
            sent += len(mails)
            await load(installation.smtp, mails, connections=_SUBMITTERS, login=installation.login)

    async def watch() -> None:
        while True:
            for pid, figures in resident(installation).items():
                seen = highest.get(pid, (0, 0))
                highest[pid] = max(seen[0], figures[0]), max(seen[1], figures[1])
            await asyncio.sleep(0.2)

    watching = asyncio.create_task(watch())
    await asyncio.gather(fire(installation.track, wanted, rate=_RATE, answered=lambda *_: None), submit())
    watching.cancel()
    return highest


def processes(settle_s: float, load_s: float) -> Table:
    table = Table(columns=("process", "idle: RSS, MB", "PSS, MB", "under load: RSS, MB", "PSS, MB"))
    with running() as installation:
        sleep(settle_s)
        idle = resident(installation)
        loaded = uvloop.run(under_load(installation, seeded(installation), load_s))
        for pid, name in installation.roles().items():
            figures = (*idle.get(pid, (0, 0)), *loaded.get(pid, (0, 0)))
            table.add(name, *(number(size / 1e6) for size in figures))
    idle_pss, loaded_pss = (sum(pss for _, pss in figures.values()) for figures in (idle, loaded))
    table.add("all", "", number(idle_pss / 1e6), "", number(loaded_pss / 1e6))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny numbers")
    quick = parser.parse_args().quick
    print("## Memory\n")
    print(f"Load: {_RATE:.0f} hits/s, and {_SUBMITTERS} mail programs that submit 2 kB and 50 kB into the sandbox")
    print("without a pause. RSS counts shared pages in every process; the sum of PSS is what the machine gives.\n")
    print(processes(1.0, 2.0).markdown() if quick else processes(5.0, 20.0).markdown())


if __name__ == "__main__":
    main()
