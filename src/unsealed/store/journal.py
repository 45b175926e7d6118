"""Append-only journal of hits.

Promises that a record is on disk when its commit returns, that every record before the first damaged frame of a
segment is readable, that damage is reported and never hides the next segment, and that a position is never used twice:
a writer never appends to a segment that it did not begin itself, and numbers of segments only grow. That is why a
reader may look at bytes that are not on disk yet: if the power fails, whatever is written next stands elsewhere.
Does not judge, deduplicate or expire anything.

One folder for each collector, one file for each segment, named by its number (`000000000042.journal`):

    header, 64 bytes   "unsealed journal" | version u16 = 1 | collector, 42 bytes of UTF-8 padded with NUL | crc32c u32
    frame              length u32 | crc32c u32 | payload
    room               zeros up to the end of the file

Little-endian. The checksum of a frame covers its payload, that of the header all before it. A segment is left when it
passes 64 MB or its first record is an hour old, so that it can be deleted: it holds who asked, which the store may be
told to forget. The payload of a hit: see `encode_hit`. Room is made ahead, because a write into blocks that the file
has already needs no commit of the file system's own journal, for which all who write on that disk queue: beside three
busy neighbours an fdatasync took 1.3 ms at p99 without room and 0.11 ms with it. It is cut off when a segment is left.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import secrets
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Generic, TypeVar

import google_crc32c

from unsealed.model.errors import BadInput, Unavailable
from unsealed.model.hit import Hit, JournalPosition

SEGMENT_BYTES = 64 * 2**20
SEGMENT_S = 3600.0  # from the first record on
MAX_PAYLOAD_BYTES = 64 * 2**10
RETRY_S = 1.0  # how long an unwritable journal rests before the next new segment is tried

_MAGIC = b"unsealed journal"
_VERSION = 1
_HEAD = struct.Struct("<16sH42s")
_CRC = struct.Struct("<I")
_ROOM = bytes(2**20)
_FRAME = struct.Struct("<II")
_FIRST = _HEAD.size + _CRC.size  # where the first frame stands
_SUFFIX = ".journal"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIELDS_WITHOUT_DEVICE = 10

_PROCESSOR = 36  # proc_pid_stat(5): field 39, counted from the third, which follows the name in brackets

_Waiter = TypeVar("_Waiter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Bytes of a segment that cannot be read. What stands before `at` was read, what follows in the segment is lost."""

    at: JournalPosition
    why: str  # for the operator


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Records of a journal, and where to go on."""

    records: list[tuple[JournalPosition, bytes]]
    next: JournalPosition | None  # the cursor: where the next frame begins; None while nothing was ever written
    damage: tuple[Damage, ...] = ()


class Journal:
    """The one writer of a collector's journal. Not for several threads at once.

    Opening costs the same with a million records outstanding as with none: old segments are not read.
    """

    def __init__(
        self,
        folder: Path,
        collector: str,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        first_segment: int = 1,
        sync: Callable[[int], None] = os.fdatasync,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the folder and begin a new segment.

        folder: of this collector alone; made when missing.
        first_segment: the least number to use. Something that grows with time keeps numbers from coming back after
            somebody emptied the folder.
        sync: makes what was written survive a power cut; tests put faults here.
        monotonic: seconds that pass.

        Raises:
            BadInput: permanent; the name does not fit.
            Unavailable: temporary; another process writes here, or the folder cannot be made. A full disk is no error
                yet: the first commit says so.
        """
        if not 0 < len(collector.encode()) <= 32 or "\0" in collector:
            raise BadInput("the name of a collector has 1 to 32 bytes, none of them NUL")
        self._folder = folder
        self._collector = collector
        self._segment_bytes = segment_bytes
        self._sync = sync
        self._monotonic = monotonic
        self._file = -1
        self._end = 0  # of the last commit
        self._room = 0  # where the zeros end
        self._first_at = 0.0  # when the segment got its first record
        self._retry_at = 0.0
        try:
            _make(folder)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"the journal folder cannot be used: {error.strerror}") from error
        try:
            # Two writers would take each other's live segment for a finished one.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise Unavailable("another process writes this journal") from error
        self._segment = max([first_segment - 1, *_segments(folder)])
        with contextlib.suppress(OSError):
            self._begin()

    @property
    def writable(self) -> bool:
        """Whether the last attempt to write succeeded."""
        return self._file >= 0

    @property
    def old(self) -> bool:
        """Whether the segment should be left, because of its first record's age."""
        return self._file >= 0 and self._end > _FIRST and self._monotonic() - self._first_at >= SEGMENT_S

    def commit(self, payloads: Sequence[bytes]) -> JournalPosition:
        """Write all payloads, one after the other, and return when the disk has them. With none it only sees to the
        segment: one that is old is left, and where there is none a new one is begun.

        After a fault the segment is left for good: a second fsync of the same file would report success for pages that
        the kernel has thrown away. A new segment is tried, not more often than every RETRY_S.

        Returns:
            The position of the first; the others follow it.

        Raises:
            Unavailable: temporary; none of them is promised to be on disk.
        """
        frames = _frames(payloads)
        try:
            if self._file < 0 or self._end >= self._segment_bytes:
                self._begin()
            elif self.old:
                with contextlib.suppress(OSError):  # on a full disk the old one has room yet
                    self._begin()
            if self._end == _FIRST:
                self._first_at = self._monotonic()
            self._write(frames)
            self._sync(self._file)
        except OSError as error:
            self._leave()
            raise Unavailable(f"the journal cannot be written: {error.strerror}") from error
        position = JournalPosition(collector=self._collector, segment=self._segment, offset=self._end)
        self._end += len(frames)
        return position

    def close(self) -> None:
        """Give back files and lock. What was committed stays."""
        self._leave()
        os.close(self._lock)

    def _begin(self) -> None:
        now = self._monotonic()
        if self._file < 0 and now < self._retry_at:
            raise OSError(errno.EAGAIN, "it failed a moment ago")
        self._retry_at = now + RETRY_S
        path = self._folder / _name(self._segment + 1)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            head = _HEAD.pack(_MAGIC, _VERSION, self._collector.encode())
            _write_at(file, head + _CRC.pack(google_crc32c.value(head)), 0)
            self._sync(file)
            _sync_folder(self._folder)  # a file whose name is not on disk is gone after a power cut
        except OSError:
            os.close(file)
            with contextlib.suppress(OSError):
                path.unlink()  # it never held a record
            raise
        self._leave()
        self._segment += 1
        self._file = file
        self._end = self._room = _FIRST

    def _write(self, frames: bytes) -> None:
        end = self._end + len(frames)
        _write_at(self._file, frames, self._end)
        if end > self._room:
            with contextlib.suppress(OSError):  # on a disk that is nearly full the records fit, and that will do
                _write_at(self._file, _ROOM, end)
                self._room = end + len(_ROOM)

    def _leave(self) -> None:
        if self._file < 0:
            return
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, self._end)  # the room, or half a frame, which would be reported as damage
        with contextlib.suppress(OSError):
            os.close(self._file)
        self._file = -1
        self._retry_at = 0.0  # the first new segment may be tried at once


