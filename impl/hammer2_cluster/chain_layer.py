"""The calls that the cluster layer makes on the layers below, and what each may assume and must guarantee.

Implementers: *recorded* answers what a recorded trace says, *model* keeps a dictionary per node and lets a chooser
decide everything that is left open here, *stored* is the real thing. A coroutine may wait (for a lock, for the medium,
for ever on a dead node); a plain method never does.

Throughout: a chain belongs to one node and all calls for it happen at that node. Failure is an ``error`` in the chain
(Error.IO: no data; Error.CHECK: the data is there but its check code is wrong), not an exception.
"""

from typing import Protocol

from hammer2_cluster.objects import Blockref, Chain, Cluster, ClusterItem, Inode, Iocb, Pfs


class Kernel(Protocol):
    """Memory, messages and sleep."""

    def kmalloc(self) -> Cluster:
        """A new zeroed cluster. Guarantees that nothing else refers to it."""

    def kfree(self, cluster: Cluster) -> None:
        """Assumes that the cluster has no references and no focus left, and no members but those on their way out.

        Nobody touches it afterwards.
        """

    def kprintf_already_locked(self, cluster: Cluster) -> None:
        """Lock of a cluster that is locked (L356)."""

    def kprintf_not_locked(self, cluster: Cluster) -> None:
        """Unlock of a cluster that is not locked (L597)."""

    def kprintf_cparent_null(self) -> None:
        """Delete without a parent (L1075)."""

    def kprintf_parent_mismatch(self, chain: Chain, against: Chain | None) -> None:
        """Delete of a chain whose parent is not the one given (L1086)."""

    def kprintf_snapshot(self, name: str) -> None:
        """A snapshot begins (L1121)."""

    def tsleep(self, ident: Chain | None, ticks: int) -> None:
        """Sleep on a channel for at most so many clock ticks."""


class ChainLayer(Kernel, Protocol):
    """hammer2_chain.c, the flush, and the few calls on inodes and device buffers that snapshot and load_async make."""

    # ---- references and locks

    def ref(self, chain: Chain) -> None:
        """One more reference. Assumes that the caller can rely on one that exists."""

    def drop(self, chain: Chain) -> None:
        """One reference less; the last one may free the chain. Assumes that the caller owns it."""

    async def lock(self, chain: Chain, how: int) -> None:
        """Lock, recursively, with one more reference unless ``how`` has NOREF.

        Assumes a reference, that no child of the chain is locked by the caller (parent before child), and that whoever
        has locked it shared wants it shared again: an exclusive lock would wait for its own caller.
        Guarantees that the chain is locked on return, whatever happened. With ALWAYS its data is loaded: then ``error``
        is 0, IO (no data) or CHECK (data present). A lock of a chain whose data is present leaves ``error`` alone.
        Until it is granted the chain may be moved, deleted or modified by others.
        """

    def unlock(self, chain: Chain) -> None:
        """Undo one lock and drop its reference. Assumes that the caller holds both. The last one releases its data."""

    # ---- lookups

    async def lookup(
        self, parent: ClusterItem, key_next: int, key_beg: int, key_end: int, flags: int
    ) -> tuple[Chain | None, int]:
        """The lowest entry under the parent that overlaps key_beg..key_end, and the key at which to go on.

        Assumes that the parent's chain is present and locked. Guarantees that afterwards the slot holds the deepest
        node visited, locked in the old one's stead, never none; that the entry is locked and referenced (only
        referenced with NOLOCK), its ``error`` possibly set; that [key_beg, key_next - 1] holds no other
        entry of this node. key_next may wrap to 0 at the end of the key space, and stays as given if nothing is found.
        If a block on the way cannot be read, the slot holds that block, with its error, and no entry is returned. An
        inode with embedded data is returned itself, locked once more. The data of what is returned is loaded with
        ALWAYS, not with NODATA, and otherwise unless it is a file's or was never written.
        """

    async def next(
        self, parent: ClusterItem, chain: Chain, key_next: int, key_beg: int, key_end: int, flags: int
    ) -> tuple[Chain | None, int]:
        """The entry behind ``chain``, which is released, as lookup returns it."""

    # ---- modifying: all assume that the chain and its parent are locked exclusively, and in a transaction

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
        """A new chain in the empty slot, or the slot's detached chain attached under the parent. Returns an Error.

        Assumes that the parent's chain is present and is where the key belongs (after a lookup). Guarantees a new chain
        to be locked, referenced, MODIFIED, with zero data and tid 0; an indirect block may be put in between,
        and then the parent slot holds that one. On an error (no space) the slots are as before.
        """

    async def rename(self, parent: ClusterItem, chain: Chain, bref: Blockref | None, flags: int) -> None:
        """Attach a chain under a new parent, with the key and keybits of bref.

        Assumes that it was deleted from the old one. Guarantees nothing about success: it has no result.
        """

    async def delete(self, parent: Chain | None, chain: Chain, flags: int) -> None:
        """Take a chain out of the live view. Assumes chain.parent is the parent. It has no result."""

    async def modify(self, chain: Chain, flags: int) -> None:
        """Make a chain writable and its data present, copied to new storage.

        Guarantees MODIFIED in any case; on an I/O error ``error`` is IO and there is no data. With OPTDATA data that
        was not loaded may be left out.
        """

    async def resize(self, ip: Inode | None, parent: Chain, chain: Chain, nradix: int, flags: int) -> None:
        """Storage of 2^nradix bytes, then as modify."""

    def setflush(self, chain: Chain) -> None:
        """See to it that the next flush descends to the chain."""

    async def flush(self, chain: Chain) -> None:
        """Write what is modified from the chain downwards. It has no result."""

    # ---- neighbours

    def inode_repoint(self, ip: Inode, cluster: Cluster) -> None:
        """hammer2_inode_repoint(ip, NULL, cluster): the inode's own cluster follows."""

    def vsetisdirty(self, ip: Inode) -> None:
        """The inode's vnode is dirty."""

    def dirhash(self, name: str) -> int:
        """The key of a name."""

    async def inode_create(self, hmp: int, name: str, flags: int) -> tuple[Inode | None, Cluster | None, int]:
        """A directory under the super-root of a device: the inode and its locked cluster, or none, and an Error."""

    def inode_unlock_ex(self, ip: Inode, cluster: Cluster) -> None:
        """Unlock what inode_create locked. The cluster is then unlocked by the caller's unlock."""

    def uuidgen(self, chain: Chain, offset: int) -> None:
        """Fill 16 bytes of the chain's data with a unique id."""

    def adjreadcounter(self, chain: Chain) -> None:
        """Count a read."""

    def io_getblk(self, iocb: Iocb) -> None:
        """Begin to read the chain of the control block. Guarantees exactly one call of its callback, now or later.

        So it does not wait: whoever answers later must find the cluster still locked (the note at L1284-1286).
        """

    def callback(self, iocb: Iocb) -> None:
        """Deliver: iocb.callback(iocb)."""
