"""A few slots instead of any number: what shows that hypotheses with quantifiers do not contradict each other.

Every function symbol is given a definition (the slots are a table of constants, the counts are sums over it) and every
other constant is left open. A model of the hypotheses read like this is one of the hypotheses themselves.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Final

import z3

from hammer2_proofs.induction.slots import ERROR, PRESENT, TID, TYPE, Count, formula
from hammer2_proofs.values import Truth

FEW: Final = 2
"""Slots in the situation."""

_INDEX, _OTHER = z3.Var(0, z3.IntSort()), z3.Var(1, z3.IntSort())
_BOUND, _FURTHER = z3.Ints("bound! further!")


def few_slots(
    length: z3.ArithRef, counts: Sequence[Count] = (), kinds: Sequence[z3.FuncDeclRef] = ()
) -> Callable[[Truth], Truth]:
    """Reads a condition about ``length`` slots as one about FEW. ``counts``, ``kinds``: what else it may speak of."""
    tables = [(function, _table(function)) for function in (PRESENT, TYPE, TID, ERROR, *kinds)]
    sums = [(count.function, z3.substitute_funs(_sum(count), *tables)) for count in counts]

    def read(condition: Truth) -> Truth:
        counted = z3.substitute_funs(formula(condition), *sums) if sums else formula(condition)
        return z3.substitute(z3.substitute_funs(counted, *tables), (length, z3.IntVal(FEW)))

    return read


def _table(function: z3.FuncDeclRef) -> z3.ExprRef:
    """A function of the index as a choice between constants, one for each slot; beyond, nothing is present."""
    constants = [z3.Const(f"{function.name()}{i}", function.range()) for i in range(FEW)]
    beyond = z3.BoolVal(False) if function.range() == z3.BoolSort() else z3.IntVal(0)
    return reduce(lambda x, i: z3.If(i == _INDEX, constants[i], x), reversed(range(FEW)), beyond)


def _sum(count: Count) -> z3.ExprRef:
    """A count, of slots before the first argument."""
    further = [_FURTHER] if count.depends else []
    counted = z3.Sum(
        [z3.If(z3.And(i < _BOUND, formula(count.holds(z3.IntVal(i), *further))), 1, 0) for i in range(FEW)]
    )
    return z3.substitute(counted, (_BOUND, _INDEX), (_FURTHER, _OTHER))
