"""The rules as one judge of the operations: runs of the programs on the model, and calls that break a contract.

Of the runs that go the same ways through the code, on the same world, only the first few are kept: they are what tells
right code from wrong, and few enough to be run for each wrong version.
"""

from collections import Counter
from typing import Final, NamedTuple

from hammer2_proofs.operations.misuses import MISUSES, Misused
from hammer2_proofs.operations.probes import Way, note_ways
from hammer2_proofs.operations.programs import PROGRAMS, WORLDS
from hammer2_proofs.operations.search import Case, Coverage, cases, runs
from hammer2_proofs.operations.teeth import apart
from hammer2_spec.semantics import REPAIRED

MOST_BAD: Final = 1
"""Answers that are not the good day's, in one run."""
ALIKE: Final = 2
"""Runs that are kept of those that go the same ways."""


class TellingRun(NamedTuple):
    """A program on a world, and what the layer below answers."""

    case: Case
    picks: tuple[int, ...]

    def is_well(self) -> bool:
        """No rule is broken."""
        return self.case.run(REPAIRED, self.picks)[2] is None


def telling_runs(most_bad: int = MOST_BAD) -> list[tuple[int, tuple[int, ...]]]:
    """The runs that are kept: which case, and which answers. Found out in a process of its own."""

    def work() -> list[tuple[int, tuple[int, ...]]]:
        seen: set[Way] = set()
        note_ways(seen)
        every = cases(PROGRAMS, WORLDS)
        number = {(case.program_name, case.world_name): n for n, case in enumerate(every)}
        alike: Counter[tuple[str, frozenset[Way]]] = Counter()
        kept = []
        for run in runs(every, REPAIRED, most_bad, Coverage()):
            key = run.case.world_name, frozenset(seen)
            seen.clear()
            alike[key] += 1
            if alike[key] <= ALIKE:
                kept.append((number[run.case.program_name, run.case.world_name], run.picks))
        return kept

    return apart(work)


class Properties:
    """Telling runs, the simplest first, then the misuses."""

    name = "properties"
    semantics = REPAIRED

    def __init__(self, most_bad: int = MOST_BAD) -> None:
        every = cases(PROGRAMS, WORLDS)
        self._cases: list[TellingRun | Misused] = [TellingRun(every[n], picks) for n, picks in telling_runs(most_bad)]
        self._cases += MISUSES

    def count(self) -> int:
        """Runs and misuses."""
        return len(self._cases)

    def is_well(self, case: int) -> bool:
        """The rules are kept, or the misuse is reported."""
        return self._cases[case].is_well()
