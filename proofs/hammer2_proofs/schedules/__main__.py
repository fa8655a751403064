"""Every schedule of the real code, up to bounds that are printed.

    python -m hammer2_proofs.schedules [SCENARIO]... [--deep] [--seconds N] [--jobs N] [--json FILE]
                                       [--plant NAME] [--steps "..."]

Before anything else the machine itself is tried: a planted mistake must be found, pruned and unpruned searches must
meet the same, and fingerprints that leave something out must be caught by that comparison.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import click

from hammer2_proofs.schedules import soundness
from hammer2_proofs.schedules.abstraction import Visited, reasons, visited
from hammer2_proofs.schedules.counterexample import as_object, run, shortened, told
from hammer2_proofs.schedules.planted import PLANTS, Plant
from hammer2_proofs.schedules.scenarios import DEEP, EVERY, STANDARD
from hammer2_proofs.schedules.search import OUT_OF_TIME, Found, search, search_all
from hammer2_proofs.schedules.world import Move, Scenario

HOLDS, REFUTED, UNDECIDED = 0, 1, 3
MOST_ELECTIONS, MOST_FAULTS = 3, 6
"""Up to so many of each the explorer says what the protocol can reach, and the code is compared with that."""


def progress(found: Found) -> None:
    """On a terminal: how far it is."""
    if sys.stderr.isatty():
        print(
            f"\r{found.scenario.name}: {found.schedules:,} schedules, {found.states:,} states",
            end="\r",
            file=sys.stderr,
        )


def said(found: Found) -> str:
    """How large it was."""
    scenario = found.scenario
    if found.counterexample is not None:
        verdict = "broken"
    elif not found.complete:
        verdict = f"undecided, {found.stopped}"
    else:
        verdict = "complete" if scenario.delays is None else f"complete for {scenario.delays} delays"
    return (
        f"{verdict}: {found.schedules:,} schedules, {found.states:,} states, {found.moves:,} steps, "
        f"{found.deepest} deep, {found.seconds:.1f} CPU-s"
    )


def trial(*, deep: bool) -> Iterator[str]:
    """What is wrong with the machine itself: nothing, if it finds what it must."""
    began = time.process_time()
    canary = PLANTS["early-acknowledgement"]
    with canary.planted():
        found = search(canary.scenario)
    if found.counterexample is None:
        yield f"not found: {canary.why}"
    caught = Counter[str]()
    schedules = 0
    scenarios = (*soundness.SMALL, *(soundness.LARGER if deep else ()))
    reduced = (*soundness.REDUCED, *(soundness.REDUCED_LARGER if deep else ()))
    for scenario in reduced:
        if not soundness.reduction_agrees(scenario):
            yield f"{scenario.name}: something else is met if silent steps are taken in any order"
    for scenario in scenarios:
        unpruned, everything = soundness.met(scenario, None)
        schedules += unpruned.schedules
        comparison = soundness.against(unpruned, everything, scenario)
        if not comparison.agree:
            yield f"{scenario.name}: the pruned search misses {comparison.missed} states that {len(everything)} have"
        for name, prune in soundness.PLANTED.items():
            caught[name] += not soundness.against(unpruned, everything, scenario, prune).agree
    for name in soundness.PLANTED:
        if not caught[name]:
            yield f"a fingerprint without {name} was not caught"
    print(
        f"the machine: a planted mistake is found; on {len(scenarios)} scenarios, {schedules:,} schedules, "
        f"pruning loses nothing, and {len(caught)} fingerprints that leave something out are caught; "
        f"on {len(reduced)} nothing is lost by taking silent steps at once; "
        f"{time.process_time() - began:.1f} CPU-s"
    )


def shown(found: Found) -> None:
    """What a search found, for people."""
    print(f"\n{found.scenario.name}: {said(found)}")
    print(f"  bounds   {found.scenario.bounds}")
    print(f"  actions  {', '.join(f'{name} {n:,}' for name, n in sorted(found.taken.items()))}")
    if found.faults:
        print(f"  faults   {', '.join(f'{name} {n:,}' for name, n in sorted(found.faults.items()))}")
    print(f"  ends     {', '.join(f'{n:,} times {_heard(end)}' for end, n in found.ends.most_common(3))}", end="")
    print(f", and {len(found.ends) - 3} others" if len(found.ends) > 3 else "", flush=True)


def _heard(end: Sequence[str]) -> str:
    return " - ".join(end) or "nothing"


def compared(found: Found) -> Visited | None:
    """A search beside the explorer, if that can go as far."""
    if (
        not found.abstract
        or max(s.elections for s in found.abstract) > MOST_ELECTIONS
        or max(s.faults for s in found.abstract) > MOST_FAULTS
    ):
        return None
    if len(found.scenario.programs) > 1 and sum(map(len, found.scenario.programs)) > 2:
        return None
    return visited(found)


def as_json(found: Found, beside: Visited | None) -> dict[str, object]:
    """What a search found, for machines."""
    wrong = found.counterexample
    return {
        "scenario": found.scenario.name,
        "bounds": found.scenario.bounds,
        "complete": found.complete and wrong is None,
        "stopped": found.stopped,
        "schedules": found.schedules,
        "states": found.states,
        "steps": found.moves,
        "deepest": found.deepest,
        "cpu_seconds": round(found.seconds, 1),
        "actions": dict(sorted(found.taken.items())),
        "faults": dict(sorted(found.faults.items())),
        "abstract_states": len(found.abstract),
        "beside_the_explorer": None if beside is None else vars(beside),
        "counterexample": None if wrong is None else as_object(found.scenario, wrong),
    }


def _scenarios(names: Sequence[str], plant: Plant | None, *, deep: bool) -> list[Scenario]:
    known = EVERY | {it.scenario.name: it.scenario for it in PLANTS.values()}
    for name in names:
        if name not in known:
            raise click.UsageError(f"there is no scenario {name!r}; there are: {', '.join(known)}")
    if names:
        return [known[name] for name in names]
    return [plant.scenario] if plant else [*STANDARD, *DEEP] if deep else [*STANDARD]


def again(scenario: Scenario, steps: str, plant: str) -> int:
    """Make one run again, and draw it. Returns the exit status."""
    try:
        moves = [Move.read(step) for step in steps.split()]
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    found = run(scenario, moves)
    if found is None:
        print(f"{scenario.name}: these steps break nothing")
        return HOLDS
    print("\n".join(told(scenario, found, plant)))
    return REFUTED


@click.command(help=__doc__)
@click.argument("names", metavar="[SCENARIO]...", nargs=-1)
@click.option("--deep", is_flag=True, help="The large bounds too, as far as the time carries.")
@click.option("--seconds", default=600.0, help="CPU time for each scenario.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, help="Scenarios at once.")
@click.option("--json", "report", type=click.Path(dir_okay=False, path_type=Path), help="Write all results there.")
@click.option("--plant", type=click.Choice(sorted(PLANTS)), help="With this mistake in the code.")
@click.option("--steps", help="Make this run again, instead of all.")
def main(
    names: Sequence[str],
    deep: bool,
    seconds: float,
    jobs: int,
    report: Path | None,
    plant: str | None,
    steps: str | None,
) -> None:
    """Run the list, or the named ones; exit status 1 if anything is broken, 3 if not all was covered."""
    planted = None if plant is None else PLANTS[plant]
    scenarios = _scenarios(names, planted, deep=deep)
    with planted.planted() if planted else nullcontext():
        if steps is not None:
            sys.exit(again(scenarios[0], steps, plant or ""))
        everything = not names and plant is None
        wrong = list(trial(deep=deep)) if everything else []
        runs = _all(scenarios, seconds, report, plant or "", wrong, everything=everything, jobs=jobs)
        sys.exit(_concluded(runs, wrong, len(scenarios), deep=deep))


def _all(
    scenarios: Sequence[Scenario],
    seconds: float,
    report: Path | None,
    plant: str,
    wrong: list[str],
    *,
    everything: bool,
    jobs: int,
) -> list[Found]:
    """Run them, and note what is wrong."""
    runs: list[Found] = []
    results = []
    for found in search_all(scenarios, seconds=seconds, jobs=jobs, progress=progress):
        scenario = found.scenario
        runs.append(found)
        shown(found)
        beside = None
        if found.counterexample is not None:
            found.counterexample = shortened(scenario, found.counterexample)
            print("\n".join(told(scenario, found.counterexample, plant)))
            wrong.append(f"{scenario.name}: {found.counterexample.what}")
        elif (beside := compared(found)) is not None:
            print(
                f"  protocol {beside.code:,} of the {beside.explored:,} states that it reaches with {beside.elections} "
                f"elections and {beside.faults} faults are visited, {beside.outside} others"
            )
            if beside.outside:
                wrong.append(f"{scenario.name}: {beside.outside} states are none of the protocol's")
        results.append(as_json(found, beside))
    if everything:
        print()
        for action, why in reasons(runs):
            print(f"never taken: {action}: {why or 'no reason is known'}")
            if not why:
                wrong.append(f"{action} is possible, and was never taken")
    if report:
        report.write_text(json.dumps(results, indent=1, default=str) + "\n", encoding="utf-8")
    return runs


def _concluded(runs: Sequence[Found], wrong: Sequence[str], wanted: int, *, deep: bool) -> int:
    limited = sum(found.stopped == OUT_OF_TIME for found in runs) if deep else 0
    undecided = wanted - limited - sum(found.complete or found.counterexample is not None for found in runs)
    for it in wrong:
        print(f"wrong: {it}")
    print(
        f"schedules: {sum(found.schedules for found in runs):,} schedules and {sum(found.states for found in runs):,} "
        f"states in {len(runs)} scenarios, {len(wrong)} wrong, {undecided} not covered"
        f"{f', {limited} as far as time carried' if limited else ''}; "
        f"{sum(found.seconds for found in runs):.0f} CPU-seconds"
    )
    return REFUTED if wrong else UNDECIDED if undecided else HOLDS


if __name__ == "__main__":
    main()
