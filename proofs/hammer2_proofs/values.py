"""The values that a lifted program computes with, and what Python's operators do to them.

A value is concrete (Python's own bool, int, None, tuple) or symbolic (a z3 term, or one of the classes below). Every
operation folds what is concrete, is exact on what is symbolic, and raises ``Unliftable`` for whatever it cannot
express exactly. Integers are mathematical, as Python's are; a flag word is held bit by bit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import z3

Truth: TypeAlias = bool | z3.BoolRef
Number: TypeAlias = int | z3.ArithRef


@dataclass(frozen=True, eq=False)
class Bits:
    """An int known bit by bit, in two's complement: bit k is ``bit[k]``, or ``sign`` where it is not listed."""

    bit: Mapping[int, Truth]
    sign: Truth = False

    def at(self, k: int) -> Truth:
        """Bit k."""
        return self.bit.get(k, self.sign)


@dataclass(frozen=True, eq=False)
class Optional:
    """None if ``none``, else ``value``, which is never None itself."""

    none: Truth
    value: "Value"


@dataclass(frozen=True, eq=False)
class Members:
    """A set of concrete ints: k is an element iff ``holds[k]``; numbers not listed are not."""

    holds: Mapping[int, Truth]

    def has(self, k: int) -> Truth:
        """Whether k is an element."""
        return self.holds.get(k, False)


Value: TypeAlias = Truth | Number | Bits | Optional | Members | tuple["Value", ...] | None

MOST_SHIFT_BIT: Final = 6
"""A number that is shifted by may have the bits 0 to 6: by more than 127 nobody shifts."""

SHIFT_BELOW_0: Final = "a shift by less than 0"

Demand: TypeAlias = Callable[[Truth, str], None]
"""``demand(condition, otherwise)``: CPython goes on only if the condition holds."""


class Unliftable(Exception):
    """The operation is outside the dialect; the interpreter adds the place."""


class Undefined(Exception):
    """CPython certainly raises here, which has been recorded as a demand; there is no value."""


# ---------------------------------------------------------------- truth values


def conjunction(*conditions: Truth) -> Truth:
    """All of them."""
    if any(c is False for c in conditions):
        return False
    open_ = [c for c in conditions if c is not True]
    return True if not open_ else open_[0] if len(open_) == 1 else z3.And(*open_)


def disjunction(*conditions: Truth) -> Truth:
    """Any of them."""
    if any(c is True for c in conditions):
        return True
    open_ = [c for c in conditions if c is not False]
    return False if not open_ else open_[0] if len(open_) == 1 else z3.Or(*open_)


def negation(condition: Truth) -> Truth:
    """Not."""
    if isinstance(condition, bool):
        return not condition
    return condition.arg(0) if z3.is_not(condition) else z3.Not(condition)


def choose_truth(condition: Truth, x: Truth, y: Truth) -> Truth:
    """x if condition else y."""
    if isinstance(condition, bool):
        return x if condition else y
    if isinstance(x, bool):
        return disjunction(condition, y) if x else conjunction(negation(condition), y)
    if isinstance(y, bool):
        return disjunction(negation(condition), x) if y else conjunction(condition, x)
    return x if x.eq(y) else z3.If(condition, x, y)


def same_truth(x: Truth, y: Truth) -> Truth:
    """x == y, of two bools."""
    if isinstance(x, bool):
        return y if x else negation(y)
    return same_truth(y, x) if isinstance(y, bool) else x == y


# ---------------------------------------------------------------- what kind of value


def is_truth(x: Value) -> bool:
    """Whether x is a bool to Python."""
    return isinstance(x, bool) or z3.is_bool(x)


def is_number(x: Value) -> bool:
    """Whether x is an int to Python, and no bool."""
    return (isinstance(x, int) and not isinstance(x, bool)) or z3.is_int(x) or isinstance(x, Bits)


def kind(x: Value) -> str:
    """The kind of x, for messages."""
    if x is None:
        return "None"
    if is_truth(x):
        return "a bool"
    if is_number(x):
        return "an int"
    if isinstance(x, Optional):
        return f"{kind(x.value)} or None"
    if isinstance(x, Members):
        return "a set"
    if isinstance(x, tuple):
        return f"a {type(x).__name__}"
    return f"{x!r}"


