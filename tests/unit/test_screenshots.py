from __future__ import annotations

from pathlib import Path

from docs.screenshots import IMAGES, MODES, SCREENS, listed
from tests.walks.places import places

# It shows what another screen shows, or is only on the way to one.
NO_PICTURE = {"/", "/settings", "/settings/{part:path}", "/compose/{id}"}


def test_every_page_has_a_picture() -> None:
    pages = {each.path for each in places() if each.is_page} - NO_PICTURE

    assert set() == pages - {screen.place for screen in SCREENS}


def test_every_picture_is_there_in_every_mode_and_none_too_many() -> None:
    wanted = {f"{screen.name}{mode}.webp" for screen in SCREENS for mode in MODES}

    assert wanted == {path.name for path in IMAGES.iterdir()}
    assert (Path(IMAGES).parent / "screens.md").read_text(encoding="utf-8") == listed()