class GroupCommit(Generic[_Waiter]):
    """Commits in a thread of its own; what arrives meanwhile goes with the next commit, which the owner begins.

    All methods belong to the thread of the owner, and so does `settled`.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        settled: Callable[[list[_Waiter], int, str], None],
        post: Callable[[Callable[[], None]], object],
    ) -> None:
        """
        settled: called once for each commit, with those who waited for it, the number of records, and why it failed
            ("" when the disk has them). If others are `waiting` then, they need a `flush`.
        post: runs something in the thread of the owner soon; callable from any thread.
        """
        self._journal = journal
        self._settled = settled
        self._post = post
        self._payloads: list[bytes] = []
        self._waiters: list[_Waiter] = []
        self._committing: list[_Waiter] = []
        self._records = 0  # in the running commit, as long as somebody waits for it
        self._since: float | None = None  # when the running commit began
        self._error = ""
        self._batches: SimpleQueue[list[bytes] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @property
    def busy_s(self) -> float:
        """For how long the running commit has been running."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    @property
    def waiting(self) -> int:
        """How many wait for this commit and the next."""
        return len(self._waiters) + len(self._committing)

    def add(self, payload: bytes, waiter: _Waiter) -> None:
        """Take a record for the next commit; an empty payload waits with the others and writes nothing."""
        if payload:
            self._payloads.append(payload)
        self._waiters.append(waiter)

    def stay_near(self) -> None:
        """Keep the thread on the processor where the owner runs just now; to be called again as the owner may move.

        The two take turns at the interpreter. From another processor, where it queues behind others, the thread came
        late and held the owner up: with both cores busy, staying near gave up to half as many answers again.
        """
        with contextlib.suppress(OSError), open("/proc/thread-self/stat", "rb") as file:
            processor = int(file.read().rpartition(b")")[2].split()[_PROCESSOR])
            if self._thread.native_id is not None:
                os.sched_setaffinity(self._thread.native_id, {processor})

    def flush(self) -> None:
        """Begin a commit of what was added, unless one runs: then that goes with the next."""
        if self._since is None and self._waiters:
            self._begin()

    def tend(self) -> None:
        """Leave a segment that is old, and find out whether an unwritable journal can be written again: to be called
        each second or so, for want of a record that would do it."""
        if self._since is None and self._needs_tending():
            self._begin()

    def give_up_waiting(self) -> tuple[list[_Waiter], int]:
        """All who wait, and the number of their records, because the disk hangs. The running commit goes on; what was
        not handed over yet is dropped."""
        waiters, records = self._committing + self._waiters, self._records + len(self._payloads)
        self._committing, self._waiters, self._payloads, self._records = [], [], [], 0
        return waiters, records

    def close(self, timeout_s: float) -> None:
        """Let the running commit finish, as long as it does not hang, and end the thread."""
        self._batches.put(None)
        self._thread.join(timeout_s)

    def _needs_tending(self) -> bool:
        return self._journal.old or not self._journal.writable

    def _begin(self) -> None:
        self._since = time.monotonic()
        payloads, self._payloads = self._payloads, []
        self._committing, self._waiters = self._waiters, []
        self._records = len(payloads)
        self._batches.put(payloads)

    def _run(self) -> None:
        while (payloads := self._batches.get()) is not None:
            try:
                if payloads or self._needs_tending():
                    self._journal.commit(payloads)
                self._error = ""
            except Exception as error:  # this thread must go on whatever happens: all answers depend on it
                self._error = str(error)
            with contextlib.suppress(RuntimeError):  # the owner's loop is closed
                self._post(self._finish)

    def _finish(self) -> None:
        waiters, records, error = self._committing, self._records, self._error
        self._committing, self._records, self._since = [], 0, None
        self._settled(waiters, records, error)


