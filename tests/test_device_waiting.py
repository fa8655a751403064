"""Devices that are slow or never answer, with several callers, a clock, and turns that are the same in every run."""

from collections.abc import Callable, Coroutine, Generator, Hashable
from dataclasses import dataclass, field
from types import coroutine
from typing import Any, NamedTuple

import pytest
from tests.store_kit import make, memory, put

from hammer2_cluster.device.device import DisconnectedError, ReadError
from hammer2_cluster.device.faults import Fault, FaultyDevice, Kind
from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.objects import ClusterItem
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.lookup import lookup
from hammer2_cluster.store.making import open_volume
from hammer2_cluster.store.volume import Volume
from hammer2_spec.vocabulary import KEY_MAX, Error, Lookup, Resolve

SIZE = 1 << 18
LAST_TICK = 50


class Pause(NamedTuple):
    """What a caller waits for."""

    ready: Callable[[], bool]
    why: str


@coroutine
def pause(ready: Callable[[], bool], why: str) -> Generator[Pause, None, None]:
    while not ready():
        yield Pause(ready, why)


class End(NamedTuple):
    """How an operation ended, and when; one that still waits has not."""

    tick: int
    how: str
    value: object = None


@dataclass
class Turns:
    """The Waiting of a few callers, who go on in the order of their names whenever they can; then time passes."""

    now: int = 0
    who: Hashable = None
    ends: dict[str, End] = field(default_factory=dict)

    def caller(self) -> Hashable:
        return self.who

    async def until(self, ready: Callable[[], bool], why: str) -> None:
        await pause(ready, why)

    async def ticks(self, count: int) -> None:
        end = self.now + count
        await pause(lambda: self.now >= end, f"tick {end}")

    async def for_ever(self, why: str) -> None:
        await pause(lambda: False, why)

    def run(self, **operations: Coroutine[Any, Any, object]) -> dict[str, End]:
        """How each operation ends, or what it waits for on the last tick."""
        waits = dict.fromkeys(operations, Pause(lambda: True, "its first turn"))
        while waits and self.now < LAST_TICK:
            able = [name for name in sorted(waits) if waits[name].ready()]
            for name in able:
                self.who = name
                try:
                    waits[name] = operations[name].send(None)
                except StopIteration as stop:
                    del waits[name]
                    self.ends[name] = End(self.now, "returned", stop.value)
                except Exception as error:  # noqa: BLE001 - it is reported
                    del waits[name]
                    self.ends[name] = End(self.now, type(error).__name__, str(error))
            self.now += not able
        for name, wait in waits.items():
            self.ends[name] = End(self.now, f"waits for {wait.why}")
            operations[name].close()
        return self.ends


def a_device(turns: Turns, *faults: Fault) -> FaultyDevice:
    return FaultyDevice(MemoryDevice(SIZE), turns, list(faults))


def test_a_call_that_never_returns_stops_its_caller_and_nobody_else() -> None:
    turns = Turns()
    device = a_device(turns, Fault(Kind.HANG, where=range(1024), times=1))
    ends = turns.run(a=device.read(0, 1024), b=device.read(1024, 1024), c=device.write(0, bytes(1024)))
    assert ends["a"] == End(LAST_TICK, "waits for the read of block 0x0")
    assert ends["b"] == End(0, "returned", bytes(1024))
    assert ends["c"] == End(0, "returned", None)


@pytest.mark.parametrize("call", ["read", "write", "sync"])
def test_every_call_can_hang_and_then_it_has_done_nothing(call: str) -> None:
    turns = Turns()
    device = a_device(turns, Fault(Kind.HANG))
    calls = {"read": device.read(0, 1024), "write": device.write(0, b"x" * 1024), "sync": device.sync()}
    for name, unused in calls.items():
        if name != call:
            unused.close()
    assert turns.run(a=calls[call])["a"].how == f"waits for the {call} of block 0x0"
    assert device.count.writes == device.count.reads == device.count.syncs == 0
    assert at_once(device.below.read(0, 1024)) == bytes(1024)


