"""What failures cost: the traffic of a resynchronization, and an operation's latency while one of three nodes fails."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count

from bench import Figure
from hammer2_cluster.device.device import Device
from hammer2_cluster.device.faults import Fault, FaultyDevice, Kind
from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.outcomes import deref
from hammer2_cluster.service import Service
from hammer2_cluster.store.filesystem import Filesystem
from hammer2_cluster.store.local import Store
from hammer2_spec.vocabulary import PfsType

ENTRIES = 10_000
SHARES = (0.01, 0.1, 1.0)
ROUNDS = 60
CONTENT = b"so many bytes, which fit into the inode"
TARGET = 2


def new_store(nodes: int, size: int) -> tuple[list[Device], Store]:
    """Masters on devices in memory."""
    ids = count(1)
    devices: list[Device] = [MemoryDevice(size) for _ in range(nodes)]
    return devices, Store.make(devices, [PfsType.MASTER] * nodes, lambda: next(ids).to_bytes(16, "big"))


@contextmanager
def serving(devices: list[Device]) -> Iterator[Service]:
    """A store in service."""
    service = Service(devices, grace=3000)
    try:
        yield service
    finally:
        service.close()


async def put_all(filesystem: Filesystem, names: range, content: bytes) -> None:
    """Files by number."""
    for n in names:
        await filesystem.put(b"%d" % n, [content], len(content))


def device_of(service: Service, n: int) -> FaultyDevice:
    """The device of a node, which counts."""
    return deref(service.devices[n])


def in_step(service: Service) -> None:
    """Wait until all nodes are. Raises AssertionError after five minutes."""
    behind = service.wait_for_nodes(300)
    if behind:
        raise AssertionError([(n, service.why(n), service.watchers[n].trouble) for n in behind])


def traffic() -> list[Figure]:
    """A node misses changes to a share of the entries: what is read at the others and copied to it."""
    devices, store = new_store(3, 1 << 26)
    filesystem = store.mount()
    store.run(put_all(filesystem, range(ENTRIES), CONTENT))
    store.run(filesystem.flush())
    figures = []
    with serving(devices) as service:
        service.run(0, service.clients[0].session.open)
        in_step(service)
        for share in SHARES:
            service.failures.disconnected(TARGET)
            changed = range(0, ENTRIES, round(1 / share))
            files = service.clients[0].filesystem
            service.write(0, partial(put_all, files, changed, CONTENT[::-1]))
            before = [device_of(service, n).count.reads for n in range(3)]
            service.failures.returned(TARGET)
            started = time.process_time()
            in_step(service)
            cpu = time.process_time() - started
            reads = sum(device_of(service, n).count.reads - before[n] for n in range(3) if n != TARGET)
            done, what = service.watchers[TARGET].progress, f"resync, {share:.0%} of {ENTRIES} entries changed"
            figures.append(Figure(f"{what}: blocks copied", done.copied, "blocks", at_most=len(changed)))
            figures.append(Figure(f"{what}: blocks read at the source", reads, "blocks"))
            figures.append(Figure(f"{what}: CPU time", cpu, "s"))
    return figures


def healthy(_: Service) -> None:
    """Nothing is wrong."""


def slow(service: Service) -> None:
    """Each access to the device takes two ticks longer."""
    device_of(service, TARGET).faults.append(Fault(Kind.SLOW, ticks=2))


def stalled(service: Service) -> None:
    """Nothing is ever answered again."""
    device_of(service, TARGET).faults.append(Fault(Kind.HANG))


def dead(service: Service) -> None:
    """It is not there."""
    service.failures.disconnected(TARGET)


def latency() -> list[Figure]:
    """The median of many operations, in milliseconds, and the longest: that is where a node is given up."""
    figures = []
    conditions: tuple[Callable[[Service], None], ...] = (healthy, slow, stalled, dead)
    for condition in conditions:
        devices, _ = new_store(3, 1 << 23)
        service = Service(devices, grace=50)
        files = service.clients[0].filesystem
        service.write(0, partial(put_all, files, range(1), CONTENT))
        condition(service)
        times: dict[str, list[float]] = {"put": [], "get": []}
        for _round in range(ROUNDS):
            started = time.monotonic()
            service.write(0, partial(put_all, files, range(1), CONTENT))
            times["put"].append(time.monotonic() - started)
            started = time.monotonic()
            service.run(0, partial(files.size_of, b"0"))
            times["get"].append(time.monotonic() - started)
        service.close()
        for what, spent in times.items():
            name = (
                f"{what}, one of three nodes {condition.__name__}" if condition is not healthy else f"{what}, healthy"
            )
            figures.append(Figure(f"{name}: median", 1000 * statistics.median(spent), "ms"))
            figures.append(Figure(f"{name}: longest", 1000 * max(spent), "ms"))
    return figures


def figures() -> list[Figure]:
    """All of them."""
    return [*traffic(), *latency()]
