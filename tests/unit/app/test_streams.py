"""Standard streams that are closed, full, or have lost their reader."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from tests.patience import PATIENCE_S

_FULL = "/dev/full"
full_disk = pytest.mark.skipif(not os.path.exists(_FULL), reason="needs /dev/full")

# A command that writes, after what the entry point does before.
_SERVING = "import sys, traceback\nfrom unsealed.app import streams\nstreams.open_closed()\nstreams.forgive()\n"
_LOGGING = (
    _SERVING
    + "from unsealed.app.config import load\nfrom unsealed.app.serve import configure_log\n"
    + "import structlog\nconfigure_log(load({}))\n"
    + "for _ in range(3): structlog.get_logger().info('message.accepted', words='x' * 10_000)\n"
)


def run(program: str, closed: Sequence[int] = (), **streams: Any) -> subprocess.CompletedProcess[bytes]:
    def close() -> None:
        for number in closed:
            os.close(number)

    return subprocess.run(
        [sys.executable, "-c", program],
        preexec_fn=close,
        timeout=PATIENCE_S,
        check=False,
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
    )


def command(*arguments: str) -> str:
    return f"import sys\nsys.argv = {['unsealed', *arguments]}\nfrom unsealed.app.cli import main\nmain()\n"


@full_disk
def test_what_a_server_logs_on_a_full_disk_is_dropped() -> None:
    with open(_FULL, "wb") as full:
        done = run(_LOGGING + "print('said')\nsys.stdout.flush()\nsys.exit(7)\n", stdout=full, stderr=full)

    assert 7 == done.returncode


def test_what_a_server_logs_for_a_reader_that_has_gone_is_dropped() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as nobody:
        done = run(_LOGGING + "sys.exit(7)\n", stdout=nobody, stderr=nobody)

    assert 7 == done.returncode


def test_what_a_server_logs_for_a_reader_that_does_not_read_is_dropped_where_it_would_have_to_wait() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with open(reader, "rb"), open(writer, "wb") as full:
        done = run(_SERVING + "for _ in range(100): print('x' * 10_000)\nsys.exit(7)\n", stdout=full)

    assert 7 == done.returncode


def test_a_server_does_not_wait_for_a_reader_that_stands_still() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb"), open(writer, "wb") as stuck:
        done = run(_SERVING + "for _ in range(100): print('x' * 10_000)\nsys.exit(7)\n", stdout=stuck)

    assert 7 == done.returncode


def test_what_a_server_logs_arrives_when_it_can() -> None:
    done = run(_LOGGING + "print('said')\n")

    assert 3 == done.stderr.count(b"message.accepted")
    assert 3 == done.stderr.count(b"x" * 10_000)
    assert b"said\n" == done.stdout


def test_no_file_takes_the_place_of_a_stream_that_was_closed() -> None:
    program = (
        "import sys\nfrom unsealed.app import streams\nstreams.open_closed()\n"
        "print('lost')\nsys.exit(open(sys.executable).fileno())\n"
    )

    done = run(program, closed=(0, 1, 2))

    assert 3 == done.returncode


@full_disk
@pytest.mark.parametrize(
    "arguments", [("--version",), ("--help",), ("agent",), ("judge", "-"), ("keys", "rotate")], ids=lambda each: each[0]
)
def test_a_command_whose_output_cannot_be_written_says_so(arguments: tuple[str, ...], tmp_path: Any) -> None:
    given = tmp_path / "given"
    given.write_bytes(b'{"scenarios": [{"id": 1, "requests": [{"t": 1, "type": "open", "ip": "192.0.2.1"}]}]}\n')
    taking = ("--data", str(tmp_path / "data")) if arguments[0] == "keys" else ()
    with open(_FULL, "wb") as full, given.open("rb") as file:
        done = run(command(*arguments, *taking), stdin=file, stdout=full)

    assert (2, b"unsealed: the output cannot be written: No space left on device\n") == (done.returncode, done.stderr)


def test_a_command_takes_closed_input_for_no_input(tmp_path: Any) -> None:
    done = run(command("instrument", "--data", str(tmp_path)), closed=(0,))

    assert (0, b"", b"") == (done.returncode, done.stdout, done.stderr)
