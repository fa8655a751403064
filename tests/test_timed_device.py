"""A device that hangs fails in time, and costs a store's commands its own node and nothing else."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from threading import Event

import pytest
from click.testing import Result
from tests.store_command_kit import good, run

from hammer2_cluster.device.device import DeviceError, ReadError, WriteError
from hammer2_cluster.device.file import FileDevice
from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.store.chains import at_once
from hammer2_oracle import timed_device
from hammer2_oracle.timed_device import TimedDevice

SIZE = 1 << 18
BLOCK = b"a" * 1024


class Hanging(MemoryDevice):
    """Hangs in whatever it is told to, until it is let go."""

    def __init__(self) -> None:
        super().__init__(SIZE)
        self.in_what, self.go_on, self.asked = "", Event(), 0

    def _perhaps(self, what: str) -> None:
        self.asked += 1
        if what == self.in_what:
            self.go_on.wait()

    async def read(self, offset: int, length: int) -> bytes:
        self._perhaps("read")
        return await super().read(offset, length)

    async def write(self, offset: int, data: bytes | bytearray) -> None:
        self._perhaps("write")
        await super().write(offset, data)

    async def sync(self) -> None:
        self._perhaps("sync")


@pytest.fixture
def below() -> Iterator[Hanging]:
    device = Hanging()
    yield device
    device.go_on.set()


def timed(below: Hanging, *, answer_seconds: float = 0.1, sync_seconds: float = 0.1) -> TimedDevice:
    return TimedDevice(lambda: below, "the disk", answer_seconds=answer_seconds, sync_seconds=sync_seconds)


def wait_for_the_end_of(name: str) -> None:
    """The threads of devices of that name."""
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(10)
            assert not thread.is_alive()


CALLS: dict[str, tuple[Callable[[TimedDevice], object], type[DeviceError]]] = {
    "read": (lambda device: at_once(device.read(0, 1024)), ReadError),
    "write": (lambda device: at_once(device.write(0, BLOCK)), WriteError),
    "sync": (lambda device: at_once(device.sync()), WriteError),
}


def test_one_that_answers_is_as_the_device_below(below: Hanging) -> None:
    device = timed(below)
    at_once(device.write(1024, BLOCK))
    at_once(device.sync())
    assert at_once(device.read(1024, 1024)) == BLOCK == below.content[1024:2048]
    assert device.size == SIZE
    with pytest.raises(ValueError, match="cannot begin at"):
        at_once(device.read(1, 1024))
    device.close()
    assert below.closed


@pytest.mark.parametrize("what", CALLS)
def test_one_that_hangs_fails_and_is_never_asked_again(below: Hanging, what: str) -> None:
    device = timed(below)
    below.in_what = what
    call, kind = CALLS[what]
    with pytest.raises(kind, match=r"the disk: did not answer within 0\.1 s"):
        call(device)
    asked, begun = below.asked, time.monotonic()
    for call, kind in CALLS.values():
        with pytest.raises(kind, match="did not answer"):
            call(device)
    assert time.monotonic() - begun < 0.1
    assert below.asked == asked
    device.close()
    assert not below.closed, "that might hang as well"
    below.go_on.set()
    wait_for_the_end_of("the disk")
    assert below.closed


def test_each_of_several_threads_gets_its_own_answers(below: Hanging) -> None:
    device = timed(below, answer_seconds=60)
    for n in range(8):
        at_once(device.write(n * 1024, bytes([n]) * 1024))
    wrong: list[int] = []

    def read(n: int) -> None:
        wrong.extend(n for _ in range(100) if at_once(device.read(n * 1024, 1024)) != bytes([n]) * 1024)

    threads = [threading.Thread(target=read, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    device.close()


def test_a_sync_may_take_longer_than_a_block(below: Hanging) -> None:
    device = timed(below, answer_seconds=0.05, sync_seconds=60)
    below.in_what = "sync"
    threading.Timer(0.15, below.go_on.set).start()
    at_once(device.sync())
    device.close()


def test_one_that_hangs_while_it_is_opened_fails(below: Hanging) -> None:
    def make() -> Hanging:
        below.go_on.wait()
        return below

    with pytest.raises(DeviceError, match="did not answer"):
        TimedDevice(make, "the disk", answer_seconds=0.05)
    below.go_on.set()
    wait_for_the_end_of("the disk")
    assert below.closed


def test_an_interrupted_call_is_no_answer_to_the_next_one(below: Hanging, monkeypatch: pytest.MonkeyPatch) -> None:
    device = timed(below)

    class Interrupted(SimpleQueue[object]):
        def get(self, block: bool = True, timeout: float | None = None) -> object:
            raise KeyboardInterrupt(block, timeout)

    monkeypatch.setattr(device, "_answers", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        at_once(device.read(0, 1024))
    with pytest.raises(ReadError, match="was not waited for"):
        at_once(device.read(0, 1024))
    device.close()


@pytest.mark.claims("C02", "C85")
@pytest.mark.parametrize("call", ["__init__", "read", "write", "sync"])
def test_the_commands_of_a_store_go_on_without_a_node_whose_medium_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    store, go_on = tmp_path / "store", Event()
    good("init", store, "--size", "1M")
    good("put", store, "-", "before", stdin=b"as it was")
    works = getattr(FileDevice, call)

    def hangs(device: FileDevice, *arguments: object, **named: object) -> object:
        path = arguments[0] if call == "__init__" else device.path
        if isinstance(path, Path) and path.name == "1.img":
            go_on.wait()
        return works(device, *arguments, **named)

    monkeypatch.setattr(FileDevice, call, hangs)
    for name in ("answer_seconds", "sync_seconds"):
        monkeypatch.setitem(TimedDevice.__init__.__kwdefaults__ or {}, name, 0.2)

    def while_it_hangs(*arguments: str | Path, stdin: bytes = b"") -> Result:
        result = run(*arguments, stdin=stdin)
        go_on.set()  # as if the process had ended
        wait_for_the_end_of(str(store / "1.img"))
        go_on.clear()
        return result

    result = while_it_hangs("put", store, "-", "during", stdin=b"written by two of three")
    assert (result.exit_code, result.stderr.count("1.img: did not answer within 0.2 s")) == (0, 1), result.stderr
    result = while_it_hangs("get", store, "during")
    assert (result.exit_code, result.stdout_bytes) == (0, b"written by two of three"), result.stderr
    assert "node 0  master" in while_it_hangs("status", store).stdout
    monkeypatch.undo()
    assert run("resync", store).exit_code == 0
    assert good("get", store, "before") == b"as it was"


def test_what_is_waited_for_is_what_the_manual_says() -> None:
    assert (timed_device.ANSWER_SECONDS, timed_device.SYNC_SECONDS) == (10, 300)
