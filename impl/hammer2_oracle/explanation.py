"""Says why resolve decides as it does: who was counted, who was left out, how the focus was found.

A rule of the original is cited with its lines, one that a repair brings with the repair's name.
"""

from typing import Final, NamedTuple

from hammer2_cluster.resolve import pfs_type, quorum, resolve, votes_for
from hammer2_oracle.words import counted
from hammer2_spec.configuration import Configuration, Outcome, Quorum, Slot, Verdict
from hammer2_spec.notation import format_focus
from hammer2_spec.resolve import majority
from hammer2_spec.semantics import Semantics
from hammer2_spec.vocabulary import CLUSTER_RDOK, CLUSTER_WROK, PfsType

KKASSERTS: Final = {
    Outcome.KKASSERT_L408: (
        "KKASSERT(pmp != NULL || cluster->nchains == 0);",
        "a cluster that has members must belong to a PFS, and this one does not",
    ),
    Outcome.KKASSERT_L510: (
        "KKASSERT(focus_pfs_type != HAMMER2_PFSTYPE_SOFT_MASTER);",
        "there should be only one soft master, and a second one was met",
    ),
    Outcome.KKASSERT_L520: (
        "KKASSERT(focus_pfs_type != HAMMER2_PFSTYPE_SOFT_SLAVE);",
        "there should be only one soft slave, and a second one was met while the first was the focus",
    ),
}
"""The seed's line, and what it means."""


class Part(NamedTuple):
    """What one slot contributes to the decision."""

    counted: bool
    why: str


class Explanation(NamedTuple):
    """A verdict and where it comes from."""

    verdict: Verdict
    agreed: Quorum
    needed: int
    """Votes that make a quorum."""
    parts: list[Part]
    """Of every slot."""
    focus_why: str
    quorum_why: str
    """The arithmetic."""
    error_why: str
    access_why: str


def explain(configuration: Configuration, semantics: Semantics) -> Explanation:
    """Decide a valid configuration, and say why."""
    slots, pfs_nmasters, _, _ = configuration
    verdict = resolve(*configuration, semantics)
    agreed = quorum(slots, pfs_nmasters, semantics)
    return Explanation(
        verdict,
        agreed,
        majority(pfs_nmasters),
        [_part(slot, configuration, agreed, verdict, semantics) for slot in slots],
        _focus_why(configuration, verdict, semantics),
        _quorum_why(configuration, agreed, semantics),
        _error_why(verdict),
        _access_why(configuration, verdict, semantics),
    )


def _part(slot: Slot, configuration: Configuration, agreed: Quorum, verdict: Verdict, semantics: Semantics) -> Part:
    if not slot.present:
        return Part(False, "there is no chain")
    if verdict.outcome == Outcome.KKASSERT_L408:
        return Part(False, "not looked at: the assertion comes first (L408)")
    match pfs_type(slot, configuration.pfs_nmasters):
        case PfsType.MASTER:
            return _master(slot, configuration, agreed, semantics)
        case PfsType.SLAVE:
            return _slave(slot, agreed)
        case PfsType.SOFT_MASTER:
            return Part(True, f"a directly mounted soft master always wins{_with_error(slot)} (L505-514)")
        case PfsType.SOFT_SLAVE:
            return Part(
                True, f"a directly mounted soft slave wins over all but a soft master{_with_error(slot)} (L515)"
            )
        case PfsType.SUPROOT if configuration.pfs_nmasters is None:
            return Part(True, f"without a PFS a chain is a super-root{_with_error(slot)} (repair no_pfs_root)")
        case PfsType.SUPROOT:
            return Part(True, f"the super-root is a cluster of one device{_with_error(slot)} (L440-449)")
    return Part(False, "a node of this type plays no part (L450)")


def _with_error(slot: Slot) -> str:
    return f", even with error {slot.error}" if slot.error else ""


def _master(slot: Slot, configuration: Configuration, agreed: Quorum, semantics: Semantics) -> Part:
    slots, pfs_nmasters, _, _ = configuration
    if slot.error and semantics.sound_votes:
        return Part(
            False, f"has error {slot.error}, so its vote for tid {slot.tid} does not count (repair sound_votes)"
        )
    if semantics.majority_tid and not agreed.reached:
        nvotes = votes_for(slot.tid, slots, pfs_nmasters, semantics)
        return Part(
            False,
            f"votes for tid {slot.tid}, which has {nvotes} of the {majority(pfs_nmasters)} votes needed "
            "(repair majority_tid)",
        )
    if slot.tid != agreed.tid:
        side = "behind" if slot.tid < agreed.tid else "ahead of"
        rule = "what a majority holds decides: repair majority_tid" if semantics.majority_tid else "L422-429"
        return Part(False, f"votes for tid {slot.tid}, {side} tid {agreed.tid} ({rule})")
    if slot.error:
        return Part(True, f"votes for tid {slot.tid}, but has error {slot.error} and cannot be the focus (L470-474)")
    if not agreed.reached:
        return Part(True, f"votes for tid {slot.tid}, which is too few for a quorum (L472)")
    return Part(True, f"votes for tid {slot.tid}, the quorum's (L472-474)")


