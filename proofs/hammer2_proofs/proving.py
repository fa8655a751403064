"""All proof obligations of this project, and asking the solvers for them one by one."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from hammer2_proofs import completeness, counting, equivalence, induction, protocol_induction, sizes
from hammer2_proofs.obligations import Obligation, Result, Solver, Status, Wanted, discharge
from hammer2_proofs.property_proofs import all_properties
from hammer2_spec.semantics import REPAIRED, Semantics

FAMILIES: Final[Mapping[str, Callable[[Semantics, Wanted], Iterator[Obligation]]]] = {
    "equivalence": lambda *_: equivalence.obligations(),
    "induction": lambda *_: induction.obligations(),
    "counting": lambda *_: counting.laws(),
    "sizes": lambda _, wanted: sizes.obligations(wanted),
    "completeness": lambda _, wanted: completeness.obligations(wanted),
    "properties": all_properties,
    "protocol": lambda _, wanted: protocol_induction.obligations(wanted),
}
"""Where obligations come from. Only the properties are asked under one semantics; the others speak of all, or of none,
or name those that they speak of."""


LEAST: Final[Mapping[str, int]] = {"equivalence": 440, "induction": 700, "protocol": 690}
"""How many obligations such a family has at least, where no test lists them one by one."""

NOT_PROVED: Final[Mapping[str, str]] = {
    "protocol": f"explored within bounds, not proved: {'; '.join(protocol_induction.ONLY_EXPLORED)}",
}
"""What a family leaves open, so that nobody takes it for proved."""


class Question(NamedTuple):
    """One obligation for one solver."""

    obligation: Obligation
    solver: Solver


def obligations(names: Sequence[str] = (), semantics: Semantics = REPAIRED) -> list[Obligation]:
    """The obligations whose names contain any of these texts; all of them without any.

    Each name begins with its family's. The semantics are those under which the properties are to hold.
    Raises ValueError for a text that no name contains, a family that has lost obligations, and two with one name.
    """

    def wanted(name: str) -> bool:
        return not names or any(text in name for text in names)

    def named(family: str) -> Iterator[Obligation]:
        for obligation in FAMILIES[family](semantics, lambda name: wanted(f"{family}: {name}")):
            yield replace(obligation, name=f"{family}: {obligation.name}")

    whole = set(names) <= set(FAMILIES)
    families = {name.partition(":")[0] for name in names}
    if not families or not families <= set(FAMILIES):
        families = set(FAMILIES)
    found: list[Obligation] = []
    for family in (it for it in FAMILIES if it in families):
        made = list(named(family))
        if whole and len(made) < LEAST.get(family, 0):
            raise ValueError(f"{family} has lost obligations: {len(made)}, where there were {LEAST[family]}")
        found += [it for it in made if wanted(it.name)]
    [(name, times)] = Counter(it.name for it in found).most_common(1) or [("", 0)]
    if times > 1:
        raise ValueError(f"{times} obligations have one name: {name}")
    for name in names:
        if not any(name in obligation.name for obligation in found):
            raise ValueError(f"no obligation's name contains {name!r}; --list shows them all")
    return found


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
