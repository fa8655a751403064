"""The step of `make verify` that lets CrossHair confirm contracts: what it lists, and what makes it fail."""

import inspect
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import icontract
import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

import symbolic_clusters
import verify
from hammer2_cluster import accessors, data, life_cycle, locking, lookups, modifying, snapshot, topology

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "proofs" / "hammer2_proofs" / "results" / "contracts.toml"
OPERATIONS: dict[str, Callable[..., Any]] = {
    operation.__name__: operation
    for operation in (
        accessors.need_resize, accessors.type, accessors.modified, accessors.bref, accessors.isunlinked,
        accessors.set_chainflags, accessors.clr_chainflags, accessors.setflush, accessors.setmethod_check,
        life_cycle.from_chain, life_cycle.ref, life_cycle.drop, life_cycle.wait, life_cycle.copy,
        locking.lock, locking.resolve, locking.unlock,
        modifying.resize, modifying.modify_ip, modifying.modify, modifying.modsync,
        lookups.lookup_init, lookups.lookup_done, lookups.lookup, lookups.next, lookups.parent,
        topology.create, topology.rename, topology.delete, snapshot.snapshot,
        data.rdata, data.wdata, data.load_async,
    )
}  # fmt: skip
PLANTED = '''
import icontract

@icontract.require(lambda size: size > 0)
@icontract.ensure(lambda size, result: (result - 1) * 16 < size <= result * 16)
def zones(size: int) -> int:
    """How many zones of 16 bytes."""
    return -(-size // 16)

@icontract.ensure(lambda text, result: result == text[::-1])
def turned(text: list[int]) -> list[int]:
    """Too much for CrossHair: there is no end of lists."""
    return list(reversed(text))
'''
SQUARE = """
@icontract.ensure(lambda result: result >= 0)
def square(x: int) -> int:
    return x * x

"""


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_contracts_and_cites_the_lines_of_the_seed(name: str) -> None:
    operation = OPERATIONS[name]
    checker = icontract._checkers.find_checker(func=operation)  # noqa: SLF001 - where icontract keeps them
    assert checker is not None
    assert any(getattr(checker, "__preconditions__")) or getattr(checker, "__postconditions__")  # noqa: B009 - untyped
    assert re.search(r"\(L\d+-\d+(, L\d+-\d+)*\)", inspect.getdoc(operation) or "")


def test_there_are_33_operations() -> None:
    assert len(OPERATIONS) == 33


def listed() -> dict[str, dict[str, list[str]]]:
    """The list in the repository."""
    return tomllib.loads(LIST.read_text())


def test_whoever_else_checks_a_contract_is_there() -> None:
    steps = {step.name for step in verify.STEPS}
    checkers = {checker for entry in listed().values() for checker in entry.get("checked_by", [])}
    assert checkers
    assert {checker for checker in checkers if checker not in steps and not (ROOT / checker).exists()} == set()


def test_most_contracted_functions_that_are_no_coroutines_are_confirmed() -> None:
    others = {name for name, entry in listed().items() if "checked_by" in entry}
    coroutines = {
        name for name in others if inspect.iscoroutinefunction(inspect.unwrap(resolve_name(f"hammer2_cluster.{name}")))
    }
    assert others - coroutines == {"accessors.setmethod_check", "checked.decide", "data.load_async", "locking.resolve"}


INTEGERS = st.integers(-(2**33), 2**33)


@settings(max_examples=30)
@given(INTEGERS, INTEGERS, st.integers(0, 8))
def test_flag_words_compute_as_integers_do(a: int, b: int, n: int) -> None:
    word, other = symbolic_clusters.constant(a), symbolic_clusters.constant(b)
    for computed, expected in [
        (word, a), (~word, ~a), (word << n, a << n),
        (word & other, a & b), (word & b, a & b), (a & other, a & b),
        (word | other, a | b), (word | b, a | b), (a | other, a | b),
        (word ^ other, a ^ b), (word ^ b, a ^ b), (a ^ other, a ^ b),
    ]:  # fmt: skip
        assert z3.simplify(computed.var).as_long() == expected


