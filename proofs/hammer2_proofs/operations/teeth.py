"""Mechanical mutants of the operations: does a judge notice each wrong version of the code that it runs?

A judge has cases, each of which is well as things are. A mutant counts against a judge if it changes what is left of
the operations under that judge's semantics (hammer2_proofs.operations.specialised). It is given those cases that come
by the changed line, the simplest first, and the first that is not well any more kills it.
"""

import ast
import gc
import resource
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from enum import Enum
from functools import cache
from multiprocessing import get_context
from typing import Final, NamedTuple, Protocol

from hammer2_proofs.apart import Died, apart
from hammer2_proofs.mutants import Mutant, load, mutate
from hammer2_proofs.operations.probes import (
    STATEMENT_KIND,
    Place,
    Way,
    modules,
    note_ways,
    place,
    replace,
    text_of,
    ways_of,
)
from hammer2_proofs.operations.specialised import Code, functions_of
from hammer2_spec.semantics import Semantics

PATIENCE_SECONDS: Final = 60
"""CPU time after which a mutant is stopped: it is dead then if it ran one case for this long, else it lives."""
CASE_SECONDS: Final = 5
"""CPU time for one case; those that end take milliseconds."""
MEMORY_BYTES: Final = 4 * 2**30


class Judge(Protocol):
    """Whoever may notice a mutant."""

    name: str
    semantics: Semantics
    straight: bool
    """Whether it runs the operations on the straight runner alone."""

    def parts(self) -> Mapping[str, int]:
        """What its cases are, one kind after the other, and where each kind ends."""

    def count(self) -> int:
        """How many cases it has."""

    def is_well(self, case: int) -> bool:
        """Run one case. It may raise anything where an operation is wrong."""


class Outcome(Enum):
    """What became of a mutant."""

    KILLED = "killed"
    ALIVE = "survived"
    STOPPED = "stopped for its time"


class Fate(NamedTuple):
    """What became of a mutant, and by which case."""

    mutant: Mutant
    outcome: Outcome
    case: int | None
    tried: int


class StoppedError(BaseException):
    """A case takes too long. No Exception: nothing between here and the case shall catch it."""


def code_of(semantics: Semantics, roots: Sequence[str], *, straight: bool = True) -> Code:
    """The operations as they are left under one semantics, for judges of one runner. roots: their names."""
    return Code({name: text_of(module) for name, module in modules().items()}, semantics, roots, straight=straight)


def ways_through(code: Code) -> set[Way]:
    """Every way that its branches can go."""
    return {way for module, functions in code.functions.items() for way in ways_of(module, functions.values())}


def belongs_to(mutant: Mutant, code: Code) -> bool:
    """Whether the mutant changes it."""
    return code.is_changed_by(mutant.module.rpartition(".")[2], outermost(mutant.function), mutant.text)


def outermost(function: str) -> str:
    """The function or method of a module in which this one is defined."""
    owner, _, inner = function.partition(".")
    return f"{owner}.{inner.partition('.')[0]}" if owner[:1].isupper() else owner


def mutants() -> list[Mutant]:
    """Every mutant of the operations, in the order of their text."""
    return [mutant for module in modules().values() for mutant in mutate(module).mutants]


# ---------------------------------------------------------------- which cases come by which line


@dataclass(frozen=True)
class Coverage:
    """Where the cases of a judge come by."""

    ways: frozenset[Way]
    """Every way that was gone."""
    cases: Mapping[Place, Sequence[int]]
    """By statement, the cases that come by, in order."""


