"""The nodes of a cluster as the chain layer that the cluster operations call."""

from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from typing import Any, Final, TypeVar

from fastcrc import crc64

from hammer2_cluster.objects import Blockref, Chain, Cluster, ClusterItem, Inode, Iocb, Pfs
from hammer2_cluster.store import deletion, flush, insertion, lookup, modification
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.inode_data import DIRECTORY, InodeData
from hammer2_cluster.store.volume import Volume
from hammer2_cluster.waiting import NeverWaits, Waiting, WouldWaitError
from hammer2_spec.vocabulary import (
    DIRHASH_FORCED,
    DIRHASH_HIMASK,
    DIRHASH_LOMASK,
    DIRHASH_VISIBLE,
    INODE_BYTES,
    BrefType,
    ClusterFlag,
    Error,
    Lookup,
    Resolve,
)

UUID_BYTES: Final = 16
Result = TypeVar("Result")
Uuids = Callable[[int, int], bytes]
"""(device, offset of the field in the inode) -> 16 bytes."""


def at_once(operation: Coroutine[Any, Any, Result]) -> Result:
    """The result of something that the Protocol does not let wait. Raises WouldWaitError if it does."""
    try:
        operation.send(None)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    operation.close()
    raise WouldWaitError("a call that must not wait needs a device that is slow")


def own(chain: Chain) -> StoredChain:
    """A chain of this layer. Raises TypeError for one of another layer."""
    if not isinstance(chain, StoredChain):
        raise TypeError(f"chain {chain.id} is not stored")
    return chain


def dirhash(name: bytes) -> int:
    """The first of the keys at which an entry of this name may stand; the last is ``dirhash | DIRHASH_LOMASK``."""
    return (crc64.xz(name) | DIRHASH_VISIBLE) & DIRHASH_HIMASK | DIRHASH_FORCED


def no_uuids(hmp: int, offset: int) -> bytes:
    """For layers on which nobody makes snapshots."""
    raise NotImplementedError(f"node {hmp}: no source of unique ids was given, for field {offset:#x}")


