"""The mutator: what it does to a program, and that it does it once, in order, and to a copy."""

import ast
import inspect
import linecache
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from hammer2_cluster import accessors, data, resolve
from hammer2_proofs.lift import Lifter
from hammer2_proofs.mutants import Mutant, Mutation, load, mutate
from hammer2_spec.configuration import Configuration, Slot
from hammer2_spec.semantics import REPAIRED
from hammer2_spec.vocabulary import PfsType

ONE_MASTER = Configuration((Slot(True, PfsType.MASTER, 6, 0),), 1, None, 0)


@pytest.fixture(scope="module")
def of_resolve() -> Mutation:
    return mutate(resolve)


@pytest.fixture
def mutated(tmp_path: Path) -> Callable[[str], Mutation]:
    """Mutates a text as if it were a module that has imported the vocabulary of the decision."""

    def of(text: str) -> Mutation:
        file = tmp_path / "program.py"
        file.write_text(text)
        module = ModuleType("program")
        module.__file__ = str(file)
        exec(text, module.__dict__)  # noqa: S102 - the text is above
        return mutate(module)

    return of


def described(mutation: Mutation, change: str) -> Mutant:
    """The mutant with this description, behind file and line."""
    [found] = [mutant for mutant in mutation.mutants if mutant.description.endswith(f": {change}")]
    return found


def bodies(mutation: Mutation) -> set[str]:
    """The last line of each mutant."""
    return {mutant.text.splitlines()[-1].strip() for mutant in mutation.mutants}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("return a < b", {"return a <= b", "return a == b", "return a != b", "return a >= b", "return a > b"}),
        ("return a is b", {"return a is not b"}),
        ("return a in b", {"return a not in b"}),
        ("return a and b", {"return (a or b)", "return a", "return b", "return (not a) and b"}),
        ("return not a", {"return a"}),
        ("return 7", {"return 8", "return 6"}),
        ("return False", {"return True"}),
        ("return 'L233'", {"return ''"}),
        ("return a + b", {"return (a - b)", "return a", "return b"}),
        ("return a | b", {"return (a & b)", "return (a ^ b)"}),
        ("return ~a", {"return a"}),
        ("a += b", {"a -= b", "a = b", "pass"}),
        ("return a", {"pass"}),
        ("return 1 if a else b", {"return 1 if True else b", "return 1 if False else b", "return 1 if (not a) else b"}),
        ("return [x for x in a if b]", {"return [x for x in a if False]", "return [x for x in a if True]"}),
    ],
)
def test_each_operator_does_what_it_says(mutated: Callable[[str], Mutation], line: str, expected: set[str]) -> None:
    assert expected <= bodies(mutated(f"def f(a, b):\n    {line}\n"))


def test_members_of_one_enumeration_are_confused(mutated: Callable[[str], Mutation]) -> None:
    text = "from hammer2_spec.vocabulary import PfsType\ndef f(a):\n    return PfsType.MASTER\n"
    assert {"return PfsType.SOFT_MASTER", "return PfsType.UNUSED07"} <= bodies(mutated(text))


def test_fields_and_arguments_of_one_type_change_places(mutated: Callable[[str], Mutation]) -> None:
    text = (
        "from hammer2_spec.configuration import Quorum\n"
        "def f(agreed: Quorum, n: int):\n"
        "    return Quorum(agreed.tid, n, agreed.nmasters, agreed.reached)\n"
    )
    found = bodies(mutated(text))
    assert "return Quorum(n, agreed.tid, agreed.nmasters, agreed.reached)" in found
    assert "return Quorum(agreed.nmasters, n, agreed.nmasters, agreed.reached)" in found
    assert not any("Quorum(agreed.reached" in line for line in found), "tid and reached are of two types"


def test_branches_are_dropped_and_swapped(mutated: Callable[[str], Mutation]) -> None:
    text = (
        "def f(a, b):\n"
        "    for x in a:\n"
        "        if x:\n"
        "            b = x\n"
        "            b += 1\n"
        "            continue\n"
        "        match b:\n"
        "            case 1:\n"
        "                b = 2\n"
        "            case 3:\n"
        "                b = 4\n"
        "    return b\n"
    )
    descriptions = {mutant.description for mutant in mutated(text).mutants}
    assert "program.py:4: `b = x` and the 2 after it deleted" in descriptions
    assert "program.py:6: `continue` deleted" in descriptions
    assert "program.py:6: `continue` became `break`" in descriptions
    assert "program.py:8: the branches `1` and `3` changed places" in descriptions
    assert "program.py:3: `x` became `not x`" in descriptions