def coverage_of(judge: Judge) -> Coverage:
    """Run all cases, once, with the operations noting where they go. Raises ValueError if one is broken as it is."""

    def work() -> tuple[Coverage, int | None]:
        seen: set[Way] = set()
        note_ways(seen)
        ways: set[Way] = set()
        cases: dict[Place, list[int]] = {}
        for case in range(judge.count()):
            seen.clear()
            if not judge.is_well(case):
                return Coverage(frozenset(), {}), case
            ways |= seen
            for where, _ in seen:
                if where.kind == STATEMENT_KIND:
                    cases.setdefault(where, []).append(case)
        return Coverage(frozenset(ways), cases), None

    coverage, broken = apart(work)
    if broken is not None:
        raise ValueError(f"case {broken} of the judge {judge.name!r} is broken with nothing mutated")
    return coverage


@cache
def _heads(module: str) -> list[tuple[int, int, Place]]:
    """The statements of a module with their lines; of those that hold others, the lines before these."""
    found = []
    for function in functions_of(ast.parse(text_of(modules()[module]))).values():
        for node in ast.walk(function):
            if isinstance(node, ast.stmt):
                inner = [x.lineno for x in ast.iter_child_nodes(node) if isinstance(x, ast.stmt) and x is not node]
                cases = [x.pattern.lineno for x in getattr(node, "cases", ())]
                last = min([*inner, *cases], default=(node.end_lineno or node.lineno) + 1) - 1
                found.append((node.lineno, max(last, node.lineno), place(module, node, STATEMENT_KIND)))
    return found


def cases_for(mutant: Mutant, coverage: Coverage) -> Sequence[int]:
    """The cases that come by the changed line, in order; where none does, those that enter the function."""
    module = mutant.module.rpartition(".")[2]
    on_line = [where for first, last, where in _heads(module) if first <= mutant.line <= last]
    if not on_line or not any(where in coverage.cases for where in on_line):
        name = outermost(mutant.function)
        function = functions_of(ast.parse(text_of(modules()[module])))[name]
        on_line = [
            where for first, _, where in _heads(module) if function.lineno <= first <= (function.end_lineno or 0)
        ]
    return sorted({case for where in on_line for case in coverage.cases.get(where, ())})


# ---------------------------------------------------------------- judging


def _limit(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)


def _stop(*_: object) -> None:
    raise StoppedError


def fate_of(judge: Judge, mutant: Mutant, cases: Sequence[int]) -> Fate:
    """Run the cases in a process in which the mutant stands in the original's place."""

    def work() -> Fate:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        signal.signal(signal.SIGVTALRM, _stop)
        modules_ = modules()
        replace(modules_[mutant.module.rpartition(".")[2]], vars(load(mutant)), outermost(mutant.function))
        began = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        for tried, case in enumerate(cases, 1):
            _limit(CASE_SECONDS)
            try:
                well = judge.is_well(case)
            except (Exception, StoppedError):  # noqa: BLE001 - whatever a wrong operation raises, or it does not end
                well = False
            _limit(0)
            if not well:
                return Fate(mutant, Outcome.KILLED, case, tried)
            if resource.getrusage(resource.RUSAGE_SELF).ru_utime - began > PATIENCE_SECONDS:
                return Fate(mutant, Outcome.STOPPED, None, tried)
        return Fate(mutant, Outcome.ALIVE, None, len(cases))

    try:
        return apart(work)
    except Died:  # out of memory, or a crash
        return Fate(mutant, Outcome.KILLED, None, 0)


_JOBS: dict[str, tuple[Judge, Coverage]] = {}


def _job(key: str, mutant: Mutant) -> Fate:
    judge, coverage = _JOBS[key]
    return fate_of(judge, mutant, cases_for(mutant, coverage))


def fates_of(judge: Judge, coverage: Coverage, chosen: Iterable[Mutant], processes: int) -> Iterator[Fate]:
    """The fate of each mutant, as soon as it is known."""
    _JOBS[judge.name] = judge, coverage
    gc.collect()
    gc.freeze()
    with ProcessPoolExecutor(processes, get_context("fork")) as pool:
        for future in as_completed([pool.submit(_job, judge.name, mutant) for mutant in chosen]):
            yield future.result()
