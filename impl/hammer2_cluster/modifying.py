"""Making chains writable, and carrying what was edited in the focus to the rest (L620-755)."""

from typing import NamedTuple

from hammer2_cluster import confirmed
from hammer2_cluster.contracts import (
    a_chain_means,
    always,
    cluster_must_be,
    cparent_must_be,
    success_means,
    void_in_the_seed,
)
from hammer2_cluster.data import wdata
from hammer2_cluster.objects import Chain, Cluster, Inode
from hammer2_cluster.outcomes import KernelPanic, deref, kkassert
from hammer2_cluster.runner import Runner
from hammer2_cluster.standing import decide_anew, refusal, settle_write, takes_writes, writable, write_access
from hammer2_spec import cluster_rules as rules
from hammer2_spec.semantics import REPAIRED, Semantics
from hammer2_spec.vocabulary import EMBEDDED_BYTES, BrefType, ChainFlag, Error, InodeFlag, Modify, OpFlag

INODE_PFS_SUBTYPE = 0x003
INODE_OP_FLAGS = 0x051
INODE_PFS_TYPE = 0x087
INODE_PFS_CLID = 0x090
INODE_PFS_FSID = 0x0A0
PFS_IDENTITY = (
    slice(INODE_PFS_SUBTYPE, INODE_PFS_SUBTYPE + 1),
    slice(INODE_PFS_TYPE, INODE_PFS_TYPE + 1),
    slice(INODE_PFS_CLID, INODE_PFS_FSID + 16),
)
"""What makes a root inode that of this node's PFS: subtype, type, cluster id and filesystem id."""
INODE_U = 0x200
"""offsetof(hammer2_inode_data_t, u): the block table, or embedded data."""
TABLE = slice(INODE_U, INODE_U + EMBEDDED_BYTES)


@cluster_must_be(rules.is_locked)
@cparent_must_be(rules.is_locked)
@success_means(rules.can_be_written, rules.the_focus_is_modified)
@void_in_the_seed
async def resize(
    on: Runner, ip: Inode | None, cparent: Cluster | None, cluster: Cluster | None, nradix: int, flags: int
) -> int:
    """Resize every present chain to 2^nradix bytes, under its own parent (L620-644). Data chains may lose buffers.

    Returns 0; when repaired, an Error if too few members could be resized. Raises KernelAssert L632 or L633 if the two
    clusters are not of one kind, L638 for a member without a parent.
    """
    parents = deref(cparent)
    cluster = deref(cluster)
    items = cluster.array
    kkassert(parents.pmp is cluster.pmp, "L632")
    kkassert(on.semantics.uneven_clusters or parents.nchains == cluster.nchains, "L633")
    await on.known(cluster, parents)

    async def resize_member(i: int) -> bool:
        above = parents.array[i].chain
        if on.semantics.believed_writes:
            if not takes_writes(above) or deref(items[i].chain).parent is not above:
                return False
        else:
            kkassert(above is not None, "L638")
        await on.chains.resize(ip, deref(above), deref(items[i].chain), nradix, flags)
        return True

    granted = write_access(cluster, parents)
    slots = writable(on, cluster, under=parents)
    failed = [i for i in writable(on, cluster) if i not in slots]
    until = on.quorum_of(cluster, failed)
    async for i, resized in on.ask(cluster, resize_member, slots=slots, until=until):
        if not resized:
            failed.append(i)
    return await settle_write(on, failed, granted, cluster) if on.semantics.rechecked_write else 0


@cluster_must_be(rules.is_locked)
@success_means(rules.can_be_written, rules.the_focus_is_modified)
@always(
    lambda on, cluster, flags, result: (
        on.semantics != REPAIRED or result != 0 or flags & Modify.OPTDATA or rules.the_focus_can_be_written(cluster)
    ),
    "its data is there, unless that is optional",
)
@void_in_the_seed
async def modify(on: Runner, cluster: Cluster | None, flags: int) -> int:
    """Make the chains writable; if the focus errors, resolve again (L668-697). flags: Modify bits.

    Returns 0; when repaired, an Error if too few members could be modified: nothing may be edited then.
    """
    cluster = deref(cluster)
    items = cluster.array
    await on.known(cluster)
    resolve_again = False

    async def modify_member(i: int) -> Chain:
        chain = deref(items[i].chain)
        await on.chains.modify(chain, flags)
        return chain

    granted = write_access(cluster)
    slots = writable(on, cluster)
    async for _, chain in on.ask(cluster, modify_member, slots=slots, until=on.quorum_of(cluster)):
        if chain.error and cluster.focus is chain:
            resolve_again = True  # which says what error the cluster has: what L690 notes is overwritten
    if resolve_again or on.semantics.rechecked_write:
        decide_anew(on, cluster)
    return refusal(cluster, granted) if on.semantics.rechecked_write else 0


