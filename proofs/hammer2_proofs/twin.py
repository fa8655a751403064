"""The decision once more, deliberately dumb: what `bulk` compares the real one with on every small configuration.

No pass over the slots that remembers anything: every question is asked of each slot anew, by looking at all others.
Sets are bits of an integer. Shares nothing with the implementation or the specification but names and numbers.
"""

from collections.abc import Sequence

from hammer2_spec.configuration import Outcome, Slot, Verdict
from hammer2_spec.semantics import Semantics
from hammer2_spec.vocabulary import ClusterFlag, Error, PfsType


def having(slots: Sequence[Slot], pfs_nmasters: int | None, wanted: int) -> int:
    """The set of present slots of a type."""
    found = 0
    for i in range(len(slots)):
        its_type: int = slots[i].type
        if pfs_nmasters is None:
            its_type = PfsType.SUPROOT
        if slots[i].present and its_type == wanted:
            found |= 1 << i
    return found


def size(members: int) -> int:
    """How many members a set has."""
    count = 0
    for i in range(8):
        count += members >> i & 1
    return count


def sound(slots: Sequence[Slot], members: int) -> int:
    """Those of a set that have no error."""
    found = 0
    for i in range(len(slots)):
        if members >> i & 1 and slots[i].error == 0:
            found |= 1 << i
    return found


def like(slots: Sequence[Slot], members: int, i: int) -> int:
    """Those of a set that have the tid of slot i."""
    found = 0
    for j in range(len(slots)):
        if members >> j & 1 and slots[j].tid == slots[i].tid:
            found |= 1 << j
    return found


def spokesmen(slots: Sequence[Slot], pfs_nmasters: int, semantics: Semantics) -> int:
    """The masters at the tid that decides: all those than whom no candidate has a higher tid."""
    masters = having(slots, pfs_nmasters, PfsType.MASTER)
    voters = sound(slots, masters) if semantics.sound_votes else masters
    candidates = 0
    for i in range(len(slots)):
        if masters >> i & 1 and (not semantics.majority_tid or 2 * size(like(slots, voters, i)) > pfs_nmasters):
            candidates |= 1 << i
    found = 0
    for i in range(len(slots)):
        beaten = False
        for j in range(len(slots)):
            if candidates >> j & 1 and slots[j].tid > slots[i].tid:
                beaten = True
        if candidates >> i & 1 and not beaten:
            found |= 1 << i
    return found


def champion(slots: Sequence[Slot], members: int, ranked: bool) -> int:
    """The first of a set, or of its best: sound before broken, then a high tid, then a low error; 8 if it is empty."""
    for i in range(len(slots)):
        beaten = False
        for j in range(len(slots)):
            if ranked and members >> j & 1:
                if slots[j].error == 0 and slots[i].error != 0:
                    beaten = True
                if (slots[j].error == 0) == (slots[i].error == 0):
                    if slots[j].tid > slots[i].tid:
                        beaten = True
                    if slots[j].tid == slots[i].tid and slots[j].error < slots[i].error:
                        beaten = True
        if members >> i & 1 and not beaten:
            return i
    return 8


def slot_or_none(found: int) -> int | None:
    """A slot's index, or None for 8."""
    return None if found == 8 else found


def decide(
    slots: Sequence[Slot], pfs_nmasters: int | None, prior: int | None, flags: int, semantics: Semantics
) -> Verdict:
    """What resolve decides."""
    if pfs_nmasters is None and not semantics.no_pfs_root and len(slots) != 0:
        return Verdict(Outcome.KKASSERT_L408, prior, 0, flags)
    masters = having(slots, pfs_nmasters, PfsType.MASTER)
    soft_masters = having(slots, pfs_nmasters, PfsType.SOFT_MASTER)
    soft_slaves = having(slots, pfs_nmasters, PfsType.SOFT_SLAVE)
    slaves = having(slots, pfs_nmasters, PfsType.SLAVE)
    roots = having(slots, pfs_nmasters, PfsType.SUPROOT)

    # What the seed's pass 2 stumbles over: the second soft master, or the second soft slave before any soft master.
    if not semantics.ranked_soft:
        for i in range(len(slots)):
            before = (1 << i) - 1
            if soft_masters >> i & 1 and soft_masters & before:
                first = champion(slots, soft_masters, False)
                return Verdict(Outcome.KKASSERT_L510, slot_or_none(first), slots[first].error, flags)
            if soft_slaves >> i & 1 and soft_slaves & before and not soft_masters & before:
                first = champion(slots, soft_slaves, False)
                return Verdict(Outcome.KKASSERT_L520, slot_or_none(first), slots[first].error, flags)

    voting = 0
    believed = 0
    if pfs_nmasters is not None:
        deciding = spokesmen(slots, pfs_nmasters, semantics)
        voting = sound(slots, deciding) if semantics.sound_votes else deciding
        if 2 * size(voting) > pfs_nmasters:
            for i in range(len(slots)):
                if (masters | slaves) >> i & 1 and slots[i].error == 0 and like(slots, deciding, i):
                    believed |= 1 << i

    kept = None
    error = 0
    found = 8
    if soft_masters:
        found = champion(slots, soft_masters, semantics.ranked_soft)
    elif soft_slaves:
        found = champion(slots, soft_slaves, semantics.ranked_soft)
    elif roots and semantics.ranked_roots:
        found = champion(slots, roots, True)
    elif roots:
        for i in range(len(slots)):
            if roots >> i == 1:
                found = i
    elif prior is not None and not semantics.fresh_focus:
        kept = prior
    elif believed & masters:
        found = champion(slots, believed & masters, False)
    elif believed:
        found = champion(slots, believed, False)
    elif semantics.no_focus_error:
        error = Error.INCOMPLETE
    focus = kept if found == 8 else slot_or_none(found)
    if found < 8:
        error = slots[found].error

    flags &= ~0x3F00
    usable = not semantics.honest_access or (error == 0 and focus is not None)
    quorum_speaks = not semantics.honest_access or (soft_masters | soft_slaves) == 0
    if usable and quorum_speaks and (roots or believed & masters):
        flags |= ClusterFlag.WRHARD
    if usable and quorum_speaks and (roots or believed):
        flags |= ClusterFlag.RDHARD
    if usable and soft_masters:
        flags |= ClusterFlag.WRSOFT
    if usable and (soft_masters or soft_slaves):
        flags |= ClusterFlag.RDSOFT
    if size(voting) == size(masters):
        flags |= ClusterFlag.MSYNCED
    if believed & slaves == slaves:
        flags |= ClusterFlag.SSYNCED
    return Verdict(Outcome.OK, focus, error, flags)
