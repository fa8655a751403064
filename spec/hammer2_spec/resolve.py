"""The decision of hammer2_cluster_resolve (L379-554), said without saying how.

Sets of slot indices, maxima, all and any: no running state, no order of evaluation. One definition for every
Semantics; the seed's own ways are the branches taken where a repair is off.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from hammer2_spec.configuration import Outcome, Quorum, Slot, Verdict
from hammer2_spec.semantics import Semantics
from hammer2_spec.vocabulary import CLUSTER_ZFLAGS, ClusterFlag, Error, PfsType


def member_type(slot: Slot, pfs_nmasters: int | None) -> int:
    """The part that a member plays. Without a PFS there are no types: all chains are the super-root's."""
    return PfsType.SUPROOT if pfs_nmasters is None else slot.type


def members(slots: Sequence[Slot], pfs_nmasters: int | None, pfs_type: int) -> set[int]:
    """The present slots of one type."""
    return {i for i, slot in enumerate(slots) if slot.present and member_type(slot, pfs_nmasters) == pfs_type}


def majority(pfs_nmasters: int | None) -> int:
    """How many votes make a quorum (L409): more than half of the masters that the PFS has."""
    return 0 if pfs_nmasters is None else pfs_nmasters // 2 + 1


def votes_at(slots: Sequence[Slot], voters: AbstractSet[int], tid: int) -> int:
    """How many voters are at a tid."""
    return len({i for i in voters if slots[i].tid == tid})


def quorum(slots: Sequence[Slot], pfs_nmasters: int | None, semantics: Semantics) -> Quorum:
    """What the masters agree on (L414-430): the highest tid that is believed, and how many vote for it."""
    masters = members(slots, pfs_nmasters, PfsType.MASTER)
    voters = {i for i in masters if slots[i].error == 0} if semantics.sound_votes else masters
    if semantics.majority_tid:
        believed = {i for i in masters if votes_at(slots, voters, slots[i].tid) >= majority(pfs_nmasters)}
    else:
        believed = masters
    tid = max((slots[i].tid for i in believed), default=0)
    nmasters = votes_at(slots, voters, tid) if believed else 0
    return Quorum(tid, nmasters, len(masters), nmasters >= majority(pfs_nmasters))


def outranks(one: Slot, other: Slot) -> bool:
    """Whether one is the better focus of two members of one type.

    No error beats an error, then the higher tid wins, then the lower error number.
    """
    if (one.error == 0) != (other.error == 0):
        return one.error == 0
    if one.tid != other.tid:
        return one.tid > other.tid
    return one.error < other.error


def best(slots: Sequence[Slot], candidates: AbstractSet[int]) -> set[int]:
    """The candidates that no other one outranks: all equal to each other."""
    return {i for i in candidates if not any(outranks(slots[j], slots[i]) for j in candidates)}


def good(slots: Sequence[Slot], candidates: AbstractSet[int], agreed: Quorum) -> set[int]:
    """The candidates that may be believed (L472-474, L493-495): without error, at the tid of a quorum."""
    return {i for i in candidates if agreed.reached and slots[i].error == 0 and slots[i].tid == agreed.tid}


def choose(
    slots: Sequence[Slot],
    pfs_nmasters: int | None,
    prior: int | None,
    flags: int,
    agreed: Quorum,
    semantics: Semantics,
) -> Verdict:
    """Given what the masters agree on: the focus, its error, and what the cluster can do (L430-553)."""
    roots = members(slots, pfs_nmasters, PfsType.SUPROOT)
    soft_masters = members(slots, pfs_nmasters, PfsType.SOFT_MASTER)
    soft_slaves = members(slots, pfs_nmasters, PfsType.SOFT_SLAVE)
    slaves = members(slots, pfs_nmasters, PfsType.SLAVE)
    good_masters = good(slots, members(slots, pfs_nmasters, PfsType.MASTER), agreed)
    good_slaves = good(slots, slaves, agreed)

    if not semantics.ranked_soft:
        if any(j < i and not any(k < i for k in soft_masters) for i in soft_slaves for j in soft_slaves):
            return Verdict(Outcome.KKASSERT_L520, min(soft_slaves), slots[min(soft_slaves)].error, flags)
        if len(soft_masters) > 1:
            return Verdict(Outcome.KKASSERT_L510, min(soft_masters), slots[min(soft_masters)].error, flags)

    held = None if semantics.fresh_focus else prior
    if soft_masters:
        focus = min(best(slots, soft_masters) if semantics.ranked_soft else soft_masters)
        error = slots[focus].error
    elif soft_slaves:
        focus = min(best(slots, soft_slaves) if semantics.ranked_soft else soft_slaves)
        error = slots[focus].error
    elif roots:
        focus = min(best(slots, roots)) if semantics.ranked_roots else max(roots)
        error = slots[focus].error
    elif held is not None:
        focus = held
        error = 0
    elif good_masters:
        focus = min(good_masters)
        error = 0
    elif good_slaves:
        focus = min(good_slaves)
        error = 0
    else:
        focus = None
        error = Error.INCOMPLETE if semantics.no_focus_error else 0

    access = (
        (ClusterFlag.WRHARD if roots or good_masters else 0)
        | (ClusterFlag.RDHARD if roots or good_masters or good_slaves else 0)
        | (ClusterFlag.WRSOFT if soft_masters else 0)
        | (ClusterFlag.RDSOFT if soft_masters or soft_slaves else 0)
    )
    if semantics.honest_access and (focus is None or error != 0):
        access = 0
    if semantics.honest_access and (soft_masters or soft_slaves):
        access = access & (ClusterFlag.WRSOFT | ClusterFlag.RDSOFT)

    synced = (ClusterFlag.MSYNCED if agreed.nmasters == agreed.ttlmasters else 0) | (
        ClusterFlag.SSYNCED if slaves == good_slaves else 0
    )
    return Verdict(Outcome.OK, focus, error, (flags & ~CLUSTER_ZFLAGS) | access | synced)


def resolve(
    slots: Sequence[Slot], pfs_nmasters: int | None, prior: int | None, flags: int, semantics: Semantics
) -> Verdict:
    """The decision as a whole (L379-554)."""
    if pfs_nmasters is None and len(slots) > 0 and not semantics.no_pfs_root:
        return Verdict(Outcome.KKASSERT_L408, prior, 0, flags)
    return choose(slots, pfs_nmasters, prior, flags, quorum(slots, pfs_nmasters, semantics), semantics)