def read(folder: Path, after: JournalPosition | None, limit: int) -> Reading:
    """The next records of a journal, oldest first, at most `limit`.

    after: the cursor that the last reading returned; None: from the beginning. A cursor whose segment is gone goes on
        with the next one that is there.

    Damage ends its segment: it is reported once, and the reading goes on with the next segment. Half a frame at the end
    of the newest segment is not damage but a record on its way; at the end of an older one it is the last breath of a
    writer that was killed. A checksum that fails in the newest segment is reported every time, and the cursor stays
    before it until there is a newer segment.

    Raises:
        Unavailable: temporary; a segment cannot be opened or read.
    """
    numbers = sorted(number for number in _segments(folder) if after is None or number >= after.segment)
    records: list[tuple[JournalPosition, bytes]] = []
    damage: list[Damage] = []
    collector = after.collector if after is not None else ""
    cursor = after
    for number in numbers:
        start = after.offset if after is not None and after.segment == number else 0
        try:
            with (folder / _name(number)).open("rb", buffering=0) as file:
                collector = collector or _collector(file) or folder.name
                at = JournalPosition(collector=collector, segment=number, offset=start)
                end, fault = _scan(file, at, limit, records)
                again = -1
                while number == numbers[-1] and fault not in ("", _UNFINISHED) and end != again:
                    # Somebody may be writing there just now, and copies in one go: what is still wrong after a moment
                    # is wrong. What is wrong further on may be the next that is being written.
                    time.sleep(_MOMENT_S)
                    again = end
                    at = JournalPosition(collector=collector, segment=number, offset=end)
                    end, fault = _scan(file, at, limit, records)
        except FileNotFoundError:
            continue  # dropped meanwhile
        except OSError as error:
            raise Unavailable(f"segment {number} of the journal cannot be read: {error.strerror}") from error
        cursor = JournalPosition(collector=collector, segment=number, offset=end)
        if len(records) >= limit:
            break
        newest = number == numbers[-1]
        if fault and not (newest and fault is _UNFINISHED):
            damage.append(Damage(at=cursor, why=fault))
        if not newest:
            following = numbers[numbers.index(number) + 1]
            cursor = JournalPosition(collector=collector, segment=following, offset=0)
    return Reading(records=records, next=cursor, damage=tuple(damage))


