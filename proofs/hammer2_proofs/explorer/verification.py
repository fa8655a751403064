"""What `make verify` explores: the calibration model and the repaired protocol, to the bounds that are printed.

    python -m hammer2_proofs.explorer.verification [MODEL]... [--deep] [--json FILE] [--write]

What each run counted before is kept as a record. A run that counts otherwise fails: either the protocol was changed,
which --write records, or the explorer is wrong.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import fill
from typing import Any

import click

from hammer2_proofs.explorer.models import MODELS, build, parameters
from hammer2_proofs.explorer.progress import check
from hammer2_proofs.explorer.report import as_object, traces
from hammer2_proofs.explorer.search import MEBIBYTE, search
from hammer2_spec.protocol.state import UNLIMITED
from hammer2_spec.transition_system import sentence

HOLDS, REFUTED, UNDECIDED = 0, 1, 3
MEMORY = 4 * 1024 * MEBIBYTE
DEEP_MEMORY = 12 * 1024 * MEBIBYTE
RECORD = Path(__file__).parent.parent / "results" / "exploration.json"
COUNTS = ("states", "transitions", "depth", "hash")
FULL = "out of memory"
"""How a search ends at its limit of memory. The deep runs go as far as that carries: for them it is no failure."""
WIDTH = 118


@dataclass(frozen=True)
class Run:
    """One exploration: the model, its bounds and switches, and whether progress is checked as well."""

    name: str
    model: str
    bounds: Mapping[str, int]
    switches: frozenset[str] = frozenset()
    symmetry: bool = True
    live: bool = False
    never: frozenset[str] = frozenset()
    """Actions that these bounds leave no room for, and witnesses that they do not reach: all others are."""


def protocol(name: str, sizes: tuple[int, int, int], limits: tuple[int, int, int], *switches: str, **more: int) -> Run:
    """The protocol with so many masters, slaves and clients; so many writes, elections and faults."""
    values = (*sizes, *limits)
    keys = ("masters", "slaves", "clients", "writes", "elections", "faults")
    return Run(name, "protocol", {**dict(zip(keys, values, strict=True)), **more}, frozenset(switches))


def progress(name: str, sizes: tuple[int, int, int], faults: int, *switches: str, **limits: int) -> Run:
    """One write, elections without end: what faults bring about is bounded, what follows is not."""
    run = protocol(name, sizes, (1, UNLIMITED, faults), *switches)
    return replace(run, bounds={**run.bounds, **limits}, symmetry=False, live=True)


OVERTAKEN = "a resynchronization was overtaken by a write"
CALIBRATION = {"masters": 3, "slaves": 1, "tids": 5}

STANDARD = (
    Run("every node for itself", "calibration", CALIBRATION, symmetry=False),
    Run("like nodes alike", "calibration", CALIBRATION),
    protocol("one client, faults unlimited", (3, 0, 1), (2, 2, UNLIMITED)),
    protocol("one client, from a cold start", (3, 0, 1), (2, 2, 2), "cold"),
    protocol("a slave", (3, 1, 1), (3, 2, 2)),
    protocol("two masters, two slaves", (2, 2, 1), (3, 2, 2)),
    protocol("five masters", (5, 0, 1), (2, 2, 1)),
    protocol("two clients", (3, 0, 2), (3, 2, 2)),
    replace(
        protocol("two clients, a partition", (3, 0, 2), (3, 2, 3), "split-views"),
        never=frozenset({OVERTAKEN, "a replaced master is in step again"}),
    ),
    protocol("two clients, a read in parts", (3, 0, 2), (1, 2, 1), "reader"),
    protocol("a soft master, the quorum lost and regained", (3, 0, 1), (1, 2, 2), "history", soft_masters=1),
    Run("below the root", "tree", {"tids": 3}, symmetry=False, live=True),
    progress("progress, faults unlimited", (3, 0, 1), UNLIMITED, fault_epochs=2),
    # Replaced media is let in by a majority without it, which no client in a partition has: none is lost here.
    progress("progress, two clients in a partition", (3, 0, 2), 1, "split-views", fault_epochs=5, losses=0),
    progress("progress, two clients", (3, 0, 2), 1, fault_epochs=2, losses=0),
    progress("progress, endless writes", (3, 0, 1), 2, "endless"),
    progress("progress, endless writes and a slave", (3, 1, 1), 1, "endless"),
    progress("progress, operations complete", (3, 0, 1), 2, "operations", fault_epochs=2),
)

DEEP = (
    protocol("links are cut and heal", (3, 0, 2), (1, 2, 1), "partitions"),
    protocol("links are cut and heal, two faults", (3, 0, 2), (1, 2, 2), "partitions", losses=0),
    protocol("any higher epoch", (3, 0, 2), (1, 2, 1), "free-epochs"),
    protocol("a pass ends after its session, two clients", (3, 0, 2), (1, 2, 1), "late-finish"),
    protocol("a pass ends after its session", (3, 0, 1), (2, 2, 2), "late-finish"),
    protocol("nodes run out of space", (3, 0, 1), (2, 2, 2), "space"),
    protocol("the quorum is lost and regained", (3, 0, 1), (1, 2, 2), "history"),
    protocol("media is lost a second time", (3, 0, 1), (1, 2, 2), losses=2),
    protocol("a soft master", (3, 0, 1), (1, 2, 2), soft_masters=1),
    protocol("the sentences of the induction", (3, 0, 2), (1, 2, 1), "strengthened"),
    progress("progress, two masters and two clients", (2, 0, 2), 2, fault_epochs=3, losses=0),
    progress("progress, two clients, media is lost", (3, 0, 2), 1, fault_epochs=2),
    progress("progress, two clients, endless writes", (3, 0, 2), 1, "endless", fault_epochs=2, losses=0),
    progress("progress, nodes stay away", (3, 0, 1), 1, "stay-away"),
    progress("operations complete", (3, 0, 1), 1, "operations"),
    # 163,107,703 states in 194 CPU-seconds; the one after it comes to 230,071,870 and depth 34 with 12 GiB.
    protocol("two clients, three elections", (3, 0, 2), (2, 3, 2)),
    protocol("two clients and a slave", (3, 1, 2), (2, 2, 2)),
    protocol("five masters, two faults", (5, 0, 1), (2, 2, 2)),
    protocol("three writes, three elections", (3, 0, 1), (3, 3, UNLIMITED)),
)


def key(run: Run) -> str:
    """A run as it is recorded: all that its counts depend on besides the model's text."""
    limits = " ".join(f"{name} {value}" for name, value in run.bounds.items())
    return " ".join([run.model, limits, *sorted(run.switches), "symmetry" if run.symmetry else "all"])


