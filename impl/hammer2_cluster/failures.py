"""What a failure does to its node (L1374-1418).

A read failure or an unexpected chain costs a node that one element: it leaves the clusters concerned, and the highest
point that covers all such elements is queued for resynchronization. Whatever makes a node miss a write disables it as a
whole: it is flushed no more, what is dirty in its memory is thrown away, and its media, mirror_tid included, stay as
they are; it is mounted anew as of its media, and its root is queued.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from enum import Enum
from typing import Final

from hammer2_cluster import replacements
from hammer2_cluster.control import Control
from hammer2_cluster.device.device import Device, FullError, WriteError
from hammer2_cluster.nodes import Nodes
from hammer2_cluster.objects import Chain, Cluster
from hammer2_cluster.outcomes import deref
from hammer2_cluster.promises import read_promise
from hammer2_cluster.replacements import OLD_MEDIUM, Successors
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.chains import StoredChains, own
from hammer2_cluster.store.directory import UnavailableError, shown
from hammer2_cluster.store.inode_data import InodeData
from hammer2_cluster.store.making import open_volume
from hammer2_cluster.store.pfs import Root, find_root, make_root, root_chain, roots_of
from hammer2_cluster.store.volume import Volume
from hammer2_cluster.store.volume_header import ANY_TID
from hammer2_cluster.straight import Straight
from hammer2_spec.semantics import REPAIRED
from hammer2_spec.vocabulary import BrefFlag, BrefType

Point = tuple[int, ...]
"""Where to resynchronize: the keys of the inodes on the way down from the PFS's root, which is ()."""
ROOT: Final[Point] = ()


class Cause(Enum):
    """Why a node needs resynchronization (L1378-1386)."""

    READ = "a read failed, or something else was found than a quorum has"
    WRITE = "a write failed"
    FULL = "no space was left"
    DISCONNECT = "it was disconnected"
    STALL = "it did not answer"
    BEHIND = "it has not the last version"
    REPLACED = "its medium is new"


def point_above(chain: Chain) -> Point:
    """The inode above a chain that failed: its parent is flagged too (L1388-1390); nothing is above the PFS's root."""
    keys: list[int] = []
    above = None if chain.bref.flags & BrefFlag.PFSROOT else chain.parent
    while above is not None and not above.bref.flags & BrefFlag.PFSROOT:
        if above.bref.type == BrefType.INODE:
            keys.append(above.bref.key)
        above = above.parent
    return tuple(reversed(keys))


def common(one: Point, other: Point) -> Point:
    """The lowest point that covers both."""
    keys: list[int] = []
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        keys.append(a)
    return tuple(keys)


