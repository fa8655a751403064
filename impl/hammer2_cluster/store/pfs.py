"""PFSs: made, found and taken away under the super-roots, and put together as a cluster."""

from collections.abc import Sequence
from typing import NamedTuple

from hammer2_cluster import standing
from hammer2_cluster.data import rdata
from hammer2_cluster.life_cycle import from_chain
from hammer2_cluster.locking import lock, resolve, slots_of, unlock
from hammer2_cluster.lookups import lookup, next  # noqa: A004 - the original's name
from hammer2_cluster.objects import Cluster, Pfs
from hammer2_cluster.outcomes import deref
from hammer2_cluster.runner import Runner
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.chains import StoredChains, own
from hammer2_cluster.store.directory import (
    ExistsError,
    FilesystemError,
    NotFoundError,
    UnavailableError,
    about,
    check,
    check_name,
    create_inode,
    find,
    inode_of,
    must_have_answered,
    shown,
    trusted,
    wrong_with,
)
from hammer2_cluster.store.inode_data import DIRECTORY, InodeData
from hammer2_cluster.store.volume import Volume, entries_in
from hammer2_cluster.topology import delete
from hammer2_spec.vocabulary import (
    DIRHASH_VISIBLE,
    KEY_MAX,
    MAXCLUSTER,
    Error,
    Insert,
    Lookup,
    OpFlag,
    PfsType,
    Resolve,
)


class Root(NamedTuple):
    """What a node's super-root says of a PFS."""

    key: int
    inode: InodeData
    mirror_tid: int
    newest_tid: int
    """The highest mirror_tid below it: in a snapshot, whose own says nothing, that of the last change before it."""


def _root_in(cluster: Cluster) -> Root:
    """What a locked cluster is the root of. Raises UnavailableError."""
    focus = deref(trusted(cluster).focus)
    below = entries_in(focus.bref.type, deref(focus.data))
    newest = max((entry.mirror_tid for entry in below), default=0)
    return Root(focus.bref.key, inode_of(cluster), focus.bref.mirror_tid, newest)


async def super_root(on: Runner, chains: StoredChains, volume: Volume) -> Cluster:
    """The super-root of one node, locked."""
    root = deref(volume.super_root)
    await chains.lock(root, Resolve.ALWAYS)
    cluster = from_chain(on, root)
    resolve(on, cluster)
    return cluster


async def find_root(on: Runner, chains: StoredChains, volume: Volume, label: bytes) -> Root | None:
    """A PFS of a node, by its label. Raises UnavailableError."""
    cparent = await super_root(on, chains, volume)
    try:
        cluster, _ = await find(on, cparent, label)
        if cluster is None:
            return None
        root = _root_in(cluster)
        await unlock(on, cluster)
        return root
    finally:
        await unlock(on, cparent)


async def roots_of(on: Runner, chains: StoredChains, volume: Volume) -> list[Root]:
    """All PFSs of a node. Raises UnavailableError."""
    cparent = await super_root(on, chains, volume)
    roots = []
    try:
        cluster, _ = await lookup(on, cparent, 0, DIRHASH_VISIBLE, KEY_MAX, Lookup.ALWAYS)
        while cluster is not None:
            roots.append(_root_in(cluster))
            cluster, _ = await next(on, cparent, cluster, 0, DIRHASH_VISIBLE, KEY_MAX, Lookup.ALWAYS)
        must_have_answered(cparent)
    finally:
        await unlock(on, cparent)
    return roots


async def create_pfs(on: Runner, chains: StoredChains, label: bytes, types: Sequence[int], clid: bytes) -> None:
    """A new, empty PFS: node i of it is of types[i] (MASTER, SLAVE, ...). Durable when this returns.

    Raises ExistsError, FilesystemError.
    """
    check_name(label)
    nmasters = sum(kind == PfsType.MASTER for kind in types)
    for volume, kind in zip(chains.volumes, types, strict=True):
        if volume is None:
            continue
        inode = InodeData(
            type=DIRECTORY,
            op_flags=OpFlag.PFSROOT,
            pfs_type=kind,
            pfs_nmasters=nmasters,
            pfs_clid=clid,
            pfs_fsid=chains.uuids(volume.hmp, 0xA0),
            name=label,
        )
        await make_root(on, chains, volume, inode)
        await chains.sync(deref(volume.super_root))
        if volume.failed:
            raise FilesystemError(str(volume.failed))


