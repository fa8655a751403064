"""Each construct of the dialect, lifted, gives what CPython gives: value by value, and raising where CPython raises."""

# The samples take what each construct needs, and some raise on purpose: they have no types to check.
# mypy: disallow-untyped-defs=False, check-untyped-defs=False, disallow-untyped-calls=False
# The samples are the constructs themselves, as odd as they come.
# ruff: noqa: ANN001, ANN201, RET504, RUF005, SIM300, PIE790, C416, B007, F821, E711

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import product
from typing import NamedTuple

import pytest
import z3

from hammer2_proofs.lift import Lifter
from hammer2_proofs.values import Bits, Members, Optional, Undefined, Value, concrete


class Kind(IntEnum):
    NONE = 0
    RED = 1
    BLUE = 4


class Point(NamedTuple):
    x: int
    y: int


class Box(NamedTuple):
    low: int = -1
    high: int = 5
    corner: Point = Point(1, 2)


LIMIT = 3
MASK = 0b0110
CORNERS = (Point(0, 0), Point(3, 1))


@dataclass
class Input:
    """A symbolic argument, the values to try it with, and how a value is given to its z3 variables."""

    symbolic: Value
    values: Sequence[Value]
    assign: Callable[[Value], list[tuple[z3.ExprRef, z3.ExprRef]]]


def int_(name: str, *values: int) -> Input:
    x = z3.Int(name)
    return Input(x, values, lambda value: [(x, z3.IntVal(value))])


def bool_(name: str) -> Input:
    x = z3.Bool(name)
    return Input(x, (False, True), lambda value: [(x, z3.BoolVal(value))])


def maybe(name: str, *values: int) -> Input:
    none, x = z3.Bool(f"{name} is None"), z3.Int(name)
    return Input(
        Optional(none, x),
        (None, *values),
        lambda value: [(none, z3.BoolVal(value is None)), (x, z3.IntVal(99 if value is None else value))],
    )


def word(name: str, width: int) -> Input:
    bits = {k: z3.Bool(f"{name}.{k}") for k in range(width)}

    def assign(value: Value) -> list[tuple[z3.ExprRef, z3.ExprRef]]:
        assert isinstance(value, int)
        return [(bit, z3.BoolVal(bool(value >> k & 1))) for k, bit in bits.items()]

    return Input(Bits(bits), range(2**width), assign)


def tuple_(*parts: Input, of: Callable[..., tuple[Value, ...]] = lambda *xs: xs) -> Input:
    def assign(value: Value) -> list[tuple[z3.ExprRef, z3.ExprRef]]:
        assert isinstance(value, tuple)
        return [pair for part, x in zip(parts, value, strict=True) for pair in part.assign(x)]

    return Input(of(*(p.symbolic for p in parts)), [of(*xs) for xs in product(*(p.values for p in parts))], assign)


N, M = int_("n", -3, -1, 0, 1, 2, 5), int_("m", -2, 0, 1, 7)
P, Q = bool_("p"), bool_("q")
MAYBE, OTHER = maybe("maybe", -1, 0, 1, 2, 3), maybe("other", 0, 1, 3)
FLAGS, MORE = word("flags", 4), word("more", 3)
THREE = tuple_(int_("a", 0, 1, 2), int_("b", 0, 1, 4), int_("c", -1, 1, 2))
FOUR = tuple_(*(tuple_(bool_(f"present{i}"), int_(f"v{i}", 0, 1, 2)) for i in range(3)))
CASES: dict[str, tuple[Callable[..., object], tuple[Input, ...]]] = {}


def case(*inputs: Input) -> Callable[[Callable[..., object]], Callable[..., object]]:
    def register(function: Callable[..., object]) -> Callable[..., object]:
        assert function.__name__ not in CASES
        CASES[function.__name__] = (function, inputs)
        return function

    return register


# ---------------------------------------------------------------- numbers


@case(N, M)
def arithmetic(n, m):
    return n + 3 * m - (m - 2 * n) + -n - -4