def number(x: Value, demand: Demand) -> Number:
    """x as a number; demands that it is not None."""
    if x is None:
        demand(False, "None where a number is needed")
        raise Undefined
    if isinstance(x, Optional):
        demand(negation(x.none), "None where a number is needed")
        return number(x.value, demand)
    if not is_number(x):
        raise Unliftable(f"{kind(x)} where a number is needed")
    if isinstance(x, Bits):
        width = max(x.bit, default=-1) + 1
        terms = [(x.at(k), 2**k) for k in range(width)] + [(x.sign, -(2**width))]
        return sum((_if_number(c, weight) for c, weight in terms if c is not False), start=0)
    return int(x) if isinstance(x, int) else x


def _if_number(condition: Truth, weight: int) -> Number:
    return weight if condition is True else z3.If(condition, weight, 0)


def bits(x: Value) -> Bits | None:
    """x bit by bit, if it is known that way: a flag word or a constant, or a choice between such."""
    if isinstance(x, Bits):
        return x
    if is_number(x) and isinstance(x, int):
        return Bits({k: bool(x >> k & 1) for k in range(x.bit_length())}, x < 0)
    return None


def truth(x: Value) -> Truth:
    """Python's truth of x, for a bool, an int or a set."""
    if is_truth(x):
        return x
    if isinstance(x, Bits):
        return disjunction(*x.bit.values(), x.sign)
    if isinstance(x, Members):
        return disjunction(*x.holds.values())
    if is_number(x):
        return bool(x) if isinstance(x, int) else x != 0
    raise Unliftable(f"{kind(x)} used as a condition (compare it explicitly: 0 and None are different things)")


# ---------------------------------------------------------------- merging and equality


def choose_bits(condition: Truth, x: Bits, y: Bits) -> Bits:
    """x if condition else y, bit by bit."""
    return _bitwise(lambda a, b: choose_truth(condition, a, b), x, y)


def _bitwise(operation: Callable[[Truth, Truth], Truth], x: Bits, y: Bits) -> Bits:
    return Bits({k: operation(x.at(k), y.at(k)) for k in sorted({*x.bit, *y.bit})}, operation(x.sign, y.sign))


def choose(condition: Truth, x: Value, y: Value) -> Value:
    """x if condition else y. Both must be of one kind, except that either may be None."""
    if isinstance(condition, bool):
        return x if condition else y
    if x is y:
        return x
    if x is None or y is None or isinstance(x, Optional) or isinstance(y, Optional):
        a, b = optional(x), optional(y)
        value = b.value if a.none is True else a.value if b.none is True else choose(condition, a.value, b.value)
        return Optional(choose_truth(condition, a.none, b.none), value)
    if is_truth(x) and is_truth(y):
        return choose_truth(condition, x, y)
    if isinstance(x, Members) and isinstance(y, Members):
        return Members({k: choose_truth(condition, x.has(k), y.has(k)) for k in {*x.holds, *y.holds}})
    if isinstance(x, tuple) and isinstance(y, tuple) and type(x) is type(y) and len(x) == len(y):
        return rebuilt(x, [choose(condition, p, q) for p, q in zip(x, y, strict=True)])
    if is_number(x) and is_number(y):
        if isinstance(x, int) and isinstance(y, int) and x == y:
            return int(x)
        if (some := bits(x)) and (other := bits(y)):
            return choose_bits(condition, some, other)
        p, q = number(x, _never), number(y, _never)
        return p if _same_term(p, q) else z3.If(condition, p, q)
    raise Unliftable(f"{kind(x)} on one path, {kind(y)} on another")


def _same_term(p: Number, q: Number) -> bool:
    if isinstance(p, int) or isinstance(q, int):
        return isinstance(p, int) and isinstance(q, int) and p == q
    return bool(p.eq(q))


def optional(x: Value) -> Optional:
    """x seen as an optional."""
    return x if isinstance(x, Optional) else Optional(x is None, x)


def rebuilt(like: tuple[Value, ...], values: list[Value]) -> tuple[Value, ...]:
    """A tuple of the same class with other values."""
    make = getattr(type(like), "_make", tuple)
    result: tuple[Value, ...] = make(values)
    return result


def equal(x: Value, y: Value) -> Truth:
    """x == y. Values of different kinds are refused rather than called unequal, except for None."""
    if x is None or y is None or isinstance(x, Optional) or isinstance(y, Optional):
        a, b = optional(x), optional(y)
        both = conjunction(a.none, b.none)
        if a.none is True or b.none is True:
            return both
        return disjunction(both, conjunction(negation(a.none), negation(b.none), equal(a.value, b.value)))
    if is_truth(x) and is_truth(y):
        return same_truth(x, y)
    if isinstance(x, Members) and isinstance(y, Members):
        return conjunction(*(same_truth(x.has(k), y.has(k)) for k in sorted({*x.holds, *y.holds})))
    if isinstance(x, tuple) and isinstance(y, tuple) and type(x) is type(y):
        return len(x) == len(y) and conjunction(*(equal(p, q) for p, q in zip(x, y, strict=True)))
    if is_number(x) and is_number(y):
        if not _constants(x, y) and (some := bits(x)) and (other := bits(y)):
            same = _bitwise(same_truth, some, other)
            return conjunction(*same.bit.values(), same.sign)
        return number(x, _never) == number(y, _never)
    raise Unliftable(f"{kind(x)} compared with {kind(y)}")


