"""The ledger: for each claim of the original what checks it, and what came of these checks when they last ran.

Nothing in it is written by hand. A property names its claims; a sentence of the protocol, of the operations or of the
judge of the schedules names them in its docstring; an operation cites the lines of the original in which claims stand;
a finding says which claims its repair restores; a test is marked with its claims. ``make verify`` and ``make test``
keep what came of them, with a hash of all sources.
"""

import ast
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import Enum
from hashlib import sha256
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final, NamedTuple

from hammer2_spec import cluster_rules
from hammer2_spec.claims import CLAIMS
from hammer2_spec.findings import FINDINGS
from hammer2_spec.properties import PROPERTIES, sentence_of
from hammer2_spec.protocol import goals, inductive, invariants, tree, witnesses
from hammer2_spec.semantics import RESOLVE_REPAIRS

ROOT: Final = Path(__file__).resolve().parents[2]
CONTRACTS: Final = Path("proofs/hammer2_proofs/results/contracts.toml")
OPERATIONS: Final = ("accessors", "data", "life_cycle", "locking", "lookups", "modifying", "snapshot", "topology")
"""The modules of the 33 operations."""
SOURCES: Final = ("spec", "impl", "proofs", "tests", "tools", "data", "pyproject.toml")
VERIFIED: Final = Path("build/verify.json")
TESTED: Final = Path("build/tests.json")


class Means(Enum):
    """How a check supports a claim, the strongest first."""

    PROOF = "proved for all inputs"
    PATHS = "confirmed over all paths"
    EXPLORATION = "explored to bounds"
    TEST = "tested"


class Check(NamedTuple):
    """Something that fails where a claim is not kept."""

    means: Means
    name: str
    says: str
    """What it checks, in a sentence; empty for a test, whose name says it."""
    by: str
    """What runs it: a step of ``make verify``, or the file of a test."""


class Outcome(Enum):
    """What came of a check when it last ran."""

    PASSED = "passed"
    FAILED = "failed"
    STALE = "ran with other sources"
    NOT_RUN = "not run"


def checks() -> dict[str, list[Check]]:
    """The checks of each claim, the strongest first. Raises FileNotFoundError without the sources of this project."""
    found: dict[str, list[Check]] = {claim: [] for claim in CLAIMS}
    for claims, check in (
        *_of_the_decision(),
        *_of_the_operations(),
        *_of_the_protocol(),
        *_of_the_schedules(),
        *_of_tests(),
    ):
        for claim in claims:
            if claim not in found:
                raise ValueError(f"{check.name} checks {claim}, which is no claim")
            found[claim].append(check)
    order = list(Means)
    return {claim: sorted(its, key=lambda check: order.index(check.means)) for claim, its in found.items()}


def findings_of(claim: str) -> list[str]:
    """The numbers of the findings that say how the original breaks a claim."""
    return [number for number, finding in FINDINGS.items() if claim in finding.claims]


# ---------------------------------------------------------------- where checks are


def _of_the_decision() -> Iterator[tuple[tuple[str, ...], Check]]:
    for prop in PROPERTIES:
        yield prop.claims, Check(Means.PROOF, prop.name, prop.sentence, "properties")


def _of_the_operations() -> Iterator[tuple[tuple[str, ...], Check]]:
    for number, finding in FINDINGS.items():
        if finding.repair not in RESOLVE_REPAIRS:  # the runs that found it end well with all repairs
            check = Check(Means.EXPLORATION, f"{number} {finding.repair}", finding.mended, "operations")
            yield finding.claims, check
    for function in _functions(cluster_rules):
        yield _named_by(function), Check(Means.EXPLORATION, function.__name__, _said(function), "operations")
    stored = tomllib.loads((ROOT / CONTRACTS).read_text())
    for module in OPERATIONS:
        tree_of = ast.parse((ROOT / f"impl/hammer2_cluster/{module}.py").read_text())
        for node in tree_of.body:
            contract = stored.get(f"{module}.{getattr(node, 'name', '')}")
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and contract is not None:
                means, by = Means.EXPLORATION, "operations"
                if "checked_by" not in contract:
                    means, by = Means.PATHS, "contracts"
                says = "; ".join(text.partition(": ")[0] for text in contract["ensures"])
                yield _standing_in(ast.get_docstring(node) or ""), Check(means, f"{module}.{node.name}", says, by)


def _explored() -> set[object]:
    """The sentences and situations of the protocol that `make verify` looks for in every state."""
    from hammer2_proofs.explorer.models import build
    from hammer2_proofs.explorer.verification import DEEP, STANDARD

    models = [build(run.model, run.bounds, run.switches) for run in (*STANDARD, *DEEP)]
    steps = {step.holds for model in models for step in model.step_invariants}
    return steps | {it for model in models for it in (*model.invariants, *model.witnesses, model.goal)}