class StoredChains:
    """hammer2_chain.c and its neighbours, on volumes."""

    def __init__(
        self, volumes: Sequence[Volume | None], waiting: Waiting | None = None, uuids: Uuids = no_uuids
    ) -> None:
        self.volumes: Final = list(volumes)
        """By hmp; None where a node is not there."""
        self.waiting: Final[Waiting] = waiting or NeverWaits()
        self.uuids = uuids
        self.flush_tid = 0
        """What the next flush stamps on blocks. Who hands out tids says so here before."""
        self.messages: Final[list[str]] = []
        """What was printed on the console."""
        self.reads: Final[dict[int, int]] = {}
        """Reads that load_async counted, by BrefType."""
        self._cluster_ids = count()
        self._inode_ids = count()

    # ---- Kernel

    def kmalloc(self) -> Cluster:
        """As Kernel.kmalloc."""
        return Cluster(next(self._cluster_ids))

    def kfree(self, cluster: Cluster) -> None:
        """Nothing to do: Python collects it."""

    def kprintf_already_locked(self, cluster: Cluster) -> None:
        """As Kernel."""
        self.messages.append(f"hammer2_cluster_lock: cluster {cluster.id} already locked!")

    def kprintf_not_locked(self, cluster: Cluster) -> None:
        """As Kernel."""
        self.messages.append(f"hammer2_cluster_unlock: cluster {cluster.id} not locked")

    def kprintf_cparent_null(self) -> None:
        """As Kernel."""
        self.messages.append("cparent is NULL")

    def kprintf_parent_mismatch(self, chain: Chain, against: Chain | None) -> None:
        """As Kernel."""
        parent, other = (None if one is None else one.id for one in (chain.parent, against))
        self.messages.append(
            f"hammer2_cluster_delete: parent mismatch chain={chain.id} parent={parent} against={other}"
        )

    def kprintf_snapshot(self, name: str) -> None:
        """As Kernel."""
        self.messages.append(f"snapshot {name}")

    def tsleep(self, ident: Chain | None, ticks: int) -> None:
        """A plain call cannot wait here: the clock stands still."""

    # ---- references and locks

    def ref(self, chain: Chain) -> None:
        """As ChainLayer."""
        own(chain).volume.ref(own(chain))

    def drop(self, chain: Chain) -> None:
        """As ChainLayer."""
        own(chain).volume.drop(own(chain))

    async def lock(self, chain: Chain, how: int) -> None:
        """As ChainLayer."""
        await own(chain).volume.lock(own(chain), how)

    def unlock(self, chain: Chain) -> None:
        """As ChainLayer."""
        own(chain).volume.unlock(own(chain))

    # ---- lookups

    async def lookup(
        self, parent: ClusterItem, key_next: int, key_beg: int, key_end: int, flags: int
    ) -> tuple[Chain | None, int]:
        """As ChainLayer."""
        return await lookup.lookup(parent, key_next, key_beg, key_end, flags)

    async def next(
        self,
        parent: ClusterItem,
        chain: Chain,
        key_next: int,
        key_beg: int,  # noqa: ARG002 - the chain says where to go on
        key_end: int,
        flags: int,
    ) -> tuple[Chain | None, int]:
        """As ChainLayer."""
        return await lookup.next_entry(parent, own(chain), key_next, key_end, flags)

    # ---- modifying

    async def create(
        self,
        parent: ClusterItem,
        item: ClusterItem,
        pmp: Pfs | None,
        key: int,
        keybits: int,
        type: int,
        bytes: int,
        flags: int,
    ) -> int:
        """As ChainLayer."""
        child = None if item.chain is None else own(item.chain)
        await lookup.stored(parent).volume.write_behind()
        bref = Blockref(type, key=key, keybits=keybits)
        error, item.chain = await insertion.create(parent, child, pmp, bref, bytes, flags)
        return error

    async def rename(self, parent: ClusterItem, chain: Chain, bref: Blockref | None, flags: int) -> None:
        """As ChainLayer."""
        await insertion.rename(parent, own(chain), bref, flags)

    async def delete(self, parent: Chain | None, chain: Chain, flags: int) -> None:
        """As ChainLayer. A chain without a parent is deleted already."""
        if parent is not None:
            await deletion.delete(own(parent), own(chain), flags)

    async def modify(self, chain: Chain, flags: int) -> None:
        """As ChainLayer."""
        await modification.modify(own(chain), flags)

    async def resize(self, ip: Inode | None, parent: Chain, chain: Chain, nradix: int, flags: int) -> None:  # noqa: ARG002 - a chain is resized where it is
        """As ChainLayer: the content is cut, or followed by zeros."""
        await modification.modify(own(chain), flags, nradix)

    def setflush(self, chain: Chain) -> None:
        """As ChainLayer."""
        modification.setflush(own(chain))

    async def flush(self, chain: Chain) -> None:
        """As ChainLayer, with flush_tid."""
        await flush.flush(own(chain), self.flush_tid)

    async def sync(self, chain: Chain) -> None:
        """Make what was flushed on the chain's node durable: super-root, freemap, volume header."""
        await flush.sync(own(chain).volume, self.flush_tid)

    async def prepare(self, chain: Chain) -> None:
        """As sync, but so that it can be undone."""
        await flush.prepare(own(chain).volume, self.flush_tid)

    async def confirm(self, chain: Chain) -> None:
        """All nodes have prepared."""
        await flush.confirm(own(chain).volume)

    # ---- neighbours

    def inode_repoint(self, ip: Inode, cluster: Cluster) -> None:
        """Nothing to do: an inode here has no cluster of its own."""

    def vsetisdirty(self, ip: Inode) -> None:
        """Nothing to do: there are no vnodes."""

    def dirhash(self, name: str) -> int:
        """As ChainLayer; bytes that are no UTF-8 come as surrogates."""
        return dirhash(name.encode("utf-8", "surrogateescape"))

    async def inode_create(self, hmp: int, name: str, flags: int) -> tuple[Inode | None, Cluster | None, int]:
        """As ChainLayer."""
        volume = self.volumes[hmp]
        if volume is None or volume.super_root is None:
            return None, None, Error.IO
        error, chain = await self._create_under(volume, volume.super_root, name, flags)
        if error or chain is None:
            return None, None, error
        cluster = self.kmalloc()
        cluster.refs = cluster.nchains = 1
        cluster.flags = ClusterFlag.LOCKED | ClusterFlag.WRHARD | ClusterFlag.RDHARD  # as a super-root's is resolved
        cluster.array[0].chain = cluster.focus = chain
        return Inode(next(self._inode_ids), vp=False), cluster, Error.NONE

    async def _create_under(
        self, volume: Volume, root: StoredChain, name: str, flags: int
    ) -> tuple[int, StoredChain | None]:
        """A directory inode, locked, at the first key that the name may have and nobody has."""
        key = self.dirhash(name)
        item = ClusterItem(root)
        await volume.lock(root, Resolve.ALWAYS)
        last = key | DIRHASH_LOMASK
        while True:
            found, _ = await lookup.lookup(item, 0, key, key, Lookup.NODATA)
            if found is None:
                break
            volume.unlock(found)
            key += 1
            if key > last:
                volume.unlock(lookup.stored(item))
                return insertion.NO_SPACE, None
        bref = Blockref(BrefType.INODE, key=key)
        error, chain = await insertion.create(item, None, None, bref, INODE_BYTES, flags)
        volume.unlock(lookup.stored(item))
        if not error and chain is not None and chain.data is not None:
            InodeData(type=DIRECTORY, name=name.encode("utf-8", "surrogateescape")).write(chain.data)
        return error, chain

    def inode_unlock_ex(self, ip: Inode, cluster: Cluster) -> None:
        """Nothing to do: the cluster is all that inode_create locked."""

    def uuidgen(self, chain: Chain, offset: int) -> None:
        """As ChainLayer."""
        stored = own(chain)
        if stored.data is not None:
            stored.data[offset : offset + UUID_BYTES] = self.uuids(stored.volume.hmp, offset)

    def adjreadcounter(self, chain: Chain) -> None:
        """As ChainLayer."""
        self.reads[chain.bref.type] = self.reads.get(chain.bref.type, 0) + 1

    def io_getblk(self, iocb: Iocb) -> None:
        """As ChainLayer: reads now, then calls back."""
        if iocb.chain is not None:
            at_once(own(iocb.chain).volume.load(own(iocb.chain)))
            iocb.error = iocb.chain.error
        iocb.callback(iocb)

    def callback(self, iocb: Iocb) -> None:
        """As ChainLayer."""
        iocb.callback(iocb)
