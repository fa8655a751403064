"""The write that records that the medium of a master is new (P11).

It commits without that master. So whoever has not heard of it, and would fill the new medium with what the old one had
acknowledged something else than, is refused by a majority. What it writes is an inode where no name belongs: for each
node one that is called as the node's medium.
"""

from collections.abc import Mapping

from hammer2_cluster.control import Control
from hammer2_cluster.locking import unlock
from hammer2_cluster.lookups import lookup, lookup_done
from hammer2_cluster.objects import Cluster
from hammer2_cluster.outcomes import deref
from hammer2_cluster.runner import Runner
from hammer2_cluster.store.directory import check, create_inode, lock_again
from hammer2_cluster.store.inode_data import REGULAR_FILE, InodeData
from hammer2_cluster.topology import delete
from hammer2_spec.protocol.state import replacement
from hammer2_spec.protocol.writing import replacement_pending, replacements_unrecorded
from hammer2_spec.vocabulary import Lookup, OpFlag


def is_pending(control: Control, c: int) -> bool:
    """Whether a client has to record a replacement before it writes anything else."""
    return replacement_pending(control.setup, control.state, c)


def unrecorded(control: Control, c: int) -> list[int]:
    """The nodes whose new medium a client's version does not record."""
    setup, state = control.setup, control.state
    missing = replacements_unrecorded(setup, state, c)
    return [n for n, node in enumerate(state.nodes) if replacement(setup, node.media_lost) & missing]


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
