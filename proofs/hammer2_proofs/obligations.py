"""Proof obligations: what is asked of the solvers, and what they answer.

    for obligation in equivalence.obligations():
        result = discharge(obligation, solver="cvc5")
        print(result.status, result.seconds, obligation.name)

An obligation is proved when no model of its hypotheses makes its goal false, provided that they have a model at all:
hypotheses that contradict each other prove anything, and count as a failure. A solver that gives up is undecided. A
model is a counterexample only after CPython has shown the same (``Obligation.reproduce``).

Both solvers are asked the same text, the SMT-LIB script that ``script`` writes; z3 gets it without the detour.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Final, Literal, TypeAlias, get_args

import cvc5
import z3

from hammer2_proofs.values import Truth, Value, concrete, negation

Solver: TypeAlias = Literal["z3", "cvc5"]
SOLVERS: Final[tuple[Solver, ...]] = get_args(Solver)

TIMEOUT_SECONDS: Final = 900.0
"""How long a solver may take for one question, in real time; the hardest takes about 10 s on an idle machine."""

WORKER: Final = ThreadPoolExecutor(max_workers=1)
"""The solvers work in a thread of their own: Ctrl-C must find Python at work, not code that takes no notice of it."""

POLL_SECONDS: Final = 0.05
"""Python must look for Ctrl-C: where z3 has put Python's handler back, a signal no longer ends a system call."""

SCALARS: Final = (z3.Z3_BOOL_SORT, z3.Z3_INT_SORT)

Read: TypeAlias = Callable[[Value], Value]
"""Gives the Python value that a lifted value has in a counterexample."""

Wanted: TypeAlias = Callable[[str], bool]
"""Whether an obligation of this name is asked for: what is not need not be lifted."""


def anything(_name: str) -> bool:
    """Every obligation is wanted."""
    return True


class Status(Enum):
    """What came of an obligation."""

    PROVED = "proved"
    REFUTED = "refuted"
    VACUOUS = "vacuous"
    """The hypotheses contradict each other."""
    UNDECIDED = "undecided"


class NotReproduced(Exception):
    """A solver's counterexample is none to CPython: the lifter or the solver is wrong, and nothing may be believed."""


@dataclass(frozen=True, eq=False)
class Obligation:
    """One question: does the goal follow from the hypotheses?"""

    name: str
    hypotheses: tuple[Truth, ...]
    goal: Truth
    reproduce: Callable[[Read], str] | None = None
    """Runs a counterexample in CPython and tells what happened, or raises NotReproduced; None: there is no program to
    run, as for one step of a loop from an arbitrary state."""
    solvers: tuple[Solver, ...] = ("z3",)
    """The solvers that must prove it."""
    instance: Callable[[Truth], Truth] | None = None
    """Reads a hypothesis with quantifiers in a definite, small situation; None: the hypotheses have no quantifiers."""

    def __post_init__(self) -> None:
        if not self.solvers:
            raise ValueError(f"nobody must prove: {self.name}")


@dataclass(frozen=True)
class Result:
    """One solver's answer."""

    name: str
    solver: Solver
    status: Status
    seconds: float
    """CPU time."""
    detail: str = ""
    """The counterexample, or why the solver gave up."""


def discharge(obligation: Obligation, solver: Solver = "z3", timeout: float = TIMEOUT_SECONDS) -> Result:
    """Ask a solver, within so many seconds of real time for each question.

    Raises NotReproduced, and KeyboardInterrupt on Ctrl-C: z3 stops at once, cvc5 when it has an answer.
    """
    try:
        answer = WORKER.submit(_discharge, obligation, solver, timeout)
        while not answer.done():
            wait([answer], POLL_SECONDS)
        return answer.result()
    except KeyboardInterrupt:
        done = WORKER.submit(int)  # nothing, once the worker has come to the end of the question
        while not done.done():
            z3.main_ctx().interrupt()
            wait([done], POLL_SECONDS)
        raise


def _discharge(obligation: Obligation, solver: Solver, timeout: float) -> Result:
    started = time.process_time()

    def result(status: Status, detail: str = "") -> Result:
        return Result(obligation.name, solver, status, time.process_time() - started, detail)

    if obligation.instance is None:
        possible = _possible(tuple(map(_term, obligation.hypotheses)), solver, timeout)
    else:  # what can hold in one situation can hold; z3 finds models of quantified conditions over a few integers
        possible = _possible(tuple(_term(obligation.instance(x)) for x in obligation.hypotheses), "z3", timeout)
    if possible is not True:
        return result(Status.VACUOUS) if possible is False else result(Status.UNDECIDED, f"the hypotheses: {possible}")
    if obligation.goal is True:
        return result(Status.PROVED)
    question = [*obligation.hypotheses, negation(obligation.goal)]
    found = ASK[solver](question, timeout)
    if isinstance(found, str):
        return result(Status.UNDECIDED, found)
    if found is None:
        return result(Status.PROVED)
    if obligation.reproduce is None:
        return result(Status.REFUTED, f"no program to run; {_situation(question, found)}")
    return result(Status.REFUTED, obligation.reproduce(lambda x: concrete(x, found)))


