"""The specification of the decision with quantifiers: what hammer2_spec.resolve says of sets, said of all indices.

It computes no result but says of one, field by field, whether it is right. That these are the same demands is proved
for every number of slots up to MAXCLUSTER, and that they leave no choice for any number of slots (``obligations``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Final, TypeAlias

from hammer2_proofs import values
from hammer2_proofs.induction.slots import Count, Kind, at, every, first, implies, last, none, slot, some
from hammer2_proofs.lift import Lifter
from hammer2_proofs.values import Bits, Number, Truth, Value, choose_truth, conjunction, disjunction, equal, negation
from hammer2_spec import resolve as declared
from hammer2_spec.configuration import Outcome, Quorum, Verdict
from hammer2_spec.semantics import Semantics
from hammer2_spec.vocabulary import CLUSTER_ZFLAGS, ClusterFlag, Error, PfsType

Fields: TypeAlias = Mapping[str, Truth]
"""What is demanded of a result, by the name of the field that it speaks of."""

FLAG_BITS: Final = 32
"""Bits of a flag word."""

_LIFTER: Final = Lifter()


def unneeded(condition: Truth, otherwise: str) -> None:
    """A demand that is dropped: the value is a number by its shape."""


@dataclass(frozen=True, eq=False)
class Situation:
    """What resolve is given. The slots themselves are the functions of hammer2_proofs.induction.slots."""

    semantics: Semantics
    length: Number
    pfs_nmasters: Value
    prior: Value
    flags: Bits
    opaque_votes: bool = False
    """Whether votes are any function of the tid."""

    def a(self, pfs_type: PfsType) -> Kind:
        """The present members of one type."""
        return lambda i: conjunction(slot(i).present, equal(self._member_type(i), int(pfs_type)))

    @cached_property
    def _member_type(self) -> Callable[[Number], Value]:
        return lru_cache(maxsize=None)(lambda i: _LIFTER.lift(declared.member_type, slot(i), self.pfs_nmasters))

    def voter(self, i: Number) -> Truth:
        """A master that counts towards a quorum."""
        return conjunction(self.a(PfsType.MASTER)(i), implies(self.semantics.sound_votes, slot(i).error == 0))

    @property
    def votes(self) -> Count:
        """The votes for a tid."""
        return Count("votes", lambda i, tid: conjunction(self.voter(i), slot(i).tid == tid), True, self.opaque_votes)

    @property
    def masters(self) -> Count:
        """The masters present."""
        return Count("masters", self.a(PfsType.MASTER))

    @property
    def nquorum(self) -> Number:
        """How many votes make a quorum."""
        return values.number(_LIFTER.lift(declared.majority, self.pfs_nmasters), unneeded)

    @property
    def held(self) -> Value:
        """The focus that is left from before."""
        return None if self.semantics.fresh_focus else self.prior

    def believed(self, i: Number) -> Truth:
        """A master whose tid may be the one that the masters agree on."""
        enough = values.less_or_equal(self.nquorum, self.votes.before(self.length, slot(i).tid), unneeded)
        return conjunction(self.a(PfsType.MASTER)(i), implies(self.semantics.majority_tid, enough))


# What the masters agree on.


def agreed(situation: Situation, quorum: Quorum) -> Fields:
    """hammer2_spec.resolve.quorum."""
    n, votes = situation.length, situation.votes
    any_believed = some(n, situation.believed)
    highest = conjunction(
        some(n, lambda i: conjunction(situation.believed(i), slot(i).tid == quorum.tid)),
        every(n, lambda i: implies(situation.believed(i), slot(i).tid <= quorum.tid)),
    )
    return {
        "tid": choose_truth(any_believed, highest, quorum.tid == 0),
        "nmasters": choose_truth(any_believed, quorum.nmasters == votes.before(n, quorum.tid), quorum.nmasters == 0),
        "ttlmasters": quorum.ttlmasters == situation.masters.before(n),
        "reached": values.same_truth(quorum.reached, quorum.nmasters >= situation.nquorum),
    }


# Which member is chosen.


def good(situation: Situation, pfs_type: PfsType, quorum: Quorum) -> Kind:
    """The members of a type that may be believed: without error, at the tid of a quorum."""
    return lambda i: conjunction(
        situation.a(pfs_type)(i), quorum.reached, slot(i).error == 0, slot(i).tid == quorum.tid
    )


@cache
def outranks(i: Number, j: Number) -> Truth:
    """Whether the slot at i is the better focus of two members of one type."""
    return values.truth(_LIFTER.lift(declared.outranks, slot(i), slot(j)))


def first_best(bound: Number, kind: Kind, i: Number) -> Truth:
    """Whether i is the first of those of a kind that no other one outranks."""

    def is_preferred(i: Number) -> Truth:
        return conjunction(
            kind(i),
            every(bound, lambda j: implies(kind(j), choose_truth(j < i, outranks(i, j), negation(outranks(j, i))))),
        )

    return at(bound, i, is_preferred)


def soft_slaves_clash(situation: Situation, bound: Number) -> Truth:
    """Whether a second soft slave comes before any soft master (L520)."""
    soft_slave, soft_master = situation.a(PfsType.SOFT_SLAVE), situation.a(PfsType.SOFT_MASTER)
    return some(
        bound,
        lambda i: conjunction(
            soft_slave(i),
            some(bound, lambda j: conjunction(j < i, soft_slave(j))),
            none(bound, lambda j: conjunction(j < i, soft_master(j))),
        ),
    )


def soft_masters_clash(situation: Situation, bound: Number) -> Truth:
    """Whether there is a second soft master (L510)."""
    soft_master = situation.a(PfsType.SOFT_MASTER)
    return some(bound, lambda i: conjunction(soft_master(i), some(bound, lambda j: conjunction(j < i, soft_master(j)))))


def index(focus: Value) -> Number:
    """The slot that a focus is, if it is one."""
    found = values.optional(focus).value
    return -1 if found is None else values.number(found, unneeded)


def error_of(bound: Number, focus: Value, error: Value) -> Truth:
    """Whether the error is that of the focus, a slot before the bound."""
    return at(bound, index(focus), lambda i: equal(error, slot(i).error))


def best_of_roots(situation: Situation, bound: Number, focus: Value) -> Truth:
    """Whether the focus is the super-root to be preferred among those before the bound."""
    pick = first_best if situation.semantics.ranked_roots else last
    return conjunction(negation(values.optional(focus).none), pick(bound, situation.a(PfsType.SUPROOT), index(focus)))


def best_of_soft(situation: Situation, bound: Number, pfs_type: PfsType, focus: Value) -> Truth:
    """Whether the focus is the soft master or soft slave to be preferred among those before the bound."""
    pick = first_best if situation.semantics.ranked_soft else first
    return conjunction(negation(values.optional(focus).none), pick(bound, situation.a(pfs_type), index(focus)))


def first_good(situation: Situation, bound: Number, pfs_type: PfsType, quorum: Quorum, focus: Value) -> Truth:
    """Whether the focus is the first believed member of a type before the bound."""
    return conjunction(
        negation(values.optional(focus).none), first(bound, good(situation, pfs_type, quorum), index(focus))
    )


def by_rank(*cases: tuple[Truth, Truth], otherwise: Truth) -> Truth:
    """What is demanded in the first case whose condition holds."""
    demanded = otherwise
    for condition, demand in reversed(cases):
        demanded = choose_truth(condition, demand, demanded)
    return demanded


def focus_is_right(situation: Situation, bound: Number, quorum: Quorum, focus: Value) -> Truth:
    """Whether the focus is the one to be preferred, if only slots before the bound are seen, and all super-roots."""
    n, held = situation.length, situation.held
    return by_rank(
        (
            some(bound, situation.a(PfsType.SOFT_MASTER)),
            best_of_soft(situation, bound, PfsType.SOFT_MASTER, focus),
        ),
        (
            some(bound, situation.a(PfsType.SOFT_SLAVE)),
            best_of_soft(situation, bound, PfsType.SOFT_SLAVE, focus),
        ),
        (some(n, situation.a(PfsType.SUPROOT)), best_of_roots(situation, n, focus)),
        (negation(values.optional(held).none), equal(focus, held)),
        (
            some(bound, good(situation, PfsType.MASTER, quorum)),
            first_good(situation, bound, PfsType.MASTER, quorum, focus),
        ),
        (
            some(bound, good(situation, PfsType.SLAVE, quorum)),
            first_good(situation, bound, PfsType.SLAVE, quorum, focus),
        ),
        otherwise=values.optional(focus).none,
    )


def error_is_right(situation: Situation, bound: Number, focus: Value, error: Value, no_focus_error: int) -> Truth:
    """Whether the error is that of the focus; a focus left from before has none."""
    singled_out = disjunction(
        some(bound, situation.a(PfsType.SOFT_MASTER)),
        some(bound, situation.a(PfsType.SOFT_SLAVE)),
        some(situation.length, situation.a(PfsType.SUPROOT)),
    )
    return by_rank(
        (singled_out, error_of(situation.length, focus, error)),
        (values.optional(focus).none, equal(error, no_focus_error)),
        otherwise=equal(error, 0),
    )


def bit(flags: Value, flag: int) -> Truth:
    """Whether one flag is set in a flag word."""
    found = values.bits(flags)
    if found is None:
        raise TypeError(f"{flags!r} is no flag word")
    return found.at(flag.bit_length() - 1)


def flags_are_right(situation: Situation, quorum: Quorum, verdict: Verdict) -> dict[ClusterFlag, Truth]:
    """When each of the flags that resolve sets or clears is set."""
    n = situation.length
    roots = some(n, situation.a(PfsType.SUPROOT))
    soft_masters = some(n, situation.a(PfsType.SOFT_MASTER))
    soft_slaves = some(n, situation.a(PfsType.SOFT_SLAVE))
    good_masters = some(n, good(situation, PfsType.MASTER, quorum))
    good_slaves = some(n, good(situation, PfsType.SLAVE, quorum))
    served: Truth = True
    hard: Truth = True
    if situation.semantics.honest_access:
        served = conjunction(negation(values.optional(verdict.focus).none), equal(verdict.error, 0))
        hard = negation(disjunction(soft_masters, soft_slaves))
    set_if = {
        ClusterFlag.WRHARD: disjunction(roots, good_masters),
        ClusterFlag.RDHARD: disjunction(roots, good_masters, good_slaves),
        ClusterFlag.WRSOFT: soft_masters,
        ClusterFlag.RDSOFT: disjunction(soft_masters, soft_slaves),
    }
    granted = {
        flag: conjunction(condition, served, hard if flag in (ClusterFlag.WRHARD, ClusterFlag.RDHARD) else True)
        for flag, condition in set_if.items()
    }
    slave, good_slave = situation.a(PfsType.SLAVE), good(situation, PfsType.SLAVE, quorum)
    synced = {
        ClusterFlag.MSYNCED: equal(quorum.nmasters, quorum.ttlmasters),
        ClusterFlag.SSYNCED: every(n, lambda i: implies(slave(i), good_slave(i))),
    }
    return granted | synced


def verdict_is(
    situation: Situation,
    verdict: Verdict,
    outcome: Outcome,
    focus: Truth,
    error: Truth,
    flags: Mapping[ClusterFlag, Truth] | None = None,
) -> Fields:
    """What is demanded of each field of a verdict; flags that are not mentioned are to be as before."""
    result = {"outcome": equal(verdict.outcome, int(outcome)), "focus": focus, "error": error}
    known = [flag for flag in ClusterFlag if flag & CLUSTER_ZFLAGS]
    for flag in known:
        result[flag.name] = values.same_truth(
            bit(verdict.flags, flag), (flags or {}).get(flag, bit(situation.flags, flag))
        )
    others = ~CLUSTER_ZFLAGS
    result["the other flags"] = equal(
        values.bit_and(verdict.flags, others, unneeded), values.bit_and(situation.flags, others, unneeded)
    )
    return result


def chosen(situation: Situation, quorum: Quorum, verdict: Verdict) -> Fields:
    """hammer2_spec.resolve.choose."""
    n, focus, error = situation.length, verdict.focus, verdict.error
    incomplete = int(Error.INCOMPLETE) if situation.semantics.no_focus_error else 0
    well = verdict_is(
        situation,
        verdict,
        Outcome.OK,
        focus_is_right(situation, n, quorum, focus),
        error_is_right(situation, n, focus, error, incomplete),
        flags_are_right(situation, quorum, verdict),
    )
    if situation.semantics.ranked_soft:
        return well
    soft_slaves, soft_masters = soft_slaves_clash(situation, n), soft_masters_clash(situation, n)
    its_own = error_of(n, focus, error)
    at_l510, at_l520 = (
        verdict_is(situation, verdict, outcome, best_of_soft(situation, n, pfs_type, focus), its_own)
        for outcome, pfs_type in (
            (Outcome.KKASSERT_L510, PfsType.SOFT_MASTER),
            (Outcome.KKASSERT_L520, PfsType.SOFT_SLAVE),
        )
    )
    return {
        field: by_rank(
            (soft_slaves, at_l520[field]),
            (soft_masters, at_l510[field]),
            otherwise=demand,
        )
        for field, demand in well.items()
    }


def decided(situation: Situation, quorum: Quorum, verdict: Verdict) -> Fields:
    """hammer2_spec.resolve.resolve, where ``quorum`` is what the masters agree on."""
    well = chosen(situation, quorum, verdict)
    if situation.semantics.no_pfs_root:
        return well
    at_l408 = verdict_is(
        situation, verdict, Outcome.KKASSERT_L408, equal(verdict.focus, situation.prior), equal(verdict.error, 0)
    )
    without_pfs = conjunction(values.optional(situation.pfs_nmasters).none, situation.length > 0)
    return {field: choose_truth(without_pfs, at_l408[field], demand) for field, demand in well.items()}
