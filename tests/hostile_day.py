"""A hostile day: nodes on files, real threads, clients that never rest, and somebody who breaks whatever there is."""

import os
import random
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from tests.store_kit import Ids, problems, reopen, tree_of

from hammer2_cluster.device.device import Device
from hammer2_cluster.device.faults import Fault, Kind
from hammer2_cluster.device.file import FileDevice
from hammer2_cluster.patience import fail_after
from hammer2_cluster.service import Service
from hammer2_cluster.sessions import Unwritten
from hammer2_cluster.store.directory import NotFoundError, UnavailableError
from hammer2_cluster.store.filesystem import Filesystem
from hammer2_cluster.store.fsck import Kind as ProblemKind
from hammer2_cluster.store.local import Store
from hammer2_cluster.threaded import TICK_SECONDS
from hammer2_spec.vocabulary import PfsType

MASTERS, SLAVES, CLIENTS = 3, 1, 2
NODES = MASTERS + SLAVES
GRACE = 30
PATIENCE_SECONDS = 10.0
STUCK_SECONDS = 30.0
"""An operation that takes longer than its client's patience by that much is stuck."""
REST_SECONDS = 0.03
"""Between operations: the day is to be long, not to heat the room."""
MORE_MEMORY = 48 << 20
PASSING = (Kind.WRITE_ERROR, Kind.READ_ERROR, Kind.FULL, Kind.HANG, Kind.SLOW)


def memory_in_use() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


