"""The rules of the house that no linter knows: tests for every module, documents for everything, names that say
something, nothing of one developer's machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "unsealed"
MODULES = sorted(
    path
    for path in SOURCE.rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py") and "migrations" not in path.parts
)
NOT_A_NAME = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|Users|root|work|tmp/boot)/")


def tracked(*patterns: str) -> list[Path]:
    """Files of the repository; of a source archive without git, all files."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--", *patterns], capture_output=True, text=True, timeout=PATIENCE_S
    )
    if listed.returncode:
        return [path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()]
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(SOURCE).with_suffix("")))
def test_every_module_has_its_test(module: Path) -> None:
    assert list((ROOT / "tests").rglob(f"test_{module.stem}*.py")), f"no tests/**/test_{module.stem}*.py"


def test_names_say_what_a_module_holds() -> None:
    assert [] == [path for path in MODULES if path.stem in NOT_A_NAME or path.parent.name in NOT_A_NAME]


def test_every_module_says_what_it_is_for() -> None:
    silent = [path for path in MODULES if not path.read_text(encoding="utf-8").startswith('"""')]

    assert [] == silent


def test_nothing_knows_one_developers_machine() -> None:
    texts = tracked("*.py", "*.md", "*.toml", "*.lock", "*.html", "*.css", "*.js", "Makefile", ".ci/*")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in texts
        if path != Path(__file__).resolve()
        for line in path.read_text(encoding="utf-8").splitlines()
        if MACHINE_PATH.search(line)
    ]

    assert [] == found


def test_lock_files_name_no_index() -> None:
    for lock in ROOT.glob("requirements*.lock"):
        assert not re.search(r"index-url|https?://|--find-links", lock.read_text(encoding="utf-8"))


def test_every_link_between_documents_leads_somewhere() -> None:
    pages = tracked("*.md")
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]

    assert [] == broken
