"""Locking, and the decision that locking ends in (L327-554, L586-618)."""

from hammer2_cluster import confirmed
from hammer2_cluster.contracts import (
    cluster_must_be,
    failure_means,
    leaves_a_cluster_that,
    success_means,
    void_in_the_seed,
)
from hammer2_cluster.life_cycle import ref
from hammer2_cluster.objects import Chain, Cluster
from hammer2_cluster.outcomes import KernelAssert, deref, kkassert
from hammer2_cluster.resolve import resolve as decide
from hammer2_cluster.runner import Runner
from hammer2_spec import cluster_rules as rules
from hammer2_spec.configuration import ABSENT, FOREIGN, Outcome, Slot
from hammer2_spec.vocabulary import BrefType, ClusterFlag, PfsType, Resolve

KEY_BITS = 64
"""Of a key: there are at most so many block tables below each other."""


def inode_of(chain: Chain) -> Chain:
    """The chain itself, or the inode that a block table's parents lead up to."""
    for _ in range(KEY_BITS):  # each block table covers fewer; what a record says may go round in a ring
        if chain.bref.type != BrefType.INDIRECT or chain.parent is None:
            break
        chain = chain.parent
    return chain


@confirmed.ensure(
    lambda on, chain, result: result == chain.bref.mirror_tid or on.semantics.inode_tids, "the chain's own in the seed"
)
@confirmed.ensure(
    lambda chain, result: result == chain.bref.mirror_tid or chain.bref.type == BrefType.INDIRECT,
    "the chain's own, unless it is a block table",
)
@confirmed.ensure(
    lambda on, chain, result: (
        not on.semantics.inode_tids
        or chain.bref.type != BrefType.INDIRECT
        or chain.parent is None
        or chain.parent.bref.type == BrefType.INDIRECT
        or result == chain.parent.bref.mirror_tid
    ),
    "a block table has the tid of the inode above it",
)
def tid_of(on: Runner, chain: Chain) -> int:
    """The tid that a member is judged by. Block tables differ from node to node; the inode above them should not."""
    return (inode_of(chain) if on.semantics.inode_tids else chain).bref.mirror_tid


def type_of(cluster: Cluster, i: int) -> int:
    """The PfsType of member i."""
    return PfsType.SUPROOT if cluster.pmp is None else cluster.pmp.pfs_types[i]


def slots_of(on: Runner, cluster: Cluster) -> list[Slot]:
    """The cluster as resolve sees it."""
    return [
        Slot(True, type_of(cluster, i), tid_of(on, item.chain), item.chain.error)
        if item.chain is not None and not item.owes
        else ABSENT
        for i, item in enumerate(cluster.array[: cluster.nchains])
    ]


@leaves_a_cluster_that(rules.the_focus_is_none_or_a_member, rules.without_an_error_there_is_a_focus_without_error)
def resolve(on: Runner, cluster: Cluster | None) -> None:
    """Decide which members may be believed: sets focus, error and the six ZFLAGS (L379-554).

    Raises KernelAssert L408, L510 or L520, with the cluster as it stands at that moment; NullDereference for NULL.
    """
    cluster = deref(cluster)
    nmasters = None if cluster.pmp is None else cluster.pmp.pfs_nmasters
    kept, prior = (None, None) if on.semantics.fresh_focus or cluster.focus is None else (cluster.focus, FOREIGN)
    verdict = decide(slots_of(on, cluster), nmasters, prior, cluster.flags, on.semantics)
    cluster.focus = kept if verdict.focus == prior else cluster.array[deref(verdict.focus)].chain
    cluster.error = verdict.error
    cluster.flags = verdict.flags
    if verdict.outcome is not Outcome.OK:
        raise KernelAssert(f"L{verdict.outcome.value}")
    on.decided(cluster)


@cluster_must_be(rules.is_a_copy, rules.is_not_locked)
@success_means(
    rules.is_locked, rules.what_is_locked_holds_its_chains_locked, rules.without_an_error_there_is_a_focus_without_error
)
@failure_means(rules.is_not_locked, rules.an_unlocked_cluster_has_no_focus)
@void_in_the_seed
async def lock(on: Runner, cluster: Cluster | None, how: int) -> int:
    """Lock and reference the cluster and its chains, then resolve (L327-377).

    how: Resolve flags; NOREF takes the caller's reference instead of a new one. Returns 0; when repaired, the cluster's
    error if it has one, and then the cluster is not locked and not referenced. Raises KernelAssert L354 on an inode's
    own cluster, L359 if it has a focus without being locked, and what resolve raises.
    """
    cluster = deref(cluster)
    items = cluster.array
    kkassert(not cluster.flags & ClusterFlag.INODE, "L354")
    if cluster.flags & ClusterFlag.LOCKED:
        on.chains.kprintf_already_locked(cluster)
    else:  # when repaired, what a lookup found without locks, and focused on, may be locked
        kkassert(on.semantics.relocked_lookup or cluster.focus is None, "L359")
    cluster.flags |= ClusterFlag.LOCKED
    if not how & Resolve.NOREF:
        cluster.refs += 1

    async def lock_member(i: int) -> None:
        await on.chains.lock(deref(items[i].chain), how)

    async for _ in on.ask(cluster, lock_member, until=on.quorum_of(cluster)):
        pass
    resolve(on, cluster)
    if not on.semantics.failed_lock or not cluster.error:
        return 0
    error = cluster.error
    if how & Resolve.NOREF:  # the caller keeps the reference that it offered
        await ref(on, cluster)
    await unlock(on, cluster)
    return error


@cluster_must_be(rules.is_locked, rules.is_referenced)
async def unlock(on: Runner, cluster: Cluster | None) -> None:
    """Unlock and dereference the cluster and its chains; the focus is cleared, the last reference frees (L586-618).

    Raises KernelAssert L601 if there is no reference.
    """
    cluster = deref(cluster)
    items = cluster.array
    if not cluster.flags & ClusterFlag.LOCKED:
        on.chains.kprintf_not_locked(cluster)
    kkassert(cluster.refs > 0, "L601")
    cluster.flags &= ~ClusterFlag.LOCKED
    last = cluster.refs == 1

    async def unlock_member(i: int) -> None:
        on.chains.unlock(deref(items[i].chain))
        if last:
            items[i].chain = None

    await on.tell(cluster, unlock_member)
    cluster.focus = None
    cluster.refs -= 1
    if last:
        on.chains.kfree(cluster)