@case(N)
def floor_division_and_remainder(n):
    return (n // 2, n % 2, n // 3, n % 3, -7 // 2, -7 % 2, (n + 100) // 7)


@case(N)
def shifts(n):
    return (n << 3, n >> 1, n >> 2, n << 0, n >> 0, 5 >> 1, 5 << 1)


@case(MORE, FLAGS, N)
def shifts_by_a_few_bits(k, f, n):
    return (1 << k, f >> k & 1, f << k, n >> k, (f >> k) + 1, f & ~(1 << k))


@case(FLAGS, MORE, P)
def counts_of_bits(f, g, p):
    return (f.bit_count(), (f & ~g).bit_count() + 1, (f | 16 if p else g).bit_count(), (7).bit_count())


@case(FLAGS, P)
def a_shift_by_less_than_nothing(f, p):
    return f << (-1 if p else 2)


@case(N)
def masks_of_any_number(n):
    return (n & 6, 5 & n, n & 1, n & 0, n & -2, n & ~3, n | 5, 8 | n, n | -4, n ^ 3, n ^ -1, ~n, n & 0b101101)


@case(FLAGS, MORE)
def flag_words(f, g):
    return (
        f & g,
        f | g,
        f ^ g,
        f & MASK,
        f & ~MASK,
        f | MASK,
        f ^ MASK,
        f << 1,
        f >> 1,
        f & -1,
        f & ~g,
        f | ~g,
        ~f ^ g,
        ~(~f << 2),
        ~f >> 1,
        ~f & 9,
    )


@case(FLAGS, N)
def flag_words_as_numbers(f, n):
    return (f + n, f - 1, -f, f * 2, f < n, f == 5, f >= 9, n == f, f % 3, f // 2, f | -2, ~f, -1 & ~f)


@case(FLAGS, P)
def flags_set_on_some_paths(f, p):
    nflags = 0
    if p:
        nflags |= 0b11
    else:
        nflags |= 0b100
    nflags &= ~1
    nflags ^= f
    return (nflags, (8 if p else 0) | (1 if not p else 0) | f)


@case(FLAGS, P)
def flags_compared(f, p):
    return ((f if p else 3) == f, f != 3, f & 3 == 3, (f & 1 != 0) == p)


@case(N)
def constants_stay_constants(n):
    return ((n, 1, 2)[5 & 2], len({5 & 4, 4 | 1, 4 ^ 1, 1 << 2}), n << (6 & 3), n // (7 ^ 2))


@case(P, N)
def a_choice_of_constants_in_arithmetic(p, n):
    step = 2 if p else 5
    return (
        len({1 + 1 if p else 2}),
        step + n,
        step * 3,
        step < n,
        step == n,
        -step,
        step // 2,
        -1 if p else 4,
        (-1 if p else 4) & 5,
    )


@case(N, M)
def order(n, m):
    return (n < m, n <= m, n > m, n >= m, n == m, n != m)


@case(N, M)
def extremes_of_numbers(n, m):
    return (max(n, m), min(n, m), max(n, m, 1), min(0, n, m))


@case()
def constants():
    return (1, -1, True, None, LIMIT, Kind.BLUE, CORNERS[1], 1 << 3)


# ---------------------------------------------------------------- bools


@case(P, Q, N)
def logic(p, q, n):
    return (p and q, p or q, not p, p and n > 0 and q, (p or n < 0) and not q, not (p and q), p == q, p != q)


@case(P, Q)
def a_choice_of_bools(p, q):
    return (True if p else q, False if p else q, q if p else True, q if p else False, p if q else not p)


@case(N, FLAGS)
def truth_of_numbers(n, f):
    if n:
        return 1
    if not f:
        return 2
    return 3 if f & 4 or n else 4


@case(MAYBE, P)
def short_circuits(m, p):
    return ((m is not None and m > 0), (m is None or m < 2), (p or m is None or m + 1 > 1))


@case(MAYBE, P)
def what_is_not_protected(m, p):
    return p and m > 0


@case(N, P)
def bool_of(n, p):
    return (bool(n), bool(p), bool({1} if p else set()), bool(p or n))


# ---------------------------------------------------------------- None


@case(MAYBE, OTHER)
def optionals(m, other):
    return (m is None, m is not None, m == other, m != other, m == 1, m == None, 3 != other)


@case(MAYBE)
def none_where_a_number_is_needed(m):
    return m + 1


@case(MAYBE)
def none_compared(m):
    return m < 1


@case(MAYBE, N)
def a_default_for_none(m, n):
    return n if m is None else m


@case(P, Q, N)
def none_on_some_paths(p, q, n):
    x = None
    if p:
        x = n
    elif q:
        x = 7
    return (x, x is None, x == 7)


@case(MAYBE)
def an_index_that_may_be_none(m):
    return (10, 20, 30)[m] if m is None or m >= 0 else 0


@case(P)
def a_field_of_none(p):
    point = Point(1, 2) if p else None
    return point.x


@case()
def certainly_nothing():
    x = None
    return x + 1


@case(P)
def nothing_on_one_branch(p):
    return None + 1 if p else 2


@case(P)
def nothing_on_both_branches(p):
    x = None
    return x + 1 if p else x - 1


# ---------------------------------------------------------------- tuples and records


@case(N, THREE)
def indices(n, xs):
    return xs[n] if n >= 0 else xs[0]


@case(THREE)
def an_index_out_of_range(xs):
    return xs[3]


@case(N)
def an_element_of_nothing(n):
    return ()[n] if n > 0 else 1


@case(N, M)
def records(n, m):
    point = Point(n, m)
    moved = point._replace(y=0)
    return (point, point.x - point.y, moved, moved == point, Point(y=n, x=m), point != Point(n, m))


@case(N)
def records_with_defaults(n):
    return (Box(), Box(n), Box(high=n), Box(n, corner=Point(n, n)).corner.y)


@case(P, N)
def a_choice_of_records(p, n):
    point = Point(n, 1) if p else CORNERS[1]
    return (point.x, point, point == CORNERS[1])


@case(THREE, N)
def tuples(xs, n):
    x, y, z = xs
    (first, second), third = ((x, y), z)
    lengths = (xs == (x, y), (x, y) == xs, () == xs, xs != (x, y, z, n))
    return (xs + (n,), len(xs), n in xs, n not in (1, 2), first + second + third, xs == (x, y, z), lengths)


@case(THREE, N)
def parts_of_tuples(xs, n):
    return (xs[1:], xs[:2], xs[0:1], xs[:], xs[5:], (*xs[:1], n, *xs[2:]), (*(x + 1 for x in xs), *range(2)))


@case(THREE)
def tuples_made_of_others(xs):
    return (tuple(x + 1 for x in xs), tuple(i * 2 for i in range(3)), tuple(a - b for a, b in zip(xs, xs, strict=True)))


# ---------------------------------------------------------------- sets and comprehensions


@case(FOUR)
def sets(slots):
    here = {i for i, (present, v) in enumerate(slots) if present}
    ones = {i for i, (present, v) in enumerate(slots) if v == 1}
    return (here, here & ones, here | ones, here - ones, here <= ones, ones >= here, here == ones, len(here | ones))


@case(FOUR, N)
def what_is_in_a_set(slots, n):
    here = {i for i, (present, v) in enumerate(slots) if present}
    return (n in here, n not in here, 1 in here, 1 if here else 2, not here, {2, 3} & here, here != set())


@case(FOUR)
def extremes_of_a_set(slots):
    here = {i for i, (present, v) in enumerate(slots) if present}
    return (min(here), max(here))


@case(FOUR, MAYBE)
def extremes_with_a_default(slots, m):
    return (
        max((v for present, v in slots if present), default=m),
        min((i for i, (present, v) in enumerate(slots) if present and v > 0), default=-1),
    )


@case(THREE)
def extremes_of_nothing(xs):
    return max(x for x in xs if x > 1)


@case(FOUR)
def aggregates(slots):
    return (
        any(v > 1 for present, v in slots if present),
        all(v > 0 for present, v in slots if present),
        sum(v for present, v in slots if present),
        sum(1 for present, v in slots if present and v == 1),
        any(present for present, v in slots),
        all(a <= b for _present, a in slots for _also, b in slots if a != b),
        max(v for present, v in slots),
        len({v for v in (1, 2, 1)}),
    )


@case(THREE)
def aggregates_of_tuples(xs):
    return (sum(xs), max(xs), min(xs), any(xs), all(xs))


@case(FOUR)
def comprehensions_over_sets(slots):
    here = {i for i, (present, v) in enumerate(slots) if present}
    best = {i for i in here if not any(slots[j][1] > slots[i][1] for j in here)}
    return (best, any(i > 0 and slots[i][1] == 1 for i in best), {j + 1 for j in here if j > 0}, frozenset())


@case(THREE, MAYBE)
def elements_that_are_not_defined(xs, m):
    return all(x < m for x in xs)


@case(FOUR)
def nested_comprehensions(slots):
    return {i for i, (p, v) in enumerate(slots) if p and all(w <= v for q, w in slots if q)}


# ---------------------------------------------------------------- statements


@case(N, M)
def branches(n, m):
    if n > m:
        x = n
    elif n == m:
        x = 0
        y = 1
        x += y
    else:
        x = m
    x -= 1
    return x


@case(N, P)
def bound_on_one_path(n, p):
    if p:
        x = n
    return x


@case(N, P, Q)
def bound_on_two_paths_of_three(n, p, q):
    if p:
        x = n
    elif q:
        x = 3
    if p or n > 0:
        x = x + 1
        return x
    return 0


@case(P)
def never_bound(p):
    if p:
        return 1
    x = x + 1
    return x


@case(THREE)
def loops(xs):
    total = 0
    best = None
    for i, x in enumerate(xs):
        if x < 0:
            continue
        total += x
        if best is None or x > xs[best]:
            best = i
    return (total, best)


@case(THREE, N)
def early_return(xs, n):
    seen = 0
    for x in xs:
        if x == n:
            return (True, seen)
        if x == 4:
            continue
        seen += 1
    return (False, seen)


@case(THREE)
def a_variable_after_its_loop(xs):
    for x in xs:
        y = x
    return x + y


@case()
def a_variable_after_an_empty_loop():
    for x in ():
        pass
    return x


@case(THREE)
def loops_within_loops(xs):
    pairs = 0
    for i in range(3):
        for j in (1, 2):
            if j <= i:
                continue
            if xs[i] == xs[j]:
                pairs += 1
    return pairs


@case(THREE)
def loops_over_two(xs):
    total = 0
    for (i, x), y in zip(((0, 1), (1, 2), (2, 3)), xs, strict=True):
        total += i * y + x
    return total


@case(THREE)
def numbers_that_may_miss_in_a_loop(xs):
    last = None
    for x in xs:
        if last is not None and x < last:
            return last + x
        if x > 0:
            last = x
    return last + 1


@case(N, P)
def matches(n, p):
    match n:
        case Kind.RED:
            x = 10
        case 2 | Kind.BLUE:
            x = 20
        case -1:
            x = 30
            if p:
                return 31
        case _:
            x = 40
    match x:
        case 20:
            x += 1
    return x


@case(N)
def a_match_that_returns(n):
    for _ in (1,):
        match n:
            case Kind.RED:
                continue
            case 2:
                return 2
            case _:
                pass
        return 3
    return 4


@case(MAYBE)
def a_match_on_what_may_be_none(m):
    match m:
        case 1:
            return 10
        case _:
            return 20


def double(n):
    """Twice n."""
    return 2 * n


def clip(low, n, high):
    if n < low:
        return low
    if n > high:
        return high
    return n


def first_above(xs, limit):
    for i, x in enumerate(xs):
        if x > limit:
            return i
    return None


@case(N, M)
def calls(n, m):
    return (double(double(n)), clip(0, n, double(m)), clip(high=3, low=-1, n=n))


@case(THREE, N)
def calls_that_may_give_none(xs, n):
    i = first_above(xs, n)
    if i is None:
        return -1
    return xs[i]


@case(THREE, N)
def calls_whose_none_is_forgotten(xs, n):
    return xs[first_above(xs, n)]


def apply(function, n):
    return function(n) + 1


@case(N)
def functions_as_arguments(n):
    return apply(double, n)


@case(N)
def annotated(n: int) -> int:
    x: int = n + 1
    return x


@case(N)
def statements_that_do_nothing(n):
    """A docstring."""
    pass
    if n > 0:
        pass
    return n


# ---------------------------------------------------------------- the comparison


def same(lifted: Value, expected: object) -> bool:
    """Whether a lifted value, made concrete, is the Python value, type included (bool is not int)."""
    if isinstance(lifted, Members):
        return isinstance(expected, set | frozenset) and {k for k, there in lifted.holds.items() if there} == expected
    if isinstance(lifted, tuple):
        return (
            isinstance(expected, tuple)
            and len(lifted) == len(expected)
            and all(same(x, y) for x, y in zip(lifted, expected, strict=True))
        )
    return isinstance(lifted, bool) == isinstance(expected, bool) and lifted == expected


def points(inputs: Sequence[Input]) -> Iterator[tuple[Value, ...]]:
    return product(*(each.values for each in inputs))


@pytest.mark.parametrize("name", CASES)
def test_a_construct_means_what_it_means_to_python(name: str) -> None:
    function, inputs = CASES[name]
    lifter = Lifter()
    try:
        symbolic = lifter.lift(function, *(each.symbolic for each in inputs))
        certainly_raises = False
    except Undefined:
        symbolic, certainly_raises = None, True
    raised = 0
    tried = 0
    for point in points(inputs):
        tried += 1
        pairs = [pair for each, x in zip(inputs, point, strict=True) for pair in each.assign(x)]

        def evaluate(term: z3.ExprRef, pairs: list[tuple[z3.ExprRef, z3.ExprRef]] = pairs) -> z3.ExprRef:
            return z3.simplify(z3.substitute(term, *pairs))

        undefined = any(concrete(d.when, evaluate) for d in lifter.demanded)
        try:
            expected = function(*point)
        except (TypeError, IndexError, ValueError, UnboundLocalError, AttributeError):
            raised += 1
            assert undefined, f"{point}: CPython raises, nothing was demanded"
            continue
        assert not undefined, f"{point}: CPython gives {expected}, but {lifter.demanded} is demanded"
        assert not certainly_raises
        got = concrete(symbolic, evaluate)
        assert same(got, expected), f"{point}: CPython gives {expected}, lifted {got}"
    assert tried == len(list(points(inputs))) >= 1
    assert bool(lifter.demanded) >= bool(raised)


@pytest.mark.parametrize("name", CASES)
def test_lifted_with_concrete_arguments_a_construct_is_computed_outright(name: str) -> None:
    function, inputs = CASES[name]
    for point in list(points(inputs))[::7]:
        lifter = Lifter()
        got: Value = None
        try:
            got = lifter.lift(function, *point)
        except Undefined:
            assert lifter.demanded
        if lifter.demanded:
            assert any(d.when is True for d in lifter.demanded)
            assert raises(function, point)
        else:
            assert same(concrete(got, lambda term: pytest.fail(f"{term} is not concrete")), function(*point))


def test_some_of_the_constructs_raise_and_most_do_not() -> None:
    raising = {name for name, (function, inputs) in CASES.items() if any(raises(function, p) for p in points(inputs))}
    assert len(raising) >= 15
    assert len(CASES) - len(raising) >= 35


def raises(function: Callable[..., object], point: tuple[Value, ...]) -> bool:
    try:
        function(*point)
    except Exception:  # noqa: BLE001 - whatever it is, it raises
        return True
    return False
