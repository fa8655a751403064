"""A PFS frozen as it is (L1095-1203)."""

from hammer2_cluster.data import rdata
from hammer2_cluster.locking import unlock
from hammer2_cluster.modifying import INODE_OP_FLAGS, INODE_U, modify_ip, modsync
from hammer2_cluster.objects import Chain, Cluster, Inode
from hammer2_cluster.outcomes import deref, kkassert
from hammer2_cluster.runner import Runner
from hammer2_spec.vocabulary import EMBEDDED_BYTES, BrefFlag, Insert, OpFlag, PfsSubtype, PfsType

INODE_PFS_SUBTYPE = 0x003
INODE_PFS_TYPE = 0x087
INODE_PFS_CLID = 0x090
INODE_PFS_FSID = 0x0A0


async def fill_in(
    on: Runner, nip: Inode, ncluster: Cluster | None, ocluster: Cluster, source: bytearray | None
) -> None:
    """Make the new directory a snapshot: its own PFS, with the original's block table, flushed (L1157-1200)."""
    chain: Chain = await modify_ip(on, nip, ncluster, 0)
    ncluster = deref(ncluster)
    wipdata = deref(chain.data)
    wipdata[INODE_PFS_TYPE] = PfsType.MASTER
    wipdata[INODE_PFS_SUBTYPE] = PfsSubtype.SNAPSHOT
    wipdata[INODE_OP_FLAGS] |= OpFlag.PFSROOT
    on.chains.uuidgen(chain, INODE_PFS_FSID)
    on.chains.uuidgen(chain, INODE_PFS_CLID)  # a private cluster, which is never synchronized (L1163-1174)
    for _, nchain in ncluster.members():
        nchain.bref.flags |= BrefFlag.PFSROOT
    kkassert(ocluster.nchains == 1, "L1192")
    table = slice(INODE_U, INODE_U + EMBEDDED_BYTES)
    wipdata[table] = deref(source)[table]
    await modsync(on, ncluster)
    items = ncluster.array

    async def flush_member(i: int) -> None:
        await on.chains.flush(deref(items[i].chain))

    async for _ in on.ask(ncluster, flush_member):
        pass
    on.chains.inode_unlock_ex(nip, ncluster)
    await unlock(on, ncluster)


async def snapshot(on: Runner, ocluster: Cluster | None, name: str) -> int:
    """A new PFS under the super-root with the flushed contents of the cluster (L1095-1203). Returns an Error.

    Assumes that the filesystem was synced and that the original's inode is locked exclusively. Raises KernelAssert
    L1192 unless the cluster has one member; NullDereference without a focus, a device or data.
    """
    on.chains.kprintf_snapshot(name)
    on.chains.dirhash(name)
    focus = rdata(ocluster)
    source = focus.data
    hmp = deref(focus.hmp)
    nip, ncluster, error = on.chains.inode_create(hmp, name, Insert.PFSROOT)
    if nip is not None:
        await fill_in(on, nip, ncluster, deref(ocluster), source)
    return error
