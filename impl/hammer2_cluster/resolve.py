"""hammer2_cluster_resolve (L379-554): which members may be believed, and which one is the focus.

This text is written once and read three times: CPython runs it, proofs lifts it to z3, numba compiles it. It keeps
to a small dialect for that: ints, bools, None, NamedTuples, loops over slots, if and match, early return.
"""

from collections.abc import Sequence

from hammer2_spec.configuration import Outcome, Quorum, Slot, Verdict
from hammer2_spec.semantics import Semantics
from hammer2_spec.vocabulary import CLUSTER_ZFLAGS, ClusterFlag, Error, PfsType


def pfs_type(slot: Slot, pfs_nmasters: int | None) -> int:
    """The type of a member. A cluster without a PFS is made of super-root chains."""
    if pfs_nmasters is None:
        return PfsType.SUPROOT
    return slot.type


def votes(slot: Slot, pfs_nmasters: int | None, semantics: Semantics) -> bool:
    """Whether a slot holds a master that counts towards a quorum."""
    if not slot.present or pfs_type(slot, pfs_nmasters) != PfsType.MASTER:
        return False
    return slot.error == 0 or not semantics.sound_votes


def votes_for(tid: int, slots: Sequence[Slot], pfs_nmasters: int | None, semantics: Semantics) -> int:
    """How many masters vote for a tid."""
    nmasters = 0
    for slot in slots:
        if votes(slot, pfs_nmasters, semantics) and slot.tid == tid:
            nmasters += 1
    return nmasters


def quorum(slots: Sequence[Slot], pfs_nmasters: int | None, semantics: Semantics) -> Quorum:
    """Pass 1, the masters (L407-429): the tid that they agree on."""
    nquorum = 0
    if pfs_nmasters is not None:
        nquorum = pfs_nmasters // 2 + 1

    quorum_tid = 0
    nmasters = 0
    ttlmasters = 0
    for slot in slots:
        if not slot.present or pfs_type(slot, pfs_nmasters) != PfsType.MASTER:
            continue
        ttlmasters += 1
        if semantics.majority_tid:
            # The highest tid that enough masters hold, whoever else shows a higher one.
            nvotes = votes_for(slot.tid, slots, pfs_nmasters, semantics)
            if nvotes >= nquorum and (nmasters == 0 or slot.tid > quorum_tid):
                quorum_tid = slot.tid
                nmasters = nvotes
        else:
            if quorum_tid < slot.tid or ttlmasters == 1:
                nmasters = 0
                quorum_tid = slot.tid
            if quorum_tid == slot.tid and votes(slot, pfs_nmasters, semantics):
                nmasters += 1
    return Quorum(quorum_tid, nmasters, ttlmasters, nmasters >= nquorum)


def outranks(slot: Slot, tid: int, error: int) -> bool:
    """Whether a slot is a better focus than a member of the same type with this tid and error."""
    if (slot.error == 0) != (error == 0):
        return slot.error == 0
    if slot.tid != tid:
        return slot.tid > tid
    return slot.error < error


def choose(
    slots: Sequence[Slot],
    pfs_nmasters: int | None,
    prior: int | None,
    flags: int,
    agreed: Quorum,
    semantics: Semantics,
) -> Verdict:
    """The rest of pass 1, and pass 2 (L430-553): the focus, its error, and what the cluster can do."""
    focus = None if semantics.fresh_focus else prior
    focus_type: int = PfsType.NONE
    focus_tid = 0
    error = 0
    nflags = 0
    ttlslaves = 0
    nslaves = 0

    for i, slot in enumerate(slots):
        if not slot.present:
            continue
        match pfs_type(slot, pfs_nmasters):
            case PfsType.SLAVE:
                ttlslaves += 1
            case PfsType.SOFT_MASTER:
                nflags |= ClusterFlag.WRSOFT | ClusterFlag.RDSOFT
            case PfsType.SOFT_SLAVE:
                nflags |= ClusterFlag.RDSOFT
            case PfsType.SUPROOT:
                nflags |= ClusterFlag.WRHARD | ClusterFlag.RDHARD
                # The C leaves focus_pfs_type 0 here (L447); pass 2 tests it for other types only.
                if not semantics.ranked_roots or focus_type != PfsType.SUPROOT or outranks(slot, focus_tid, error):
                    focus = i
                    focus_type = PfsType.SUPROOT
                    focus_tid = slot.tid
                    error = slot.error

    for i, slot in enumerate(slots):
        if not slot.present:
            continue
        believed = agreed.reached and slot.error == 0 and slot.tid == agreed.tid
        match pfs_type(slot, pfs_nmasters):
            case PfsType.MASTER:
                if believed:
                    nflags |= ClusterFlag.WRHARD | ClusterFlag.RDHARD
                    if focus is None or focus_type == PfsType.SLAVE:
                        focus = i
                        focus_type = PfsType.MASTER
                        error = slot.error
            case PfsType.SLAVE:
                if believed:
                    nslaves += 1
                    nflags |= ClusterFlag.RDHARD
                    if focus is None:
                        focus = i
                        focus_type = PfsType.SLAVE
                        error = slot.error
            case PfsType.SOFT_MASTER:
                if focus_type == PfsType.SOFT_MASTER and not semantics.ranked_soft:
                    return Verdict(Outcome.KKASSERT_L510, focus, error, flags)
                if focus_type != PfsType.SOFT_MASTER or outranks(slot, focus_tid, error):
                    focus = i
                    focus_type = PfsType.SOFT_MASTER
                    focus_tid = slot.tid
                    error = slot.error
            case PfsType.SOFT_SLAVE:
                if focus_type == PfsType.SOFT_SLAVE and not semantics.ranked_soft:
                    return Verdict(Outcome.KKASSERT_L520, focus, error, flags)
                if focus_type == PfsType.SOFT_SLAVE:
                    takes_over = outranks(slot, focus_tid, error)
                else:
                    takes_over = focus_type != PfsType.SOFT_MASTER
                if takes_over:
                    focus = i
                    focus_type = PfsType.SOFT_SLAVE
                    focus_tid = slot.tid
                    error = slot.error

    if focus is None and semantics.no_focus_error:
        error = Error.INCOMPLETE
    if semantics.honest_access:
        if focus is None or error != 0:
            nflags = 0
        elif focus_type in (PfsType.SOFT_MASTER, PfsType.SOFT_SLAVE):
            nflags &= ClusterFlag.WRSOFT | ClusterFlag.RDSOFT

    # Set even if there are no slaves or no masters at all (L532-541).
    if nslaves == ttlslaves:
        nflags |= ClusterFlag.SSYNCED
    if agreed.nmasters == agreed.ttlmasters:
        nflags |= ClusterFlag.MSYNCED
    return Verdict(Outcome.OK, focus, error, (flags & ~CLUSTER_ZFLAGS) | nflags)


def resolve(
    slots: Sequence[Slot], pfs_nmasters: int | None, prior: int | None, flags: int, semantics: Semantics
) -> Verdict:
    """Decide (L379-554). A KKASSERT that fires is the verdict's outcome, with the fields as they stand then.

    The arguments are those of a valid Configuration; nothing is checked here. The public entry is
    hammer2_cluster.checked: decide, or resolve, which raises an assertion that fires.
    """
    if pfs_nmasters is None and len(slots) > 0 and not semantics.no_pfs_root:
        return Verdict(Outcome.KKASSERT_L408, prior, 0, flags)
    agreed = quorum(slots, pfs_nmasters, semantics)
    return choose(slots, pfs_nmasters, prior, flags, agreed, semantics)
