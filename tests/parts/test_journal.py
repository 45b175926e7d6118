"""The journal on a real disk: what was committed is read, damage is reported and hides nothing else."""

from __future__ import annotations

import errno
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import SimpleQueue

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.patience import PATIENCE_S

from unsealed.model.errors import BadInput, Unavailable
from unsealed.model.hit import Hit, JournalPosition
from unsealed.store import journal
from unsealed.store.journal import GroupCommit, Journal, Reading, decode_hit, drop_before, encode_hit, read

HEADER = 64
ALL = 10**9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "c1"


def write(folder: Path, *batches: list[bytes], segment_bytes: int = journal.SEGMENT_BYTES) -> list[JournalPosition]:
    """One writer's life."""
    writer = Journal(folder, "c1", segment_bytes=segment_bytes)
    positions = [writer.commit(batch) for batch in batches]
    writer.close()
    return positions


def payloads(folder: Path, after: JournalPosition | None = None) -> list[bytes]:
    return [payload for _, payload in read(folder, after, ALL).records]


def segment(folder: Path, number: int) -> Path:
    return folder / f"{number:012d}.journal"


def at(number: int, offset: int) -> JournalPosition:
    return JournalPosition(collector="c1", segment=number, offset=offset)


# Writing and reading


def test_what_was_committed_is_read_in_order(folder: Path) -> None:
    first, second = write(folder, [b"one", b"two"], [b"three"])

    reading = read(folder, None, ALL)

    assert [b"one", b"two", b"three"] == [payload for _, payload in reading.records]
    assert [at(1, HEADER), at(1, HEADER + 11), at(1, HEADER + 22)] == [position for position, _ in reading.records]
    assert (first, second) == (at(1, HEADER), at(1, HEADER + 22))
    assert reading.next == at(1, HEADER + 35)
    assert reading.damage == ()


def test_a_missing_and_an_empty_journal_have_nothing(folder: Path) -> None:
    assert Reading(records=[], next=None) == read(folder, None, ALL)
    folder.mkdir(parents=True)
    assert Reading(records=[], next=None) == read(folder, None, ALL)


def test_reading_in_pieces_gives_the_same_as_reading_at_once(folder: Path) -> None:
    batches = [[b"%d" % number] * (number % 3 + 1) for number in range(50)]
    write(folder, *batches[:20], segment_bytes=200)
    write(folder, *batches[20:])
    whole = read(folder, None, ALL)

    for limit in (1, 2, 3, 7, 64):
        records = []
        cursor = None
        while (piece := read(folder, cursor, limit)).records:
            assert len(piece.records) <= limit
            records += piece.records
            cursor = piece.next
        assert whole.records == records
        assert whole.next == piece.next


def test_records_larger_than_a_block_of_reading_are_read(folder: Path) -> None:
    large = [bytes([number]) * journal.MAX_PAYLOAD_BYTES for number in range(40)]
    write(folder, large)

    assert large == payloads(folder)


def test_a_reader_follows_a_writer_that_lives(folder: Path) -> None:
    writer = Journal(folder, "c1", segment_bytes=100)
    cursor = read(folder, None, ALL).next
    for number in range(20):
        writer.commit([b"%d" % number * 10])
        reading = read(folder, cursor, ALL)
        assert [b"%d" % number * 10] == [payload for _, payload in reading.records]
        assert reading.damage == ()
        cursor = reading.next
    writer.close()


def test_a_writer_never_appends_to_a_segment_of_an_earlier_one(folder: Path) -> None:
    write(folder, [b"one"])
    before = segment(folder, 1).read_bytes()
    write(folder, [b"two"])

    assert before == segment(folder, 1).read_bytes()
    assert [at(1, HEADER), at(2, HEADER)] == [position for position, _ in read(folder, None, ALL).records]


def test_a_full_segment_is_followed_by_the_next(folder: Path) -> None:
    positions = write(folder, *[[b"x" * 50]] * 6, segment_bytes=150)

    assert [1, 1, 2, 2, 3, 3] == [position.segment for position in positions]
    assert [b"x" * 50] * 6 == payloads(folder)


