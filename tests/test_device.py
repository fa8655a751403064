"""Devices keep what they are given, refuse what is no block, and fail exactly as they are told."""

import errno
import fcntl
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hammer2_cluster.device.crash import (
    JournalingDevice,
    Sync,
    Torn,
    Write,
    all_losses,
    apply,
    cut,
    random_losses,
    whole,
)
from hammer2_cluster.device.device import (
    BusyError,
    Device,
    DeviceError,
    DisconnectedError,
    FullError,
    OutOfBoundsError,
    ReadError,
    WriteError,
)
from hammer2_cluster.device.faults import EVERYWHERE, Fault, FaultyDevice, Kind
from hammer2_cluster.device.file import FileDevice
from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.waiting import NeverWaits, WouldWaitError

SIZE = 1 << 18
A, B = b"a" * 1024, b"b" * 1024

Maker = Callable[[], Device]


@pytest.fixture(params=["memory", "file", "faulty", "journaling"])
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Device]:
    makers: dict[str, Maker] = {
        "memory": lambda: MemoryDevice(SIZE),
        "file": lambda: FileDevice.make(tmp_path / "image", SIZE),
        "faulty": lambda: FaultyDevice(MemoryDevice(SIZE)),
        "journaling": lambda: JournalingDevice(MemoryDevice(SIZE), bytes(SIZE)),
    }
    made = makers[request.param]()
    yield made
    made.close()


def test_a_device_begins_with_zeros_and_keeps_what_is_written(device: Device) -> None:
    assert device.size == SIZE
    assert at_once(device.read(0, 65536)) == bytes(65536)
    chance = random.Random(1)
    expected = bytearray(SIZE)
    for _ in range(50):
        length = 1024 << chance.randrange(7)
        offset = chance.randrange(SIZE // length) * length
        data = chance.randbytes(length)
        at_once(device.write(offset, data))
        expected[offset : offset + length] = data
    at_once(device.sync())
    for offset in range(0, SIZE, 65536):
        assert at_once(device.read(offset, 65536)) == expected[offset : offset + 65536]


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 512), (0, 1025), (0, 131072), (1024, 2048), (-1024, 1024), (SIZE, 1024), (SIZE - 1024, 2048)],
)
def test_a_device_refuses_what_is_no_block(device: Device, offset: int, length: int) -> None:
    with pytest.raises(OutOfBoundsError):
        at_once(device.read(offset, length))
    with pytest.raises(OutOfBoundsError):
        at_once(device.write(offset, bytes(length)))
    for at in range(0, SIZE, 65536):
        assert at_once(device.read(at, 65536)) == bytes(65536)


def test_a_file_keeps_its_content_when_it_is_opened_again(tmp_path: Path) -> None:
    first = FileDevice.make(tmp_path / "image", SIZE)
    at_once(first.write(4096, A))
    at_once(first.sync())
    first.close()
    again = FileDevice(tmp_path / "image")
    assert at_once(again.read(4096, 1024)) == A
    again.close()


def test_a_file_has_one_user_at_a_time(tmp_path: Path) -> None:
    first = FileDevice.make(tmp_path / "image", SIZE)
    with pytest.raises(BusyError, match="in use by another process"):
        FileDevice(tmp_path / "image")
    first.close()
    FileDevice(tmp_path / "image").close()


