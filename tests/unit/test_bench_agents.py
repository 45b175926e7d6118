from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench import agents

from unsealed.model.event import Device


def test_the_collections_are_read_as_they_are_written(tmp_path: Path) -> None:
    """One small file in the form of each kind of collection."""
    fixtures = tmp_path / "device-detector" / "Tests" / "fixtures"
    fixtures.mkdir(parents=True)
    (fixtures / "tablet.yml").write_text(
        "---\n-\n  user_agent: 'Mozilla/5.0 (Android; Tablet; it''s) Firefox/26.0'\n  client:\n    type: browser\n"
        "    name: Firefox\n  device:\n    type: tablet\n    brand: x\n-\n  user_agent: The Bat! 4.0\n  client:\n"
        "    type: pim\n    name: The Bat!\n"
    )
    listed = tmp_path / "crawler-user-agents"
    listed.mkdir()
    rows = [{"instances": ["curl/8"], "tags": ["http-library"]}, {"instances": ["FooBot/1 (+http://foo.example)"]}]
    (listed / "crawler-user-agents.json").write_text(json.dumps(rows))

    detected = list(agents.device_detector(tmp_path / "device-detector"))
    crawlers = list(agents.crawler_user_agents(listed))

    assert [
        ("Mozilla/5.0 (Android; Tablet; it's) Firefox/26.0", "browsers on tablets", frozenset({Device.TABLET}), ""),
        ("The Bat! 4.0", "mail programs", None, "The Bat!"),
    ] == [(row.text, row.family, row.devices, row.client) for row in detected]
    assert [("curl/8", "libraries"), ("FooBot/1 (+http://foo.example)", "crawlers")] == [
        (row.text, row.family) for row in crawlers
    ]


def test_the_page_says_how_many_were_right_and_of_what(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "crawler-user-agents").mkdir()
    rows = [{"instances": ["curl/8", "mystery"], "tags": ["http-library"]}]
    (tmp_path / "crawler-user-agents" / "crawler-user-agents.json").write_text(json.dumps(rows))
    monkeypatch.setattr("sys.argv", ["agents", str(tmp_path)])

    assert 0 == agents.main()
    page = capsys.readouterr().out
    assert "| libraries | 2 | 50.0 % | 100.0 % |" in page
    assert "50.0 % of 2" in page
    assert "µs" in page


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("Outlook for Mac", "MacOutlook", True),
        ("Microsoft Outlook", "Outlook", True),
        ("eM Client", "eMClient", True),
        ("Claws Mail", "Apple Mail", False),
        ("Windows Mail", "Microsoft Outlook", False),
    ],
)
def test_names_are_compared_by_what_is_not_the_makers(ours: str, theirs: str, same: bool) -> None:
    assert same == agents.same_name(ours, theirs)
