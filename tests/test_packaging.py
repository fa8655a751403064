"""The house: packages, dependencies, the lock file, and which way imports point."""

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from hammer2_oracle.cli import COMMANDS
from hammer2_oracle.commands.harness import FILES as HARNESSES

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "hammer2_spec": ROOT / "spec" / "hammer2_spec",
    "hammer2_cluster": ROOT / "impl" / "hammer2_cluster",
    "hammer2_proofs": ROOT / "proofs" / "hammer2_proofs",
    "hammer2_oracle": ROOT / "impl" / "hammer2_oracle",
}
# Which packages of ours and of others each package may import; the order is the direction.
MAY_IMPORT = {
    "hammer2_spec": set[str](),
    "hammer2_cluster": {"hammer2_spec", "fastcrc", "icontract"},
    "hammer2_proofs": {
        "hammer2_spec", "hammer2_cluster", "click", "cvc5", "icontract", "llvmlite", "numba", "numpy", "rich", "z3",
    },
    "hammer2_oracle": {
        "hammer2_spec", "hammer2_cluster", "hammer2_proofs", "click", "cvc5", "icontract", "jinja2", "junitparser",
        "msgspec", "numba", "numpy", "rich", "z3",
    },
}  # fmt: skip
# Modules for which an extra has to be installed.
NEEDS_EXTRA = {
    "impl/hammer2_oracle/testing.py": {"hypothesis"},
    "impl/hammer2_oracle/conform/random_questions.py": {"hypothesis"},
    "impl/hammer2_oracle/conform/scenario_questions.py": {"hypothesis"},
    "impl/hammer2_oracle/conform/operation_questions.py": {"hypothesis"},
    "impl/hammer2_oracle/conform/searching.py": {"hypothesis"},
}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements-dev.lock").read_text()
IMPORT_NAMES = {"z3-solver": "z3"}  # where a distribution is called otherwise than what it is imported as


class Import(NamedTuple):
    """One import statement: the top-level package, and the line."""

    package: str
    line: int


