"""What is outside the dialect is refused, and the refusal says where and what."""

import functools
import textwrap
from collections.abc import Callable
from itertools import count

import pytest
import z3

from hammer2_proofs.lift import Lifter, Refused
from hammer2_proofs.source import load
from hammer2_proofs.values import Optional, Value

NUMBER = count()
PRELUDE = """\
from enum import IntEnum
from typing import NamedTuple
import icontract
class Kind(IntEnum):
    RED = 1
    BLUE = 2
class Point(NamedTuple):
    x: int
    y: int
class Odd(NamedTuple):
    x: list = []
class Equal(NamedTuple):
    x: int
    def __eq__(self, other): return True
class Heir(Point): pass
class Strange(IntEnum):
    ONE = 1
    def __lt__(self, other): return True
ONE = 1
TWICE = 2
TWICE = 3
LIST = [1]
def helper(a): return a
def with_default(a, b=1): return a + b
"""
PRELUDE_LINES = PRELUDE.count("\n")

N, M = z3.Ints("n m")
P, Q = z3.Bools("p q")
MAYBE = Optional(z3.Bool("maybe is None"), z3.Int("maybe"))


def refusal(body: str, **arguments: Value) -> tuple[Refused, str]:
    """The refusal of a function with this body, and the file that it must name."""
    file = f"<dialect {next(NUMBER)}>"
    text = PRELUDE + f"def f({', '.join(arguments)}):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    function = load(text, file)["f"]
    assert callable(function)
    with pytest.raises(Refused) as caught:
        Lifter().lift(function, *arguments.values())
    return caught.value, file


