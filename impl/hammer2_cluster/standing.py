"""Which members of a cluster count, and how one that failed is removed from it."""

from collections.abc import Sequence

from hammer2_cluster.locking import resolve, slots_of, type_of
from hammer2_cluster.objects import Chain, Cluster, ClusterItem
from hammer2_cluster.outcomes import deref
from hammer2_cluster.resolve import quorum
from hammer2_cluster.runner import Runner
from hammer2_spec.vocabulary import CLUSTER_WROK, ClusterFlag, Error, PfsType

QUORUM_TYPES = frozenset({PfsType.MASTER, PfsType.SLAVE})
WRITABLE_TYPES = frozenset({PfsType.MASTER, PfsType.SOFT_MASTER, PfsType.SUPROOT})
SOFT_TYPES = frozenset({PfsType.SOFT_MASTER, PfsType.SOFT_SLAVE})
HARD_TYPES = QUORUM_TYPES | {PfsType.SUPROOT}
SOFT_AND_SUPROOT = SOFT_TYPES | {PfsType.SUPROOT}


def believed(on: Runner, cluster: Cluster) -> list[int]:
    """The members that may be believed: without error and, masters and slaves, at the tid of a quorum."""
    slots = slots_of(on, cluster)
    agreed = quorum(slots, None if cluster.pmp is None else cluster.pmp.pfs_nmasters, on.semantics)
    return [
        i
        for i, slot in enumerate(slots)
        if slot.present
        and not slot.error
        and (
            type_of(cluster, i) in SOFT_AND_SUPROOT
            or (type_of(cluster, i) in QUORUM_TYPES and agreed.reached and slot.tid == agreed.tid)
        )
    ]


def _types(cluster: Cluster, hard: ClusterFlag, soft: ClusterFlag) -> set[int]:
    """The PfsTypes whose members the decision lets be used, by the access that it grants: that of a quorum, or soft."""
    return {
        *(HARD_TYPES if cluster.flags & hard else ()),
        *(SOFT_TYPES if cluster.flags & soft else ()),
    }


def readable(on: Runner, cluster: Cluster) -> Sequence[int]:
    """The slots that a lookup asks: all in the seed, those that the decision lets be read and believed when repaired.

    Members that owe an answer are among them, here and in what is written: what is sent to them queues behind, and
    whoever turns out not to be in step has left the cluster by then.
    """
    if not on.semantics.believed_lookups:
        return range(cluster.nchains)
    types = _types(cluster, ClusterFlag.RDHARD, ClusterFlag.RDSOFT)
    return sorted(i for i in {*believed(on, cluster), *cluster.late()} if type_of(cluster, i) in types)


def writable(on: Runner, cluster: Cluster, *, under: Cluster | None = None) -> Sequence[int]:
    """The slots that a write goes to: all in the seed; when repaired, those that may be written now (C31, C83).

    under: the parents, if the write needs them; then theirs must be such slots too.
    """
    if not on.semantics.believed_writes:
        return range(cluster.nchains)
    types = _types(cluster, ClusterFlag.WRHARD, ClusterFlag.WRSOFT) & WRITABLE_TYPES
    slots = {i for i in (*believed(on, cluster), *cluster.late()) if type_of(cluster, i) in types}
    return sorted(slots if under is None else slots & {*writable(on, under)})


def write_access(cluster: Cluster, under: Cluster | None = None) -> int:
    """What the decisions on a cluster, and on its parents if they are needed, grant: the bits of WROK (L546-551)."""
    return CLUSTER_WROK & cluster.flags & (CLUSTER_WROK if under is None else under.flags)


def takes_writes(above: Chain | None) -> bool:
    """At a node: whether it can write under its parent. One that was late may have left, or met a block unread."""
    return above is not None and above.error == 0


def carry(on: Runner, was: Chain | None, now: Chain | None, refs: int) -> None:
    """At a node: a slot may hold another chain, or none, after an exchange of one of its cluster's references."""
    if on.semantics.carried_references:
        for _ in range(refs - 1):
            if now is not None:
                on.chains.ref(now)
            on.chains.drop(deref(was))


def release(on: Runner, item: ClusterItem, locked: bool, refs: int) -> None:
    """A member that failed leaves: its cluster gives back the lock that it has on the chain, and all references."""
    chain = deref(item.chain)
    on.left(chain)
    if locked:
        on.chains.unlock(chain)
    for _ in range(refs - locked):
        on.chains.drop(chain)
    item.chain = None


async def remove(on: Runner, cluster: Cluster, i: int) -> None:
    """Take a member that failed out of the cluster: release the cluster's lock on its chain and all its references."""
    locked = bool(cluster.flags & ClusterFlag.LOCKED)
    refs = cluster.refs
    item = cluster.array[i]

    async def release_member(_: int) -> None:
        release(on, item, locked, refs)

    await on.tell(cluster, release_member, slots=[i], fills=cluster)


def refusal(cluster: Cluster, granted: int) -> int:
    """0 if the cluster may be written as it was granted, else the Error that says why not."""
    return 0 if cluster.flags & granted else cluster.error or Error.INCOMPLETE


async def settle_write(on: Runner, failed: Sequence[int], granted: int, *clusters: Cluster) -> int:
    """After a write: remove the members that failed and decide anew.

    granted: the access by which it was made. Returns the Error of the first cluster if that is lost.
    """
    for cluster in clusters:
        for i in failed:
            if cluster.array[i].chain is not None:
                await remove(on, cluster, i)
        decide_anew(on, cluster)
    return refusal(clusters[0], granted)


def decide_anew(on: Runner, cluster: Cluster) -> None:
    """Decide; among equals the focus stays where it was."""
    slot = cluster.slot_of(cluster.focus)
    resolve(on, cluster)
    follow(on, cluster, slot)


def follow(on: Runner, cluster: Cluster, i: int | None) -> None:
    """Let the focus be member i, if that one is as good as the member that resolve chose."""
    if not on.semantics.followed_focus or i not in believed(on, cluster):
        return
    if type_of(cluster, i) == type_of(cluster, deref(cluster.slot_of(cluster.focus))):
        cluster.focus = cluster.array[i].chain


def follow_moved_parent(on: Runner, cparent: Cluster, was: Chain | None, i: int) -> None:
    """A parent slot that moved to a deeper block takes the parent's focus along."""
    if on.semantics.moved_parent and cparent.focus is was:
        cparent.focus = cparent.array[i].chain
