"""What the tests of the asynchronous front end share: a small cluster in simulation, on devices in memory."""

import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from tests.store_kit import make, memory, put

from hammer2_cluster import life_cycle, lock_order
from hammer2_cluster.device.device import Device
from hammer2_cluster.device.faults import FaultyDevice
from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.front_end import FrontEnd
from hammer2_cluster.node import QUEUE_LIMIT, Node
from hammer2_cluster.simulated import Event, Pick, Simulation
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.chains import StoredChains, at_once
from hammer2_cluster.store.filesystem import Filesystem
from hammer2_cluster.store.local import LABEL
from hammer2_cluster.store.making import open_volume
from hammer2_cluster.store.pfs import assemble, find_root, root_chain
from hammer2_cluster.store.volume_header import confirmed_tid, generations
from hammer2_cluster.straight import Straight
from hammer2_spec.semantics import REPAIRED
from hammer2_spec.vocabulary import ChainFlag, PfsType

FILES = {b"a": b"alpha", b"b": b"beta" * 300}


@cache
def _images(masters: int, slaves: int, files: tuple[tuple[bytes, bytes], ...]) -> list[bytes]:
    """What so many nodes with these files have on their media."""
    memories = memory(masters + slaves, 1 << 20)
    store = make(memories, [PfsType.MASTER] * masters + [PfsType.SLAVE] * slaves)
    filesystem = store.mount()
    for name, data in files:
        put(store, filesystem, name, data)
    store.run(filesystem.flush())
    return [bytes(device.content) for device in memories]


def devices_with(masters: int, files: dict[bytes, bytes] | None = None, slaves: int = 0) -> list[MemoryDevice]:
    """So many nodes with these files; slaves have none yet."""
    images = _images(masters, slaves, tuple((FILES if files is None else files).items()))
    return [MemoryDevice(len(image), bytearray(image)) for image in images]


def open_on(devices: Sequence[Device], nodes: Sequence[Node]) -> StoredChains:
    """The volumes on devices, whatever happens on them waiting as the nodes do; the lock order is checked."""
    confirmed = confirmed_tid(at_once(generations(device)) for device in devices)
    volumes = [
        at_once(open_volume(device, n, "", node, confirmed))
        for n, (device, node) in enumerate(zip(devices, nodes, strict=True))
    ]
    for volume in volumes:
        lock_order.watch(volume)
    return StoredChains(volumes)


class World:
    """Nodes with a few files, and clients that have the filesystem mounted."""

    def __init__(
        self,
        count: int = 3,
        *,
        clients: int = 1,
        files: dict[bytes, bytes] | None = None,
        limit: int = QUEUE_LIMIT,
        instant: bool = False,
    ) -> None:
        self.sim = Simulation(count, limit, instant)
        memories = devices_with(count, files)
        self.devices = [FaultyDevice(device, node) for device, node in zip(memories, self.sim.nodes, strict=True)]
        self.chains = open_on(self.devices, self.sim.nodes)
        self.volumes = [volume for volume in self.chains.volumes if volume is not None]
        self.straight = Straight(self.chains, REPAIRED)
        self.root, _ = self.straight.run(assemble(self.straight, self.chains, LABEL))
        self.ons = [self.sim.client(c, self.chains, REPAIRED) for c in range(clients)]
        self.roots = [self.straight.run(life_cycle.copy(self.straight, self.root)) for _ in self.ons]
        for on, root in zip(self.ons, self.roots, strict=True):
            on.keep(root)
        self.filesystems = [
            Filesystem(on, self.chains, LABEL, root, []) for on, root in zip(self.ons, self.roots, strict=True)
        ]

    @property
    def on(self) -> FrontEnd:
        return self.ons[0]

    @property
    def filesystem(self) -> Filesystem:
        return self.filesystems[0]

    def come_back(self, n: int) -> None:
        """A node that was disconnected is there again, as of what it has on its medium."""
        volume = at_once(open_volume(self.devices[n], n, "", self.sim.nodes[n]))
        self.volumes[n] = self.chains.volumes[n] = volume
        root = self.straight.run(find_root(self.straight, self.chains, volume, LABEL))
        assert root is not None
        assert self.root.pmp is not None
        chain = self.straight.run(root_chain(self.chains, volume, root, self.root.pmp))
        self.root.array[n].chain = chain
        self.sim.shared.root_of = {n: chain}.get
        self.sim.reconnect(n)

    def chains_in_memory(self) -> Iterator[StoredChain]:
        """Every chain of every node."""
        waiting = [volume.vchain for volume in self.volumes]
        while waiting:
            chain = waiting.pop()
            yield chain
            waiting.extend(chain.children.all())

    def what_is_held(self, nodes: Sequence[int] | None = None) -> list[str]:
        """Locks and references that clients have left behind at these nodes, all if None."""
        known = {*range(len(self.volumes))} if nodes is None else {*nodes}
        found = []
        owned: dict[StoredChain, int] = {}
        for cluster in (self.root, *self.roots):
            for _, chain in cluster.members():
                assert isinstance(chain, StoredChain)
                owned[chain] = owned.get(chain, 0) + cluster.refs
        for chain in self.chains_in_memory():
            if chain.hmp not in known:
                continue
            own = owned.get(chain, 0) + (chain is chain.volume.super_root) + (chain is chain.volume.vchain)
            own += bool(chain.flags & ChainFlag.MODIFIED) + bool(chain.flags & ChainFlag.UPDATE)
            if chain.locks or chain.refs != own:
                found.append(f"{chain.name}: {chain.locks} locks, {chain.refs} references, {own} accounted for")
        return found


def by_seed(seed: int) -> Pick:
    """Choices at random."""
    chance = random.Random(seed)
    return chance.choice


def every_run(
    world: Callable[[], World], run: Callable[[World, Pick], Any], most: int, *, reduced: bool = False
) -> Iterator[Any]:
    """What every single schedule of a run comes to, by re-execution. Fails if there are more than ``most``.

    reduced: silent steps are taken at once.
    """
    script: list[int] = []
    for _ in range(most):
        widths: list[int] = []

        def pick(events: Sequence[Event], script: list[int] = script, widths: list[int] = widths) -> Event:
            for event in events if reduced else ():
                if event.is_silent:
                    return event
            n = len(widths)
            widths.append(len(events))
            return events[script[n] if n < len(script) else 0]

        yield run(world(), pick)
        taken = script + [0] * (len(widths) - len(script))
        while taken and taken[-1] + 1 >= widths[len(taken) - 1]:
            taken.pop()
        if not taken:
            return
        script = [*taken[:-1], taken[-1] + 1]
    raise AssertionError(f"more than {most} schedules")


async def read_all(filesystem: Filesystem, name: bytes) -> bytes:
    return b"".join([piece async for piece in filesystem.read(name)])
