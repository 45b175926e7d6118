"""The roles that look for work again and again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.patience import running

from unsealed.app.config import load
from unsealed.app.wire import prepare

SCRIPT = """
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

from unsealed.app.bells import Bells
from unsealed.app.config import load

role, pause, data = sys.argv[1:]
module = import_module(f"unsealed.app.roles.{role}")
assert hasattr(module, pause)
setattr(module, pause, 3_600.0)
module.run(load({"data": Path(data)}), SimpleNamespace(bells=Bells()), lambda: print("ready", flush=True))
"""


@pytest.mark.parametrize(
    ("role", "pause"), [("judge", "JUDGE_IDLE_S"), ("hot", "HOT_IDLE_S"), ("observe", "OBSERVE_LOOK_S")]
)
def test_a_role_ends_by_itself_when_it_is_told_to_and_finishes_no_pause(role: str, pause: str, tmp_path: Path) -> None:
    prepare(load({"data": tmp_path})).dispose()

    with running([sys.executable, "-c", SCRIPT, role, pause, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "ready\n" in process.stdout  # the log goes there as well
        process.terminate()

        assert 0 == process.wait()