# Each: the body of a function, its arguments, the line of the body and the column that are named, the construct, and
# a word of the reason.
REFUSED: dict[str, tuple[str, dict[str, Value], int, int, str, str]] = {
    "or for a value": ("x = n or 0\nreturn x", {"n": N}, 1, 9, "Name", "and/or used for the value of an int"),
    "and for a value": ("return p and n", {"p": P, "n": N}, 1, 18, "Name", "and/or used for the value of an int"),
    "truth of an optional": ("return 1 if m else 2", {"m": MAYBE}, 1, 17, "Name", "as a condition"),
    "truth of a tuple": ("if (1, 2):\n    return 1\nreturn 2", {}, 1, 8, "Tuple", "as a condition"),
    "a chained comparison": ("return 0 < n < 3", {"n": N}, 1, 12, "Compare", "chained"),
    "bool plus int": ("return p + 1", {"p": P}, 1, 12, "BinOp", "a bool where a number"),
    "bool compared with int": ("return p == 1", {"p": P}, 1, 12, "Compare", "a bool compared with an int"),
    "int compared with bool": ("return n == True", {"n": N}, 1, 12, "Compare", "an int compared with a bool"),
    "sum of bools": ("return sum(x > 0 for x in (n, 2))", {"n": N}, 1, 12, "Call", "a bool where a number"),
    "order of bools": ("return p < q", {"p": P, "q": Q}, 1, 12, "Compare", "a bool where a number"),
    "minus a bool": ("return -p", {"p": P}, 1, 12, "UnaryOp", "a bool where a number"),
    "is on two names": ("return n is m", {"n": N, "m": MAYBE}, 1, 12, "Compare", "anything but None"),
    "is True": ("return p is True", {"p": P}, 1, 12, "Compare", "anything but None"),
    "set of symbolic elements": ("return len({n, 1})", {"n": N}, 1, 16, "Set", "no constant"),
    "comprehension of symbolic elements": ("return {x + n for x in (1, 2)}", {"n": N}, 1, 12, "SetComp", "no constant"),
    "set of sets": ("return {{1}}", {}, 1, 12, "Set", "a set that is no constant"),
    "set of tuples": ("return {(1, 2)}", {}, 1, 12, "Set", "no constant"),
    "a set less a number": ("return {1} - n", {"n": N}, 1, 12, "BinOp", "a set where a number is needed"),
    "a number less a set": ("return n - {1}", {"n": N}, 1, 12, "BinOp", "a set where a number is needed"),
    "a set and a number": ("return {1} & n", {"n": N}, 1, 12, "BinOp", "a set where a number is needed"),
    "a set or a number": ("return n | {1}", {"n": N}, 1, 12, "BinOp", "a set where a number is needed"),
    "a set compared with a number": ("return {1} <= n", {"n": N}, 1, 12, "Compare", "a set where a number is needed"),
    "a tuple and a number": ("return (1, 2) + n", {"n": N}, 1, 12, "BinOp", "a tuple where a number is needed"),
    "a list": ("return [n]", {"n": N}, 1, 12, "List", "not in the dialect"),
    "a list comprehension": ("return [x for x in (1, 2)]", {}, 1, 12, "ListComp", "not in the dialect"),
    "a dict": ("return {1: n}", {"n": N}, 1, 12, "Dict", "not in the dialect"),
    "division by a number": ("return 6 // n", {"n": N}, 1, 12, "BinOp", "constant of at least 1"),
    "division by zero": ("return n // 0", {"n": N}, 1, 12, "BinOp", "constant of at least 1"),
    "division by less": ("return n // -2", {"n": N}, 1, 12, "BinOp", "constant of at least 1"),
    "remainder of less": ("return n % -2", {"n": N}, 1, 12, "BinOp", "constant of at least 1"),
    "true division": ("return n / 2", {"n": N}, 1, 12, "BinOp", "not in the dialect"),
    "a power": ("return n ** 2", {"n": N}, 1, 12, "BinOp", "not in the dialect"),
    "a product": ("return n * m", {"n": N, "m": M}, 1, 12, "BinOp", "product"),
    "bits of numbers": ("return n & m", {"n": N, "m": M}, 1, 12, "BinOp", "not known bit by bit"),
    "shift by a number": ("return 1 << n", {"n": N}, 1, 12, "BinOp", "neither constant nor known bit by bit"),
    "shift by a bool": ("return n >> p", {"n": N, "p": P}, 1, 12, "BinOp", "a shift by a bool"),
    "sign": ("return +n", {"n": N}, 1, 12, "UnaryOp", "not in the dialect"),
    "a float": ("return n + 1.0", {"n": N}, 1, 16, "Constant", "not in the dialect"),
    "a text": ("return 'x'", {}, 1, 12, "Constant", "not in the dialect"),
    "a formatted text": ("return f'{n}'", {"n": N}, 1, 12, "JoinedStr", "not in the dialect"),
    "lambda": ("return (lambda: n)()", {"n": N}, 1, 13, "Lambda", "not in the dialect"),
    "walrus": ("return (x := n)", {"n": N}, 1, 13, "NamedExpr", "not in the dialect"),
    "a slice from the end": ("return (1, n)[-1:]", {"n": N}, 1, 12, "Subscript", "constants of at least 0"),
    "a slice up to a number": ("return (1, 2)[:n]", {"n": N}, 1, 12, "Subscript", "constants of at least 0"),
    "a slice with a step": ("return (1, n)[::2]", {"n": N}, 1, 19, "Slice", "not in the dialect"),
    "a slice of a set": ("s = {1, 2}\nreturn s[0:]", {}, 2, 12, "Subscript", "a slice of a set"),
    "a starred set": ("return (*{1, 2}, n)", {"n": N}, 1, 14, "Set", "where order matters"),
    "a starred number": ("return (n, *n)", {"n": N}, 1, 17, "Name", "iteration over an int"),
    "a default": ("return with_default(n)", {"n": N}, 1, 12, "Call", "arguments other than (a, b)"),
    "a function with a default": ("return with_default(n, n)", {"n": N}, -1, 1, "FunctionDef", "default arguments"),
    "a field that is missing": ("return Point(n)", {"n": N}, 1, 12, "Call", "arguments other than (x, y)"),
    "an unknown argument": ("return Point(n, z=1)", {"n": N}, 1, 12, "Call", "arguments other than (x, y)"),
    "an argument too many": ("return helper(n, n)", {"n": N}, 1, 12, "Call", "arguments other than (a)"),
    "arguments from a dict": ("return helper(**n)", {"n": N}, 1, 12, "Call", "arguments other than (a)"),
    "arguments from a tuple": ("return helper(*n)", {"n": N}, 1, 19, "Starred", "not in the dialect"),
    "a starred target": ("x, *y = (1, n)\nreturn x", {"n": N}, 1, 8, "Starred", "to this target"),
    "a default that can change": ("return Odd()", {}, 1, 12, "Call", "arguments other than (x)"),
    "a method": ("return n.conjugate()", {"n": N}, 1, 12, "Attribute", "no name"),
    "the bits of a number": ("return n.bit_count()", {"n": N}, 1, 12, "Call", "not known bit by bit"),
    "the bits of less than nothing": ("return (-1).bit_count()", {}, 1, 12, "Call", "may be less than 0"),
    "a tuple's method": ("return (1, 2).count(n)", {"n": N}, 1, 12, "Attribute", "no name"),
    "a builtin of Python's": ("return abs(n)", {"n": N}, 1, 12, "Name", "no builtin of the dialect"),
    "a sorted copy": ("return sorted((n, 1))", {"n": N}, 1, 12, "Name", "no builtin of the dialect"),
    "a stored enumeration": ("e = enumerate((n,))\nreturn 1", {"n": N}, 1, 9, "Call", "not in the dialect"),
    "a stored generator": ("e = (x for x in (1, n))\nreturn any(e)", {"n": N}, 1, 9, "GeneratorExp", "not in the"),
    "range of a number": ("return sum(range(n))", {"n": N}, 1, 16, "Call", "range(constants)"),
    "zip that may cut": ("return sum(x for x, y in zip((1, n), (2, 3)))", {"n": N}, 1, 30, "Call", "strict=True"),
    "zip of two lengths": ("return sum(x for x, y in zip((1,), (2, 3), strict=True))", {}, 1, 30, "Call", "one length"),
    "max with a key": ("return max((1, n), key=helper)", {"n": N}, 1, 12, "Call", "perhaps a default"),
    "max of one number": ("return max(n)", {"n": N}, 1, 16, "Name", "iteration over an int"),
    "len of a number": ("return len(n)", {"n": N}, 1, 12, "Call", "the length of an int"),
    "len of a record": ("return len(Point(1, n))", {"n": N}, 1, 12, "Call", "the length of a Point"),
    "iteration over a number": ("for x in n:\n    pass\nreturn 1", {"n": N}, 1, 14, "Name", "iteration over an int"),
    "iteration over a set in order": ("for x in {1, 2}:\n    pass\nreturn 1", {}, 1, 14, "Set", "where order matters"),
    "a tuple of a set": ("return tuple(x for x in {1, 2})", {}, 1, 29, "Set", "where order matters"),
    "a tuple of unknown length": (
        "return tuple(x for x in (1, n) if x > 0)", {"n": N}, 1, 12, "Call", "length depends on a condition",
    ),
    "membership in a number": ("return 1 in n", {"n": N}, 1, 12, "Compare", "membership in an int"),
    "a field of a record by number": ("return Point(1, n)[0]", {"n": N}, 1, 12, "Subscript", "a subscript of a Point"),
    "a subscript of a set": ("s = {1, 2}\nreturn s[n]", {"n": N}, 2, 12, "Subscript", "a subscript of a set"),
    "an unknown field": ("return Point(1, n).z", {"n": N}, 1, 12, "Attribute", "attribute 'z'"),
    "an unknown member": ("return Kind.GREEN", {}, 1, 12, "Attribute", "no member 'GREEN'"),
    "a member's name": ("return Kind.RED.name", {}, 1, 12, "Attribute", "attribute 'name' of an int"),
    "replacing an unknown field": ("return Point(1, n)._replace(z=1)", {"n": N}, 1, 12, "Call", "_replace of a Point"),
    "replacing in a number": ("return n._replace(x=1)", {"n": N}, 1, 12, "Call", "_replace of an int"),
    "tuples of two lengths": ("return (1, n) if p else (1,)", {"n": N, "p": P}, 1, 12, "IfExp", "a tuple on one path"),
    "numbers and bools": ("return n if p else q", {"n": N, "p": P, "q": Q}, 1, 12, "IfExp", "an int on one path"),
    "records compared with tuples": ("return Point(n, 1) == (n, 1)", {"n": N}, 1, 12, "Compare", "a Point compared"),
    "a join of two kinds": (
        "if p:\n    x = 1\nelse:\n    x = {1}\nreturn 0", {"p": P}, 1, 5, "If", "'x' is an int on one path, a set",
    ),
    "returns of two kinds": ("if p:\n    return 1\nreturn p", {"p": P}, 0, 1, "FunctionDef", "returns an int on one"),
    "a path without return": ("if p:\n    return 1", {"p": P}, 0, 1, "FunctionDef", "ends without return"),
    "return of nothing": ("return", {}, 1, 5, "Return", "not in the dialect"),
    "while": ("while p:\n    pass\nreturn 1", {"p": P}, 1, 5, "While", "not in the dialect"),
    "break": ("for x in (1, 2):\n    break\nreturn 1", {}, 2, 9, "Break", "not in the dialect"),
    "for with else": ("for x in (1, 2):\n    pass\nelse:\n    pass\nreturn 1", {}, 1, 5, "For", "else on a for loop"),
    "try": ("try:\n    return 1\nexcept ValueError:\n    return 2", {}, 1, 5, "Try", "not in the dialect"),
    "raise": ("if p:\n    raise ValueError\nreturn 1", {"p": P}, 2, 9, "Raise", "not in the dialect"),
    "assert": ("assert p\nreturn 1", {"p": P}, 1, 5, "Assert", "not in the dialect"),
    "with": ("with n:\n    return 1", {"n": N}, 1, 5, "With", "not in the dialect"),
    "del": ("del n\nreturn 1", {"n": N}, 1, 5, "Delete", "not in the dialect"),
    "import": ("import os\nreturn 1", {}, 1, 5, "Import", "not in the dialect"),
    "global": ("global ONE\nreturn ONE", {}, 1, 5, "Global", "not in the dialect"),
    "a nested function": ("def g():\n    return 1\nreturn g()", {}, 1, 5, "FunctionDef", "not in the dialect"),
    "a nested class": ("class C:\n    pass\nreturn 1", {}, 1, 5, "ClassDef", "not in the dialect"),
    "yield": ("x = yield n\nreturn x", {"n": N}, 1, 9, "Yield", "not in the dialect"),
    "a dropped value": ("helper(n)\nreturn 1", {"n": N}, 1, 5, "Expr", "dropped"),
    "a text that is no docstring": ("x = 1\n'text'\nreturn x", {}, 2, 5, "Expr", "dropped"),
    "two targets": ("x = y = n\nreturn x", {"n": N}, 1, 5, "Assign", "more than one target"),
    "assignment to an element": ("n[0] = 1\nreturn n", {"n": (1, 2)}, 1, 5, "Subscript", "assignment of an int"),
    "assignment to a field": ("n.x = 1\nreturn n", {"n": (1, 2)}, 1, 5, "Attribute", "assignment of an int"),
    "augmented assignment to a field": ("n.x += 1\nreturn n", {"n": (1, 2)}, 1, 5, "AugAssign", "not in the dialect"),
    "unpacking another length": ("x, y = (1, 2, n)\nreturn x", {"n": N}, 1, 5, "Tuple", "to this target"),
    "a set changed in place": ("s = {1}\ns |= {2}\nreturn len(s)", {}, 2, 5, "AugAssign", "in place"),
    "a declaration without value": ("x: int\nreturn 1", {}, 1, 5, "AnnAssign", "not in the dialect"),
    "a capture pattern": ("match n:\n    case k:\n        return k", {"n": N}, 2, 14, "MatchAs", "captures"),
    "a pattern with a name": ("match n:\n    case 1 as k:\n        return k", {"n": N}, 2, 14, "MatchAs", "captures"),
    "a guard": ("match n:\n    case 1 if p:\n        return 1\nreturn 2", {"n": N, "p": P}, 2, 19, "Name", "a guard"),
    "a pattern of a tuple": ("match n:\n    case (1, 2): pass\nreturn 2", {"n": N}, 2, 14, "MatchSequence", "not"),
    "a pattern of None": ("match n:\n    case None:\n        pass\nreturn 2", {"n": N}, 2, 14, "MatchSingleton", "not"),
    "a pattern of another kind": ("match p:\n    case 1: pass\nreturn 2", {"p": P}, 2, 14, "MatchValue", "a bool"),
    "a global that is bound twice": ("return TWICE", {}, 1, 12, "Name", "bound 2 times"),
    "a global that can change": ("return len(LIST)", {}, 1, 16, "Name", "is a list"),
    "a record that is no plain tuple": ("return Equal(n)", {"n": N}, 1, 12, "Name", "global 'Equal' is a type"),
    "a class derived from a record": ("return Heir(n, 1)", {"n": N}, 1, 12, "Name", "global 'Heir' is a type"),
    "members that are no plain ints": ("return Strange.ONE", {}, 1, 12, "Name", "global 'Strange' is a EnumType"),
    "a call of a number": ("return n(1)", {"n": N}, 1, 12, "Call", "not in the dialect"),
    "a loop over a call of it": ("for x in n(1):\n    pass\nreturn 1", {"n": N}, 1, 14, "Call", "not in the dialect"),
    "a function as a value": ("x = helper\nreturn x(1)", {}, 1, 9, "Name", "helper used as a value"),
    "a field of a class": ("return Point.x", {}, 1, 12, "Name", "Point used as a value"),
    "a class as a value": ("return (Point, 1)", {}, 1, 13, "Name", "Point used as a value"),
    "an unknown name": ("return nowhere", {}, 1, 12, "Name", "'nowhere' is no local"),
    "a parameter that shadows a global": ("return ONE", {"ONE": N}, 0, 7, "arg", "'ONE' shadows a global"),
    "a local that shadows a builtin": ("max = 1\nreturn max", {}, 1, 5, "Name", "'max' shadows a global or a builtin"),
    "a local that shadows a function": ("helper = 1\nreturn helper", {}, 1, 5, "Name", "'helper' shadows"),
    "a comprehension that shadows a local": ("return sum(n for n in (1, 2))", {"n": N}, 1, 22, "Name", "'n' shadows"),
    "a comprehension that shadows another": (
        "return sum(sum(x for x in (1, 2)) for x in (3, 4))", {}, 1, 43, "Name", "'x' shadows",
    ),
    "one variable twice in a comprehension": (
        "return sum(x for x in (1, 2) for x in (3, 4))", {}, 1, 22, "Name", "'x' shadows",
    ),
    "the truth of None": ("return 1 if None else 2", {}, 1, 17, "Constant", "None used as a condition"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_construct_outside_the_dialect_is_refused_by_place_and_name(case: str) -> None:
    body, arguments, line, column, construct, reason = REFUSED[case]
    refused, file = refusal(body, **arguments)
    at = PRELUDE_LINES + 1 + line
    assert str(refused).startswith(f"{file}:{at}:{column}: {construct}: "), str(refused)
    assert reason in refused.reason


def lifted(text: str, *arguments: Value) -> Value:
    function = load(PRELUDE + text, f"<dialect {next(NUMBER)}>")["f"]
    assert callable(function)
    return Lifter().lift(function, *arguments)


WRAPPER = "import functools\ndef d(g):\n    @functools.wraps(g)\n    def h(n): return g(n)\n    return h\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def f(n, k=1): return n", "default arguments"),
        ("def f(n, *, k=1): return n", "default arguments"),
        ("def f(*n): return 1", "a variable number of arguments"),
        ("def f(n, /): return n", "given in one way only"),
        ("def f(*, n): return n", "given in one way only"),
        ("def f(**n): return 1", "a variable number of arguments"),
        ("def f(n): return f(n)", "recursion: f calls itself"),
        ("def g(n): return f(n)\ndef f(n): return g(n)", "recursion"),
        ("def g(n):\n    global ONE\n    ONE = 2\n    return n\ndef f(n): return ONE", "bound 2 times"),
        ("def outer(k):\n    def f(n): return n + k\n    return f\nf = outer(1)", "a closure"),
        ("async def f(n): return n", "not made by a def statement"),
        ("f = lambda n: n", "not made by a def statement"),
        ("import functools\n@functools.cache\ndef f(n): return n", "decorator functools.cache"),
        (
            WRAPPER + "@d\ndef f(n): return n",
            "decorator d, where only icontract's are known",
        ),
        (
            WRAPPER + "def g(n): return n\nf = d(g)",
            "no decorator in its source",
        ),
        ("def d(g):\n    def h(n): return g(n)\n    return h\n@d\ndef f(n): return n", "a closure"),
    ],
)
def test_a_function_that_is_more_than_its_text_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Refused, match="<dialect ") as caught:
        lifted(text, N)
    assert reason in str(caught.value)