def _slave(slot: Slot, agreed: Quorum) -> Part:
    if not agreed.reached:
        return Part(False, "no quorum of masters says which tid is right (L493)")
    if slot.error:
        return Part(False, f"has error {slot.error} (L491)")
    if slot.tid != agreed.tid:
        side = "behind" if slot.tid < agreed.tid else "ahead of"
        return Part(False, f"at tid {slot.tid}, {side} the quorum's tid {agreed.tid} (L495)")
    return Part(True, f"at the quorum's tid {slot.tid} (L493-495)")


def _focus_why(configuration: Configuration, verdict: Verdict, semantics: Semantics) -> str:
    slots, pfs_nmasters, prior, _ = configuration
    if verdict.outcome != Outcome.OK:
        return "at that moment"
    if verdict.focus is None:
        return "no member may be believed"
    without_prior = resolve(slots, pfs_nmasters, None, configuration.flags, semantics)
    if verdict.focus == prior and without_prior.focus != prior:
        otherwise = format_focus(without_prior.focus)
        return f"left from before: only a missing focus is looked for (L477, L498); without it, {otherwise}"
    focus_type = pfs_type(slots[verdict.focus], pfs_nmasters)
    several = sum(slot.present and pfs_type(slot, pfs_nmasters) == focus_type for slot in slots) > 1
    match focus_type:
        case PfsType.MASTER:
            return "the first master without error at the quorum's tid (L477-482)"
        case PfsType.SLAVE:
            return "no master may be believed; the first slave without error at the quorum's tid (L498-502)"
        case PfsType.SOFT_MASTER:
            return "the best of the soft masters (repair ranked_soft)" if several else "the soft master (L511)"
        case PfsType.SOFT_SLAVE:
            return "the best of the soft slaves (repair ranked_soft)" if several else "the soft slave (L521-525)"
        case _ if not several:
            return "the super-root (L447)"
        case _:
            return (
                "the best of the super-roots (repair ranked_roots)"
                if semantics.ranked_roots
                else "the last of the super-roots (L447)"
            )


def quorum_tid(agreed: Quorum, semantics: Semantics) -> int | None:
    """The tid whose votes are counted; None where there is none, be it for lack of masters or of a majority."""
    return None if agreed.nmasters == 0 and (semantics.majority_tid or agreed.ttlmasters == 0) else agreed.tid


def _quorum_why(configuration: Configuration, agreed: Quorum, semantics: Semantics) -> str:
    slots, pfs_nmasters, _, _ = configuration
    if pfs_nmasters is None:
        return "none: there is no PFS, and no master"
    rule = f"{majority(pfs_nmasters)} needed ({pfs_nmasters} / 2 + 1), {counted(agreed.ttlmasters, 'master')} present"
    if agreed.nmasters:
        return f"{'reached' if agreed.reached else 'not reached'}: {agreed.nmasters} for tid {agreed.tid}, {rule}"
    tid = quorum_tid(agreed, semantics)
    if tid is None:
        return f"not reached: {'no tid has enough votes' if agreed.ttlmasters else 'nobody votes'}, {rule}"
    shown = [
        i
        for i, slot in enumerate(slots)
        if slot.present and pfs_type(slot, pfs_nmasters) == PfsType.MASTER and slot.tid == tid
    ]
    whose = " and ".join(f"slot {i}" for i in shown)
    have = "has" if len(shown) == 1 else "have"
    return f"not reached: no vote for tid {tid}, the highest, as {whose} {have} an error, {rule}"


def _error_why(verdict: Verdict) -> str:
    if not verdict.error:
        return ""
    if verdict.outcome != Outcome.OK:
        return "at that moment"
    if verdict.focus is None:
        return "there is no focus (repair no_focus_error)"
    return f"that of slot {verdict.focus}, the focus"


def _access_why(configuration: Configuration, verdict: Verdict, semantics: Semantics) -> str:
    """Why less is granted than the members would allow: nothing but honest_access takes access away."""
    if verdict.outcome != Outcome.OK or not semantics.honest_access:
        return ""
    members_allow = resolve(*configuration, semantics._replace(honest_access=False)).flags
    if not members_allow & ~verdict.flags & (CLUSTER_RDOK | CLUSTER_WROK):
        return ""
    if verdict.focus is None:
        reason = "there is no focus"
    elif verdict.error:
        reason = f"the focus has error {verdict.error}"
    else:
        reason = "softly, for the focus is no part of a quorum"
    return f"{reason} (repair honest_access)"
