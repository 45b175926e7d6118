"""Standard input, output and error, where they are closed, full, or nobody reads them any more.

A server must not care: its log is for people, and mail that was accepted stays accepted when the log's disk is full, or
when the program that read it has gone or stands still. A command must: who asked for its output has to learn that there
is none.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


# What writing to a stream may fail with.
UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE, errno.EBADF})
PATIENCE_S = 0.2  # with a reader that is slow
_INPUT, _OUTPUT, _ERROR = range(3)


class _Forgiving(io.FileIO):
    """Drops what cannot be written, and what would have to wait for a reader that has stopped reading."""

    _patience_s = PATIENCE_S

    def write(self, data: ReadableBuffer) -> int:
        whole = memoryview(data)
        try:
            if not select.select([], [self], [], self._patience_s)[1]:
                self._patience_s = 0.0  # it was given its time
                return whole.nbytes
            written = super().write(whole[: select.PIPE_BUF])  # so much finds room where any does
        except OSError:
            return whole.nbytes
        self._patience_s = PATIENCE_S
        return whole.nbytes if written is None else written  # None: it would have had to wait


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