def test_contracts_of_icontract_are_taken_off() -> None:
    text = "@icontract.require(lambda n: n > 0)\n@icontract.ensure(lambda result: result > 1)\ndef f(n): return n + 1"
    assert str(lifted(text, N)) == "n + 1"


def test_something_else_named_icontract_is_not_taken_off() -> None:
    text = (
        "import functools\nclass Fake:\n    @staticmethod\n    def require(g):\n"
        "        return functools.wraps(g)(lambda n: g(n) + 1)\nfake = Fake\n@fake.require\ndef f(n): return n"
    )
    with pytest.raises(Refused, match=r"decorator fake\.require"):
        lifted(text, N)


def test_a_text_that_is_not_what_runs_is_refused() -> None:
    text = "def f(n): return n + 1\n"
    function = load(text, "<changed later>")["f"]
    load(text.replace("1", "2"), "<changed later>")
    assert callable(function)
    with pytest.raises(Refused, match="<changed later>:1:1: function: the text of f is not the code that runs"):
        Lifter().lift(function, N)


def test_a_function_without_text_is_refused() -> None:
    module: dict[str, Callable[..., object]] = {}
    exec("def f(n): return n", module)  # noqa: S102 - the point: no source
    with pytest.raises(Refused, match="no source text for f"):
        Lifter().lift(module["f"], N)


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(Refused, match="is not a plain function"):
        Lifter().lift(functools.partial(max, 1), N)


def test_a_wrong_number_of_arguments_is_refused() -> None:
    with pytest.raises(Refused, match=r"2 arguments, not just \(n\)"):
        lifted("def f(n): return n", N, N)


def test_code_that_no_path_reaches_is_held_to_the_dialect_too() -> None:
    text = "def f(n):\n    if False:\n        while n:\n            pass\n    return n"
    with pytest.raises(Refused, match="While: not in the dialect"):
        lifted(text, N)
