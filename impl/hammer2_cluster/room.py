"""Room on a full node (L1436-1438): older snapshots are removed, but none that too few others have."""

from collections.abc import Iterable, Sequence

from hammer2_cluster.store import flush
from hammer2_cluster.store.chains import StoredChains
from hammer2_cluster.store.pfs import Root, remove_pfs, roots_of
from hammer2_cluster.store.volume import Volume
from hammer2_cluster.straight import Straight
from hammer2_spec.resolve import majority
from hammer2_spec.semantics import REPAIRED
from hammer2_spec.vocabulary import PfsSubtype


async def snapshots_on(chains: StoredChains, volume: Volume) -> list[Root]:
    """Those of a node that nobody has mounted there, the oldest first. Raises UnavailableError."""
    roots = await roots_of(Straight(chains, REPAIRED), chains, volume)
    unlocked = [root for root in roots if root.key not in volume.pfs]
    snapshots = [root for root in unlocked if root.inode.pfs_subtype == PfsSubtype.SNAPSHOT]
    return sorted(snapshots, key=lambda root: root.newest_tid)


def oldest_to_spare(mine: Iterable[Root], elsewhere: Sequence[Sequence[Root]]) -> Root | None:
    """The first of a node's snapshots that a quorum of its masters has on other nodes; None if there is none.

    elsewhere: the snapshots on each of the others.
    """
    for root in mine:
        holders = sum(any(_is_copy(root, other) for other in roots) for roots in elsewhere)
        if holders >= majority(root.inode.pfs_nmasters):
            return root
    return None


def _is_copy(root: Root, other: Root) -> bool:
    return (root.inode.pfs_clid, root.newest_tid) == (other.inode.pfs_clid, other.newest_tid)


async def remove_snapshot(chains: StoredChains, volume: Volume, root: Root) -> None:
    """Take a snapshot off a node, durably; the node's version stays as it is. Raises DeviceError, UnavailableError."""
    await remove_pfs(Straight(chains, REPAIRED), chains, volume, root.inode.name)
    await flush.sync(volume, volume.header.mirror_tid)
    if volume.failed is not None:
        raise volume.failed
