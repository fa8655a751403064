"""A small cluster in simulation with sessions, failures, and a judge that remembers what was acknowledged."""

from collections.abc import Coroutine, Hashable, Sequence
from typing import Any, cast

from tests.sim_kit import devices_with, open_on, read_all
from tests.store_kit import tree_of

from hammer2_cluster import life_cycle
from hammer2_cluster.chain_layer import ChainLayer
from hammer2_cluster.control import Control
from hammer2_cluster.device.faults import FaultyDevice
from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.failures import Failures
from hammer2_cluster.front_end import FrontEnd
from hammer2_cluster.journal import Journal
from hammer2_cluster.patience import Patience
from hammer2_cluster.resync import Resync
from hammer2_cluster.sessions import RECOVERIES, Session
from hammer2_cluster.simulated import Simulation
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.filesystem import Filesystem
from hammer2_cluster.store.inode_data import InodeData
from hammer2_cluster.store.local import LABEL
from hammer2_cluster.store.making import format_volume
from hammer2_cluster.store.pfs import assemble, find_root
from hammer2_cluster.straight import Straight
from hammer2_cluster.synchronization import SynchronizationThread
from hammer2_spec.semantics import REPAIRED

GRACE = 50
FAST = Patience(again=False, ticks=200)


class Cluster:
    """Nodes, clients with sessions, and what was acknowledged."""

    def __init__(
        self,
        masters: int = 3,
        *,
        slaves: int = 0,
        clients: int = 1,
        writes: int = 60,
        tasks: int = 0,
        watched: bool = False,
        memories: Sequence[MemoryDevice] | None = None,
    ) -> None:
        """memories: with a store on them; by default a small one."""
        count = masters + slaves
        self.sim = Simulation(count)
        nodes = self.sim.nodes
        memories = devices_with(masters, slaves=slaves) if memories is None else memories
        self.devices = [FaultyDevice(device, node) for device, node in zip(memories, nodes, strict=True)]
        self.chains = open_on(self.devices, nodes)
        straight = Straight(self.chains, REPAIRED)
        root, _ = straight.run(assemble(straight, self.chains, LABEL))
        tids = [None if item.chain is None else item.chain.bref.mirror_tid for item in root.array[:count]]
        self.control = Control(tids, masters, clients, writes=writes, judged=True)
        self.journals = [Journal(cast("ChainLayer", self.chains)) for _ in range(clients)]
        self.failures = Failures(
            self.control, self.sim.shared, self.chains, root, self._inode(), self._spoil, self.devices
        )
        for n, tid in enumerate(tids):
            if tid is None:  # out of step: to be mounted when it is resynchronized
                self.sim.disconnect(n)
        self.ons, self.sessions, self.filesystems = [], [], []
        self.sim.shared.promises = lambda: tuple(node.promised for node in self.control.state.nodes)
        for c, journal in enumerate(self.journals):
            on = self.sim.client(c, cast("ChainLayer", journal))
            own_root = straight.run(life_cycle.copy(straight, root))
            on.keep(own_root)
            self.ons.append(on)
            self.sessions.append(Session(on, c, own_root, journal, self.control, self.failures, GRACE))
            self.filesystems.append(Filesystem(on, self.chains, LABEL, own_root, []))
        self.tasks = [self.sim.client(f"task {n}", self.chains) for n in range(tasks)]
        self.replaced: list[int] = []
        """The nodes whose media were."""
        self.watchers = [self.watch(n) for n in range(count if watched else 0)]

    def _inode(self) -> InodeData:
        straight, volumes = Straight(self.chains, REPAIRED), self.chains.volumes
        found = (straight.run(find_root(straight, self.chains, volume, LABEL)) for volume in volumes if volume)
        return next(root.inode for root in found if root is not None)

    def _spoil(self, client: Hashable, n: int) -> None:
        assert isinstance(client, int)
        self.journals[client].spoil(n)

    def put(self, c: int, name: bytes, data: bytes) -> Coroutine[Any, Any, None]:
        return self.sessions[c].write(lambda: self.filesystems[c].put(name, [data], len(data)))

    def get(self, c: int, name: bytes) -> Coroutine[Any, Any, bytes]:
        return read_all(self.filesystems[c], name)

    def resync(self, n: int, on: FrontEnd | None = None) -> Resync:
        """What brings a node into step, as a client of its own."""
        pmp = self.filesystems[0].pmp
        on = self.tasks[n] if on is None else on
        return Resync(on, n, pmp, self.chains, self.control, self.failures, RECOVERIES * GRACE)

    def watch(self, n: int) -> SynchronizationThread:
        """Start the synchronization thread of a node."""
        thread = SynchronizationThread(self.resync(n, self.sim.client(f"synchronization of {n}", self.chains)))
        self.sim.serve(f"synchronization of {n}", thread.run())
        return thread

    def replace_medium(self, n: int, new: MemoryDevice | None = None) -> None:
        """A node goes away, and comes back with a new, empty medium."""
        self.failures.disconnected(n)
        header = next(volume.header for volume in self.chains.volumes if volume is not None)
        self.replaced.append(n)
        below, nodes = new or MemoryDevice(header.size), len(self.devices)
        volume_id = (0x100 + len(self.replaced)).to_bytes(16, "big")
        at_once(format_volume(below, volume_id, header.clid, slot=n, nodes=nodes))
        self.devices[n] = FaultyDevice(below, self.sim.nodes[n])
        self.failures.returned(n)

    def mount_again(self, n: int) -> None:
        """A node is there again, and takes part as of its media."""
        self.failures.returned(n)
        at_once(self.failures.mount_again(n))

    def locked(self) -> list[str]:
        """The chains that somebody has locked, on nodes that are mounted."""
        found, waiting = [], [volume.vchain for volume in self.chains.volumes if volume is not None]
        while waiting:
            chain = waiting.pop()
            waiting.extend(chain.children.all())
            if chain.locks and self.failures.is_mounted(chain.volume.hmp):
                found.append(chain.name)
        return found

    def media_agree_with_the_control_state(self) -> None:
        """Each node that is mounted has on its media the version that the control state says."""
        for n, node in enumerate(self.control.state.nodes):
            volume = self.chains.volumes[n]
            if volume is not None and node.connected and volume.failed is None:
                assert volume.header.mirror_tid == self.control.media_tid(node.durable_tid), n


async def nothing() -> None:
    """A write that changes nothing."""


def equal_nodes(cluster: Cluster, nodes: tuple[int, ...]) -> bool:
    """When nothing happens any more: whether they have the same. Nobody may have anything locked then."""
    cluster.sim.settle()
    assert cluster.locked() == []
    return len({tree_of(volume) for n in nodes if (volume := cluster.chains.volumes[n]) is not None}) == 1
