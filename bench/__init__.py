"""Side-by-side measurements: every number in docs/reference/measurements.md is made here, by `make bench`.

Each module measures one thing against the programs people use for it today, as `python -m bench.NAME [--quick]`: tables
in Markdown on standard output, progress on standard error. Ratios come from one run in which the candidates take turns,
figures are medians. `bench.run` does all of it and writes the page.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
DISK = Path("/var/tmp")  # what is measured keeps its data here: by custom on a disk, and open to Postfix's own users