def _never(condition: Truth, otherwise: str) -> None:
    raise AssertionError(f"demanded of a value that is a number: {otherwise} unless {condition}")


# ---------------------------------------------------------------- numbers


def add(x: Value, y: Value, demand: Demand) -> Value:
    """x + y, of numbers or tuples."""
    if isinstance(x, tuple) and isinstance(y, tuple):
        return tuple(x) + tuple(y)
    return number(x, demand) + number(y, demand)


def subtract(x: Value, y: Value, demand: Demand) -> Value:
    """x - y, of numbers or sets."""
    if isinstance(x, Members) and isinstance(y, Members):
        return Members({k: conjunction(c, negation(y.has(k))) for k, c in x.holds.items()})
    return number(x, demand) - number(y, demand)


def multiply(x: Value, y: Value, demand: Demand) -> Value:
    """x * y, one of them a constant."""
    p, q = number(x, demand), number(y, demand)
    if not isinstance(p, int) and not isinstance(q, int):
        raise Unliftable("the product of two numbers that are not constant")
    return p * q


def _divisor(y: Value) -> int:
    if not isinstance(y, int) or isinstance(y, bool) or y < 1:
        raise Unliftable("a divisor that is no constant of at least 1")
    return int(y)


def floor_divide(x: Value, y: Value, demand: Demand) -> Value:
    """x // y for a positive constant y, where z3's division rounds down as Python's does."""
    p, d = number(x, demand), _divisor(y)
    return p // d if isinstance(p, int) else p / d


def modulo(x: Value, y: Value, demand: Demand) -> Value:
    """x % y for a positive constant y."""
    return number(x, demand) % _divisor(y)


def shift_left(x: Value, y: Value, demand: Demand) -> Value:
    """x << y for a constant y, or one that is a few bits."""
    if isinstance(y, Bits):
        return _shifted_by_bits(shift_left, x, y, demand)
    n = _distance(y, demand)
    if isinstance(x, Bits):
        return Bits({**dict.fromkeys(range(n), False), **{k + n: c for k, c in x.bit.items()}}, x.sign)
    return number(x, demand) * 2**n


def shift_right(x: Value, y: Value, demand: Demand) -> Value:
    """x >> y for a constant y, or one that is a few bits."""
    if isinstance(y, Bits):
        return _shifted_by_bits(shift_right, x, y, demand)
    n = _distance(y, demand)
    if isinstance(x, Bits):
        return Bits({k - n: c for k, c in x.bit.items() if k >= n}, x.sign)
    return floor_divide(x, 2**n, demand)


def _distance(y: Value, demand: Demand) -> int:
    if not isinstance(y, int) or isinstance(y, bool):
        raise Unliftable(f"a shift by {kind(y)} that is neither constant nor known bit by bit")
    if y < 0:
        demand(False, SHIFT_BELOW_0)
        raise Undefined
    return int(y)


def _shifted_by_bits(shift: Callable[[Value, Value, Demand], Value], x: Value, y: Bits, demand: Demand) -> Value:
    """x shifted by 2**k for each bit k of y that is set."""
    if max(y.bit, default=0) > MOST_SHIFT_BIT:
        raise Unliftable("a shift by a number of that many bits")
    demand(negation(y.sign), SHIFT_BELOW_0)
    for k, c in sorted(y.bit.items()):
        x = choose(c, shift(x, 2**k, demand), x)
    return x


def bit_and(x: Value, y: Value, demand: Demand) -> Value:
    """x & y, of flag words, constants or sets; of any number and a constant."""
    if isinstance(x, Members) and isinstance(y, Members):
        return Members({k: conjunction(c, y.has(k)) for k, c in x.holds.items()})
    if not _constants(x, y) and (a := bits(x)) and (b := bits(y)):
        return _bitwise(conjunction, a, b)
    return _masked(number(x, demand), number(y, demand))


def _constants(x: Value, y: Value) -> bool:
    return isinstance(x, int) and isinstance(y, int)