def drop_before(folder: Path, position: JournalPosition) -> int:
    """Delete the segments that lie before the cursor entirely, never the newest; how many were deleted."""
    numbers = sorted(_segments(folder))
    old = [number for number in numbers[:-1] if number < position.segment]
    for number in old:
        (folder / _name(number)).unlink(missing_ok=True)
    if old:
        _sync_folder(folder)
    return len(old)


def identity(folder: Path, *, make: bool = True) -> str:
    """What tells this journal from all others, also from one of the same name. It is made when there is none, or else
    "" is the answer.

    Raises:
        Unavailable: temporary; the folder cannot be read or written.
    """
    path = folder / "identity"
    try:
        if make and not path.exists():
            _make(folder)
            new = folder / f"identity.{os.getpid()}"
            with new.open("w") as file:
                file.write(secrets.token_hex(8))
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
            _sync_folder(folder)
        return path.read_text() if path.exists() else ""
    except OSError as error:
        raise Unavailable(f"the journal folder {folder} cannot be used: {error.strerror}") from error


def encode_hit(hit: Hit) -> bytes:
    """The payload of a hit: "1", then its fields with NUL between them, time as microseconds since 1970 first.

    An absent Accept-Language is written as one byte 0x01, which no field can hold: their control characters were made
    visible. The device stands last and is left out when there is none, as in all records of earlier versions.
    """
    request = encode_request(
        user_agent=hit.user_agent,
        accept=hit.accept,
        accept_language=hit.accept_language,
        referer_host=hit.referer_host,
        prefetch=hit.prefetch,
        sec_fetch=hit.sec_fetch,
        device=hit.device,
    )
    return (
        encode_moment(hit.at)
        + encode_asked(hit.token.encode(), hit.method.encode())
        + encode_address(hit.address)
        + request
    )


# The pieces of `encode_hit`, for one who keeps those that come again and again.


