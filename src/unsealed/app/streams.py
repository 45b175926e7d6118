"""Standard input, output and error, where they are closed, full, or nobody reads them any more.

A server must not care: its log is for people, and mail that was accepted stays accepted when the log's disk is full or
the program that read it has gone. A command must: who asked for its output has to learn that there is none.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


# What writing to a stream may fail with.
UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE, errno.EBADF})
_INPUT, _OUTPUT, _ERROR = range(3)


class _Forgiving(io.FileIO):
    """Drops what cannot be written."""

    def write(self, data: ReadableBuffer) -> int:
        try:
            written = super().write(data)
        except OSError:
            written = None
        return memoryview(data).nbytes if written is None else written  # None: it would have had to wait


def open_closed() -> None:
    """Have /dev/null in place of those that were closed when the process began.

    Otherwise the next file that is opened, the store perhaps, gets the number of one of them, and what a library or a
    child writes to it by number goes into that file.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= _ERROR:
        os.set_inheritable(number, True)
    os.close(number)
    if sys.stdin is None:
        sys.stdin = open(_INPUT, encoding="utf-8", closefd=False)
    if sys.stdout is None:
        sys.stdout = open(_OUTPUT, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = open(_ERROR, "w", encoding="utf-8", closefd=False)


def forgive() -> None:
    """From now on what cannot be printed or logged is dropped, and nothing is raised."""
    sys.stdout, sys.stderr = _forgiving(_OUTPUT), _forgiving(_ERROR)


def forget_output() -> None:
    """Drop what waits to be written to standard output: it failed, that was said, and it would fail again at the
    end."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), _OUTPUT)


def _forgiving(number: int) -> io.TextIOWrapper:
    raw = _Forgiving(number, "wb", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True)
