"""How strong traces of operations are: which wrong versions of the operations they tell from the right ones."""

from collections.abc import Sequence
from functools import cache, partial

from hammer2_oracle.conform.operation_questions import every_case
from hammer2_oracle.replay import check_trace
from hammer2_oracle.strength import Strength
from hammer2_oracle.trace_record import OPERATIONS, Trace
from hammer2_oracle.vector_branches import Replayed
from hammer2_proofs.apart import Died, apart
from hammer2_proofs.mutants import Mutant, load
from hammer2_proofs.operations.probes import modules, replace
from hammer2_proofs.operations.search import Case
from hammer2_proofs.operations.teeth import (
    CASE_SECONDS,
    Outcome,
    belongs_to,
    code_of,
    coverage_of,
    fates_of,
    mutants,
    outermost,
)
from hammer2_spec.semantics import Semantics


class Judged(Replayed):
    """Traces that are right, and traces that are not, as a judge of the operations."""

    def __init__(self, right: Sequence[Trace], wrong: Sequence[Trace], semantics: Semantics) -> None:
        super().__init__([*right, *wrong], semantics)
        self.right = len(right)

    def is_well(self, case: int) -> bool:
        """A right trace agrees, a wrong one does not."""
        return (check_trace(self.traces[case], self.semantics) is None) == (case < self.right)


@cache
def _cases() -> dict[str, Case]:
    return {f"{case.program_name} on {case.world_name}": case for case in every_case()}


def case_of(trace: Trace) -> tuple[Case, list[int]] | None:
    """The program and the world that a trace is of, and what the layer below answered; None: it is of none."""
    name, _, picks = trace.id.partition(", [")
    case = _cases().get(name)
    return None if case is None else (case, [int(pick) for pick in picks.rstrip("]").split(", ") if pick])


def broken(mutant: Mutant, trace: Trace, semantics: Semantics) -> str | None:
    """The sentence that a mutant breaks where it runs the program of a trace, and the right operations do not."""
    if (known := case_of(trace)) is None:
        return None
    case, picks = known

    def work(*, mutated: bool) -> str | None:
        if mutated:
            module = modules()[mutant.module.rpartition(".")[2]]
            replace(module, vars(load(mutant)), outermost(mutant.function))
        violation = case.run(semantics, picks)[2]
        return None if violation is None else violation.rule

    try:
        rule = apart(partial(work, mutated=True), CASE_SECONDS)
    except Died:  # it breaks down: no sentence says so
        return None
    return rule if rule != work(mutated=False) else None


def strength(
    right: Sequence[Trace], wrong: Sequence[Trace], semantics: Semantics, every: int = 1, processes: int = 1
) -> Strength:
    """Let every mutant of the operations (or each n-th), if it is one under these semantics, replay all traces.

    It is killed if a right trace does not agree with it, or a wrong one does. Traces are not judged by the rules of the
    operations; where that trace is of a program, the program is, and the rule that it then breaks is counted.
    """
    judge, found = Judged(right, wrong, semantics), Strength()
    code = code_of(semantics, list(OPERATIONS))
    chosen = [mutant for mutant in mutants()[::every] if belongs_to(mutant, code)]
    for fate in sorted(fates_of(judge, coverage_of(judge), chosen, processes), key=lambda it: chosen.index(it.mutant)):
        found.mutants += 1
        match fate.outcome:
            case Outcome.KILLED:
                found.killed += 1
                found.functions[fate.mutant.function] += 1
                rule = None if fate.case is None else broken(fate.mutant, judge.traces[fate.case], semantics)
                found.properties.update([rule] if rule else [])
            case Outcome.ALIVE:
                found.survivors.append(fate.mutant.description)
            case Outcome.STOPPED:
                found.inconclusive.append(fate.mutant.description)
    return found
