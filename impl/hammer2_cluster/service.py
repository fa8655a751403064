"""A PFS on several nodes in service: a worker per node, sessions of clients, and a synchronization thread per node."""

import threading
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Hashable, Sequence
from typing import Any, Final, NamedTuple, TypeVar, cast

from hammer2_cluster import life_cycle
from hammer2_cluster.chain_layer import ChainLayer
from hammer2_cluster.control import Control
from hammer2_cluster.device.device import Device, DeviceError
from hammer2_cluster.device.faults import Fault, FaultyDevice
from hammer2_cluster.failures import Cause, Failures
from hammer2_cluster.front_end import FrontEnd
from hammer2_cluster.journal import Journal
from hammer2_cluster.objects import Cluster, Pfs
from hammer2_cluster.patience import Patience
from hammer2_cluster.promises import read_promise
from hammer2_cluster.replacements import OLD_MEDIUM, Successors, recorded
from hammer2_cluster.resync import Resync, is_out_of_step
from hammer2_cluster.sessions import RECOVERIES, Session
from hammer2_cluster.store.chains import StoredChains
from hammer2_cluster.store.directory import FilesystemError, NotFoundError, UnavailableError, shown
from hammer2_cluster.store.filesystem import Filesystem
from hammer2_cluster.store.inode_data import InodeData
from hammer2_cluster.store.local import LABEL
from hammer2_cluster.store.making import open_volume
from hammer2_cluster.store.pfs import Root, find_root, root_chain
from hammer2_cluster.store.volume import Volume
from hammer2_cluster.store.volume_header import BadVolumeError, confirmed_tid, generations
from hammer2_cluster.straight import Straight
from hammer2_cluster.synchronization import SynchronizationThread
from hammer2_cluster.threaded import TICK_SECONDS, Threads
from hammer2_spec.semantics import REPAIRED
from hammer2_spec.vocabulary import MAXCLUSTER, PfsType

Result = TypeVar("Result")

GRACE_TICKS: Final = 200
"""What a node may take to answer before it is done without."""


class _Opened(NamedTuple):
    """What one node has."""

    volume: Volume
    promised: int
    root: Root | None


class Client(NamedTuple):
    """One client of a service."""

    on: FrontEnd
    session: Session
    filesystem: Filesystem


