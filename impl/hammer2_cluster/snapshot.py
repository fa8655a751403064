"""A PFS frozen as it is (L1095-1203)."""

from typing import NamedTuple

from hammer2_cluster.contracts import always, ocluster_must_be
from hammer2_cluster.data import rdata
from hammer2_cluster.locking import unlock
from hammer2_cluster.lookups import parent
from hammer2_cluster.modifying import (
    INODE_OP_FLAGS,
    INODE_PFS_CLID,
    INODE_PFS_FSID,
    INODE_PFS_SUBTYPE,
    INODE_PFS_TYPE,
    TABLE,
    modify_ip,
    modsync,
)
from hammer2_cluster.objects import Chain, Cluster, Inode
from hammer2_cluster.outcomes import deref, kkassert
from hammer2_cluster.runner import Runner
from hammer2_cluster.standing import believed, settle_write, writable, write_access
from hammer2_cluster.topology import detach
from hammer2_spec import cluster_rules as rules
from hammer2_spec.semantics import REPAIRED
from hammer2_spec.vocabulary import BrefFlag, Delete, Error, Insert, OpFlag, PfsSubtype, PfsType

UUID_BYTES = 16
FSID = slice(INODE_PFS_FSID, INODE_PFS_FSID + UUID_BYTES)
CLID = slice(INODE_PFS_CLID, INODE_PFS_CLID + UUID_BYTES)


class Made(NamedTuple):
    """A directory that inode_create made, locked."""

    ip: Inode
    cluster: Cluster


class Ids(NamedTuple):
    """A snapshot's own filesystem id and cluster id."""

    fsid: bytes
    clid: bytes


def _name_the_snapshot(on: Runner, chain: Chain, ids: Ids | None) -> None:
    """Make a new directory the root of a PFS of its own (L1158-1174), with new ids or those of the nodes before."""
    wipdata = deref(chain.data)
    wipdata[INODE_PFS_TYPE] = PfsType.MASTER
    wipdata[INODE_PFS_SUBTYPE] = PfsSubtype.SNAPSHOT
    wipdata[INODE_OP_FLAGS] |= OpFlag.PFSROOT
    if ids is None:
        on.chains.uuidgen(chain, INODE_PFS_FSID)
        on.chains.uuidgen(chain, INODE_PFS_CLID)  # a private cluster, which is never synchronized with the original
    else:
        wipdata[FSID], wipdata[CLID] = ids


async def _snapshot_at(
    on: Runner, ocluster: Cluster, ochain: Chain, name: str, ids: Ids | None = None
) -> tuple[int, Made | None]:
    """The snapshot at the node of one chain: an Error, and what was made, still locked."""
    whole = on.semantics.whole_snapshot
    source, hmp = ochain.data, ochain.hmp
    if whole and source is None:
        return Error.IO, None
    nip, ncluster, error = await on.chains.inode_create(deref(hmp), name, Insert.PFSROOT)
    if nip is None:
        return error, None
    chain = await modify_ip(on, nip, ncluster, 0)
    ncluster = deref(ncluster)
    if whole and chain is None:
        return ncluster.error, Made(nip, ncluster)
    _name_the_snapshot(on, deref(chain), ids)
    for _, nchain in ncluster.members():
        nchain.bref.flags |= BrefFlag.PFSROOT
    kkassert(whole or ocluster.nchains == 1, "L1192")
    deref(deref(chain).data)[TABLE] = deref(source)[TABLE]
    await modsync(on, ncluster)
    items = ncluster.array

    async def flush_member(i: int) -> None:
        await on.chains.flush(deref(items[i].chain))

    async for _ in on.ask(ncluster, flush_member):
        pass
    return error, Made(nip, ncluster)


async def _take_back(on: Runner, made: Made) -> None:
    """Delete a directory again, because the snapshot has failed."""
    above = await parent(on, made.cluster)
    await detach(on, made.cluster, believed(on, above), Delete.PERMANENT)
    await unlock(on, above)


async def _release(on: Runner, made: Made) -> None:
    """Unlock a directory."""
    on.chains.inode_unlock_ex(made.ip, made.cluster)
    await unlock(on, made.cluster)


@ocluster_must_be(rules.is_locked)
@always(
    lambda on, ocluster, result: on.semantics != REPAIRED or result != 0 or rules.can_be_written(ocluster),
    "without an Error, enough nodes have it: those that do not are removed",
)
async def snapshot(on: Runner, ocluster: Cluster | None, name: str) -> int:
    """A new PFS under the super-root with the flushed contents of the cluster (L1095-1203). Returns an Error.

    Assumes that the filesystem was synced and that the original's inode is locked exclusively. The seed works on the
    focus's device only; when repaired, on every node that may be written, each with its own block table, and where it
    fails nothing is left of it. Raises KernelAssert L1192 unless the cluster has one member; NullDereference without a
    focus, a device or data.
    """
    on.chains.kprintf_snapshot(name)
    on.chains.dirhash(name)
    cluster = deref(ocluster)
    granted = write_access(cluster)
    above = await parent(on, cluster) if on.semantics.locked_superroot else None  # it is locked before what is below
    error = await _snapshot_under(on, above, cluster, name, granted)
    if above is not None:
        await unlock(on, above)
    return error


async def _snapshot_under(on: Runner, above: Cluster | None, cluster: Cluster, name: str, granted: int) -> int:
    """The snapshot, in the seed at the focus's node; else at all that may be written, and whose super-root can be."""
    if not on.semantics.whole_snapshot:
        error, made = await _snapshot_at(on, cluster, rdata(cluster), name)
        if made is not None:
            await _release(on, made)
        return error
    ids: Ids | None = None
    everywhere: list[tuple[int, int, Made | None]] = []
    leaving = [] if above is None else [*above.late(), *cluster.late()]  # all have answered: they could not be read
    slots = [i for i in writable(on, cluster, under=above) if i not in leaving]
    failed = [i for i in writable(on, cluster) if i not in slots]
    for i in slots:
        error, made = await _snapshot_at(on, cluster, deref(cluster.array[i].chain), name, ids)
        if not error:
            ripdata = deref(rdata(deref(made).cluster).data)
            ids = Ids(bytes(ripdata[FSID]), bytes(ripdata[CLID]))
        everywhere.append((i, error, made))
    failed += [i for i, error, _ in everywhere if error]
    lost = await settle_write(on, failed, granted, cluster)
    for _, error, made in everywhere:
        if made is not None:
            if lost or error:
                await _take_back(on, made)
            await _release(on, made)
    return lost