def test_numbers_go_on_from_the_given_one_when_the_folder_was_emptied(folder: Path) -> None:
    Journal(folder, "c1", first_segment=1000).close()
    Journal(folder, "c1", first_segment=1000).close()
    assert segment(folder, 1001).exists()
    for path in folder.glob("*.journal"):
        path.unlink()

    Journal(folder, "c1", first_segment=2000).close()

    assert [segment(folder, 2000)] == list(folder.glob("*.journal"))


def test_a_second_writer_is_refused_while_the_first_lives(folder: Path) -> None:
    first = Journal(folder, "c1")
    with pytest.raises(Unavailable, match="another process"):
        Journal(folder, "c1")
    first.close()
    Journal(folder, "c1").close()


@pytest.mark.parametrize("name", ["", "x" * 33, "ü" * 17, "a\0b"])
def test_a_name_that_does_not_fit_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(BadInput):
        Journal(folder, name)


def test_empty_and_oversized_records_are_refused_and_write_nothing(folder: Path) -> None:
    writer = Journal(folder, "c1")
    for payload in (b"", b"x" * (journal.MAX_PAYLOAD_BYTES + 1)):
        with pytest.raises(BadInput):
            writer.commit([b"good", payload])
    writer.commit([b"fine"])
    writer.close()

    assert [b"fine"] == payloads(folder)


def test_segments_before_the_cursor_are_dropped_and_the_newest_never(folder: Path) -> None:
    write(folder, *[[b"x" * 50]] * 6, segment_bytes=150)
    cursor = read(folder, None, 3).next
    assert cursor is not None

    assert drop_before(folder, cursor) == 1
    assert [2, 3] == sorted(int(path.stem) for path in folder.glob("*.journal"))
    assert [b"x" * 50] * 3 == payloads(folder, cursor)
    assert drop_before(folder, at(99, 0)) == 1
    assert [segment(folder, 3)] == list(folder.glob("*.journal"))
    assert [b"x" * 50] * 2 == payloads(folder, at(1, HEADER))


def test_an_hour_after_its_first_record_a_segment_is_left(folder: Path) -> None:
    now = 0.0
    writer = Journal(folder, "c1", monotonic=lambda: now)
    now = 10_000.0  # however long it was empty
    writer.commit([b"first"])
    now += journal.SEGMENT_S - 1
    writer.commit([b"second"])
    before = writer.old
    now += 1
    due = writer.old
    position = writer.commit([b"third"])
    now += journal.SEGMENT_S - 1
    after = writer.old
    writer.close()

    assert (False, True, False) == (before, due, after)
    assert at(2, HEADER) == position
    assert [b"first", b"second", b"third"] == payloads(folder)


def test_an_old_segment_is_left_without_a_record_and_then_nothing_keeps_it(folder: Path) -> None:
    now = 0.0
    writer = Journal(folder, "c1", monotonic=lambda: now)
    writer.commit([b"who asked"])
    now = journal.SEGMENT_S
    writer.commit([])
    now *= 3
    writer.commit([])  # an empty one is never old
    cursor = read(folder, None, 10).next
    assert cursor is not None
    drop_before(folder, cursor)
    left = [path.read_bytes().strip(b"\0") for path in folder.glob("*.journal")]
    writer.close()

    assert [segment(folder, 2)] == list(folder.glob("*.journal"))
    assert [False] == [b"who asked" in each for each in left]


def test_on_a_full_disk_an_old_segment_goes_on(folder: Path) -> None:
    now = 0.0

    def sync(file: int) -> None:
        if now and os.fstat(file).st_size == HEADER:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    writer = Journal(folder, "c1", sync=sync, monotonic=lambda: now)
    writer.commit([b"first"])
    now = journal.SEGMENT_S
    position = writer.commit([b"second"])
    writer.close()

    assert 1 == position.segment
    assert [b"first", b"second"] == payloads(folder)