class Service:
    """The nodes of a store, each at work in a thread of its own. To be closed."""

    def __init__(
        self,
        devices: Sequence[Device | None],
        *,
        clients: int = 1,
        grace: int = GRACE_TICKS,
        faults: Sequence[Collection[Fault]] = (),
        label: bytes = LABEL,
    ) -> None:
        """Open what is there; a node that does not answer in time takes no part.

        Args:
            devices: of each node, masters first; None where there is none.
            clients: how many can work at once.
            grace: ticks that a node may take to answer.
            faults: what goes wrong with each device, from the beginning.
            label: the PFS.

        Raises:
            NotFoundError: no node has the PFS.
            UnavailableError: no node can be opened.
        """
        self.threads: Final = Threads(len(devices))
        self.grace: Final = grace
        self.devices: Final = [
            None if device is None else FaultyDevice(device, node)
            for device, node in zip(devices, self.threads.nodes, strict=True)
        ]
        for device, struck in zip(self.devices, faults, strict=False):
            if device is not None:
                device.faults.extend(struck)
        self.trouble: Final = ["not there" if device is None else "" for device in devices]
        """For each node: why it could not be opened, or nothing."""
        self.chains: Final = StoredChains([None] * len(devices))
        self._successors: Final = Successors()
        self._label: Final = label
        try:
            self._begin(clients)
        except BaseException:
            self.threads.close()
            raise

    # ---- opening

    def _begin(self, clients: int) -> None:
        opener = self.threads.client("opener", self.chains)
        root, inode, promised = self.threads.run("opener", self._mount(opener))
        pmp = cast("Pfs", root.pmp)
        tids = [None if item.chain is None else item.chain.bref.mirror_tid for item in root.array[: len(self.devices)]]
        self.control = Control(tids, pmp.pfs_nmasters, clients, promised=promised, mutex=threading.Lock())
        self.control.changed = self.threads.wake
        shared = self.threads.shared
        shared.promises = lambda: tuple(node.promised for node in self.control.state.nodes)
        self._journals = [Journal(cast("ChainLayer", self.chains)) for _ in range(clients)]
        self.failures = Failures(
            self.control, shared, self.chains, root, inode, self._spoil, self.devices, self._successors
        )
        for n, why in enumerate(self.trouble):
            if why:
                self.failures.away.add(n)
            elif tids[n] is None:  # its medium is new: to be mounted by its synchronization thread
                self.threads.disconnect(n)
        self.clients = [self._client(c, root) for c in range(clients)]
        self.watchers = [self._watch(n, pmp) for n in range(len(self.devices))]

    async def _mount(self, on: FrontEnd) -> tuple[Cluster, InodeData, list[int]]:
        """The roots of the PFS on the nodes that have it, the newest one's inode, and what each node has promised."""
        there = [n for n, device in enumerate(self.devices) if device is not None]
        found = await self._at_nodes(on, there, lambda n: generations(self._device(n)))
        confirmed = confirmed_tid(found.values())
        straight = Straight(self.chains, REPAIRED)

        async def open_node(n: int) -> _Opened:
            volume = await open_volume(self._device(n), n, waiting=self.threads.nodes[n], confirmed_tid=confirmed)
            self.chains.volumes[n] = volume
            root = await find_root(straight, self.chains, volume, self._label)
            return _Opened(volume, await read_promise(self._device(n)), root)

        opened = await self._at_nodes(on, found, open_node)
        if not opened:
            raise UnavailableError("; ".join(f"node {n}: {why}" for n, why in enumerate(self.trouble)))
        roots = {n: one.root for n, one in opened.items() if one.root is not None}
        if not roots:
            raise NotFoundError(f"no node has a PFS {shown(self._label)}")
        inode = max(roots.values(), key=lambda root: root.mirror_tid).inode
        pmp = self._pfs(roots, inode.pfs_nmasters)
        root = self.chains.kmalloc()
        root.pmp, root.refs, root.nchains = pmp, 1, len(self.devices)

        async def take(n: int) -> dict[int, bytes]:
            root.array[n].chain = chain = await root_chain(self.chains, opened[n].volume, roots[n], pmp)
            return await recorded(chain)

        for n, media in (await self._at_nodes(on, roots, take)).items():
            self._successors.learn(roots[n].mirror_tid, media)
        for n in roots:
            if self._successors.has_replaced(opened[n].volume):
                self.trouble[n] = OLD_MEDIUM
                self.threads.disconnect(n)
                self.chains.volumes[n] = root.array[n].chain = None
        return root, inode, [opened[n].promised if n in opened else 0 for n in range(len(self.devices))]

    def _pfs(self, roots: dict[int, Root], nmasters: int) -> Pfs:
        """The PFS as its newest root describes it. Raises UnavailableError unless masters come first."""
        types = [PfsType.MASTER if n < nmasters else PfsType.SLAVE for n in range(len(self.devices))]
        for n, root in roots.items():
            if root.inode.pfs_type != types[n]:
                raise UnavailableError(f"node {n} is of another type than its place says: masters come first")
        return Pfs(0, types + [PfsType.NONE] * (MAXCLUSTER - len(types)), nmasters)

    def _device(self, n: int) -> FaultyDevice:
        return cast("FaultyDevice", self.devices[n])

    async def _at_nodes(
        self, on: FrontEnd, nodes: Collection[int], step: Callable[[int], Awaitable[Result]]
    ) -> dict[int, Result]:
        """What each node says to something; who does not answer, or says that it cannot, is in trouble."""
        handle = self.chains.kmalloc()
        handle.pmp = Pfs(0, [PfsType.MASTER] * MAXCLUSTER, len(self.devices))
        said: dict[int, Result] = {}

        async def attempt(n: int) -> tuple[Result | None, str]:
            try:
                return await step(n), ""
            except (BadVolumeError, DeviceError, FilesystemError) as error:
                return None, str(error)

        silent = set(nodes)
        with on.at_most(self.grace):
            async for n, (answer, why) in on.ask(handle, attempt, slots=sorted(nodes), even_empty=True):
                silent.remove(n)
                self.trouble[n] = why
                if not why:
                    said[n] = cast("Any", answer)
        for n in silent:
            self.trouble[n] = "does not answer"
        for n in set(nodes) - said.keys():
            self.threads.disconnect(n)
        return said

    def _client(self, c: int, root: Cluster) -> Client:
        journal = self._journals[c]
        on = self.threads.client(c, cast("ChainLayer", journal))
        own_root = Straight(self.chains, REPAIRED).run(life_cycle.copy(Straight(self.chains, REPAIRED), root))
        on.keep(own_root)
        session = Session(on, c, own_root, journal, self.control, self.failures, self.grace)
        return Client(on, session, Filesystem(on, self.chains, self._label, own_root, []))

    def _watch(self, n: int, pmp: Pfs) -> SynchronizationThread:
        me = f"synchronization of node {n}"
        on = self.threads.client(me, self.chains)
        resync = Resync(on, n, pmp, self.chains, self.control, self.failures, RECOVERIES * self.grace)
        watcher = SynchronizationThread(resync)
        self.threads.serve(me, watcher.run())
        return watcher

    def _spoil(self, client: Hashable, n: int) -> None:
        if isinstance(client, int):
            self._journals[client].spoil(n)

    # ---- at work

    def run(
        self, c: int, operation: Callable[[], Coroutine[Any, Any, Result]], patience: Patience | None = None
    ) -> Result:
        """An operation of a client, in this thread. patience: by default it fails when no quorum is in sight.

        Raises what it raises; UnavailableError without a quorum.
        """
        on = self.clients[c].on
        how = Patience(again=False, ticks=self.grace * 20) if patience is None else patience
        return self.threads.run(c, on.perform(operation, UnavailableError, how))

    def write(self, c: int, change: Callable[[], Awaitable[Result]], patience: Patience | None = None) -> Result:
        """A change of a client, durable on a majority of the masters when this returns. As run, and Session.write."""
        return self.run(c, lambda: self.clients[c].session.write(change), patience)

    def in_step(self, n: int) -> bool:
        """Whether a node has the last version, and takes the next."""
        return self.failures.is_mounted(n) and not is_out_of_step(self.control, n) and n not in self.failures.queue

    def wait_for_nodes(self, seconds: float, progress: Callable[[], None] = lambda: None) -> list[int]:
        """Wait until all nodes are in step that are not away. Returns those that are not."""
        end = time.monotonic() + seconds
        while True:
            progress()
            behind = [n for n in range(len(self.devices)) if not self.in_step(n)]
            if time.monotonic() >= end or not [n for n in behind if n not in self.failures.away]:
                return behind
            time.sleep(TICK_SECONDS)

    def why(self, n: int) -> str:
        """Why a node is not in step."""
        if self.trouble[n] and not self.failures.is_mounted(n):
            return self.trouble[n]
        return self.failures.causes.get(n, Cause.BEHIND).value

    def close(self) -> None:
        """Stop. What was not acknowledged may be lost; devices are closed."""
        for watcher in getattr(self, "watchers", ()):
            watcher.end()
        self.threads.close()