def _of_the_protocol() -> Iterator[tuple[tuple[str, ...], Check]]:
    explored, proved = _explored(), {*inductive.INDUCTIVE, *inductive.CONSEQUENCES}
    for module in (invariants, goals, witnesses, tree):
        for function in filter(explored.__contains__, _functions(module)):
            yield _named_by(function), Check(Means.EXPLORATION, function.__name__, _said(function), "protocol")
    for function in filter(proved.__contains__, _functions(inductive)):
        yield _named_by(function), Check(Means.PROOF, function.__name__, _said(function), "protocol-proofs")


def _of_the_schedules() -> Iterator[tuple[tuple[str, ...], Check]]:
    from hammer2_proofs.schedules.judge import Judge

    for function in _functions(Judge):
        yield _named_by(function), Check(Means.EXPLORATION, function.__name__, _said(function), "schedules")


def _of_tests() -> Iterator[tuple[tuple[str, ...], Check]]:
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and (claims := _marked(node)):
                yield claims, Check(Means.TEST, node.name, "", f"tests/{path.name}")


def _marked(node: ast.FunctionDef) -> tuple[str, ...]:
    """The claims of a test's mark: ``@pytest.mark.claims("C08")``."""
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.claims":
            return tuple(ast.literal_eval(argument) for argument in decorator.args)
    return ()


def _functions(within: ModuleType | type) -> Iterator[FunctionType]:
    """Those of a module or class that name a claim."""
    home = within.__module__ if isinstance(within, type) else within.__name__
    for value in vars(within).values():
        if isinstance(value, FunctionType) and value.__module__ == home and _named_by(value):
            yield value


def _named_by(function: FunctionType) -> tuple[str, ...]:
    return tuple(re.findall(r"\bC\d\d\b", function.__doc__ or ""))


def _said(function: FunctionType) -> str:
    return re.sub(r" \((?:C\d\d(?:, )?)+\)", "", sentence_of(function))


def _ranges(text: str) -> list[range]:
    found = re.findall(r"L?(\d+)(?:-(\d+))?", text)
    return [range(int(first), int(last or first) + 1) for first, last in found]


def _standing_in(docstring: str) -> tuple[str, ...]:
    """The claims about an operation as a whole: they stand where all lines are that it cites first, in brackets."""
    cited = re.search(r"\((L[^)]*)\)", docstring)
    lines = {line for lines in _ranges(cited[1]) for line in lines} if cited else set()
    return tuple(
        claim
        for claim, promise in CLAIMS.items()
        if lines and any(lines <= set(whole) for whole in _ranges(promise.lines))
    )


# ---------------------------------------------------------------- what came of them


def digest() -> str:
    """A hash of all sources that a check may depend on."""
    found = sha256()
    for name in SOURCES:
        path = ROOT / name
        files = [path] if path.is_file() else sorted(it for it in path.rglob("*") if _is_source(it))
        for file in files:
            found.update(f"{file.relative_to(ROOT)}\0".encode())
            found.update(file.read_bytes())
    return found.hexdigest()


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and not path.name.endswith((".pyc", ".nbi", ".nbc"))


def keep(record: Path, outcomes: Mapping[str, str], sources: str) -> None:
    """Keep what came of steps or tests; what is kept of others, ran with the same sources, stays."""
    path = ROOT / record
    before = _kept(path)
    same = before["outcomes"] if before["sources"] == sources else {}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"sources": sources, "outcomes": {**same, **outcomes}}, indent=1) + "\n")


def _kept(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (FileNotFoundError, json.JSONDecodeError):
        return {"sources": "", "outcomes": {}}


class Evidence:
    """What is kept of the last runs."""

    def __init__(self) -> None:
        now = digest()
        self._kept = {record: _kept(ROOT / record) for record in (VERIFIED, TESTED)}
        self._stale = {record: kept["sources"] != now for record, kept in self._kept.items()}

    def of(self, check: Check) -> Outcome:
        """What came of one check."""
        record = TESTED if check.by.startswith("tests/") else VERIFIED
        outcomes = self._kept[record]["outcomes"]
        name = f"{check.by}::{check.name}" if record == TESTED else check.by
        its = {outcome for ran, outcome in outcomes.items() if ran.partition("[")[0] == name}
        if not its:
            return Outcome.NOT_RUN
        if self._stale[record]:
            return Outcome.STALE
        return Outcome.PASSED if its == {"passed"} else Outcome.FAILED
