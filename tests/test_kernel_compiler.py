"""Kernels compute what CPython computes from the same text; what is outside their language is refused."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hammer2_proofs.explorer import compiler, machine
from hammer2_proofs.explorer.machine import Machine
from hammer2_proofs.explorer.machine_code.language import NotCompiled

SMALL = st.integers(-(2**20), 2**20)
WORD = 2**64

EXPRESSIONS = (
    "a + b * c - 7",
    "(a & b) | (c ^ a) & ~b",
    "a // 16 + b % 16",
    "a // 5 + b % 7 - c // 3",
    "a // -3 + b % -9",
    "(a << (b & 15)) + (c >> (a & 63)) + (b >> 2)",
    "max(a, b) - min(b, c)",
    "popcount(a & 1023) + popcount(b & 65535)",
    "int(a < b < c) + 2 * int(a == b or not b != c) + 4 * int(a >= b and (b > c or a <= c))",
    "-a - -b",
)


def in_python(text: str) -> dict[str, Any]:
    """The functions of a text as CPython runs them; its marks and types mean nothing there."""
    names: dict[str, Any] = {name: name for name in ("values", "ints", "words", "links", "marks")}
    names |= {"entry": lambda function: function, "apart": lambda function: function}
    names |= {"popcount": int.bit_count, "u64": lambda x: x % WORD, "prefetch": lambda *_: None}
    exec(text, names)  # noqa: S102 - the text of a test
    return names


@pytest.fixture(scope="module")
def expressions() -> tuple[Machine, dict[str, Any]]:
    functions = [
        f"@entry\ndef f{n}(a: int, b: int, c: int) -> int:\n    return {expression}\n"
        for n, expression in enumerate(EXPRESSIONS)
    ]
    text = "\n".join(functions)
    return Machine(text, keep=False), in_python(text)


@given(SMALL, SMALL, SMALL)
@settings(max_examples=300, deadline=None)
def test_expressions_have_the_values_that_python_gives_them(
    expressions: tuple[Machine, dict[str, Any]], a: int, b: int, c: int
) -> None:
    made, plain = expressions
    for number in range(len(EXPRESSIONS)):
        assert getattr(made, f"f{number}")(a, b, c) == plain[f"f{number}"](a, b, c), EXPRESSIONS[number]


WALK = """
def both(x: int, odd: bool) -> (int, bool):
    if x > 3 and odd:
        return x * 2, not odd
    elif x < -3:
        return -x, odd
    return x, x == 0

@apart
def clear(v: values, last: int):
    for i in range(1, last, 2):
        v[i] = 0

@entry
def walk(v: values, n: int, seen: ints, bits: marks, sums: words) -> int:
    total = 0
    for i in range(n):
        if v[i] == 7:
            continue
        x, flag = both(v[i], i % 2 == 1)
        bits[i] = flag
        if total > 50 and not flag:
            break
        total += x
        seen[i & 3] |= 1 << i
        sums[0] = (sums[0] ^ u64(x & 255)) * 11400714819323198485
    while total > 100 or total < -100:
        total = total // 2
    clear(v, n)
    return total
"""


@pytest.fixture(scope="module")
def walk() -> Machine:
    return Machine(WALK, keep=False)


@given(st.lists(st.integers(-12, 12), min_size=1, max_size=20))
@settings(max_examples=300, deadline=None)
def test_loops_branches_and_vectors_do_what_python_does(walk: Machine, numbers: list[int]) -> None:
    kept = [numbers[:], [0] * 4, [0] * 20, [1]]
    given_back = in_python(WALK)["walk"](kept[0], len(numbers), *kept[1:])
    types = (np.int32, np.int64, np.uint8, np.uint64)
    vectors = [
        np.array(start, dtype=kind) for start, kind in zip((numbers, [0] * 4, [0] * 20, [1]), types, strict=True)
    ]
    assert walk.walk(vectors[0], len(numbers), *vectors[1:]) == given_back
    assert [vector.tolist() for vector in vectors[:3]] == [*kept[:2], [int(bit) for bit in kept[2]]]
    assert int(vectors[3][0]) == kept[3][0] % WORD


def test_a_number_too_large_for_a_vector_stays_out_of_any_range_instead_of_wrapping() -> None:
    made = Machine("@entry\ndef put(v: values, x: int):\n    v[0] = x\n", keep=False)
    v = np.zeros(1, dtype=np.int32)
    for number, kept in ((2**32, 2**31 - 1), (-(2**32), -(2**31)), (2**40 + 5, 2**31 - 1), (17, 17)):
        made.put(v, number)
        assert v[0] == kept


def test_a_shift_by_more_than_a_word_gives_nothing() -> None:
    made = Machine(
        "@entry\ndef left(a: int, b: int) -> int:\n    return a << b\n"
        "@entry\ndef right(a: int, b: int) -> int:\n    return a >> b\n",
        keep=False,
    )
    for a, b in product((5, -5), (0, 3, 40, 64, 1000)):
        assert made.left(a, b) == (a << b if b < 64 else 0)
        assert made.right(a, b) == a >> b


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("x = y", "an unknown name"),
        ("return x > 1", "bool where int is wanted"),
        ("if x:\n        pass\n    return x", "int where bool is wanted"),
        ("if x > 1:\n        return 1", "it ends without a result"),
        ("return g(x)", "a call of nothing that came before"),
        ("return u64(x) + x", "u64 and int"),
        ("return v[0] + both(v, v)", "a vector given twice"),
        ("for i in range(0, 9, x):\n        pass\n    return x", "a step is a number in the text"),
        ("return x ** 2", "an operator outside the language"),
        ("del x\n    return 1", "a statement outside the language"),
    ],
)
def test_what_is_outside_the_language_is_refused(body: str, why: str) -> None:
    text = "def both(v: values, w: values) -> int:\n    return v[0] + w[0]\n"
    with pytest.raises(NotCompiled, match=why):
        compiler.compiled(text + f"def f(x: int, v: values) -> int:\n    {body}\n")


def test_what_python_calls_takes_and_gives_whole_words() -> None:
    with pytest.raises(NotCompiled, match="no bools"):
        compiler.compiled("@entry\ndef f(x: bool) -> int:\n    return 1\n")


def test_machine_code_is_kept_under_what_it_depends_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAMMER2_CACHE", str(tmp_path))
    text = "@entry\ndef f(x: int) -> int:\n    return x + 1\n"
    assert Machine(text).f(1) == 2
    assert Machine(text.replace("1", "2")).f(1) == 3
    assert len(list(tmp_path.glob("explorer/*.o"))) == 2
    monkeypatch.setattr(machine, "_stamp", lambda: "another compiler")
    assert Machine(text).f(1) == 2
    assert len(list(tmp_path.glob("explorer/*.o"))) == 3