@cluster_must_be(rules.is_locked)
@a_chain_means(rules.can_be_written, rules.the_focus_is_modified)
@always(
    lambda on, cluster, flags, result: (
        on.semantics != REPAIRED or result is None or flags & Modify.OPTDATA or rules.the_focus_can_be_written(cluster)
    ),
    "its data is there, unless that is optional",
)
@always(lambda cluster, result: result is None or result is cluster.focus, "the focus, or no chain")
@always(lambda ip: ip.flags & InodeFlag.MODIFIED != 0, "the inode is marked whatever becomes of the chains (L659)")
async def modify_ip(on: Runner, ip: Inode | None, cluster: Cluster | None, flags: int) -> Chain | None:
    """Mark the inode modified, modify its cluster, repoint the inode to it (L646-666).

    Returns the chain whose data is writable then: the focus; when repaired, None if modify fails. Raises
    NullDereference without a focus, KernelAssert L1274 if it is not MODIFIED.
    """
    ip = deref(ip)
    ip.flags |= InodeFlag.MODIFIED
    if await modify(on, cluster, flags):
        return None
    on.chains.inode_repoint(ip, deref(cluster))
    if ip.vp:
        on.chains.vsetisdirty(ip)
    return wdata(cluster)


class Edited(NamedTuple):
    """What was edited in the focus, as it was when the copying began: other nodes read this, not the focus."""

    type: int
    bytes: int
    data: bytearray | None

    def has_block_table(self) -> bool:
        """Of an inode: its data is not embedded. Raises NullDereference without data."""
        return not deref(self.data)[INODE_OP_FLAGS] & OpFlag.DIRECTDATA

    @confirmed.require(lambda self: self.data is None or len(self.data) >= INODE_U)
    @confirmed.ensure(lambda self: self.type in (BrefType.INODE, BrefType.DATA))
    @confirmed.ensure(
        lambda self, result: (
            result == (INODE_U if self.type == BrefType.INODE and self.data[INODE_OP_FLAGS] % 2 == 0 else self.bytes)
        ),
        "all, unless it is an inode with a block table",
    )
    def extent(self) -> int:
        """How many bytes are the same on every node (L729-753): all, but for an inode's block table.

        Raises KernelPanic for types that consist of block tables, NullDereference without data.
        """
        match self.type:
            case BrefType.INODE if self.has_block_table():
                return INODE_U
            case BrefType.INODE | BrefType.DATA:
                return self.bytes
            case BrefType.FREEMAP_NODE | BrefType.FREEMAP_LEAF | BrefType.FREEMAP | BrefType.VOLUME:
                raise KernelPanic("illegal_node_type")
            case _:
                raise KernelPanic("unknown_node_type")


def copy_edited(semantics: Semantics, edited: Edited, data: bytearray) -> None:
    """Make a member's data what was edited in the focus, as far as that is the same on every node."""
    n = edited.extent()
    before = bytes(data)
    data[:n] = deref(edited.data)[:n]
    if edited.type == BrefType.INODE:
        if semantics.fresh_block_table and edited.has_block_table() and before[INODE_OP_FLAGS] & OpFlag.DIRECTDATA:
            data[TABLE] = bytes(EMBEDDED_BYTES)  # what stood there was embedded data, no table
        if semantics.own_identity and data[INODE_OP_FLAGS] & OpFlag.PFSROOT:
            for part in PFS_IDENTITY:
                data[part] = before[part]


@cluster_must_be(rules.is_locked, rules.the_focus_can_be_written)
@success_means(rules.can_be_written)
@void_in_the_seed
async def modsync(on: Runner, cluster: Cluster | None) -> int:
    """Copy what was edited in the focus to every other chain; block tables are never copied (L699-755).

    Returns 0; when repaired, an Error if too few members have it then. Raises NullDereference without a focus or data;
    KernelAssert L720 if the focus is not MODIFIED, L726 if another chain is not, L727 if its size or type differs;
    KernelPanic for a type that cannot be copied.
    """
    cluster = deref(cluster)
    items = cluster.array
    focus = deref(cluster.focus)
    kkassert(focus.flags & ChainFlag.MODIFIED, "L720")
    edited = Edited(focus.bref.type, focus.bytes, None if focus.data is None else bytearray(focus.data))
    tolerant = on.semantics.tolerant_modsync
    failed: list[int] = []

    async def copy_to_member(i: int) -> bool:
        scan = deref(items[i].chain)
        alike = (scan.bytes, scan.bref.type) == (edited.bytes, edited.type)
        if tolerant:
            if scan.data is None:  # modify had left it out; one that is late leaves by its error
                scan.error = Error.IO
            if scan.error or not (scan.flags & ChainFlag.MODIFIED and alike):
                return False
        else:
            kkassert(scan.flags & ChainFlag.MODIFIED, "L726")
            kkassert(alike, "L727")
        if edited.extent():
            copy_edited(on.semantics, edited, deref(scan.data))
        return True

    granted = write_access(cluster)
    slots = [i for i in writable(on, cluster) if items[i].chain is not focus]
    async for i, copied in on.ask(cluster, copy_to_member, slots=slots, until=on.quorum_of(cluster, failed)):
        if not copied:
            failed.append(i)
    return await settle_write(on, failed, granted, cluster) if tolerant else 0