def _situation(question: Sequence[Truth], model: Callable[[z3.ExprRef], z3.ExprRef]) -> str:
    """The values that a counterexample gives to the constants of a question, such as the state of a loop."""
    ahead: list[z3.ExprRef] = [_term(condition) for condition in question]
    seen: set[int] = set()  # terms share their parts: a walk that forgot where it has been would not come to an end
    constants: dict[str, z3.ExprRef] = {}
    while ahead:
        term = ahead.pop()
        if term.get_id() not in seen:
            seen.add(term.get_id())
            ahead += [term.body()] if z3.is_quantifier(term) else term.children()
            if z3.is_const(term) and term.decl().kind() == z3.Z3_OP_UNINTERPRETED and term.sort_kind() in SCALARS:
                constants[str(term)] = term
    return ", ".join(f"{name} = {model(term)}" for name, term in sorted(constants.items()))


@cache
def _possible(hypotheses: tuple[z3.BoolRef, ...], solver: Solver, timeout: float) -> bool | str:
    """Whether hypotheses can hold together, or why the solver gave up. Many obligations have the same ones."""
    found = ASK[solver](hypotheses, timeout)
    return found if isinstance(found, str) else found is not None


def script(conditions: Iterable[Truth]) -> str:
    """An SMT-LIB script that asks whether conditions can hold together. Equal for equal conditions."""
    solver = z3.Solver()
    solver.add(*map(_term, conditions))
    body = "".join(line for line in solver.to_smt2().splitlines(keepends=True) if not line.startswith(";"))
    return f"(set-logic ALL)\n{body}"


def _term(condition: Truth) -> z3.BoolRef:
    return z3.BoolVal(condition) if isinstance(condition, bool) else condition


Found: TypeAlias = Callable[[z3.ExprRef], z3.ExprRef] | str | None
"""A model, as a function of terms; None if there is none; or why the solver gave up."""


def _ask_z3(conditions: Sequence[Truth], timeout: float) -> Found:
    # The plain solver: on these goals several times faster than the one that z3 would choose and prepare.
    solver = z3.SimpleSolver()
    solver.set("timeout", int(timeout * 1000))
    solver.set("ctrl_c", False)
    solver.add(*map(_term, conditions))
    answer = solver.check()
    if answer == z3.unknown:
        reason = solver.reason_unknown()
        return f"no answer within {timeout:g} s" if reason == "canceled" else f"gave up: {reason}"
    if answer == z3.unsat:
        return None
    model = solver.model()
    return lambda term: model.eval(term, model_completion=True)


def _ask_cvc5(conditions: Sequence[Truth], timeout: float) -> Found:
    solver = cvc5.Solver(cvc5.TermManager())
    solver.setOption("tlimit-per", str(int(timeout * 1000)))
    solver.setOption("produce-models", "true")
    text = script(conditions)
    if "(forall " not in text and "(exists " not in text:
        solver.setOption("decision", "internal")  # what cvc5 itself takes without quantifiers, if it is told the logic
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "obligation")
    answer = None
    while not (command := parser.nextCommand()).isNull():
        answer = command.invoke(solver, parser.getSymbolManager())
    match answer.strip() if answer else "":
        case "unsat":
            return None
        case "sat":
            return _model_of_cvc5(solver, parser.getSymbolManager())
    return f"gave up: {answer}"


def _model_of_cvc5(solver: cvc5.Solver, symbols: cvc5.SymbolManager) -> Found:
    """A model of cvc5 as one of z3: the constants' values are handed over."""
    copy = z3.Solver()
    copy.set("ctrl_c", False)
    for term in symbols.getDeclaredTerms():
        value, name = solver.getValue(term), term.getSymbol()
        if term.getSort().isBoolean():
            copy.add(z3.Bool(name) == value.getBooleanValue())
        elif term.getSort().isInteger():
            copy.add(z3.Int(name) == z3.IntVal(str(value.getIntegerValue())))
    copy.check()
    model = copy.model()
    return lambda term: model.eval(term, model_completion=True)


ASK: Final[Mapping[Solver, Callable[[Sequence[Truth], float], Found]]] = {"z3": _ask_z3, "cvc5": _ask_cvc5}