def test_docstrings_and_annotations_are_left_alone(mutated: Callable[[str], Mutation]) -> None:
    mutation = mutated("def f(a: int = 1) -> 'int':\n    'What it does.'\n    x: 'int' = a\n    return x\n")
    assert all("What it does." in m.text for m in mutation.mutants)
    assert all("x: 'int'" in m.text for m in mutation.mutants if m.operator != "statement deleted")
    assert any("a: int = 2" in m.text for m in mutation.mutants), "a default is code"


def test_changes_that_make_no_new_program_are_counted_and_dropped(mutated: Callable[[str], Mutation]) -> None:
    mutation = mutated("def f():\n    return 2 * 3 + 0\n")
    assert "return (2 * 3)" not in bodies(mutation), "Python folds both to 6"
    assert mutation.same_code > 0
    texts = [mutant.text for mutant in mutation.mutants]
    assert len(set(texts)) == len(texts)


def test_text_that_is_no_program_is_counted_and_dropped(mutated: Callable[[str], Mutation]) -> None:
    mutation = mutated(
        "def f(a):\n    match a:\n        case 1:\n            return 2\n        case _:\n            return 3\n"
    )
    assert mutation.not_compiled == 1, "nothing may come after a case for everything"
    for mutant in mutation.mutants:
        ast.parse(mutant.text)


def test_positions_count_bytes_where_a_line_is_not_ascii(mutated: Callable[[str], Mutation]) -> None:
    mutation = mutated("def f(a):\n    return 'größer' != a\n")
    assert "return 'größer' == a" in bodies(mutation)


@pytest.mark.parametrize("module", [resolve, accessors, data])
def test_a_mutant_differs_from_the_original_in_one_place(module: ModuleType) -> None:
    original = Path(str(module.__file__)).read_text(encoding="utf-8").splitlines()
    for mutant in mutate(module).mutants:
        lines = mutant.text.splitlines()
        same_before = next(i for i, (a, b) in enumerate(zip(original, lines, strict=False)) if a != b)
        assert same_before >= mutant.line - 1, mutant.description


def test_two_runs_give_the_same_mutants_in_the_order_of_the_text(of_resolve: Mutation) -> None:
    one, other = of_resolve.mutants, mutate(resolve).mutants
    assert one == other
    assert [mutant.line for mutant in one] == sorted(mutant.line for mutant in one)
    assert len({mutant.name for mutant in one}) == len(one)


def test_a_mutant_is_loaded_beside_the_original(of_resolve: Mutation) -> None:
    module = load(described(of_resolve, "`nmasters >= nquorum` became `nmasters < nquorum`"))
    assert module.resolve(*ONE_MASTER, REPAIRED).focus is None
    assert resolve.resolve(*ONE_MASTER, REPAIRED).focus == 0


def test_the_text_of_a_mutant_is_what_inspect_and_the_lifter_read(of_resolve: Mutation) -> None:
    module = load(described(of_resolve, "`slot.tid > tid` became `slot.tid < tid`"))
    assert "slot.tid < tid" in inspect.getsource(module.outranks)
    linecache.checkcache()
    slot = Slot(True, PfsType.MASTER, 6, 0)
    assert module.outranks(slot, 7, 0)
    assert Lifter().lift(module.outranks, slot, 7, 0) is True
    assert Lifter().lift(resolve.outranks, slot, 7, 0) is False


def test_a_traceback_through_a_mutant_shows_its_line(of_resolve: Mutation) -> None:
    module = load(described(of_resolve, "`nquorum = 0` deleted"))
    with pytest.raises(UnboundLocalError) as raised:
        module.resolve((), None, None, 0, REPAIRED)
    assert "nmasters >= nquorum" in str(raised.traceback[-1].statement)