def test_slow_calls_return_later_each_by_its_own_delay() -> None:
    turns = Turns()
    device = a_device(turns, Fault(Kind.SLOW, ticks=7, where=range(1024)), Fault(Kind.SLOW, ticks=3, times=2))
    ends = turns.run(a=device.read(0, 1024), b=device.read(1024, 1024), c=device.read(2048, 1024))
    assert {name: end.tick for name, end in ends.items()} == {"a": 10, "b": 3, "c": 0}


def test_what_goes_away_while_a_call_is_slow_fails_that_call() -> None:
    turns = Turns()
    device = a_device(turns, Fault(Kind.SLOW, ticks=5))

    async def unplug() -> None:
        await turns.ticks(2)
        device.connected = False

    ends = turns.run(a=device.write(0, b"x" * 1024), b=unplug())
    assert (ends["a"].tick, ends["a"].how) == (5, DisconnectedError.__name__)
    assert at_once(device.below.read(0, 1024)) == bytes(1024)


def opened(turns: Turns) -> tuple[Volume, FaultyDevice]:
    """A volume with a few files, freshly opened."""
    below = memory(1)[0]
    store = make([below], radixes=[10])
    filesystem = store.mount()
    for n in range(3):
        put(store, filesystem, b"f%d" % n, bytes(100))
    store.run(filesystem.flush())
    device = FaultyDevice(below, turns)
    return at_once(open_volume(device, waiting=turns)), device


async def find(volume: Volume, low: int = 0) -> Error:
    """Look something up below the super-root; a shared lock is held meanwhile."""
    root = volume.super_root
    assert root is not None
    await volume.lock(root, Resolve.ALWAYS | Resolve.SHARED)
    item = ClusterItem(root)
    chain, _ = await lookup(item, 0, low, KEY_MAX, Lookup.ALWAYS | Lookup.SHARED)
    error = Error(root.error if chain is None else chain.error)
    if chain is not None:
        volume.unlock(chain)
    volume.unlock(root)
    return error


async def change(volume: Volume) -> str:
    """Lock the super-root for oneself."""
    root = volume.super_root
    assert root is not None
    await volume.lock(root, Resolve.ALWAYS)
    volume.unlock(root)
    return "changed"


def test_a_reader_that_hangs_keeps_its_shared_locks_and_other_readers_go_on() -> None:
    turns = Turns()
    volume, device = opened(turns)
    device.faults.append(Fault(Kind.HANG, times=1, after=1))
    ends = turns.run(a=find(volume), b=find(volume), c=change(volume))
    assert ends["a"].how.startswith("waits for the read of block 0x")
    assert ends["b"] == End(0, "returned", Error.NONE)
    assert ends["c"].how.startswith("waits for the lock of node 0: inode 0x0")


def test_a_lock_goes_to_those_who_wait_in_their_order_once_a_slow_read_is_over() -> None:
    turns = Turns()
    volume, device = opened(turns)
    device.faults.append(Fault(Kind.SLOW, times=1, ticks=9))
    ends = turns.run(a=change(volume), b=find(volume), c=change(volume))
    assert ends == dict.fromkeys("ac", End(9, "returned", "changed")) | {"b": End(9, "returned", Error.NONE)}
    root = volume.super_root
    assert root is not None
    assert (root.refs, root.locks, root.data) == (1, 0, None)


def test_a_read_that_fails_late_leaves_an_error_in_the_chain() -> None:
    turns = Turns()
    volume, device = opened(turns)
    device.faults += [Fault(Kind.SLOW, ticks=4, times=1), Fault(Kind.READ_ERROR, times=1)]
    ends = turns.run(a=find(volume))
    assert ends["a"] == End(4, "returned", Error.IO)
    assert issubclass(DisconnectedError, ReadError)


def test_the_same_faults_give_the_same_run() -> None:
    def once() -> dict[str, End]:
        turns = Turns()
        volume, device = opened(turns)
        device.faults += [Fault(Kind.SLOW, ticks=3, after=1), Fault(Kind.HANG, after=4)]
        return turns.run(a=find(volume), b=change(volume), c=find(volume, 5), d=change(volume), e=find(volume))

    ends = once()
    assert ends == once()
    assert {end.how.split()[0] for end in ends.values()} == {"returned", "waits"}
