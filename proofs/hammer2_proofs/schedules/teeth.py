"""Switches off each repair that the code has, one at a time, and says how it shows.

    python -m hammer2_proofs.schedules.teeth [REPAIR]... [--seconds N] [--seed S] [--json FILE]

By default those of the protocol. Small bounds are explored first, then runs are drawn at random. One that is not found
changes no action in any state that was visited, which is checked (idle, with the reason), or is undecided: what shows
it is within the bounds of the explorer alone. Before all that two canaries: a mistake that is planted must be found in
both ways, and with all repairs nothing may be.
"""

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import click

from hammer2_proofs.schedules.abstraction import instances
from hammer2_proofs.schedules.counterexample import shortened
from hammer2_proofs.schedules.judge import SPECIFIED
from hammer2_proofs.schedules.planted import PLANTS
from hammer2_proofs.schedules.scenarios import WALKS
from hammer2_proofs.schedules.search import Counterexample, search
from hammer2_proofs.schedules.walks import drawn, walk
from hammer2_proofs.schedules.world import Scenario, World
from hammer2_spec.protocol.state import INGREDIENTS, State
from hammer2_spec.semantics import Semantics

W: Final = ("write",)
WW: Final = ("write", "write")
SCENARIOS: Final = (
    Scenario("one-write", (W,), delays=1),
    Scenario("fault", (WW,), faults=1, delays=0),
    Scenario("back", (WW,), faults=1, watched=True, delays=0),
    Scenario("two-clients", (WW, ("write", "read")), faults=1, delays=0),
)
"""Explored in this order, until one of them shows it; then walks over WALKS."""

REASONS: Final = {
    "read_flushed": "no code takes Read, the only action that it changes: clients read through their quorum",
    "blank_is_no_evidence": "blank media have no volume header, so no node here begins with them",
    "record_replacement": "no media is lost here",
    "replacement_first": "no media is lost here",
}
"""Why those that change nothing here cannot: the reason alone is written by hand, that they are idle is checked."""


class Tooth(NamedTuple):
    """What came of one repair."""

    repair: str
    verdict: str
    """found, idle or undecided."""
    what: str
    """How it showed, or why it did not."""
    scenario: str
    steps: int
    schedules: int
    """Runs, of all scenarios that were tried."""
    seconds: float
    """CPU time, until it showed."""


class _Hunt:
    """For what one repair is good for."""

    def __init__(self, repair: str, seconds: float, seed: int) -> None:
        self.repair: Final = repair
        self.seconds: Final = seconds
        self.seed: Final = seed
        self.schedules = 0
        self.visited: Final[dict[Scenario, set[State]]] = {}

    def found(self) -> tuple[Scenario, Counterexample] | None:
        """The first that it shows."""
        for scenario in SCENARIOS:
            weak = replace(scenario, without=self.repair)
            found = search(weak, seconds=self.seconds)
            self.schedules += found.schedules
            if found.counterexample is not None:
                return weak, found.counterexample
            self.visited[weak] = found.abstract
        return self._walked()

    def _walked(self) -> tuple[Scenario, Counterexample] | None:
        end, number = time.process_time() + self.seconds, self.seed
        while time.process_time() < end:
            weak = replace(WALKS[number % len(WALKS)], without=self.repair)
            states = self.visited.setdefault(weak, set())
            wrong = walk(weak, drawn(random.Random(number)), lambda world, seen=states: seen.add(world.judge.state))  # type: ignore[misc]  # noqa: S311 - no secret
            self.schedules += 1
            number += 1
            if wrong is not None:
                return weak, wrong
        return None


def bite(repair: str, seconds: float, seed: int = 0) -> Tooth:
    """Look for what a repair is good for, so long in each scenario and on walks from this seed on."""
    began, hunt = time.process_time(), _Hunt(repair, seconds, seed)
    found = hunt.found()
    spent = round(time.process_time() - began, 1)
    if found is not None:
        weak, wrong = found
        short = shortened(weak, wrong)
        return Tooth(repair, "found", short.what, weak.name, len(short.moves), hunt.schedules, spent)
    verdict, what = _why_not(repair, hunt)
    return Tooth(repair, verdict, what, "", 0, hunt.schedules, spent)