def imports_of(source: str, own_package: str) -> Iterator[Import]:
    """Return every import in a source text; one inside a function or for the type checker counts like any other."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield Import(alias.name.partition(".")[0], node.lineno)
            case ast.ImportFrom(module=module, level=level):
                yield Import(own_package if level else str(module).partition(".")[0], node.lineno)


def forbidden(package: str, source: str, extra: AbstractSet[str] = frozenset()) -> list[Import]:
    """Return the imports in a source text that the package may not have."""
    allowed = MAY_IMPORT[package] | {package} | sys.stdlib_module_names | extra
    return [found for found in imports_of(source, package) if found.package not in allowed]


def sources(*directories: str) -> list[Path]:
    """Return the Python files below these directories of the project."""
    return sorted(path for directory in directories for path in (ROOT / directory).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    wrong = {
        f"{name}:{found.line}": found.package
        for path in sorted(PACKAGES[package].rglob("*.py"))
        for name in [str(path.relative_to(ROOT))]
        for found in forbidden(package, path.read_text(), NEEDS_EXTRA.get(name, set()))
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("package", "source", "expected"),
    [
        ("hammer2_spec", "import icontract", ["icontract"]),
        ("hammer2_spec", "def f():\n    from hammer2_cluster.resolve import resolve", ["hammer2_cluster"]),
        ("hammer2_spec", "from . import vocabulary\nimport dataclasses", []),
        ("hammer2_cluster", "if TYPE_CHECKING:\n    import hammer2_proofs.lift", ["hammer2_proofs"]),
        ("hammer2_proofs", "import hammer2_oracle", ["hammer2_oracle"]),
        ("hammer2_oracle", "class C:\n    import rich.table, hammer2_proofs", []),
        ("hammer2_oracle", "def f():\n    import pytest", ["pytest"]),
    ],
)
def test_a_wrong_import_is_noticed(package: str, source: str, expected: list[str]) -> None:
    assert [found.package for found in forbidden(package, source)] == expected


def test_the_packages_are_all_there_and_there_are_no_others() -> None:
    found = {path.parent for root in ("spec", "impl", "proofs") for path in ROOT.glob(f"{root}/*/__init__.py")}
    assert found == set(PACKAGES.values())


def test_what_may_be_imported_is_what_is_declared() -> None:
    allowed = set.union(*MAY_IMPORT.values()) - set(PACKAGES)
    assert {IMPORT_NAMES.get(name, name) for name in names_of(PYPROJECT["project"]["dependencies"])} == allowed
    extras = [line for extra in PYPROJECT["project"]["optional-dependencies"].values() for line in extra]
    assert names_of(extras) == set.union(*NEEDS_EXTRA.values())


def test_the_wheel_holds_the_typed_packages_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "-qq", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*command, str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
        (metadata,) = (archive.read(name).decode() for name in files if name.endswith("dist-info/METADATA"))
    tops = {name.partition("/")[0] for name in files}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert {f"{package}/py.typed" for package in PACKAGES} <= files
    assert {f"{path.relative_to(path.parents[1])}" for path in PACKAGES["hammer2_spec"].glob("*.py")} <= files
    assert {f"hammer2_oracle/harnesses/{name}" for name in HARNESSES.values()} <= files
    assert any(name.endswith("licenses/LICENSE") for name in files)
    assert "License-Expression: BSD-3-Clause\n" in metadata
    assert "Requires-Python: >=3.11\n" in metadata


def names_of(requirements: list[str]) -> set[str]:
    """Return the distribution names of requirements."""
    return {Requirement(line).name for line in requirements}


def locked() -> dict[str, list[Requirement]]:
    """Return the pinned requirements of the lock file by name; some have a version for each Python."""
    pinned: dict[str, list[Requirement]] = {}
    for line in re.findall(r"^[a-z].*==.*?(?= \\$)", LOCK, re.MULTILINE):
        requirement = Requirement(line)
        pinned.setdefault(requirement.name, []).append(requirement)
    return pinned


def test_the_lock_file_satisfies_pyproject() -> None:
    wanted = [*PYPROJECT["project"]["dependencies"], *PYPROJECT["dependency-groups"]["dev"]]
    wanted += PYPROJECT["build-system"]["requires"]
    pinned = locked()
    for requirement in map(Requirement, wanted):
        versions = [Version(str(pin.specifier).removeprefix("==")) for pin in pinned.get(requirement.name, [])]
        assert versions, f"{requirement.name} is not in requirements-dev.lock: run make lock"
        assert all(version in requirement.specifier for version in versions), requirement.name


def test_everything_in_the_lock_file_has_a_hash_and_no_place_of_origin() -> None:
    entries = re.split(r"^(?=\S)", re.sub(r"^ *#.*\n", "", LOCK, flags=re.MULTILINE), flags=re.MULTILINE)[1:]
    assert len(entries) == sum(len(pins) for pins in locked().values())
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"://|@|^-", LOCK, re.MULTILINE) == []


def test_the_recorded_data_is_as_it_was_recorded() -> None:
    lines = (ROOT / "data" / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split() for line in lines)}
    files = [*(ROOT / "data" / "golden").glob("*.xz"), *(ROOT / "data" / "seed").iterdir()]
    assert {
        str(path.relative_to(ROOT / "data")): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    } == sums


# An exception from a rule is a comment in three parts: what is switched off, in brackets or after a colon the code,
# and after a dash or another # the reason.
EXCEPTION = re.compile(r"#\s*(?:noqa|type:\s*ignore|pragma:\s*no cover)(?P<rest>.*)", re.IGNORECASE)
WITH_REASON = re.compile(r"(?:: ?[A-Z]+\d+(?:, ?[A-Z]+\d+)*|\[[a-z, -]+\]|)\s+[-#–]\s*\w.*")


def exceptions_without_reason(source: str) -> list[str]:
    """Return the comments in a source text that switch off a check without saying why."""
    return [found[0] for found in EXCEPTION.finditer(source) if not WITH_REASON.fullmatch(found["rest"])]


def test_no_check_is_switched_off_without_a_reason() -> None:
    paths = [path for path in sources("spec", "impl", "proofs", "tests", "bench", "tools") if path != Path(__file__)]
    wrong = {
        str(path.relative_to(ROOT)): found for path in paths if (found := exceptions_without_reason(path.read_text()))
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("comment", "accepted"),
    [
        ("# noqa: S602 - a shell is what is tested", True),
        ("# type: ignore[attr-defined]  # numba has no types here", True),
        ("# pragma: no cover - needs a second machine", True),
        ("# noqa: S602", False),
        ("# type: ignore[misc]", False),
        ("# noqa", False),
        ("# pragma: no cover", False),
    ],
)
def test_an_exception_without_a_reason_is_noticed(comment: str, accepted: bool) -> None:
    assert (exceptions_without_reason(f"x = 1  {comment}\n") == []) == accepted


SOLVERS = {"cvc5", "hypothesis", "z3"}
HEAVY = SOLVERS | {"hammer2_proofs", "llvmlite", "numba", "numpy", "rich"}
RUN_COMMAND = """
import sys
from hammer2_oracle.cli import main
sys.argv[0] = "hammer2-cluster"
try:
    main()
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def run_command(*arguments: str) -> tuple[str, set[str]]:
    """Return what a command printed, and the top-level packages that it imported."""
    command = [sys.executable, "-c", RUN_COMMAND, *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    return finished.stdout, set(finished.stderr.split())


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_help_imports_nothing_heavy(command: list[str]) -> None:
    printed, imported = run_command(*command, "--help")
    assert printed.startswith(" ".join(["Usage: hammer2-cluster", *command]))
    assert "hammer2_oracle" in imported
    models = {"hammer2_proofs"} if command == ["explore"] else set()  # they know the ranges of their bounds
    assert imported & HEAVY == models


def test_deciding_one_configuration_needs_no_solver() -> None:
    printed, imported = run_command("resolve", "--nmasters", "1", "master:1")
    assert "RDHARD" in printed
    assert imported & SOLVERS == set()