def encode_moment(at: datetime) -> bytes:
    """When: the first piece."""
    return b"1%d\0" % ((at - _EPOCH) // _MICROSECOND)


def encode_asked(token: bytes, method: bytes) -> bytes:
    """What was asked for: the second piece."""
    return token + b"\0" + method + b"\0"


def encode_address(address: str) -> bytes:
    """Who asked: the third piece."""
    return f"{address}\0".encode()


def encode_request(
    *,
    user_agent: str,
    accept: str,
    accept_language: str | None,
    referer_host: str,
    prefetch: str,
    sec_fetch: str,
    device: str,
) -> bytes:
    """The last piece, the same each time a program asks in the same words."""
    language = "\x01" if accept_language is None else accept_language
    known = f"{user_agent}\0{accept}\0{language}\0{referer_host}\0{prefetch}\0{sec_fetch}"
    return (f"{known}\0{device}" if device else known).encode()


def decode_hit(payload: bytes) -> Hit:
    """The hit of a payload.

    Raises:
        BadInput: permanent; not the payload of a hit, or one of a later version.
    """
    try:
        fields = payload.decode().split("\0")
        if fields[0][:1] != "1":
            raise BadInput("a record of a later version")
        if len(fields) == _FIELDS_WITHOUT_DEVICE:
            fields.append("")
        at, token, method, address, user_agent, accept, language, referer_host, prefetch, sec_fetch, device = fields
        return Hit(
            at=_EPOCH + int(at[1:]) * _MICROSECOND,
            token=token,
            method=method,
            address=address,
            user_agent=user_agent,
            accept=accept,
            accept_language=None if language == "\x01" else language,
            referer_host=referer_host,
            prefetch=prefetch,
            sec_fetch=sec_fetch,
            device=device,
        )
    except (ValueError, OverflowError) as error:
        raise BadInput("not the record of a hit") from error


_UNFINISHED = "an unfinished frame at the end: the writer was stopped in the middle"
_BLOCK = 2**18
_MOMENT_S = 0.01


def _scan(
    file: io.FileIO, start: JournalPosition, limit: int, records: list[tuple[JournalPosition, bytes]]
) -> tuple[int, str]:
    """Add the records from `start` on until there are `limit`; where it stopped, and why it could not go on."""
    offset = start.offset
    if offset < _FIRST:
        head = _read_at(file, 0, _FIRST)
        if len(head) < _FIRST:
            return 0, _UNFINISHED
        if not _is_head(head):
            return 0, "the header is damaged or of a later version"
        offset = _FIRST
    block, at = b"", 0  # bytes of the file, and where `offset` stands in them
    need = _FRAME.size
    while len(records) < limit:
        if at + need > len(block):
            block, at = _read_at(file, offset, _BLOCK), 0
            if need > len(block):
                return offset, _UNFINISHED if block.strip(b"\0") else ""
        length, crc = _FRAME.unpack_from(block, at)
        if not 0 < length <= MAX_PAYLOAD_BYTES:
            if length == crc == 0 and _only_zeros(file, offset):
                return offset, ""
            return offset, "a frame of impossible length"
        need = _FRAME.size + length
        if at + need > len(block):
            continue
        payload = block[at + _FRAME.size : at + need]
        if google_crc32c.value(payload) != crc:
            return offset, "a frame whose checksum is wrong"
        records.append((JournalPosition(collector=start.collector, segment=start.segment, offset=offset), payload))
        offset += need
        at += need
        need = _FRAME.size
    return offset, ""


def _only_zeros(file: io.FileIO, offset: int) -> bool:
    """Whether there is nothing but room from here to the end."""
    while block := _read_at(file, offset, _BLOCK):
        if block != _ROOM[: len(block)]:
            return False
        offset += len(block)
    return True


def _collector(file: io.FileIO) -> str:
    head = _read_at(file, 0, _FIRST)
    if len(head) < _FIRST or not _is_head(head):
        return ""
    name: bytes = _HEAD.unpack_from(head)[2]
    return name.rstrip(b"\0").decode()


def _is_head(head: bytes) -> bool:
    magic, version, _ = _HEAD.unpack_from(head)
    (crc,) = _CRC.unpack_from(head, _HEAD.size)
    return (magic, version, crc) == (_MAGIC, _VERSION, google_crc32c.value(head[: _HEAD.size]))


def _frames(payloads: Sequence[bytes]) -> bytes:
    pieces: list[bytes] = []
    for payload in payloads:
        length = len(payload)
        if not 0 < length <= MAX_PAYLOAD_BYTES:
            raise BadInput(f"a record has 1 to {MAX_PAYLOAD_BYTES} bytes")
        pieces += (_FRAME.pack(length, google_crc32c.value(payload)), payload)
    return b"".join(pieces)


def _segments(folder: Path) -> list[int]:
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    stems = [name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)]
    return [int(stem) for stem in stems if stem.isascii() and stem.isdecimal()]


def _name(number: int) -> str:
    return f"{number:012d}{_SUFFIX}"


def _read_at(file: io.FileIO, offset: int, size: int) -> bytes:
    return os.pread(file.fileno(), size, offset)


def _write_at(file: int, data: bytes, offset: int) -> None:
    written = os.pwrite(file, data, offset)
    while written < len(data):
        written += os.pwrite(file, data[written:], offset + written)


def _make(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, mode=0o700)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
