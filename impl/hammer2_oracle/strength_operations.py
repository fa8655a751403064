"""How strong traces of operations are: which wrong versions of the operations they tell from the right ones."""

from collections.abc import Sequence

from hammer2_oracle.replay import check_trace
from hammer2_oracle.strength import Strength
from hammer2_oracle.trace_record import OPERATIONS, Trace
from hammer2_oracle.vector_branches import Replayed
from hammer2_proofs.operations.teeth import Outcome, belongs_to, code_of, coverage_of, fates_of, mutants
from hammer2_spec.semantics import Semantics


class Judged(Replayed):
    """Traces that are right, and traces that are not, as a judge of the operations."""

    def __init__(self, right: Sequence[Trace], wrong: Sequence[Trace], semantics: Semantics) -> None:
        super().__init__([*right, *wrong], semantics)
        self.right = len(right)

    def is_well(self, case: int) -> bool:
        """A right trace agrees, a wrong one does not."""
        return (check_trace(self.traces[case], self.semantics) is None) == (case < self.right)


def strength(
    right: Sequence[Trace], wrong: Sequence[Trace], semantics: Semantics, every: int = 1, processes: int = 1
) -> Strength:
    """Let every mutant of the operations (or each n-th), if it is one under these semantics, replay all traces.

    It is killed if a right trace does not agree with it, or a wrong one does. In the place of properties are the
    functions whose mutants were killed: the rules of the operations are not judged by traces.
    """
    judge, found = Judged(right, wrong, semantics), Strength()
    code = code_of(semantics, list(OPERATIONS))
    chosen = [mutant for mutant in mutants()[::every] if belongs_to(mutant, code)]
    for fate in sorted(fates_of(judge, coverage_of(judge), chosen, processes), key=lambda it: chosen.index(it.mutant)):
        found.mutants += 1
        match fate.outcome:
            case Outcome.KILLED:
                found.killed += 1
                found.properties[fate.mutant.function] += 1
            case Outcome.ALIVE:
                found.survivors.append(fate.mutant.description)
            case Outcome.STOPPED:
                found.inconclusive.append(fate.mutant.description)
    return found
