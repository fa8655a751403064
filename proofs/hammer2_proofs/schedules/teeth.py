"""Switches off each repair that the code has, one at a time, and says how it shows.

    python -m hammer2_proofs.schedules.teeth [REPAIR]... [--seconds N] [--seed S] [--json FILE]

By default all. Those of the protocol: small bounds are explored first, then runs are drawn at random. One that is not
found changes no action in any state that was visited, which is checked (idle, with the reason), or is undecided: what
shows it is within the bounds of the explorer alone. Those of the operations and of their decision: by the runs of
`python -m hammer2_proofs.operations`, where each must be found. Before all that two canaries: a mistake that is planted
must be found in both ways, and with all repairs nothing may be.
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

from hammer2_proofs.operations.programs import PROGRAMS, WORLDS
from hammer2_proofs.operations.search import Coverage, cases
from hammer2_proofs.operations.search import search as search_operations
from hammer2_proofs.schedules.abstraction import instances
from hammer2_proofs.schedules.counterexample import shortened
from hammer2_proofs.schedules.judge import SPECIFIED
from hammer2_proofs.schedules.planted import PLANTS
from hammer2_proofs.schedules.scenarios import EVERY, WALKS
from hammer2_proofs.schedules.search import Counterexample, search
from hammer2_proofs.schedules.walks import drawn, walk
from hammer2_proofs.schedules.world import Scenario, World
from hammer2_spec.protocol.state import INGREDIENTS, State
from hammer2_spec.semantics import REPAIRED, Semantics

W: Final = ("write",)
WW: Final = ("write", "write")
MOST_BAD: Final = 1
"""Answers of the layer below the operations that are not the good day's: with one all repairs show."""
SCENARIOS: Final = (
    Scenario("one-write", (W,), delays=1),
    Scenario("fault", (WW,), faults=1, delays=0),
    Scenario("back", (WW,), faults=1, watched=True, delays=0),
    Scenario("two-clients", (WW, ("write", "read")), faults=1, delays=0),
    EVERY["a-new-medium"],
    EVERY["a-copy-finds-no-room"],
)
"""Explored in this order, until one of them shows it; then walks over WALKS."""

REASONS: Final = {
    "read_flushed": "only Read asks for it, which no code takes: clients read through their quorum",
    "sound_votes": "only Read asks for it, which no code takes; in the decision it is found, see below",
    "unique_tids": "without it there is one more action, which no code takes; the plant reused-tid is that mistake",
    "check_predecessor": "who has not the version before is left out where the next one begins",
    "volatile_is_evidence": "a node promises when it has done all that was sent before: what it holds is flushed then",
    "exclusive_pass": "it lets a pass end beside a busy client: without it progress is lost, and no promise broken",
}
"""Why what changes nothing here cannot: the reason alone is written by hand, that it changes nothing is computed."""


class Tooth(NamedTuple):
    """What came of one repair."""

    repair: str
    verdict: str
    """found, idle or undecided."""
    what: str
    """How it showed, or why it did not."""
    scenario: str
    steps: int
    """Of the shortest run; none of the programs of the operations."""
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


def bite_operations(repair: str) -> Tooth:
    """Look for what a repair of the operations is good for, in programs on nodes that answer in every way."""
    began, coverage = time.process_time(), Coverage()
    without = REPAIRED._replace(**{repair: False})
    found = next(search_operations(cases(PROGRAMS, WORLDS), without, MOST_BAD, coverage), None)
    spent = round(time.process_time() - began, 1)
    if found is None:
        return Tooth(repair, "undecided", "it breaks no rule of the operations", "", 0, coverage.runs, spent)
    where = f"{found.program} on {found.world}"
    return Tooth(repair, "found", found.message, where, 0, coverage.runs, spent)


def _why_not(repair: str, hunt: _Hunt) -> tuple[str, str]:
    if not repair:
        return "idle", "there is nothing to find"
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
        if SPECIFIED[action].step(strong, state, *indices) != SPECIFIED[action].step(weak, state, *indices)
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
    """Try each repair; exit status 1 if too little is found, or too much."""
    for name in repairs:
        if name not in (*INGREDIENTS, *Semantics._fields):
            raise click.UsageError(f"there is no repair {name!r}")
    wrong = list(canaries(min(seconds, 10), seed))
    print(f"canaries: {'; '.join(wrong) or 'a planted mistake is found in both ways, and nothing without one'}")
    teeth = []
    for tooth in _all(repairs, seconds, seed):
        teeth.append(tooth)
        steps = f", {tooth.steps} steps" if tooth.steps else ""
        where = f"{tooth.scenario}{steps}: " if tooth.scenario else ""
        print(f"{tooth.repair:24} {tooth.verdict:9} {schedules_of(tooth)}  {where}{tooth.what}", flush=True)
        if tooth.verdict == "undecided" and tooth.repair not in INGREDIENTS:
            wrong.append(f"{tooth.repair} is not found")
    if report:
        report.write_text(json.dumps([tooth._asdict() for tooth in teeth], indent=1) + "\n", encoding="utf-8")
    verdicts = Counter(tooth.verdict for tooth in teeth)
    print(f"teeth of the schedules: {len(teeth)} repairs: {', '.join(f'{n} {word}' for word, n in verdicts.items())}")
    for it in wrong:
        print(f"wrong: {it}")
    sys.exit(0 if verdicts["found"] and not wrong else 1)


def _all(repairs: Sequence[str], seconds: float, seed: int) -> Iterator[Tooth]:
    """Those of the protocol, then those of the operations; two names are of both."""
    for name in INGREDIENTS:
        if not repairs or name in repairs:
            yield bite(name, seconds, seed)
    for name in Semantics._fields:
        if not repairs or name in repairs:
            yield bite_operations(name)


def schedules_of(tooth: Tooth) -> str:
    """How much was tried."""
    return f"{tooth.schedules:6,} schedules {tooth.seconds:6.1f} CPU-s"


if __name__ == "__main__":
    main()