def test_a_journal_is_told_from_another_of_the_same_name(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "c1"

    assert "" == journal.identity(folder, make=False)
    known = journal.identity(folder)
    write(folder, [b"one"])

    assert known == journal.identity(folder) == journal.identity(folder, make=False)
    assert known != journal.identity(other)
    assert [b"one"] == payloads(folder)


def test_other_files_in_the_folder_are_left_alone(folder: Path) -> None:
    write(folder, [b"one"])
    for name in ("notes.txt", "x.journal", "².journal", ".journal"):
        (folder / name).write_bytes(b"")

    assert [b"one"] == payloads(folder)
    assert drop_before(folder, at(9, 0)) == 0


def test_a_million_records_outstanding_do_not_delay_the_opening(folder: Path) -> None:
    write(folder, *[[b"x" * 20] * 1000] * 1000, segment_bytes=2**20)

    began = time.process_time()  # reading them costs the processor; the disk may take its time
    writer = Journal(folder, "c1")
    writer.commit([b"first"])
    took_s = time.process_time() - began
    writer.close()

    assert took_s < 0.5


# Damage


def frames(path: Path) -> list[int]:
    """Offsets of all frames of an undamaged segment, and of its end."""
    raw = path.read_bytes()
    offsets = [HEADER]
    while offsets[-1] < len(raw):
        offsets.append(offsets[-1] + 8 + struct.unpack_from("<I", raw, offsets[-1])[0])
    return offsets


RECORDS = [bytes([number]) * (40 + 13 * number) for number in range(24)]


@pytest.mark.parametrize("killed", [True, False])
def test_every_prefix_gives_all_records_before_the_cut(folder: Path, killed: bool) -> None:
    write(folder, RECORDS)
    path = segment(folder, 1)
    offsets = frames(path)
    if killed:  # and started again
        write(folder, [b"after"])
    wrong = []
    for length in range(offsets[-1], -1, -1):
        os.truncate(path, length)
        whole = sum(end <= length for end in offsets[1:])
        expected = RECORDS[:whole] + [b"after"] * killed
        reading = read(folder, None, ALL)
        # In the newest segment a record may be on its way; in an older one nobody will finish it.
        clean = length in offsets or not killed
        stopped = (offsets[whole] if length >= HEADER else 0,) if not clean else ()
        if expected != [payload for _, payload in reading.records] or stopped != tuple(
            damage.at.offset for damage in reading.damage
        ):
            wrong.append(length)
        if not killed and reading.next != at(1, offsets[whole] if length >= HEADER else 0):
            wrong.append(length)

    assert wrong == []


@pytest.mark.parametrize("newest", [True, False])
def test_every_flipped_bit_is_found_and_hides_nothing_before_it(
    folder: Path, newest: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both forms together flip more than 10^5 bits."""
    monkeypatch.setattr(journal, "_MOMENT_S", 0.0)  # nobody writes here
    records = RECORDS + RECORDS[:14]
    write(folder, records)
    path = segment(folder, 1)
    offsets = frames(path)
    if not newest:
        write(folder, [b"after"])
    raw = path.read_bytes()
    wrong = []
    with path.open("r+b", buffering=0) as file:
        for place, byte in enumerate(raw):
            hit = max(0, sum(offset <= place for offset in offsets) - 1)
            start = offsets[hit] if place >= HEADER else 0
            for bit in range(8):
                os.pwrite(file.fileno(), bytes([byte ^ 1 << bit]), place)
                reading = read(folder, None, ALL)
                found = [payload for _, payload in reading.records]
                reported = [damage.at.offset for damage in reading.damage]
                if newest:
                    # A length that now reaches beyond the end looks like a record on its way: it waits.
                    fine = found == records[:hit] and reported in ([start], []) and reading.next == at(1, start)
                else:
                    fine = found == [*records[:hit], b"after"] and reported == [start]
                if not fine:
                    wrong.append((place, bit))
            os.pwrite(file.fileno(), bytes([byte]), place)

    assert wrong == []
    assert len(raw) * 8 > 50_000


def test_damage_is_reported_once_and_the_next_segment_is_read(folder: Path) -> None:
    write(folder, [b"one", b"two", b"three"])
    write(folder, [b"four"])
    with segment(folder, 1).open("r+b") as file:
        file.seek(HEADER + 11 + 8)
        file.write(b"T")

    first = read(folder, None, ALL)
    again = read(folder, first.next, ALL)

    assert [b"one", b"four"] == [payload for _, payload in first.records]
    assert [(at(1, HEADER + 11), "a frame whose checksum is wrong")] == [
        (damage.at, damage.why) for damage in first.damage
    ]
    assert Reading(records=[], next=first.next) == again


@pytest.mark.parametrize("zeros", [1, 7, 8, 5000, 2**20, 3 * 2**20 + 5])
def test_room_at_the_end_that_a_killed_writer_left_is_no_damage(folder: Path, zeros: int) -> None:
    write(folder, [b"one"])
    with segment(folder, 1).open("ab") as file:
        file.write(bytes(zeros))
    newest = read(folder, None, ALL)
    write(folder, [b"two"])
    older = read(folder, newest.next, ALL)

    assert Reading(records=[(at(1, HEADER), b"one")], next=at(1, HEADER + 11)) == newest
    assert ([(at(2, HEADER), b"two")], ()) == (older.records, older.damage)


def test_zeros_in_the_middle_are_damage(folder: Path) -> None:
    write(folder, [b"one", b"two", b"three"])
    raw = segment(folder, 1).read_bytes()
    segment(folder, 1).write_bytes(raw[: HEADER + 11] + bytes(2**20) + raw[HEADER + 22 :])
    write(folder, [b"four"])

    reading = read(folder, None, ALL)

    assert [b"one", b"four"] == [payload for _, payload in reading.records]
    assert [at(1, HEADER + 11)] == [damage.at for damage in reading.damage]


def test_room_is_made_ahead_and_cut_off_when_a_segment_is_left(folder: Path) -> None:
    writer = Journal(folder, "c1", segment_bytes=100)
    writer.commit([b"x" * 100])
    alive = segment(folder, 1).stat().st_size
    assert [b"x" * 100] == payloads(folder)
    writer.commit([b"y"])
    left = segment(folder, 1).stat().st_size
    writer.close()

    assert (alive, left) == (HEADER + 108 + 2**20, HEADER + 108)
    assert segment(folder, 2).stat().st_size == HEADER + 9


def test_an_empty_segment_in_the_middle_is_passed_over(folder: Path) -> None:
    write(folder, [b"one"])
    segment(folder, 2).write_bytes(b"")
    Journal(folder, "c1").close()

    reading = read(folder, None, ALL)

    assert [b"one"] == [payload for _, payload in reading.records]
    assert [at(2, 0)] == [damage.at for damage in reading.damage]
    assert reading.next == at(3, HEADER)


def test_a_writer_that_is_met_in_the_middle_twice_has_damaged_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = write(folder, [b"one"], [b"two"], [b"three"])
    file = segment(folder, one.segment)
    whole = file.read_bytes()
    # A reader may see the later page of a write before the earlier one.
    stages = [whole[:start] + bytes(8) + whole[start + 8 :] for start in (two.offset, three.offset)] + [whole]
    file.write_bytes(stages.pop(0))
    monkeypatch.setattr(time, "sleep", lambda _: file.write_bytes(stages.pop(0)))

    reading = read(folder, None, ALL)

    assert ([b"one", b"two", b"three"], ()) == ([payload for _, payload in reading.records], reading.damage)
    assert [] == stages


# Faults of the disk


class Disk:
    """fdatasync with faults on demand."""

    def __init__(self) -> None:
        self.fails = False
        self.synced: list[int] = []

    def __call__(self, file: int) -> None:
        self.synced.append(os.fstat(file).st_ino)
        if self.fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.fdatasync(file)


@pytest.fixture
def _retries_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "RETRY_S", 0.0)


@pytest.mark.usefixtures("_retries_at_once")
def test_after_a_failed_fsync_the_same_file_is_never_synced_again(folder: Path) -> None:
    disk = Disk()
    writer = Journal(folder, "c1", sync=disk)
    writer.commit([b"one"])
    left = disk.synced[-1]
    disk.fails = True
    with pytest.raises(Unavailable, match="Input/output error"):
        writer.commit([b"lost"])
    assert not writer.writable
    disk.synced.clear()
    with pytest.raises(Unavailable):
        writer.commit([b"lost too"])
    disk.fails = False

    position = writer.commit([b"two"])
    writer.close()

    assert left not in disk.synced
    assert position.segment > 1
    assert writer.writable is False  # closed
    reading = read(folder, None, ALL)
    assert [b"one", b"two"] == [payload for _, payload in reading.records]
    assert reading.damage == ()


@pytest.mark.usefixtures("_retries_at_once")
def test_segments_that_could_not_be_begun_leave_no_file(folder: Path) -> None:
    disk = Disk()
    disk.fails = True
    writer = Journal(folder, "c1", sync=disk)
    for _ in range(5):
        with pytest.raises(Unavailable):
            writer.commit([b"x"])
    assert list(folder.glob("*.journal")) == []
    disk.fails = False

    writer.commit([b"x"])
    writer.close()

    assert [b"x"] == payloads(folder)


def test_an_unwritable_journal_rests_between_two_tries(folder: Path) -> None:
    disk = Disk()
    disk.fails = True
    writer = Journal(folder, "c1", sync=disk)
    tries = len(disk.synced)
    for _ in range(100):
        with pytest.raises(Unavailable):
            writer.commit([b"x"])
    writer.close()

    assert len(disk.synced) <= tries + 1


def test_a_folder_that_cannot_be_made_is_a_temporary_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(Unavailable):
        Journal(tmp_path / "file" / "c1", "c1")


# Group commit


class Owner:
    """A thread with a queue, as an event loop is one; and a disk that can be stopped."""

    def __init__(self, folder: Path) -> None:
        self.posted: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.settled: list[tuple[list[str], int, str]] = []
        self.go = threading.Event()
        self.go.set()
        self.fails = False
        self.now = 0.0
        self.journal = Journal(folder, "c1", sync=self._sync, monotonic=lambda: self.now)
        self.group: GroupCommit[str] = GroupCommit(
            self.journal,
            settled=lambda waiters, records, error: self.settled.append((waiters, records, error)),
            post=self.posted.put,
        )

    def _sync(self, file: int) -> None:
        assert self.go.wait(PATIENCE_S)
        if self.fails:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fdatasync(file)

    def step(self) -> None:
        self.posted.get(timeout=PATIENCE_S)()


@pytest.fixture
def owner(folder: Path) -> Iterator[Owner]:
    owner = Owner(folder)
    yield owner
    owner.go.set()
    owner.group.close(10)
    owner.journal.close()


def test_what_arrives_during_a_commit_goes_with_the_next(owner: Owner, folder: Path) -> None:
    owner.go.clear()
    owner.group.add(b"a", "A")
    owner.group.flush()
    for letter in "bcd":
        owner.group.add(letter.encode(), letter.upper())
        owner.group.flush()
    assert owner.settled == []
    assert owner.group.busy_s > 0
    owner.go.set()
    owner.step()
    assert owner.group.waiting == 3
    owner.group.flush()
    owner.step()

    assert [(["A"], 1, ""), (["B", "C", "D"], 3, "")] == owner.settled
    assert owner.group.busy_s == 0
    assert [b"a", b"b", b"c", b"d"] == payloads(folder)


def test_the_writer_follows_its_owner_from_processor_to_processor(owner: Owner) -> None:
    allowed = os.sched_getaffinity(0)
    try:
        for processor in allowed:
            os.sched_setaffinity(0, {processor})
            owner.group.stay_near()
            assert {processor} == os.sched_getaffinity(owner.group._thread.native_id or 0)
    finally:
        os.sched_setaffinity(0, allowed)


def test_an_empty_record_waits_with_the_others_and_writes_nothing(owner: Owner, folder: Path) -> None:
    for payload, waiter in ((b"", "nothing"), (b"a", "A")):
        owner.group.add(payload, waiter)
    owner.group.flush()
    owner.step()

    assert [(["nothing", "A"], 1, "")] == owner.settled
    assert [b"a"] == payloads(folder)


def test_a_commit_that_fails_settles_with_the_reason_and_the_next_one_works(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "RETRY_S", 0.0)
    owner.fails = True
    owner.group.add(b"a", "A")
    owner.group.flush()
    owner.step()
    owner.fails = False
    owner.group.add(b"b", "B")
    owner.group.flush()
    owner.step()

    assert [(["A"], 1, "the journal cannot be written: No space left on device"), (["B"], 1, "")] == owner.settled


def test_an_unwritable_journal_is_found_writable_again_without_a_record(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "RETRY_S", 0.0)
    owner.fails = True
    owner.group.add(b"a", "A")
    owner.group.flush()
    owner.step()
    before = owner.journal.writable
    owner.fails = False

    owner.group.tend()
    owner.step()

    assert (before, owner.journal.writable) == (False, True)
    assert owner.settled[1:] == [([], 0, "")]


def test_an_old_segment_is_left_when_no_record_comes(owner: Owner, folder: Path) -> None:
    owner.group.add(b"a", "A")
    owner.group.flush()
    owner.step()
    owner.group.tend()
    before = owner.group.busy_s
    owner.now = journal.SEGMENT_S
    owner.group.tend()
    owner.step()

    assert before == 0
    assert [(["A"], 1, ""), ([], 0, "")] == owner.settled
    assert [1, 2] == sorted(int(path.stem) for path in folder.glob("*.journal"))


def test_those_who_wait_for_a_hanging_disk_can_be_let_go(owner: Owner) -> None:
    owner.go.clear()
    owner.group.add(b"a", "A")
    owner.group.flush()
    owner.group.add(b"b", "B")

    assert owner.group.give_up_waiting() == (["A", "B"], 2)
    owner.go.set()
    owner.step()
    assert owner.settled == [([], 0, "")]


# Hits


printable = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=50)


@given(
    hit=st.builds(
        Hit,
        at=st.integers(0, 10**16).map(lambda us: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)),
        token=printable,
        method=st.sampled_from(["GET", "HEAD"]),
        address=printable,
        user_agent=printable,
        accept=printable,
        accept_language=st.none() | printable,
        referer_host=printable,
        prefetch=printable,
        sec_fetch=printable,
        device=printable,
    )
)
def test_a_hit_comes_back_as_it_was(hit: Hit) -> None:
    assert hit == decode_hit(encode_hit(hit))


def test_an_absent_language_is_not_an_empty_one() -> None:
    hit = Hit(at=datetime(2026, 11, 21, tzinfo=UTC), token="t", method="GET", address="", accept_language="")

    assert decode_hit(encode_hit(hit)).accept_language == ""


def test_the_form_of_a_record_is_what_it_always_was() -> None:
    hit = Hit(
        at=datetime(2026, 11, 21, tzinfo=UTC) + timedelta(microseconds=5),
        token="AQ",
        method="GET",
        address="192.0.2.1",
        user_agent="ü",
        referer_host="mail.example",
    )

    record = "11795219200000005\0AQ\0GET\x00192.0.2.1\0ü\0\0\x01\0mail.example\0\0".encode()

    assert record == encode_hit(hit)
    assert hit == decode_hit(record)
    assert record + b"\0AQEd" == encode_hit(replace(hit, device="AQEd"))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"1",
        b"\xff",
        b"2" + b"\0" * 9,
        b"1x" + b"\0" * 9,
        b"15" + b"\0" * 8,
        b"15" + b"\0" * 11,
        b"1" + b"9" * 30 + b"\0" * 9,
    ],
)
def test_what_is_no_hit_is_refused(payload: bytes) -> None:
    with pytest.raises(BadInput):
        decode_hit(payload)
