"""The roles that look for work again and again."""

from __future__ import annotations

import multiprocessing
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.patience import PATIENCE_S, forked

from unsealed.app.bells import Bells
from unsealed.app.config import load
from unsealed.app.wire import prepare


@pytest.mark.parametrize("role", ["judge", "hot", "observe"])
def test_a_role_ends_by_itself_when_it_is_told_to(role: str, tmp_path: Path) -> None:
    settings = load({"data": tmp_path})
    prepare(settings).dispose()
    run = import_module(f"unsealed.app.roles.{role}").run
    ready, tell = multiprocessing.Pipe()
    bells = Bells()

    with forked(run, settings, SimpleNamespace(bells=bells), lambda: tell.send("ready")) as process:
        assert ready.poll(PATIENCE_S)
        process.terminate()
        process.join(PATIENCE_S)

        assert 0 == process.exitcode
    bells.close()