async def make_root(on: Runner, chains: StoredChains, volume: Volume, inode: InodeData) -> None:
    """The root of a new, empty PFS on one node, in memory. Raises ExistsError, UnavailableError, NoSpaceError."""
    cparent = await super_root(on, chains, volume)
    cluster, key = await find(on, cparent, inode.name)
    if cluster is not None:
        raise ExistsError(f"{volume.name} has a PFS {shown(inode.name)}")
    await unlock(on, await create_inode(on, cparent, None, key, inode, Insert.PFSROOT))
    await unlock(on, cparent)


async def remove_pfs(on: Runner, chains: StoredChains, volume: Volume, label: bytes) -> bool:
    """Take a PFS of one node away, in memory; False if it has none of that label. Raises UnavailableError."""
    cparent = await super_root(on, chains, volume)
    try:
        cluster, _ = await find(on, cparent, label)
        if cluster is None:
            return False
        check(await delete(on, cparent, cluster, 0), cluster)
        await unlock(on, cluster)
    finally:
        await unlock(on, cparent)
    return True


async def assemble(on: Runner, chains: StoredChains, label: bytes) -> tuple[Cluster, list[str]]:
    """The roots of a PFS on the nodes that have it and are in step, referenced; for each node why it is left out.

    Raises NotFoundError, UnavailableError.
    """
    roots: list[Root | None] = []
    left_out = [""] * len(chains.volumes)
    unreadable = False
    for i, volume in enumerate(chains.volumes):
        try:
            roots.append(None if volume is None else await find_root(on, chains, volume, label))
            if roots[-1] is None:
                left_out[i] = "not there" if volume is None else f"has no {shown(label)}"
        except UnavailableError as error:
            roots.append(None)
            left_out[i] = str(error) if volume is None else about(volume, error)
            unreadable = True
    known = [root for root in roots if root is not None]
    if not known:
        kind = UnavailableError if unreadable else NotFoundError
        raise kind(f"no node has a PFS {shown(label)}: {'; '.join(filter(None, left_out))}")
    newest = max(known, key=lambda root: root.mirror_tid).inode
    types = [PfsType.NONE if root is None else root.inode.pfs_type for root in roots]
    pmp = Pfs(0, types + [0] * (MAXCLUSTER - len(types)), newest.pfs_nmasters)
    cluster = chains.kmalloc()
    cluster.pmp, cluster.refs, cluster.nchains = pmp, 1, len(roots)
    for i, (volume, root) in enumerate(zip(chains.volumes, roots, strict=True)):
        if volume is not None and root is not None:
            try:
                cluster.array[i].chain = await root_chain(chains, volume, root, pmp)
            except UnavailableError as error:
                left_out[i] = str(error)
    await _leave_out(on, chains, cluster, left_out)
    return cluster, left_out


async def root_chain(chains: StoredChains, volume: Volume, root: Root, pmp: Pfs) -> StoredChain:
    """The root of the PFS on one node, referenced. Raises UnavailableError if it cannot be read."""
    volume.pfs[root.key] = pmp
    sroot = deref(volume.super_root)
    await chains.lock(sroot, Resolve.ALWAYS)
    item = chains.kmalloc().array[0]
    item.chain = sroot
    chain, _ = await chains.lookup(item, 0, root.key, root.key, Lookup.NOLOCK)
    chains.unlock(deref(item.chain))
    if chain is None:  # what could be read when it was looked for cannot be read now
        raise UnavailableError(f"{volume.name}: the root of the PFS cannot be read")
    return own(chain)


async def _leave_out(on: Runner, chains: StoredChains, cluster: Cluster, left_out: list[str]) -> None:
    """Keep the members that agree with the quorum. Raises UnavailableError without one."""
    if await lock(on, cluster, Resolve.ALWAYS):
        raise UnavailableError(wrong_with(cluster))
    tid = rdata(trusted(cluster)).bref.mirror_tid
    members, slots, good = list(cluster.members()), slots_of(on, cluster), standing.believed(on, cluster)
    await unlock(on, cluster)
    for i, chain in members:
        if i not in good:
            behind = f"at tid {slots[i].tid}, not {tid}"
            error = Error(slots[i].error)
            left_out[i] = f"{own(chain).place}: {error.name} error" if error else behind
            cluster.array[i].chain = None
            chains.drop(chain)
