"""All proof obligations of this project, and asking the solvers for them one by one."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from hammer2_proofs import counting, equivalence, induction, property_proofs
from hammer2_proofs.obligations import Obligation, Result, Solver, Status, discharge

FAMILIES: Final[Mapping[str, Callable[[], Iterator[Obligation]]]] = {
    "equivalence": equivalence.obligations,
    "induction": induction.obligations,
    "counting": counting.laws,
    "properties": property_proofs.repaired,
}
"""Where obligations come from; each one's name begins with its family's."""


class Question(NamedTuple):
    """One obligation for one solver."""

    obligation: Obligation
    solver: Solver


def obligations(names: Sequence[str] = ()) -> list[Obligation]:
    """The obligations whose names contain any of these texts; all of them without any.

    Raises ValueError for a text that no name contains.
    """
    found = [
        replace(obligation, name=f"{family}: {obligation.name}")
        for family, make in FAMILIES.items()
        if not names or not all(name.split(":")[0] in FAMILIES for name in names) or family in _families(names)
        for obligation in make()
    ]
    for name in names:
        if not any(name in obligation.name for obligation in found):
            raise ValueError(f"no obligation's name contains {name!r}; --list shows them all")
    return [obligation for obligation in found if not names or any(name in obligation.name for name in names)]


def _families(names: Sequence[str]) -> set[str]:
    """The families that some names begin with; only these need to be lifted, if each name begins with one."""
    return {name.split(":")[0] for name in names}


def questions(asked: Iterable[Obligation], solvers: Sequence[Solver] = ()) -> list[Question]:
    """Each obligation for each of these solvers; without any, for those that must prove it."""
    return [Question(obligation, solver) for obligation in asked for solver in solvers or obligation.solvers]


@dataclass
class Tally:
    """The answers so far."""

    total: int
    """How many questions there are."""
    results: list[Result] = field(default_factory=list)

    def ask(self, asked: Iterable[Question], timeout: float) -> Iterator[Result]:
        """Ask one question after the other, and give each answer as it comes."""
        for obligation, solver in asked:
            self.results.append(discharge(obligation, solver, timeout))
            yield self.results[-1]

    @property
    def counts(self) -> Counter[Status]:
        """How many questions ended in which way."""
        return Counter(result.status for result in self.results)

    @property
    def complete(self) -> bool:
        """Whether all have been asked."""
        return len(self.results) == self.total

    @property
    def sentence(self) -> str:
        """The result in one line."""
        counts = self.counts
        by = ", ".join(f"{solver} {n:,}" for solver, n in Counter(result.solver for result in self.results).items())
        text = f"{counts[Status.PROVED]:,} of {self.total:,} proved ({by or 'nothing asked'})"
        others = [
            f"{counts[status]:,} {status.value}" for status in Status if status is not Status.PROVED and counts[status]
        ]
        if not self.complete:
            others.append(f"{self.total - len(self.results):,} not asked")
        return ", ".join([text, *others, f"{sum(result.seconds for result in self.results):.0f} CPU-seconds"])