def _why_not(repair: str, hunt: _Hunt) -> tuple[str, str]:
    if repair not in INGREDIENTS:
        return "undecided", "it is a repair of the operations"
    changed = sum((changes(repair, scenario, states) for scenario, states in hunt.visited.items()), Counter[str]())
    count = sum(map(len, hunt.visited.values()))
    if changed:
        return "undecided", f"of {count:,} states it changes " + ", ".join(f"{a} in {n}" for a, n in changed.items())
    return "idle", f"it changes no action in {count:,} states: {REASONS.get(repair, 'no reason is known')}"


def changes(ingredient: str, scenario: Scenario, states: set[State]) -> Counter[str]:
    """In how many states an action is another one without an ingredient of the protocol."""
    world = World(replace(scenario, without=""))
    strong = world.judge.setup
    world.close()
    weak = strong._replace(**{ingredient: False})  # type: ignore[arg-type]  # all are bools
    return Counter(
        action
        for state in states
        for action, indices in instances(strong, state)
        if SPECIFIED[action](strong, state, *indices) != SPECIFIED[action](weak, state, *indices)
    )


def canaries(seconds: float, seed: int) -> Iterator[str]:
    """What is wrong with the hunt itself."""
    canary = PLANTS["early-acknowledgement"]
    with canary.planted():
        for kind, found in (
            ("exploration", search(canary.scenario, seconds=seconds).counterexample),
            ("walks", _Hunt("", seconds, seed)._walked()),  # noqa: SLF001 - half of a hunt
        ):
            if found is None:
                yield f"not found by {kind}: {canary.why}"
    tooth = bite("", seconds, seed)
    if tooth.verdict == "found":
        yield f"found with all repairs: {tooth.what}"


@click.command(help=__doc__)
@click.argument("repairs", metavar="[REPAIR]...", nargs=-1)
@click.option("--seconds", default=20.0, help="CPU time for each repair and scenario, and for the walks.")
@click.option("--seed", default=0, help="Of the first walk.")
@click.option("--json", "report", type=click.Path(dir_okay=False, path_type=Path), help="Write all results there.")
def main(repairs: Sequence[str], seconds: float, seed: int, report: Path | None) -> None:
    """Try each repair; exit status 1 if none is found, a canary fails, or a reason is wrong."""
    for name in repairs:
        if name not in (*INGREDIENTS, *Semantics._fields):
            raise click.UsageError(f"there is no repair {name!r}")
    wrong = list(canaries(min(seconds, 10), seed))
    print(f"canaries: {'; '.join(wrong) or 'a planted mistake is found in both ways, and nothing without one'}")
    teeth = []
    for name in repairs or INGREDIENTS:
        tooth = bite(name, seconds, seed)
        teeth.append(tooth)
        if name in REASONS and tooth.verdict != "idle":
            wrong.append(f"{name} is not idle")
        where = f"{tooth.scenario}, {tooth.steps} steps: " if tooth.scenario else ""
        print(f"{name:24} {tooth.verdict:9} {schedules_of(tooth)}  {where}{tooth.what}", flush=True)
    if report:
        report.write_text(json.dumps([tooth._asdict() for tooth in teeth], indent=1) + "\n", encoding="utf-8")
    verdicts = Counter(tooth.verdict for tooth in teeth)
    print(f"teeth of the schedules: {len(teeth)} repairs: {', '.join(f'{n} {word}' for word, n in verdicts.items())}")
    sys.exit(0 if verdicts["found"] and not wrong else 1)


def schedules_of(tooth: Tooth) -> str:
    """How much was tried."""
    return f"{tooth.schedules:6,} schedules {tooth.seconds:6.1f} CPU-s"


if __name__ == "__main__":
    main()
