"""Every answer that the chain layer may give, a run for each, up to so many answers that are not the good day's."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hammer2_cluster.model import QUESTIONS, NodeSpec
from hammer2_proofs.operations.client import Client, Violation
from hammer2_proofs.operations.late import LateClient
from hammer2_spec.semantics import Semantics

Program = Callable[[Client], None]


class Script:
    """A chooser that follows a script, then gives the good day's answers; it keeps what was asked."""

    def __init__(self, picks: Sequence[int] = ()) -> None:
        self._picks = picks
        self.trail: list[tuple[str, int, int]] = []
        """Each question, how many answers it has, and which one was given."""

    def choose(self, question: str, answers: Sequence[str]) -> str:
        """The script's next answer; the good day's, if the question is another one and has no such answer."""
        at = len(self.trail)
        pick = self._picks[at] if at < len(self._picks) and self._picks[at] < len(answers) else 0
        self.trail.append((question, len(answers), pick))
        return answers[pick]


@dataclass(frozen=True)
class World:
    """Nodes, and the masters that their PFS has."""

    specs: tuple[NodeSpec, ...]
    nmasters: int | None
    """None: it has no PFS, and belongs to the super-root topology."""


@dataclass(frozen=True)
class Counterexample:
    """A program in a world, what the layer below answered, and the sentence that was broken."""

    program: str
    world: str
    picks: tuple[int, ...]
    """Which answer was given to each question, in order; the good day's 0 to those that follow."""
    answers: tuple[str, ...]
    """The answers that were not the good day's."""
    rule: str
    operation: str
    message: str

    def __str__(self) -> str:
        """In two lines."""
        return f"{self.program} on {self.world}; below: {', '.join(self.answers) or 'all is well'}\n  {self.message}"


@dataclass
class Coverage:
    """What a search went through."""

    runs: int = 0
    given: Counter[tuple[str, str]] = field(default_factory=Counter)
    complete: bool = False
    """No run was left out for its number of bad answers."""

    def never_given(self) -> list[tuple[str, str]]:
        """The answers that the contract permits and that no run gave."""
        return [(q, answer) for q, answers in QUESTIONS.items() for answer in answers if not self.given[q, answer]]


@dataclass(frozen=True)
class Case:
    """A program to be run in a world."""

    program_name: str
    program: Program
    world_name: str
    world: World
    late: int | None = None
    """The node that answers later than all others; none if all operations go from slot to slot."""

    def run(self, semantics: Semantics, picks: Sequence[int] = ()) -> tuple[Client, Script, Violation | None]:
        """One run by a script: the client as it stands then, what was asked, and what was wrong."""
        script = Script(picks)
        specs, nmasters = self.world.specs, self.world.nmasters
        client = (
            Client(specs, nmasters, semantics, script)
            if self.late is None
            else LateClient(specs, nmasters, semantics, script, self.late)
        )
        try:
            self.program(client)
        except Violation as violation:
            return client, script, violation
        return client, script, None

    def counterexample(self, script: Script, violation: Violation) -> Counterexample:
        """A run that went wrong, as a record."""
        picks = [pick for _, _, pick in script.trail]
        while picks and picks[-1] == 0:
            picks.pop()
        bad = tuple(f"{question}: {QUESTIONS[question][pick]}" for question, _, pick in script.trail if pick)
        program, world = self.program_name, self.world_name
        return Counterexample(program, world, tuple(picks), bad, violation.rule, violation.operation, str(violation))


def cases(programs: Mapping[str, Program], worlds: Mapping[str, World]) -> list[Case]:
    """Every program in every world, the simplest worlds first."""
    return [Case(p, program, w, world) for w, world in worlds.items() for p, program in programs.items()]


def late_cases(programs: Mapping[str, Program], worlds: Mapping[str, World]) -> list[Case]:
    """Every program in every world of several nodes, with each node being late, and another one each time."""
    return [
        Case(
            p, program, f"{w}, {f'node {late}' if late < len(world.specs) else 'one after the other'} late", world, late
        )
        for w, world in worlds.items()
        for late in range(len(world.specs) + 1 if len(world.specs) > 1 else 0)
        for p, program in programs.items()
    ]


class Run(NamedTuple):
    """What came of one run."""

    case: Case
    picks: tuple[int, ...]
    script: Script
    violation: Violation | None


def search(
    every: Sequence[Case], semantics: Semantics, most_bad: int | None, coverage: Coverage
) -> Iterator[Counterexample]:
    """Those of all runs that go wrong."""
    for run in runs(every, semantics, most_bad, coverage):
        if run.violation is not None:
            yield run.case.counterexample(run.script, run.violation)


def runs(every: Sequence[Case], semantics: Semantics, most_bad: int | None, coverage: Coverage) -> Iterator[Run]:
    """All runs with at most so many answers that are not the good day's; all runs if None.

    The simplest come first: fewest such answers, then the order of the cases, then the earliest answers.
    """
    level: list[tuple[Case, tuple[int, ...]]] = [(case, ()) for case in every]
    bad = 0
    while level and (most_bad is None or bad <= most_bad):
        following: list[tuple[Case, tuple[int, ...]]] = []
        for case, picks in level:
            client, script, violation = case.run(semantics, picks)
            coverage.runs += 1
            coverage.given.update(client.model.given)
            yield Run(case, picks, script, violation)
            if violation is None:
                for at in range(len(picks), len(script.trail)):
                    good = (0,) * (at - len(picks))
                    following += [(case, (*picks, *good, pick)) for pick in range(1, script.trail[at][1])]
        level = following
        bad += 1
    coverage.complete = not level
