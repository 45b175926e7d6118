"""What unit tests need besides the package."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(
    str(Path(__file__).parents[2])
)  # the measurements in bench/ are started from the root of the repository
