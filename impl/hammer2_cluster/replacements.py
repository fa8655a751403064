"""The write that records that the medium of a master is new (P11).

It commits without that master. So whoever has not heard of it, and would fill the new medium with what the old one had
acknowledged something else than, is refused by a majority. What it writes is an inode where no name belongs: for each
node one that is called as the node's medium. An older medium of that node, put back, is told by it, and takes no part.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from hammer2_cluster import difference
from hammer2_cluster.control import Control
from hammer2_cluster.locking import unlock
from hammer2_cluster.lookups import lookup, lookup_done
from hammer2_cluster.objects import Cluster
from hammer2_cluster.outcomes import deref
from hammer2_cluster.runner import Runner
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.directory import check, create_inode, lock_again
from hammer2_cluster.store.inode_data import REGULAR_FILE, InodeData
from hammer2_cluster.store.volume import Volume
from hammer2_cluster.topology import delete
from hammer2_spec.protocol.state import Client, replacement
from hammer2_spec.protocol.writing import replacement_pending
from hammer2_spec.vocabulary import MAXCLUSTER, Lookup, OpFlag

OLD_MEDIUM: Final = "its medium is an old one, another one has replaced it; it needs a new one"


class _Record(NamedTuple):
    """Of the medium that a node has."""

    tid: int
    """Of the root that says so."""
    medium: bytes


class Successors:
    """The media that took the places of others, as the newest root says that has been read."""

    def __init__(self) -> None:
        """None is known."""
        self._known: Final[dict[int, _Record]] = {}

    def learn(self, tid: int, media: Mapping[int, bytes]) -> None:
        """What a root of this tid says: for nodes the ids of their media."""
        for n, medium in media.items():
            record = _Record(tid, medium)
            self._known[n] = max(record, self._known.get(n, record))

    def has_replaced(self, volume: Volume) -> bool:
        """Whether another medium has taken the place of this one."""
        known = self._known.get(volume.hmp)
        return known is not None and known.medium != volume.header.volume_id


async def recorded(root: StoredChain) -> dict[int, bytes]:
    """What can be read of the records below a PFS's root, at one node."""
    found: dict[int, bytes] = {}
    async with difference.inode_at(root, ()) as item:
        for n in range(MAXCLUSTER):
            chain = await difference.below(item, n, Lookup.ALWAYS)
            if chain is None:
                continue
            if not chain.error:
                found[n] = bytes.fromhex(InodeData.read(deref(chain.data)).name.decode())
            root.volume.unlock(chain)
    return found


def is_pending(control: Control, c: int) -> bool:
    """Whether a client has to record a replacement before it writes anything else."""
    return replacement_pending(control.setup, control.state, c)


def to_record(client: Client, control: Control) -> list[int]:
    """The nodes whose new medium the write records that a client has begun."""
    fresh = client.content & ~client.prior_content
    return [n for n, node in enumerate(control.state.nodes) if replacement(control.setup, node.media_lost) & fresh]


async def record(on: Runner, root: Cluster, media: Mapping[int, bytes]) -> None:
    """Below the PFS's root: the ids of the media that nodes have now. Raises UnavailableError, NoSpaceError."""
    for n, volume_id in media.items():
        cparent = await lock_again(on, root, 0)
        try:
            before, _ = await lookup(on, cparent, 0, n, n, Lookup.ALWAYS)
            if before is not None:
                check(await delete(on, cparent, before, 0), before)
                await unlock(on, before)
            inode = InodeData(type=REGULAR_FILE, name=volume_id.hex().encode(), op_flags=OpFlag.DIRECTDATA)
            await unlock(on, await create_inode(on, cparent, deref(root.pmp), n, inode))
        finally:
            await lookup_done(on, cparent)
