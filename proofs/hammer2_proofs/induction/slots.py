"""Any number of slots: functions of the index instead of a tuple, quantifiers over indices, and counting.

The bound of a range may be an int or a term. Where it is an int, a quantifier or a count is written out: one text
serves for any number of slots and for a given one.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

import z3

from hammer2_proofs import values
from hammer2_proofs.expressions import Here
from hammer2_proofs.lift import Lifter
from hammer2_proofs.values import Number, Truth, Value, conjunction, disjunction, negation
from hammer2_spec.configuration import Slot

Kind: TypeAlias = Callable[[Number], Truth]
"""A kind of slots: whether the slot at an index is of it."""

INT, BOOL = z3.IntSort(), z3.BoolSort()
PRESENT: Final = z3.Function("present", INT, BOOL)
TYPE: Final = z3.Function("type", INT, INT)
TID: Final = z3.Function("tid", INT, INT)
ERROR: Final = z3.Function("error", INT, INT)


@cache
def slot(i: Number) -> Slot:
    """The slot at an index."""
    return Slot._make([PRESENT(i), TYPE(i), TID(i), ERROR(i)])


@dataclass(frozen=True, eq=False)
class Slots:
    """A sequence of slots of which nothing is known but that ``slot(i)`` is the one at i, for 0 <= i < length."""

    length: Number


class SlotsLifter(Lifter):
    """The lifter, where a sequence of slots may be of any length: what it is asked for is no more than its length."""

    def value(self, node: ast.expr, here: Here) -> Value:
        """The value of an expression; here the length of such a sequence too."""
        match node:
            case ast.Call(func=ast.Name() as function, args=[ast.Name(id=name)], keywords=[]):
                slots: object = here.names.get(name)
                if isinstance(slots, Slots) and self.look_up(function, here) is len:
                    return slots.length
        return super().value(node, here)


def formula(condition: Truth) -> z3.BoolRef:
    """A condition as a term."""
    return z3.BoolVal(condition) if isinstance(condition, bool) else condition


# Quantifiers. A variable of its own for each, so that none captures another's.


def every(bound: Number, holds: Kind) -> Truth:
    """Whether all slots before the bound are of a kind."""
    if isinstance(bound, int):
        return conjunction(*(holds(j) for j in range(bound)))
    j = z3.FreshInt("j")
    return z3.ForAll([j], z3.Implies(z3.And(j >= 0, j < bound), formula(holds(j))))


def some(bound: Number, holds: Kind) -> Truth:
    """Whether a slot before the bound is of a kind."""
    if isinstance(bound, int):
        return disjunction(*(holds(j) for j in range(bound)))
    j = z3.FreshInt("j")
    return z3.Exists([j], z3.And(j >= 0, j < bound, formula(holds(j))))


def none(bound: Number, holds: Kind) -> Truth:
    """Whether no slot before the bound is of a kind."""
    return every(bound, lambda j: negation(holds(j)))


def implies(condition: Truth, conclusion: Truth) -> Truth:
    """If the condition, then the conclusion."""
    return disjunction(negation(condition), conclusion)


def at(bound: Number, i: Number, holds: Kind) -> Truth:
    """Whether i is before the bound, and of a kind."""
    if isinstance(bound, int):
        return disjunction(*(conjunction(i == j, holds(j)) for j in range(bound)))
    return conjunction(i >= 0, i < bound, holds(i))


def first(bound: Number, kind: Kind, i: Number) -> Truth:
    """Whether i is the first of a kind before the bound."""
    return at(bound, i, lambda i: conjunction(kind(i), every(bound, lambda j: implies(kind(j), i <= j))))


def last(bound: Number, kind: Kind, i: Number) -> Truth:
    """Whether i is the last of a kind before the bound."""
    return at(bound, i, lambda i: conjunction(kind(i), every(bound, lambda j: implies(kind(j), j <= i))))


@dataclass(frozen=True, eq=False)
class Count:
    """How many slots before a bound are of a kind, which may depend on one more number (a tid)."""

    name: str
    holds: Callable[..., Truth]
    """Takes an index and the further number, if there is one."""
    depends: bool = False
    opaque: bool = False
    """Whether it is never written out: what is shown of it is shown of any function."""

    @property
    def function(self) -> z3.FuncDeclRef:
        """The symbol that stands for the count."""
        return z3.Function(self.name, *([INT, INT] if self.depends else [INT]), INT)

    def before(self, bound: Number, *of: Number) -> Number:
        """The count, of slots before the bound."""
        if isinstance(bound, int) and not self.opaque:
            return values.count([self.holds(j, *of) for j in range(bound)])
        return self.function(bound, *of)

    def for_all(self, bound: Number, says: Callable[..., Truth]) -> Truth:
        """What holds of the count before a bound, for every value of the further number."""
        if not self.depends:
            return says()
        t = z3.FreshInt("t")
        patterns = [] if isinstance(bound, int) else [self.function(bound, t)]
        return z3.ForAll([t], formula(says(t)), patterns=patterns)

    def step(self, i: z3.ArithRef) -> Truth:
        """The definition of counting, for one slot more; that there is nothing to count before 0 is in ``before``."""
        return self.for_all(
            i + 1, lambda *of: self.before(i + 1, *of) == self.before(i, *of) + z3.If(self.holds(i, *of), 1, 0)
        )
