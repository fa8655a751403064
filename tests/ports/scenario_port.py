"""This project's own cluster, in simulation on devices in memory, examined through the harness for Python.

    scenario_port.py [itself] [INGREDIENT]

A node that comes back is mounted, and is resynchronized when the step says so; with ``itself``, as soon as it is there.
INGREDIENT is one of the protocol, as the findings name them, that is left out.
"""

import random
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "impl" / "hammer2_oracle" / "harnesses"))
sys.path.insert(0, str(Path(__file__).parents[2]))

import hammer2_conform as conform
from tests.cluster_kit import Cluster
from tests.sim_kit import devices_with

from hammer2_cluster.device.device import DisconnectedError
from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.failures import Failures
from hammer2_cluster.patience import Patience
from hammer2_cluster.resync import is_out_of_step
from hammer2_cluster.sessions import Unwritten
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.directory import NotFoundError, UnavailableError
from hammer2_spec.protocol.state import syncing

BY_ITSELF = "itself" in sys.argv[1:]
LEFT_OUT = [word for word in sys.argv[1:] if word != "itself"]
FAST = Patience(again=False, ticks=200)
ROUNDS = 3
"""Sessions that it may take until all is well: one may still be refused by a node that has promised to another."""


class Medium(MemoryDevice):
    """A device that goes away in the middle of a write when it is told to, and loses in a crash what was not synced."""

    def __init__(self, image: MemoryDevice, chance: random.Random) -> None:
        super().__init__(image.size, image.content)
        self._chance = chance
        self._unsynced: list[tuple[int, bytes]] = []
        self.there = self.keeps = True
        self.leaves: Callable[[], bool] = lambda: False

    async def write(self, offset: int, data: bytes | bytearray) -> None:
        if self.there and self.leaves():
            self.leave()
        if not self.there:
            raise DisconnectedError("disconnected")
        self._unsynced.append((offset, await super().read(offset, len(data))))
        await super().write(offset, data)

    async def read(self, offset: int, length: int) -> bytes:
        if not self.there:
            raise DisconnectedError("disconnected")
        return await super().read(offset, length)

    async def sync(self) -> None:
        if not self.there:
            raise DisconnectedError("disconnected")
        self._unsynced.clear()

    def leave(self) -> None:
        self.there, self.leaves = False, lambda: False
        while self._unsynced and not self.keeps:
            offset, before = self._unsynced.pop()
            if self._chance.random() < 0.5:  # else it had reached the medium
                self.content[offset : offset + len(before)] = before


async def nothing() -> None:
    """A write that changes nothing."""


class Driven:
    def __init__(self, nodes: list[str], pfs_nmasters: int) -> None:
        masters, self.chance = nodes.count("master"), random.Random(7)
        if pfs_nmasters != masters:
            raise NotImplementedError("there are as many masters as pfs_nmasters says")
        slaves = len(nodes) - masters
        self.media = [Medium(image, self.chance) for image in devices_with(masters, {}, slaves=slaves)]
        self.cluster = Cluster(masters, slaves=slaves, clients=2, watched=True, memories=self.media)
        self.failures: Failures = self.cluster.failures
        if LEFT_OUT:
            control: Any = self.cluster.control
            control.setup = control.setup._replace(**dict.fromkeys(LEFT_OUT, False))
            control._judged = False  # noqa: SLF001 - the oracle is to find it

    def _perform(self, operation: Callable[[], Coroutine[Any, Any, Any]], c: int = 0) -> Any:  # noqa: ANN401 - what it returns
        cluster = self.cluster
        try:
            return cluster.sim.run(c, cluster.ons[c].perform(operation, UnavailableError, FAST))
        except Unwritten:
            raise conform.Unknown from None
        except UnavailableError:
            raise conform.Refused from None
        finally:
            self._settle()

    def _settle(self) -> None:
        sim = self.cluster.sim
        while sim.events():
            sim.happen()
        for n, medium in enumerate(self.media):
            if not medium.there and (n not in self.failures.away or self.failures.is_mounted(n)):
                self.failures.disconnected(n)
        while sim.events():
            sim.happen()
        if not LEFT_OUT:
            self.cluster.media_agree_with_the_control_state()

    def put(self, name: str, content: str, client: int = 0) -> None:
        self._perform(partial(self.cluster.put, client, name.encode(), content.encode()), client)

    def remove(self, name: str, client: int = 0) -> None:
        session, filesystem = self.cluster.sessions[client], self.cluster.filesystems[client]
        with suppress(NotFoundError):
            self._perform(lambda: session.write(lambda: filesystem.remove(name.encode())), client)

    def get(self, name: str, client: int = 0) -> str | None:
        try:
            return str(self._perform(partial(self.cluster.get, client, name.encode()), client).decode())
        except NotFoundError:
            return None

    def fail(self, node: int, at: str = "now", *, crashes: bool = False) -> None:
        medium, control = self.media[node], self.cluster.control

        def is_unflushed() -> bool:
            state = control.state.nodes[node]
            return state.volatile_tid != state.durable_tid

        medium.keeps = not crashes
        if at == "now":
            medium.leave()
        elif medium.there:
            medium.leaves = is_unflushed if at == "flush" else lambda: syncing(control.state.nodes[node])
        self._settle()

    def crash(self, node: int, at: str = "now") -> None:
        self.fail(node, at, crashes=True)

    def reconnect(self, node: int) -> None:
        medium, was_there = self.media[node], self.media[node].there
        medium.there, medium.leaves = True, lambda: False
        if was_there:
            return
        if BY_ITSELF:
            self.failures.returned(node)
        else:
            at_once(self.failures.mount_again(node))
        self._settle()

    def replace(self, node: int) -> None:
        if node >= self.cluster.control.setup.masters:
            raise NotImplementedError("a slave's medium is replaced while nobody uses the store")
        self.media[node].leave()
        self._settle()
        self.media[node] = Medium(MemoryDevice(self.media[node].size), self.chance)
        self.cluster.replace_medium(node, self.media[node])
        self._settle()

    def resync(self) -> None:
        there = [n for n, medium in enumerate(self.media) if medium.there]
        for n in there:
            self.failures.returned(n)
        for _ in range(ROUNDS):
            with suppress(conform.Refused, conform.Unknown):
                self._perform(lambda: self.cluster.sessions[0].write(nothing))
        if any(self.media[n].there and not self._is_in_step(n) for n in there):
            raise conform.Refused

    def _is_in_step(self, n: int) -> bool:
        return self.failures.is_mounted(n) and not is_out_of_step(self.cluster.control, n)

    def status(self) -> list[str]:
        return [
            "away" if not self.failures.is_mounted(n) else "synchronized" if self._is_in_step(n) else "behind"
            for n in range(len(self.media))
        ]


conform.serve("hammer2-cluster in simulation", "1", "repaired", begin=Driven, capabilities=["clients", "replace"])