class Failures:
    """Who has failed, why, and from where on it needs resynchronization."""

    def __init__(
        self,
        control: Control,
        shared: Nodes,
        chains: StoredChains,
        root: Cluster,
        inode: InodeData,
        spoil: Callable[[Hashable, int], None],
        devices: Sequence[Device | None],
        successors: Successors | None = None,
    ) -> None:
        """What failures act on.

        Args:
            control: the cluster's control state.
            shared: the nodes.
            chains: their volumes.
            root: that of the PFS which is mounted, on the nodes that have it.
            inode: the root as one of the nodes has it.
            spoil: what a client has written at a node is not complete.
            devices: of each node, if it has one.
            successors: what is known of media that are not the first of their nodes.
        """
        self._control: Final = control
        self._shared: Final = shared
        self._chains: Final = chains
        self._pmp: Final = deref(root.pmp)
        self._label: Final = inode.name
        self._spoil: Final = spoil
        self._devices: Final = devices
        self.successors: Final = Successors() if successors is None else successors
        self._roots: Final = dict(root.members())
        self._inode: Final = inode
        self.queue: Final[dict[int, Point]] = {}
        """Work for resynchronization: for each node the highest point."""
        self.causes: Final[dict[int, Cause]] = {}
        """For each node in the queue."""
        self.unreadable: Final[dict[int, Point]] = {}
        """The points below which elements of a node could not be read, whatever their tids say."""
        self.away: Final[set[int]] = set()
        """Nodes that nobody tries to reach before it is said that they are there again (L1383-1385, L1431-1433)."""
        self.returns = 0
        """How often that was said."""
        shared.report = self.chain_failed
        shared.root_of = self._roots.get

    def _enqueue(self, n: int, cause: Cause, point: Point) -> None:
        self.queue[n] = common(self.queue.get(n, point), point)
        if n not in self.causes or cause is not Cause.READ:
            self.causes[n] = cause

    def chain_failed(self, client: Hashable, chain: Chain) -> None:
        """A chain has failed a client and left the cluster; the node stays active (L1388-1393)."""
        n, point = own(chain).volume.hmp, point_above(chain)
        self._spoil(client, n)
        self._enqueue(n, Cause.READ, point)
        self.unreadable[n] = common(self.unreadable.get(n, point), point)
        self._control.changed()

    def write_failed(self, c: int, n: int) -> None:
        """A node has not done all of a client's write (L1395-1401)."""
        cause = self._why_not_written(n)
        action = "NoSpace" if cause is Cause.FULL else "WriteFail"
        if self._control.attempt(action, c, n) or self._control.attempt("Disconnect", n):
            self._disable(n, cause)

    def _why_not_written(self, n: int) -> Cause:
        return Cause.FULL if isinstance(deref(self._chains.volumes[n]).failed, FullError) else Cause.WRITE

    def left_behind(self, c: int, n: int) -> None:
        """A slave is never written: what a client writes is brought to it by resynchronization alone."""
        if self._control.attempt("WriteFail", c, n):
            self._enqueue(n, Cause.BEHIND, ROOT)

    def flush_failed(self, n: int) -> None:
        """A flush came to an error: nothing of it counts (L1409-1414)."""
        if self._control.attempt("FlushFail", n):
            self._disable(n, self._why_not_written(n))

    def disconnected(self, n: int, cause: Cause = Cause.DISCONNECT) -> None:
        """A node went away, or is given up; as if a write had failed (L1403)."""
        if cause is Cause.DISCONNECT:
            self.away.add(n)
        if self._control.attempt("Disconnect", n):
            self._disable(n, cause)

    def is_mounted(self, n: int) -> bool:
        """Whether a node takes part; one that was given up does not, even if it is connected."""
        return self._shared.nodes[n].connected

    def returned(self, n: int) -> None:
        """A node that was away is there again: it is worth trying."""
        self.away.discard(n)
        self.returns += 1
        self._control.changed()

    async def mount_again(self, n: int) -> None:
        """A node that is there takes part again, as of its media; it is not in step until a session says so.

        A flush that came to its end after the node had been given up counts for nobody: it is undone. Of a node that
        could not be opened when all began, the control state learns now what it has. One whose medium is new has none
        (P10): its root, empty, is made in its memory, and becomes durable with what is copied below it.

        Raises BadVolumeError, DeviceError, UnavailableError.
        """
        device, node = self._devices[n], self._shared.nodes[n]
        if device is None:
            raise UnavailableError(f"node {n} is not there")
        while node.is_busy:  # with what it began before it was given up
            await node.ticks(1)
        control = self._control
        is_known, tids = control.knows(n), [control.media_tid(it.durable_tid) for it in control.state.nodes]
        is_certain = is_known and not control.state.nodes[n].blank  # else the medium may be another one again
        volume = await open_volume(
            device,
            n,
            waiting=node,
            confirmed_tid=tids[n] if is_certain else max(tids),
            latest_tid=tids[n] if is_certain else ANY_TID,
        )
        straight = Straight(self._chains, REPAIRED)
        root = await find_root(straight, self._chains, volume, self._label)
        is_new = root is None
        if root is None:
            root = await self._new_root(straight, n, volume)
        chain = await root_chain(self._chains, volume, root, self._pmp)
        self.successors.learn(root.mirror_tid, await replacements.recorded(chain))
        if not is_new and self.successors.has_replaced(volume):
            raise UnavailableError(f"node {n}: {OLD_MEDIUM}")
        if not is_new and is_certain and root.mirror_tid < tids[n]:  # the control state would answer for more
            raise UnavailableError(f"node {n}: the last version that it had is not on its medium any more")
        self._leave_old_media_out()
        if not is_known:
            control.learn(n, chain.bref.mirror_tid, await read_promise(device))
        if is_new:
            chain.pmp = self._pmp  # what the super-root has made belongs to no PFS before it is loaded again
            self._lose_media(n, volume)
        self._chains.volumes[n] = volume
        self._roots[n] = chain
        control.attempt("Reconnect", n)
        self._shared.reconnect(n)

    def _leave_old_media_out(self) -> None:
        """What has been mounted while nobody was there who knows of its successor does not stay."""
        for n, volume in enumerate(self._chains.volumes):
            if volume is not None and self.is_mounted(n) and self.successors.has_replaced(volume):
                self.disconnected(n, Cause.BEHIND)

    async def _new_root(self, on: Straight, n: int, volume: Volume) -> Root:
        """That of an empty PFS, in the memory of a node; its identity is its own (L1425-1447).

        Raises UnavailableError if the medium is not new, for it has other PFSs.
        """
        if await roots_of(on, self._chains, volume):
            raise UnavailableError(f"node {n} has no {shown(self._label)}")
        mine = replace(self._inode, pfs_type=self._pmp.pfs_types[n], pfs_fsid=volume.header.volume_id)
        await make_root(on, self._chains, volume, mine)
        return deref(await find_root(on, self._chains, volume, self._label))

    def _lose_media(self, n: int, new: Volume) -> None:
        """A master whose medium is new does not vote before the replacement is recorded (P11); a slave never does.

        One that is replaced before it was filled is recorded once more, for a record tells which medium is the node's.
        """
        if n < self._control.setup.masters:
            before = self._chains.volumes[n]
            is_another = before is None or before.header.volume_id != new.header.volume_id
            is_lost = is_another or not self._control.state.nodes[n].blank
            if is_lost and not self._control.attempt("LoseMedia", n):
                raise UnavailableError(f"node {n}: too many media were replaced")
        elif self._control.state.nodes[n].durable_tid:
            raise UnavailableError(f"node {n}: its medium was replaced while it was in use")
        self._enqueue(n, Cause.REPLACED, ROOT)

    def root(self, n: int) -> StoredChain:
        """The root of the PFS in a node's memory. Raises UnavailableError if the node is not there."""
        if n not in self._roots:
            raise UnavailableError(f"node {n} is not there")
        return own(self._roots[n])

    def in_step(self, n: int) -> None:
        """A node has been resynchronized: its work is done, and it takes part again."""
        self.queue.pop(n, None)
        self.causes.pop(n, None)
        self.unreadable.pop(n, None)
        self._shared.reconnect(n)

    def _disable(self, n: int, cause: Cause) -> None:
        deref(self._chains.volumes[n]).fail(WriteError(cause.value))
        self._enqueue(n, cause, ROOT)
        self._shared.disconnect(n)
