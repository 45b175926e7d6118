"""The roles that look for work again and again."""

from __future__ import annotations

import multiprocessing
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

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

    process = multiprocessing.get_context("fork").Process(
        target=run, args=(settings, SimpleNamespace(bells=bells), lambda: tell.send("ready")), name=role
    )
    process.start()
    try:
        assert ready.poll(20)
        process.terminate()
        process.join(60)
    finally:
        process.kill()
        process.join()
        bells.close()

    assert 0 == process.exitcode