def test_a_file_that_cannot_be_locked_is_not_said_to_be_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(_file: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    FileDevice.make(tmp_path / "image", SIZE).close()
    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(DeviceError, match="image: cannot be locked: No locks available") as caught:
        FileDevice(tmp_path / "image")
    assert not isinstance(caught.value, BusyError)


def test_a_file_is_refused_in_one_line_when_it_is_missing_truncated_or_there_already(tmp_path: Path) -> None:
    path = tmp_path / "image"
    with pytest.raises(DeviceError, match="image: No such file or directory"):
        FileDevice(path)
    path.write_bytes(bytes(SIZE - 1))
    with pytest.raises(DeviceError, match=r"262143 bytes, expected a multiple of 65536: truncated\?"):
        FileDevice(path)
    with pytest.raises(DeviceError, match="File exists"):
        FileDevice.make(path, SIZE)
    with path.open("rb") as file:  # a refused file stays unlocked
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_sync_of_a_file_reaches_the_medium_and_says_so_if_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the medium keeps cannot be seen from here: that the system is asked to, can."""
    device = FileDevice.make(tmp_path / "image", SIZE)
    synced: list[bytes] = []

    def fdatasync(file: int) -> None:
        assert os.path.samestat(os.fstat(file), (tmp_path / "image").stat())
        synced.append(os.pread(file, 1024, 0))

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    at_once(device.write(0, A))
    assert synced == []
    at_once(device.sync())
    assert synced == [A]
    for number, kind in ((errno.EIO, WriteError), (errno.ENOSPC, FullError)):

        def fails(_file: int, number: int = number) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fdatasync", fails)
        with pytest.raises(kind, match=f"image: sync: {os.strerror(number)}"):
            at_once(device.sync())


def test_a_file_opened_for_reading_is_read_and_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "image"
    path.write_bytes(A + bytes(SIZE - 1024))
    system_open = os.open

    def read_only(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & (os.O_RDWR | os.O_WRONLY):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return system_open(path, flags, mode)

    monkeypatch.setattr(os, "open", read_only)  # what a user who may not write sees; root may always
    with pytest.raises(DeviceError, match="image: Permission denied"):
        FileDevice(path)
    device = FileDevice(path, writable=False)
    assert at_once(device.read(0, 1024)) == A
    with pytest.raises(WriteError, match="image: block 0x400: "):
        at_once(device.write(1024, B))
    with pytest.raises(BusyError):
        FileDevice(path, writable=False)
    device.close()


@pytest.mark.timeout(10)
@pytest.mark.parametrize("writable", [False, True])
def test_what_is_neither_a_file_nor_a_block_device_is_refused_at_once(tmp_path: Path, writable: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(DeviceError, match=f"{path}: neither a file nor a block device"):
            FileDevice(path, writable=writable)


def test_a_file_that_shrinks_while_it_is_open_gives_a_read_error(tmp_path: Path) -> None:
    device = FileDevice.make(tmp_path / "image", SIZE)
    os.truncate(tmp_path / "image", 65536)
    with pytest.raises(ReadError, match="0 bytes instead of 1024"):
        at_once(device.read(65536, 1024))
    device.close()


def faulty(*faults: Fault) -> FaultyDevice:
    return FaultyDevice(MemoryDevice(SIZE), faults=list(faults))


def test_a_read_error_strikes_once_for_ever_or_on_a_range() -> None:
    once = faulty(Fault(Kind.READ_ERROR, times=1, after=1))
    at_once(once.read(0, 1024))
    with pytest.raises(ReadError, match="block 0x0"):
        at_once(once.read(0, 1024))
    at_once(once.read(0, 1024))
    ranged = faulty(Fault(Kind.READ_ERROR, where=range(4096, 4097)))
    for _ in range(3):
        at_once(ranged.read(5120, 1024))
        with pytest.raises(ReadError):
            at_once(ranged.read(0, 8192))


@pytest.mark.parametrize(("kind", "error"), [(Kind.WRITE_ERROR, WriteError), (Kind.FULL, FullError)])
def test_a_write_that_fails_writes_nothing(kind: Kind, error: type[DeviceError]) -> None:
    device = faulty(Fault(kind, times=1))
    with pytest.raises(error):
        at_once(device.write(0, A))
    assert at_once(device.read(0, 1024)) == bytes(1024)
    at_once(device.write(0, A))
    assert at_once(device.read(0, 1024)) == A


def test_a_sync_fails_with_write_errors_only() -> None:
    with pytest.raises(WriteError, match="sync"):
        at_once(faulty(Fault(Kind.WRITE_ERROR)).sync())
    at_once(faulty(Fault(Kind.READ_ERROR), Fault(Kind.FULL)).sync())


@given(st.integers(0, 2**20))
def test_a_corruption_flips_one_bit_in_silence(bit: int) -> None:
    device = faulty(Fault(Kind.CORRUPTION, bit=bit, times=1))
    at_once(device.write(0, A))
    read = at_once(device.read(0, 1024))
    difference = int.from_bytes(read, "little") ^ int.from_bytes(A, "little")
    assert difference == 1 << bit % 8192
    assert at_once(device.read(0, 1024)) == A


def test_a_lost_write_reports_success() -> None:
    device = faulty(Fault(Kind.LOST_WRITE, times=1))
    at_once(device.write(0, A))
    assert at_once(device.read(0, 1024)) == bytes(1024)


def test_a_call_that_never_returns_is_refused_under_a_runner_that_never_waits() -> None:
    with pytest.raises(WouldWaitError, match="cannot wait for the read of block 0x400"):
        at_once(faulty(Fault(Kind.HANG)).read(1024, 1024))


def test_a_slow_device_advances_the_clock() -> None:
    waiting = NeverWaits()
    device = FaultyDevice(MemoryDevice(SIZE), waiting, [Fault(Kind.SLOW, ticks=7)])
    at_once(device.read(0, 1024))
    at_once(device.write(0, A))
    assert waiting.now == 14


def test_a_device_that_disconnects_comes_back_with_its_content() -> None:
    device = faulty()
    at_once(device.write(0, A))
    device.connected = False
    for call in (device.read(0, 1024), device.write(0, B), device.sync()):
        with pytest.raises(DisconnectedError):
            at_once(call)
    device.connected = True
    assert at_once(device.read(0, 1024)) == A


def test_a_device_that_is_not_there_has_no_other_fault() -> None:
    device = faulty(Fault(Kind.READ_ERROR, times=1))
    device.connected = False
    with pytest.raises(DisconnectedError):
        at_once(device.read(0, 1024))
    assert device.faults[0].times == 1


def test_a_faulty_device_counts_its_use() -> None:
    device = faulty()
    at_once(device.write(0, bytes(4096)))
    at_once(device.read(0, 1024))
    at_once(device.read(0, 2048))
    at_once(device.sync())
    count = device.count
    assert (count.reads, count.writes, count.syncs, count.bytes_read, count.bytes_written) == (2, 1, 1, 3072, 4096)


def test_a_sync_strikes_wherever_a_fault_is() -> None:
    assert Fault(Kind.WRITE_ERROR, where=range(1, 2)).where != EVERYWHERE
    with pytest.raises(WriteError):
        at_once(faulty(Fault(Kind.WRITE_ERROR, where=range(1, 2))).sync())


def journal_of(*entries: Write | Sync) -> list[Write | Sync]:
    device = JournalingDevice(MemoryDevice(SIZE), bytes(SIZE))
    for entry in entries:
        at_once(device.write(*entry) if isinstance(entry, Write) else device.sync())
    assert device.journal == list(entries)
    return device.journal


def test_a_crash_exposes_what_was_written_after_the_last_sync() -> None:
    first, second, third = Write(0, A), Write(1024, B), Write(0, B)
    journal = journal_of(first, Sync(), second, third)
    assert cut(journal, 0) == ([], [])
    assert cut(journal, 1) == ([], [first])
    assert cut(journal, 2) == ([first], [])
    assert cut(journal, 4) == ([first], [second, third])


def test_losses_are_all_subsets_or_as_many_torn_ones_as_asked_for() -> None:
    writes = [Write(0, A), Write(1024, B), Write(0, B)]
    assert len(set(all_losses(writes))) == 8
    losses = list(random_losses(writes, seed=3, count=40))
    assert losses == list(random_losses(writes, seed=3, count=40))
    assert len(losses) == 40
    assert any(torn not in (Torn(0), whole(write)) for loss in losses for write, torn in zip(writes, loss, strict=True))


def test_a_torn_write_keeps_some_of_its_sectors() -> None:
    content = bytearray(2048)
    apply(content, [Write(1024, A)], [Torn(0b10)])
    assert content == bytes(1536) + b"a" * 512
