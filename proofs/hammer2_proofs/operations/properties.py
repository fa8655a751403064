"""The rules as one judge of the operations: runs of the programs on the model, and calls that break a contract.

Of the runs that go the same ways through the code, on the same world, only the first few are kept: they are what tells
right code from wrong, and few enough to be run for each wrong version.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from hammer2_proofs.apart import apart
from hammer2_proofs.operations.misuses import MISUSES, Misused
from hammer2_proofs.operations.probes import Way, note_ways
from hammer2_proofs.operations.programs import PROGRAMS, WORLDS
from hammer2_proofs.operations.search import Case, Coverage, cases, late_cases, runs
from hammer2_spec.semantics import REPAIRED

MOST_BAD: Final = 1
"""Answers that are not the good day's, in one run."""
WORLDS_WITH_MORE_BAD: Final = ("two masters", "three masters")
"""Where there may be one more."""
LATE_WORLDS: Final = (
    "three masters",
    "three masters, the first lacks a key",
    "three masters, the first has a key too many",
    "three masters, the last is behind",
    "three masters, the last with older elements",
    "three masters, indirect blocks on two",
    "two masters and a cache",
    "a master and a slave",
    "a soft master and a master",
    "two soft masters",
)
"""Where members are late, too."""
ALIKE: Final = 2
"""Runs that are kept of those that go the same ways."""


class TellingRun(NamedTuple):
    """A program on a world, and what the layer below answers."""

    case: Case
    picks: tuple[int, ...]

    def is_well(self) -> bool:
        """No rule is broken."""
        return self.case.run(REPAIRED, self.picks)[2] is None


def telling_runs(every: Sequence[Case], most_bad: int) -> list[TellingRun | Misused]:
    """The runs of these cases that are kept. Found out in a process of its own."""

    def work() -> list[tuple[int, tuple[int, ...]]]:
        seen: set[Way] = set()
        note_ways(seen)
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

    return [TellingRun(every[n], picks) for n, picks in apart(work)]


class Properties:
    """Telling runs, the simplest first, then the misuses, then telling runs with a member that is late."""

    name = "properties"
    semantics = REPAIRED
    straight = False

    def __init__(self, most_bad: int = MOST_BAD) -> None:
        some = {name: WORLDS[name] for name in WORLDS_WITH_MORE_BAD}
        others = {name: world for name, world in WORLDS.items() if name not in some}
        late = late_cases(PROGRAMS, {name: WORLDS[name] for name in LATE_WORLDS})
        self._cases: list[TellingRun | Misused] = telling_runs(cases(PROGRAMS, others), most_bad)
        self._cases += telling_runs(cases(PROGRAMS, some), most_bad + 1)
        self._parts = {"runs": len(self._cases)}
        self._cases += MISUSES
        self._parts["misuses"] = len(self._cases)
        self._cases += telling_runs(late, most_bad)
        self._parts["runs with a member that is late"] = len(self._cases)

    def parts(self) -> Mapping[str, int]:
        """Where each kind of its cases ends."""
        return self._parts

    def count(self) -> int:
        """Runs and misuses."""
        return len(self._cases)

    def is_well(self, case: int) -> bool:
        """The rules are kept, or the misuse is reported."""
        return self._cases[case].is_well()