def recorded() -> dict[str, dict[str, Any]]:
    """What each run counted when it was last recorded."""
    if not RECORD.exists():
        return {}
    runs: dict[str, dict[str, Any]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return runs


def explore(run: Run, memory: int, expected: Mapping[str, Any] | None) -> dict[str, Any]:
    """Explore one entry of the list; the result as an object, with what fails under ``problems``."""
    began = time.process_time()
    found = search(build(run.model, run.bounds, run.switches), symmetry=run.symmetry, memory=memory)
    result = as_object(found, traces(found))
    problems = [f"broken after {len(v['steps'])} steps: {v['invariant']}" for v in result["violations"]]
    sentences = [sentence(function) for function in found.model.invariants]
    sentences += [sentence(step.holds) for step in found.model.step_invariants]
    if run.live and found.complete:
        # What is left out may be the rest of a cycle.
        problems += [f"{found.outside} successors left out"] * bool(found.outside)
        problems += [failure.what for failure in check(found)] if not found.outside else []
        sentences.append(f"once faults stop, at last: {sentence(found.model.goal or check)}")
    if found.complete:
        problems += [f"never: {name}" for name in result["never"] if name not in run.never]
        problems += [f"not expected, and there: {name}" for name in sorted(run.never - {*result["never"]})]
    if expected and found.complete:
        problems += [
            f"{name} {result[name]}, recorded {expected[name]}" for name in COUNTS if result[name] != expected[name]
        ]
    result["run"] = run.name
    result["checked"] = sentences
    result["problems"] = problems
    result["cpu_seconds"] = round(time.process_time() - began, 1)
    return result


def printed(run: Run, result: Mapping[str, Any]) -> None:
    """Print what a run found: the verdict, the bounds, and for each action and witness a number."""
    verdict = "; ".join(result["problems"]) or ("holds" if result["complete"] else f"undecided: {result['stopped']}")
    print(f"\n{run.name}: {verdict}")
    told = parameters(build(run.model, run.bounds, run.switches))
    _lines("bounds", [*told, "like nodes alike" if run.symmetry else "every node for itself"])
    counted = [f"{result['states']:,} states", f"{result['transitions']:,} transitions", f"depth {result['depth']}"]
    _lines("found", [*counted, f"hash {result['hash']}", f"{result['cpu_seconds']} CPU-s"])
    _lines("actions", [f"{name} {count:,}" for name, count in result["actions"].items()])
    reached = {name: steps for name, steps in result["witnesses"].items() if steps is not None}
    _lines("reached", [f"{name} ({steps} steps)" for name, steps in reached.items()])
    if result["never"]:
        _lines("never", result["never"])


def _lines(what: str, parts: Iterable[str]) -> None:
    print(fill(", ".join(parts), WIDTH, initial_indent=f"  {what:8} ", subsequent_indent=" " * 11), flush=True)


def tally(results: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """In how many runs each invariant, and progress to each goal, was checked."""
    return Counter(name for result in results for name in result["checked"])


@click.command()
@click.argument("models", metavar="[MODEL]...", type=click.Choice(sorted(MODELS)), nargs=-1)
@click.option("--deep", is_flag=True, help="The large bounds: about an hour, and 12 GiB.")
@click.option("--json", "report", type=click.Path(dir_okay=False, path_type=Path), help="Write all results there.")
@click.option("--write", is_flag=True, help="Record what is counted, instead of comparing it with the record.")
def main(models: tuple[str, ...], deep: bool, report: Path | None, write: bool) -> None:
    """Explore the list, or the named models in it; exit status 1 if anything is refuted, 3 if a limit was reached."""
    runs = [run for run in (DEEP if deep else STANDARD) if not models or run.model in models]
    record, results = recorded(), []
    for run in runs:
        result = explore(run, DEEP_MEMORY if deep else MEMORY, None if write else record.get(key(run)))
        results.append(result)
        printed(run, result)
        if write and result["complete"]:
            record[key(run)] = {name: result[name] for name in COUNTS}
            RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        if result["stopped"] == "interrupted":
            break
    if report:
        report.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    sys.exit(_concluded(runs, results, record, deep=deep))


def _concluded(runs: list[Run], results: list[dict[str, Any]], record: Mapping[str, Any], *, deep: bool) -> int:
    print("\nchecked in every state and step of so many runs:")
    for name, many in tally(results).items():
        print(f"  {many:2}  {name}")
    refuted = sum(bool(result["problems"]) for result in results)
    new = sum(r["complete"] and key(run) not in record for run, r in zip(runs, results, strict=False))
    # What came to its end before must do so again; only the largest go as far as memory carries.
    limited = sum(
        deep and r["stopped"] == FULL and not r["problems"] and key(run) not in record
        for run, r in zip(runs, results, strict=False)
    )
    undecided = len(runs) - sum(result["complete"] or bool(result["problems"]) for result in results) - limited
    states, transitions = (sum(result[name] for result in results) for name in ("states", "transitions"))
    print(
        f"explored {states:,} states and {transitions:,} transitions in {len(results)} runs: "
        f"{refuted} refuted, {undecided} undecided{f', {limited} as far as memory carried' if limited else ''}"
        f"{f', {new} not recorded' if new else ''}"
    )
    return REFUTED if refuted else UNDECIDED if undecided or new else HOLDS


if __name__ == "__main__":
    main()
