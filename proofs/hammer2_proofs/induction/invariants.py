"""What holds before each round of the loops of resolve, written by hand: each part is checked, none is trusted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias

from hammer2_proofs import values
from hammer2_proofs.induction.slots import Count, every, implies, slot, some
from hammer2_proofs.induction.specification import (
    Fields,
    Situation,
    best_of_roots,
    bit,
    by_rank,
    error_is_right,
    focus_is_right,
    good,
    index,
    soft_masters_clash,
    soft_slaves_clash,
)
from hammer2_proofs.values import Number, Truth, Value, choose_truth, conjunction, disjunction, equal, negation
from hammer2_spec.configuration import Quorum
from hammer2_spec.vocabulary import ClusterFlag, PfsType


class Shape(Enum):
    """What a variable holds that a loop changes."""

    NUMBER = "a number"
    NUMBER_OR_NONE = "a number or None"
    ACCESS = "a flag word of access flags alone"


ACCESS: Final = (ClusterFlag.WRHARD, ClusterFlag.RDHARD, ClusterFlag.WRSOFT, ClusterFlag.RDSOFT)

Variables: TypeAlias = Mapping[str, Any]
Invariant: TypeAlias = Callable[[Number, Variables], Fields]


@dataclass(frozen=True, eq=False)
class Loop:
    """A loop over all slots."""

    changes: Mapping[str, Shape]
    """The variables that it changes and that live on after the round."""
    invariant: Invariant
    """Given how many slots have been seen, and the variables: what holds, each part under a name."""
    counts: Sequence[Count] = ()
    """The counts that the invariant speaks of."""


def in_votes_for(situation: Situation, tid: Value) -> Loop:
    """The loop of votes_for."""

    def invariant(seen: Number, now: Variables) -> Fields:
        return {"nmasters": equal(now["nmasters"], situation.votes.before(seen, tid))}

    return Loop({"nmasters": Shape.NUMBER}, invariant, [situation.votes])


def in_quorum(situation: Situation) -> Loop:
    """The loop of quorum."""
    votes, masters = situation.votes, situation.masters
    master = situation.a(PfsType.MASTER)

    def ttlmasters_is_right(seen: Number, now: Variables) -> Truth:
        ttlmasters = now["ttlmasters"]
        return conjunction(
            equal(ttlmasters, masters.before(seen)),
            ttlmasters >= 0,
            values.same_truth(ttlmasters >= 1, some(seen, master)),
        )

    def highest_so_far(seen: Number, now: Variables) -> Fields:
        """The highest tid of a master, and the votes for it; there are none for any higher one."""
        quorum_tid, nmasters = now["quorum_tid"], now["nmasters"]
        any_master = some(seen, master)
        highest = conjunction(
            some(seen, lambda i: conjunction(master(i), slot(i).tid == quorum_tid)),
            every(seen, lambda i: implies(master(i), slot(i).tid <= quorum_tid)),
        )
        return {
            "ttlmasters": ttlmasters_is_right(seen, now),
            "quorum_tid": choose_truth(any_master, highest, equal(quorum_tid, 0)),
            "nmasters": equal(nmasters, votes.before(seen, quorum_tid)),
            "no votes above": votes.for_all(
                seen,
                lambda tid: implies(disjunction(tid > quorum_tid, negation(any_master)), votes.before(seen, tid) == 0),
            ),
        }

    def highest_believed_so_far(seen: Number, now: Variables) -> Fields:
        """The highest tid of a master that enough of all masters hold, and how many do."""
        quorum_tid, nmasters = now["quorum_tid"], now["nmasters"]
        any_believed = some(seen, situation.believed)
        highest = conjunction(
            some(seen, lambda i: conjunction(situation.believed(i), slot(i).tid == quorum_tid)),
            every(seen, lambda i: implies(situation.believed(i), slot(i).tid <= quorum_tid)),
        )
        counted = conjunction(nmasters >= 1, equal(nmasters, votes.before(situation.length, quorum_tid)))
        return {
            "ttlmasters": ttlmasters_is_right(seen, now),
            "quorum_tid": choose_truth(any_believed, highest, equal(quorum_tid, 0)),
            "nmasters": choose_truth(any_believed, counted, equal(nmasters, 0)),
        }

    changes = {"ttlmasters": Shape.NUMBER, "quorum_tid": Shape.NUMBER, "nmasters": Shape.NUMBER}
    if situation.semantics.majority_tid:
        return Loop(changes, highest_believed_so_far, [masters])
    return Loop(changes, highest_so_far, [masters, votes])


def in_choose(situation: Situation, quorum: Quorum) -> tuple[Loop, Loop]:
    """The two loops of choose: the rest of pass 1, and pass 2."""
    n = situation.length
    slave, good_slave = situation.a(PfsType.SLAVE), good(situation, PfsType.SLAVE, quorum)
    root, good_master = situation.a(PfsType.SUPROOT), good(situation, PfsType.MASTER, quorum)
    soft_master, soft_slave = situation.a(PfsType.SOFT_MASTER), situation.a(PfsType.SOFT_SLAVE)
    slaves, good_slaves = Count("slaves", slave), Count("good_slaves", good_slave)

    def access(now: Variables, **set_if: Truth) -> Fields:
        return {
            flag: values.same_truth(bit(now["nflags"], ClusterFlag[flag]), condition)
            for flag, condition in set_if.items()
        }

    def held_as(pfs_type: PfsType, now: Variables) -> Truth:
        """The focus was chosen as a member of this type; what will be compared with later ones is its own."""
        focus = index(now["focus"])
        return conjunction(
            negation(values.optional(now["focus"]).none),
            equal(now["focus_type"], int(pfs_type)),
            equal(now["focus_tid"], slot(focus).tid),
            equal(now["error"], slot(focus).error),
        )

    def in_pass_1(seen: Number, now: Variables) -> Fields:
        roots = some(seen, root)
        soft_masters, soft_slaves = some(seen, soft_master), some(seen, soft_slave)
        untouched = conjunction(
            equal(now["focus"], situation.held), equal(now["focus_type"], int(PfsType.NONE)), equal(now["error"], 0)
        )
        best = conjunction(held_as(PfsType.SUPROOT, now), best_of_roots(situation, seen, now["focus"]))
        return {
            "ttlslaves": equal(now["ttlslaves"], slaves.before(seen)),
            "focus": choose_truth(roots, best, untouched),
            **access(
                now, WRHARD=roots, RDHARD=roots, WRSOFT=soft_masters, RDSOFT=disjunction(soft_masters, soft_slaves)
            ),
        }

    def in_pass_2(seen: Number, now: Variables) -> Fields:
        focus, error = now["focus"], now["error"]
        roots, good_masters, good_slave_seen = some(n, root), some(seen, good_master), some(seen, good_slave)
        soft_masters, soft_slaves = some(n, soft_master), some(n, soft_slave)

        def focus_type_is(pfs_type: PfsType) -> Truth:
            return equal(now["focus_type"], int(pfs_type))

        chosen_as = by_rank(
            (some(seen, soft_master), held_as(PfsType.SOFT_MASTER, now)),
            (some(seen, soft_slave), held_as(PfsType.SOFT_SLAVE, now)),
            (roots, held_as(PfsType.SUPROOT, now)),
            (negation(values.optional(situation.held).none), focus_type_is(PfsType.NONE)),
            (good_masters, focus_type_is(PfsType.MASTER)),
            (good_slave_seen, focus_type_is(PfsType.SLAVE)),
            otherwise=focus_type_is(PfsType.NONE),
        )
        all_good = every(seen, lambda i: implies(slave(i), good_slave(i)))
        how_many = slaves.before(seen) - good_slaves.before(seen)
        found = {
            "nslaves": equal(now["nslaves"], good_slaves.before(seen)),
            "slaves that are not good": conjunction(how_many >= 0, values.same_truth(how_many == 0, all_good)),
            "focus": focus_is_right(situation, seen, quorum, focus),
            "focus_type": chosen_as,
            "error": error_is_right(situation, seen, focus, error, 0),
            **access(
                now,
                WRHARD=disjunction(roots, good_masters),
                RDHARD=disjunction(roots, good_masters, good_slave_seen),
                WRSOFT=soft_masters,
                RDSOFT=disjunction(soft_masters, soft_slaves),
            ),
        }
        if not situation.semantics.ranked_soft:
            found["no assertion"] = negation(
                disjunction(soft_slaves_clash(situation, seen), soft_masters_clash(situation, seen))
            )
        return found

    pass_1 = {
        "focus": Shape.NUMBER_OR_NONE,
        "focus_type": Shape.NUMBER,
        "focus_tid": Shape.NUMBER,
        "error": Shape.NUMBER,
        "nflags": Shape.ACCESS,
        "ttlslaves": Shape.NUMBER,
    }
    pass_2 = {**pass_1, "nslaves": Shape.NUMBER}
    del pass_2["ttlslaves"]
    return Loop(pass_1, in_pass_1, [slaves]), Loop(pass_2, in_pass_2, [slaves, good_slaves])
