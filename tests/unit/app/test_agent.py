from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable

from tests.patience import PATIENCE_S, running
from typer.testing import CliRunner

from unsealed.app.cli import cli
from unsealed.model.event import ClientKind

COMMAND = [sys.executable, "-m", "unsealed.app", "agent"]
KEYS = ["client", "kind", "device", "rule"]


def answers(given: bytes) -> list[dict[str, str]]:
    result = CliRunner().invoke(cli, ["agent"], input=given)
    assert 0 == result.exit_code, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def kinds(rows: Iterable[dict[str, str]]) -> list[str]:
    return [row["kind"] for row in rows]


def test_each_line_is_answered_with_one_object_of_four_words() -> None:
    rows = answers(b"curl/8.9.1\nOutlook-iOS/711.3061168.prod.iphone\n")

    assert [
        {"client": "curl", "kind": "crawler", "device": "unknown", "rule": "library.curl"},
        {"client": "Outlook for iOS", "kind": "mobile_app", "device": "mobile", "rule": "mail.outlook.ios"},
    ] == rows
    assert [KEYS, KEYS] == [list(row) for row in rows]


def test_lines_correspond_also_where_nothing_is_said() -> None:
    rows = answers(b"\n \ncurl/8.9.1\r\n\n")

    assert ["unknown", "unknown", "crawler", "unknown"] == kinds(rows)
    assert "" == rows[0]["client"]


def test_a_last_line_without_an_end_counts() -> None:
    assert ["crawler", "prefetch"] == kinds(answers(b"curl/8.9.1\nMozilla/5.0"))
    assert [] == answers(b"")


def test_bytes_that_are_no_text_stop_nothing() -> None:
    rows = answers(b"\xff\xfe\x00\n\xc3\x28 Thunderbird/140.1 \xe9\ncurl/8.9.1\n")

    assert ["unknown", "desktop_client", "crawler"] == kinds(rows)


def test_what_a_proxy_hides_is_called_unknown() -> None:
    assert "unknown" == answers(b"Mozilla/5.0 (Windows NT 5.1; rv:11.0) (via ggpht.com GoogleImageProxy)")[0]["device"]


def test_only_the_agreed_words_are_used() -> None:
    given = "\n".join(["Roundcube Webmail/1.6", "Mozilla/5.0 (X11; Linux) Firefox/140", "hello", "Slackbot 1.0"])
    rows = answers(given.encode())

    assert {row["kind"] for row in rows} <= {kind.value for kind in ClientKind}
    assert {row["device"] for row in rows} <= {"desktop", "mobile", "tablet", "unknown"}


def test_who_asks_line_by_line_is_answered_line_by_line() -> None:
    with running(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for agent, kind in ((b"curl/8.9.1\n", "crawler"), (b"\n", "unknown"), (b"Mozilla/5.0\n", "prefetch")):
            process.stdin.write(agent)
            process.stdin.flush()
            assert kind == json.loads(process.stdout.readline())["kind"]
        process.stdin.close()

    assert 0 == process.returncode


def test_a_long_input_is_answered_to_the_end() -> None:
    given = b"".join(b"python-requests/2.%d\n" % number for number in range(30_000)) + b"x" * 300_000 + b"\nwget\n"
    done = subprocess.run(COMMAND, input=given, capture_output=True, check=True, timeout=PATIENCE_S)
    lines = done.stdout.splitlines()

    assert 30_002 == len(lines)
    assert ["unknown", "crawler"] == [json.loads(line)["kind"] for line in lines[-2:]]