def run(*arguments: str, directory: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """The command, with a directory's packages first."""
    paths = os.pathsep.join([str(directory), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "contracts.py"), *arguments],
        env=os.environ | {"PYTHONPATH": paths},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_store_keeps_what_small_functions_require() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "tests/test_store_parts.py"]
    environment = os.environ | {"ICONTRACT_SLOW": "1"}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


class Planted:
    """A package of one module, and the list of its contracts."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.source = directory / "planted" / "__init__.py"
        self.list = directory / "list.toml"
        self.source.parent.mkdir()
        self.source.write_text(PLANTED)

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit status and output."""
        done = run("--package", "planted", "--list", str(self.list), *arguments, directory=self.directory)
        return done.returncode, done.stdout + done.stderr

    def change(self, before: str, after: str) -> None:
        """Edit the module."""
        text = self.source.read_text()
        assert text.count(before) == 1
        self.source.write_text(text.replace(before, after))


@pytest.fixture(scope="module")
def planted_list(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The list, on which somebody checks what CrossHair does not confirm."""
    made = Planted(tmp_path_factory.mktemp("list"))
    assert made.run("--write")[0] == 0
    status, said = made.run()
    assert status == 1
    assert "turned: CrossHair does not confirm it, and nobody checks it instead" in said
    return made.list.read_text().replace('"nobody"', '"properties"')


@pytest.fixture
def planted(tmp_path: Path, planted_list: str) -> Planted:
    """The package and its list."""
    made = Planted(tmp_path)
    made.list.write_text(planted_list)
    return made


def test_what_is_confirmed_passes_and_the_last_line_says_so(planted: Planted) -> None:
    status, said = planted.run()
    assert status == 0
    assert re.search(
        r"^1 contracts of 1 functions confirmed over all paths, 0 functions refuted, "
        r"1 not confirmed and checked otherwise; the list is right$",
        said,
        re.MULTILINE,
    )


@pytest.mark.parametrize(
    ("before", "after", "status", "expected"),
    [
        ("-(-size // 16)", "size // 16", 1, "zones: refuted: post_fail"),
        ("-(-size // 16)", "-(-size // 16) if size < 10**9 else 0", 1, "zones: refuted: post_fail"),
        ("list(reversed(text))", "sorted(text)", 1, "turned: refuted: post_fail"),
        ("@icontract.require(lambda size: size > 0)\n", "", 1, "is gone"),
        ("(result - 1) * 16 < size <= result * 16", "size <= result * 16", 1, "is not on the list"),
        ("def turned", f"{SQUARE}def turned", 1, "square: it has contracts and is not on the list"),
        ("size > 0", "size > 0 and size < 0", 1, "pre_unsat"),
        ("return -(-size // 16)", "return len(range(0, size, 16)) if hash(str(size)) else 0", 3, "zones: undecided"),
    ],
    ids=["a wrong body", "wrong for few", "a wrong body of what is not confirmed", "a contract deleted",
         "a contract weakened", "a contract that is new", "a contract that nobody can keep", "not confirmed in time"],
)  # fmt: skip
def test_it_fails_for(planted: Planted, before: str, after: str, status: int, expected: str) -> None:
    planted.change(before, after)
    found, said = planted.run()
    assert found == status, said
    assert expected in said


def test_a_function_whose_contracts_are_all_gone_is_missed(planted: Planted) -> None:
    planted.change("@icontract.ensure(lambda text, result: result == text[::-1])\n", "")
    status, said = planted.run()
    assert status == 1
    assert "turned: it is on the list and has no contract any more" in said


@pytest.mark.parametrize("arguments", [("no.such.function",), ("--list", "/no/such/list")])
def test_bad_usage_is_told(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert arguments[-1] in done.stderr