class HostileDay:
    """One day, from a seed: what happens is drawn from it; when it happens is up to the machine."""

    def __init__(self, directory: Path, seconds: float, seed: int) -> None:
        self.seed, self.seconds = seed, seconds
        ids = Ids()
        images: list[Device] = [FileDevice.make(directory / f"{n}.img", 8 << 20) for n in range(NODES)]
        self.images = images
        Store.make(images, [PfsType.MASTER] * MASTERS + [PfsType.SLAVE] * SLAVES, ids)
        self.service = Service(images, clients=CLIENTS, grace=GRACE)
        self.may_be: dict[bytes, set[bytes | None]] = {}
        """What each file may contain: what was acknowledged, and what was written since and may have been lost."""
        self.done: Counter[str] = Counter()
        self.longest = 0.0
        self.wrong: list[str] = []
        self.is_over = threading.Event()

    # ---- clients

    def work(self, c: int) -> None:
        chance = random.Random(f"{self.seed}, client {c}")
        count = 0
        while not self.is_over.is_set():
            count += 1
            name = b"%d of client %d" % (chance.randrange(6), c)
            data = (b"%d." % count * 70000)[: chance.choice([5, 700, 70000])]
            started = time.monotonic()
            try:
                getattr(self, chance.choice(["put", "put", "get", "remove"]))(c, name, data)
            except (AssertionError, Exception) as error:  # noqa: BLE001 - told below, whatever it is
                self.wrong.append(f"client {c}: {''.join(traceback.format_exception(error))}")
                return
            self.longest = max(self.longest, time.monotonic() - started)
            self.is_over.wait(REST_SECONDS)

    def put(self, c: int, name: bytes, data: bytes) -> None:
        filesystem = self.service.clients[c].filesystem
        self.change(c, name, data, lambda: filesystem.put(name, [data], len(data)))

    def remove(self, c: int, name: bytes, _: bytes) -> None:
        filesystem = self.service.clients[c].filesystem
        try:
            self.change(c, name, None, lambda: filesystem.remove(name))
        except NotFoundError:
            self.found(name, None)

    def change(self, c: int, name: bytes, content: bytes | None, how: Callable[[], Coroutine[Any, Any, None]]) -> None:
        before = self.may_be.get(name, {None})
        self.may_be[name] = {*before, content}
        try:
            self.service.write(c, how, fail_after(int(PATIENCE_SECONDS / TICK_SECONDS)))
        except Unwritten:
            self.done["unwritten"] += 1
        except UnavailableError:
            self.done["unavailable"] += 1
        except NotFoundError:
            self.may_be[name] = before
            raise
        else:
            self.may_be[name] = {content}
            self.done["written"] += 1

    def get(self, c: int, name: bytes, _: bytes = b"") -> None:
        filesystem = self.service.clients[c].filesystem
        try:
            content = self.service.run(
                c, lambda: read_all(filesystem, name), fail_after(int(PATIENCE_SECONDS / TICK_SECONDS))
            )
        except NotFoundError:
            self.found(name, None)
        except UnavailableError:
            self.done["unavailable"] += 1
        else:
            self.found(name, content)

    def found(self, name: bytes, content: bytes | None) -> None:
        self.done["read"] += 1
        allowed = self.may_be.get(name, {None})
        assert content in allowed, f"{name!r} is {content and content[:20]!r}, not one of {len(allowed)}"
        self.may_be[name] = {content} if len(allowed) == 1 else allowed

    # ---- and who breaks things

    def break_things(self) -> None:
        chance = random.Random(f"{self.seed}, faults")
        while not self.is_over.wait(chance.uniform(0.1, 0.6)):
            n = chance.randrange(NODES)
            device = self.service.devices[n]
            assert device is not None
            kind = chance.choice([None, None, *PASSING])
            self.done[f"fault: {'disconnect' if kind is None else kind.value}"] += 1
            if kind is not None:
                device.faults.append(Fault(kind, times=chance.randrange(1, 4), after=chance.randrange(20)))
            elif chance.random() < 0.5:
                self.service.failures.disconnected(n)
            else:
                device.connected = False  # nobody says so
            if chance.random() < 0.6:
                self.mend(chance.randrange(NODES))

    def mend(self, n: int) -> None:
        device = self.service.devices[n]
        assert device is not None
        device.faults.clear()
        device.connected = True
        self.service.failures.returned(n)

    # ---- the day

    def run(self) -> None:
        """All of it. Raises AssertionError."""
        threads = [threading.Thread(target=self.work, args=(c,), daemon=True) for c in range(CLIENTS)]
        threads.append(threading.Thread(target=self.break_things, daemon=True))
        for thread in threads:
            thread.start()
        self.is_over.wait(self.seconds / 3)
        level = memory_in_use()
        self.is_over.wait(2 * self.seconds / 3)
        self.is_over.set()
        for n in range(NODES):
            self.mend(n)
        for thread in threads:
            thread.join(PATIENCE_SECONDS + STUCK_SECONDS)
            assert not thread.is_alive(), f"stuck: {thread.name}"
        assert not self.wrong, self.wrong
        assert self.longest < PATIENCE_SECONDS + STUCK_SECONDS
        more = memory_in_use() - level
        done = ", ".join(f"{what} {count}" for what, count in self.done.most_common())
        print(f"{self.seconds:.0f} s: {done}; the longest operation {self.longest:.1f} s")
        print(f"memory: {level >> 20} MiB after a third of the day, {more / 2**20:+.1f} MiB at its end")
        self.judge()
        assert more < MORE_MEMORY, f"{more >> 20} MiB more than after a third of the day"

    def judge(self) -> None:
        """When failures have stopped: all nodes are in step and equal, and everything acknowledged is there."""
        for n in range(NODES):
            self.mend(n)
        behind = list(range(NODES))
        for _ in range(3):
            self.service.write(0, nothing, fail_after(2000))
            behind = self.service.wait_for_nodes(10)
            if not behind:
                break
        assert not behind, {n: (self.service.why(n), self.service.watchers[n].trouble) for n in behind}
        for name in self.may_be:
            self.get(0, name)
        self.service.close()
        volumes = reopen(self.images).volumes
        assert len({tree_of(volume) for volume in volumes if volume is not None}) == 1
        kinds = {problem.kind for problem in problems(self.images)}
        assert kinds <= {ProblemKind.LEAK}, "a block that could not be read when it died stays taken, nothing worse"


async def nothing() -> None:
    """A write that changes nothing."""


async def read_all(filesystem: Filesystem, name: bytes) -> bytes:
    return b"".join([piece async for piece in filesystem.read(name)])
