"""Making chains writable, and carrying what was edited in the focus to the rest (L620-755)."""

from typing import NamedTuple

from hammer2_cluster.data import wdata
from hammer2_cluster.locking import resolve
from hammer2_cluster.objects import Chain, Cluster, Inode
from hammer2_cluster.outcomes import KernelPanic, deref, kkassert
from hammer2_cluster.runner import Runner
from hammer2_spec.vocabulary import BrefType, ChainFlag, InodeFlag, OpFlag

INODE_OP_FLAGS = 0x051
INODE_U = 0x200
"""offsetof(hammer2_inode_data_t, u): the block table, or embedded data."""


async def resize(
    on: Runner, ip: Inode | None, cparent: Cluster | None, cluster: Cluster | None, nradix: int, flags: int
) -> None:
    """Resize every present chain to 2^nradix bytes, under its own parent (L620-644).

    Raises KernelAssert L632 or L633 if the two clusters are not of one kind, L638 for a member without a parent.
    """
    parents = deref(cparent)
    cluster = deref(cluster)
    items = cluster.array
    kkassert(parents.pmp is cluster.pmp, "L632")
    kkassert(parents.nchains == cluster.nchains, "L633")

    async def resize_member(i: int) -> None:
        parent = parents.array[i].chain
        if parent is None:
            kkassert(False, "L638")
        await on.chains.resize(ip, deref(parent), deref(items[i].chain), nradix, flags)

    async for _ in on.ask(cluster, resize_member, until=on.quorum_of(cluster)):
        pass


async def modify(on: Runner, cluster: Cluster | None, flags: int) -> None:
    """Make the chains writable; if the focus errors, resolve again (L668-697). flags: Modify bits."""
    cluster = deref(cluster)
    items = cluster.array
    resolve_again = False

    async def modify_member(i: int) -> None:
        await on.chains.modify(deref(items[i].chain), flags)

    async for i, _ in on.ask(cluster, modify_member, until=on.quorum_of(cluster)):
        chain = deref(items[i].chain)
        if cluster.focus is chain and chain.error:
            cluster.error = chain.error
            resolve_again = True
    if resolve_again:
        resolve(on, cluster)


async def modify_ip(on: Runner, ip: Inode | None, cluster: Cluster | None, flags: int) -> Chain:
    """Mark the inode modified, modify its cluster, repoint the inode to it (L646-666).

    Returns the chain whose data is writable then: the focus. Raises NullDereference without one, and KernelAssert L1274
    if it is not MODIFIED.
    """
    ip = deref(ip)
    ip.flags |= InodeFlag.MODIFIED
    await modify(on, cluster, flags)
    on.chains.inode_repoint(ip, deref(cluster))
    if ip.vp:
        on.chains.vsetisdirty(ip)
    return wdata(cluster)


class Edited(NamedTuple):
    """What was edited in the focus, as it was when the copying began: other nodes read this, not the focus."""

    type: int
    bytes: int
    data: bytearray | None

    def extent(self) -> int:
        """How many bytes are the same on every node (L729-753): all, but for an inode's block table.

        Raises KernelPanic for types that consist of block tables, NullDereference without data.
        """
        match self.type:
            case BrefType.INODE if deref(self.data)[INODE_OP_FLAGS] & OpFlag.DIRECTDATA == 0:
                return INODE_U
            case BrefType.INODE | BrefType.DATA:
                return self.bytes
            case BrefType.FREEMAP_NODE | BrefType.FREEMAP_LEAF | BrefType.FREEMAP | BrefType.VOLUME:
                raise KernelPanic("illegal_node_type")
            case _:
                raise KernelPanic("unknown_node_type")


async def modsync(on: Runner, cluster: Cluster | None) -> None:
    """Copy what was edited in the focus to every other chain; block tables are never copied (L699-755).

    Raises NullDereference without a focus or data; KernelAssert L720 if the focus is not MODIFIED, L726 if another
    chain is not, L727 if its size or type differs; KernelPanic for a type that cannot be copied.
    """
    cluster = deref(cluster)
    items = cluster.array
    focus = deref(cluster.focus)
    kkassert(focus.flags & ChainFlag.MODIFIED, "L720")
    edited = Edited(focus.bref.type, focus.bytes, focus.data)

    async def copy_to_member(i: int) -> None:
        scan = deref(items[i].chain)
        kkassert(scan.flags & ChainFlag.MODIFIED, "L726")
        kkassert((scan.bytes, scan.bref.type) == (edited.bytes, edited.type), "L727")
        n = edited.extent()
        if n:
            deref(scan.data)[:n] = deref(edited.data)[:n]

    others = [i for i, chain in cluster.members() if chain is not focus]
    async for _ in on.ask(cluster, copy_to_member, slots=others):
        pass
