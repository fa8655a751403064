"""Counting, cut out of the proofs about the decision.

Sums over many conditions are what makes these proofs slow. ``Counts`` stands in for ``votes_at``: how many voters are
at a tid becomes an unknown function of the tid, of which nothing is known but three laws of finite sets, for the tids
that slots show. The laws are proved here for arbitrary sets; what follows from them follows for real counts.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import z3

from hammer2_proofs.obligations import Obligation
from hammer2_proofs.values import Members, Number, Truth, conjunction, count, disjunction, equal, negation
from hammer2_spec.configuration import Slot
from hammer2_spec.vocabulary import MAXCLUSTER, PfsType


def implies(condition: Truth, then: Truth) -> Truth:
    """If the condition holds, so does the other one."""
    return disjunction(negation(condition), then)


def formula(condition: Truth) -> z3.BoolRef:
    """A condition as a z3 term."""
    return z3.BoolVal(condition) if isinstance(condition, bool) else condition


# The laws. A set of slots is given by one condition for each; ``size`` is what is known of the number of its elements.


def a_set_is_empty_or_has_an_element(elements: Sequence[Truth], size: Number) -> Truth:
    """A size is not negative, and it is at least 1 iff there is an element."""
    return conjunction(size >= 0, equal(size >= 1, disjunction(*elements)))


def a_part_is_no_larger(part: Sequence[Truth], size: Number, whole: Sequence[Truth], whole_size: Number) -> Truth:
    """A subset has at most as many elements."""
    return implies(conjunction(*map(implies, part, whole)), size <= whole_size)


def large_parts_overlap(
    one: Sequence[Truth], size: Number, other: Sequence[Truth], other_size: Number, whole: Sequence[Truth]
) -> Truth:
    """Two subsets with more elements together than the whole have one in common."""
    within = conjunction(*map(implies, one, whole), *map(implies, other, whole))
    return implies(
        conjunction(within, size + other_size > count(list(whole))), disjunction(*map(conjunction, one, other))
    )


def laws(slots: int = MAXCLUSTER) -> Iterator[Obligation]:
    """That the laws hold of all sets of that many slots, where a size is the number of elements."""
    a, b, c = ([z3.Bool(f"{name}{i}") for i in range(slots)] for name in "abc")
    m, n = count(list(a)), count(list(b))
    yield Obligation("a set is empty or has an element", (), a_set_is_empty_or_has_an_element(a, m))
    yield Obligation("a part is no larger than the whole", (), a_part_is_no_larger(a, m, b, n))
    yield Obligation("parts that are large together overlap", (), large_parts_overlap(a, m, b, n, c))


class Tally(NamedTuple):
    """One set of voters; how many are at a tid is an unknown function of it."""

    slots: Sequence[Slot]
    voters: Members
    size: z3.FuncDeclRef

    def at(self, tid: Number) -> list[Truth]:
        """Which slots hold a voter at this tid."""
        return [conjunction(self.voters.has(i), equal(slot.tid, tid)) for i, slot in enumerate(self.slots)]

    def is_of(self, slots: Sequence[Slot], voters: Members) -> bool:
        """Whether it counts just these voters."""
        return len(slots) == len(self.slots) and all(
            _same(mine.tid, its.tid) and _same(self.voters.has(i), voters.has(i))
            for i, (mine, its) in enumerate(zip(self.slots, slots, strict=True))
        )


def _same(x: Truth | Number, y: Truth | Number) -> bool:
    """Whether two values are the same constant or the same term."""
    if isinstance(x, int) or isinstance(y, int):
        return isinstance(x, int) and isinstance(y, int) and x == y
    return bool(x.eq(y))


class Counts:
    """Stands in for ``votes_at`` while something is lifted; afterwards, what is known of its answers."""

    def __init__(self) -> None:
        self._tallies: list[Tally] = []

    def votes_at(self, slots: Sequence[Slot], voters: Members, tid: Number) -> Number:
        """An unknown number."""
        known = [tally for tally in self._tallies if tally.is_of(slots, voters)]
        if not known:
            size = z3.Function(f"votes{len(self._tallies)}", z3.IntSort(), z3.IntSort())
            known.append(Tally(slots, voters, size))
            self._tallies += known
        votes: Number = known[0].size(tid)
        return votes

    def facts(self) -> Iterator[Truth]:
        """The laws, of the voters at each tid that a slot shows."""
        for tally in self._tallies:
            for slot in tally.slots:
                yield a_set_is_empty_or_has_an_element(tally.at(slot.tid), tally.size(slot.tid))
        for one in self._tallies:
            for other in self._tallies:
                yield from _facts_of_two(one, other)


def _facts_of_two(one: Tally, other: Tally) -> Iterator[Truth]:
    if one is not other:
        for mine in one.slots:
            here, m = one.at(mine.tid), one.size(mine.tid)
            yield a_part_is_no_larger(here, m, other.at(mine.tid), other.size(mine.tid))
    if all(_same(mine.type, its.type) for mine, its in zip(one.slots, other.slots, strict=True)):
        masters = [equal(slot.type, PfsType.MASTER) for slot in one.slots]  # of the same nodes
        for i, mine in enumerate(one.slots):
            here, m = one.at(mine.tid), one.size(mine.tid)
            for its in other.slots[i + 1 :] if one is other else other.slots:
                yield large_parts_overlap(here, m, other.at(its.tid), other.size(its.tid), masters)