def bit_or(x: Value, y: Value, demand: Demand) -> Value:
    """x | y, of flag words, constants or sets; of any number and a constant."""
    if isinstance(x, Members) and isinstance(y, Members):
        return Members({k: disjunction(x.has(k), y.has(k)) for k in {*x.holds, *y.holds}})
    if not _constants(x, y) and (a := bits(x)) and (b := bits(y)):
        return _bitwise(disjunction, a, b)
    p, q = number(x, demand), number(y, demand)
    return p + q - _masked(p, q)


def bit_xor(x: Value, y: Value, demand: Demand) -> Value:
    """x ^ y, of flag words or constants; of any number and a constant."""
    if not _constants(x, y) and (a := bits(x)) and (b := bits(y)):
        return _bitwise(lambda c, d: negation(same_truth(c, d)), a, b)
    p, q = number(x, demand), number(y, demand)
    return p + q - 2 * _masked(p, q)


def bit_not(x: Value, demand: Demand) -> Value:
    """~x."""
    if isinstance(x, Bits):
        return Bits({k: negation(c) for k, c in x.bit.items()}, negation(x.sign))
    return -1 - number(x, demand)


def bit_count(x: Value) -> Value:
    """x.bit_count(), of a flag word or a constant."""
    known = bits(x)
    if known is None or known.sign is not False:
        raise Unliftable(f"the bits of {kind(x)} that is not known bit by bit, or may be less than 0")
    return count([c for _, c in sorted(known.bit.items())])


def _masked(x: Number, y: Number) -> Number:
    """x & y where one is a constant: each run of ones in it, from bit a up to bit b, keeps x % 2**b - x % 2**a."""
    if not isinstance(y, int):
        x, y = y, x
    if not isinstance(y, int):
        raise Unliftable("a bit operation on two numbers that are not known bit by bit")
    if y < 0:
        return x - _masked(x, ~y)
    kept: Number = 0
    for k in range(y.bit_length()):
        if y >> k & 1 and not y >> (k + 1) & 1:
            kept = kept + x % 2 ** (k + 1)
        if y >> k & 1 and not (k and y >> (k - 1) & 1):
            kept = kept - x % 2**k
    return kept


def less(x: Value, y: Value, demand: Demand) -> Truth:
    """x < y, of numbers."""
    return number(x, demand) < number(y, demand)


def less_or_equal(x: Value, y: Value, demand: Demand) -> Truth:
    """x <= y, of numbers; of sets: subset."""
    if isinstance(x, Members) and isinstance(y, Members):
        return conjunction(*(disjunction(negation(c), y.has(k)) for k, c in sorted(x.holds.items())))
    return number(x, demand) <= number(y, demand)


def contains(container: Value, x: Value) -> Truth:
    """x in container, a set or a tuple."""
    if isinstance(container, Members):
        return disjunction(*(conjunction(c, equal(x, k)) for k, c in sorted(container.holds.items())))
    if isinstance(container, tuple):
        return disjunction(*(equal(x, y) for y in container))
    raise Unliftable(f"membership in {kind(container)}")


def count(conditions: list[Truth]) -> Number:
    """How many of the conditions hold."""
    certain = sum(c is True for c in conditions)
    open_ = [z3.If(c, 1, 0) for c in conditions if not isinstance(c, bool)]
    return z3.Sum([*open_, certain]) if open_ else certain


def concrete(x: Value, evaluate: Callable[[z3.ExprRef], z3.ExprRef]) -> Value:
    """The Python value that x takes where z3 terms take the values that evaluate gives them; sets become Members."""
    if isinstance(x, Bits):
        known = Bits({k: concrete_truth(c, evaluate) for k, c in x.bit.items()}, concrete_truth(x.sign, evaluate))
        return number(known, _never)
    if isinstance(x, Optional):
        return None if concrete_truth(x.none, evaluate) else concrete(x.value, evaluate)
    if isinstance(x, Members):
        return Members({k: concrete_truth(c, evaluate) for k, c in x.holds.items()})
    if isinstance(x, tuple):
        return rebuilt(x, [concrete(y, evaluate) for y in x])
    if is_truth(x):
        return concrete_truth(x, evaluate)
    if not z3.is_expr(x):
        return x
    result: int = evaluate(x).as_long()
    return result


def concrete_truth(x: Truth, evaluate: Callable[[z3.ExprRef], z3.ExprRef]) -> bool:
    """``concrete`` for a condition."""
    return x if isinstance(x, bool) else bool(z3.is_true(evaluate(x)))
