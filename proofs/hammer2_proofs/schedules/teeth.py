"""Switches off each repair that the code has, one at a time, and says how it shows.

    python -m hammer2_proofs.schedules.teeth [REPAIR]... [--seconds N] [--json FILE]

By default those of the protocol. One that is not found changes no action in any state visited, which is checked
(idle), or is undecided: what shows it is beyond these bounds, and within those of the explorer.
"""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import click

from hammer2_proofs.schedules.abstraction import instances
from hammer2_proofs.schedules.counterexample import shortened
from hammer2_proofs.schedules.judge import SPECIFIED
from hammer2_proofs.schedules.search import Found, search
from hammer2_proofs.schedules.world import Scenario, World
from hammer2_spec.protocol.state import INGREDIENTS
from hammer2_spec.semantics import Semantics

W: Final = ("write",)
WW: Final = ("write", "write")
SCENARIOS: Final = (
    Scenario("one-write", (W,), delays=1),
    Scenario("fault", (WW,), faults=1, delays=0),
    Scenario("back", (WW,), faults=1, watched=True, delays=0),
    Scenario("two-clients", (WW, ("write", "read")), faults=1, delays=0),
)
"""In this order, until one of them shows it."""


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
    seconds: float
    """CPU time, of all scenarios that were tried."""


def bite(repair: str, seconds: float) -> Tooth:
    """Look for what a repair is good for, so long in each scenario."""
    schedules, spent, states = 0, 0.0, 0
    changed = Counter[str]()
    for scenario in SCENARIOS:
        weak = replace(scenario, without=repair)
        found = search(weak, seconds=seconds)
        schedules, spent = schedules + found.schedules, spent + found.seconds
        if found.counterexample is not None:
            short = shortened(weak, found.counterexample)
            return Tooth(repair, "found", short.what, scenario.name, len(short.moves), schedules, round(spent, 1))
        states += len(found.abstract)
        changed += changes(repair, found)
    if changed or repair not in INGREDIENTS:
        what = f"it changes {', '.join(changed)}" if changed else "it is a repair of the operations"
        return Tooth(repair, "undecided", what, "", 0, schedules, round(spent, 1))
    return Tooth(repair, "idle", f"it changes no action in {states} states", "", 0, schedules, round(spent, 1))


def changes(ingredient: str, found: Found) -> Counter[str]:
    """In how many of the states that were visited an action is another one without an ingredient of the protocol."""
    world = World(replace(found.scenario, without=""))
    strong = world.judge.setup
    world.close()
    if ingredient not in INGREDIENTS:
        return Counter()
    weak = strong._replace(**{ingredient: False})  # type: ignore[arg-type]  # all are bools
    return Counter(
        action
        for state in found.abstract
        for action, indices in instances(strong, state)
        if SPECIFIED[action](strong, state, *indices) != SPECIFIED[action](weak, state, *indices)
    )


@click.command(help=__doc__)
@click.argument("repairs", metavar="[REPAIR]...", nargs=-1)
@click.option("--seconds", default=40.0, help="CPU time for each repair and scenario.")
@click.option("--json", "report", type=click.Path(dir_okay=False, path_type=Path), help="Write all results there.")
def main(repairs: Sequence[str], seconds: float, report: Path | None) -> None:
    """Try each repair; exit status 1 if none is found."""
    for name in repairs:
        if name not in (*INGREDIENTS, *Semantics._fields):
            raise click.UsageError(f"there is no repair {name!r}")
    teeth = []
    for name in repairs or INGREDIENTS:
        tooth = bite(name, seconds)
        teeth.append(tooth)
        where = f"{tooth.scenario}, {tooth.steps} steps: " if tooth.scenario else ""
        print(f"{name:24} {tooth.verdict:9} {schedules_of(tooth)}  {where}{tooth.what}", flush=True)
    if report:
        report.write_text(json.dumps([tooth._asdict() for tooth in teeth], indent=1) + "\n", encoding="utf-8")
    verdicts = Counter(tooth.verdict for tooth in teeth)
    print(f"teeth of the schedules: {len(teeth)} repairs: {', '.join(f'{n} {word}' for word, n in verdicts.items())}")
    sys.exit(0 if verdicts["found"] else 1)


def schedules_of(tooth: Tooth) -> str:
    """How much was tried."""
    return f"{tooth.schedules:6,} schedules {tooth.seconds:6.1f} CPU-s"


if __name__ == "__main__":
    main()
