"""Run every measurement and write docs/reference/measurements.md: `make bench`, under a quarter of an hour.

`--quick` is a smoke run: tiny numbers, printed instead of written.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from bench import DISK, ROOT, database
from bench.table import Table, number, percentile, progress

PAGE = ROOT / "docs" / "reference" / "measurements.md"
COMMAND = "make bench"
MEASUREMENTS = ("collect", "rewrite", "submit", "ingest", "places", "live", "size", "memory")
_INTRODUCTION = f"""<!-- Written by `{COMMAND}`; do not edit. -->

# Measurements

Made with `{COMMAND}` on one machine, in one run; all programs, those that make the load included, share its cores.
Figures are medians of several rounds in which the candidates take turns; the range follows in brackets.
Compare ratios between machines, not figures.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run; prints instead of writing")
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"which of {', '.join(MEASUREMENTS)}; prints")
    asked = parser.parse_args()
    begun = perf_counter()
    names = asked.only or MEASUREMENTS
    sections = [_section(name, quick=asked.quick) for name in names]
    page = "\n".join([_INTRODUCTION, "## The machine\n", facts().markdown(), *(text or "" for text in sections)])
    if asked.quick or asked.only:
        print(page)
    elif None not in sections:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page)
        progress(f"wrote {PAGE.relative_to(ROOT)}")
    progress(f"took {perf_counter() - begun:.0f} s")
    failed = [name for name, text in zip(names, sections, strict=True) if text is None]
    if failed:
        progress(f"FAILED, nothing was written: {', '.join(failed)}")
    return 1 if failed else 0


def _section(name: str, *, quick: bool) -> str | None:
    """What a measurement writes on standard output; None when it failed."""
    progress(name)
    begun = perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", *(["--quick"] if quick else [])],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        check=False,
    )
    progress(f"{name}: {perf_counter() - begun:.0f} s")
    return done.stdout.decode() if done.returncode == 0 else None


def facts() -> Table:
    """What a reader must know about the machine to judge the figures. Names nothing that identifies it."""
    table = Table(columns=("what", "here"))
    table.add("processor", f"{_processor()}, {os.cpu_count()} cores")
    table.add("memory", f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB")
    table.add("kernel", f"{platform.system()} {platform.release().split('-')[0]}")
    table.add("Python", f"{platform.python_implementation()} {platform.python_version()}")
    table.add("file system", _file_system(DISK))
    table.add("store of installations", database.name())
    waits = flushes(200)
    table.add(
        "append 300 B + fdatasync",
        f"median {number(1e3 * percentile(waits, 0.5))} ms, p99 {number(1e3 * percentile(waits, 0.99))} ms",
    )
    return table


def flushes(count: int) -> list[float]:
    """Seconds that each of so many appends of 300 bytes took to be on the disk."""
    waits = []
    with tempfile.NamedTemporaryFile(dir=DISK) as file:
        for _ in range(count):
            begun = perf_counter()
            os.write(file.fileno(), b"x" * 300)
            os.fdatasync(file.fileno())
            waits.append(perf_counter() - begun)
    return waits


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.machine()


def _file_system(folder: Path) -> str:
    """The type of the file system that a folder lies on."""
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    holding = [(len(at), kind) for _, at, kind, *_ in mounts if folder.is_relative_to(at)]
    return max(holding)[1] if holding else "unknown"


if __name__ == "__main__":
    sys.exit(main())
