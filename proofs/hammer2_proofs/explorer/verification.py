"""What `make verify` explores: the calibration model and the repaired protocol, to the bounds that are printed.

python -m hammer2_proofs.explorer.verification [--deep] [--json FILE]
"""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from hammer2_proofs.explorer.models import build
from hammer2_proofs.explorer.progress import check
from hammer2_proofs.explorer.report import as_object, traces
from hammer2_proofs.explorer.search import MEBIBYTE, Found, search
from hammer2_spec.protocol.state import UNLIMITED

HOLDS, REFUTED, UNDECIDED = 0, 1, 3
MEMORY = 4 * 1024 * MEBIBYTE
DEEP_MEMORY = 12 * 1024 * MEBIBYTE


@dataclass(frozen=True)
class Run:
    """One exploration: the model, its bounds and switches, and the counts that it must have (None: not pinned)."""

    name: str
    model: str
    bounds: Mapping[str, int]
    switches: frozenset[str] = frozenset()
    counts: tuple[int, int, int] | None = None
    symmetry: bool = True
    live: bool = False
    unreached: frozenset[str] = field(default_factory=frozenset)
    """Actions and witnesses that these bounds leave out; another run of the list has them."""


def bounds(masters: int, slaves: int, clients: int, writes: int, elections: int, faults: int) -> dict[str, int]:
    """The bounds of the protocol."""
    return {
        "masters": masters,
        "slaves": slaves,
        "clients": clients,
        "writes": writes,
        "elections": elections,
        "faults": faults,
    }


STANDARD = (
    Run("calibration", "calibration", {"masters": 3, "slaves": 1, "tids": 3}, counts=(203_184, 1_516_515, 42)),
    Run("one client, faults unlimited", "protocol", bounds(3, 0, 1, 2, 2, UNLIMITED)),
    Run("a slave", "protocol", bounds(3, 1, 1, 3, 2, 2)),
    Run("two masters, two slaves", "protocol", bounds(2, 2, 1, 3, 2, 2)),
    Run("five masters", "protocol", bounds(5, 0, 1, 2, 2, 1)),
    Run("two clients", "protocol", bounds(3, 0, 2, 3, 2, 1)),
    Run("two clients in a partition", "protocol", bounds(3, 0, 2, 3, 2, 2), frozenset({"split-views"})),
    Run("a read in parts", "protocol", bounds(3, 0, 1, 2, 2, 2), frozenset({"reader"})),
    Run(
        "progress under endless writes",
        "protocol",
        bounds(3, 0, 1, 1, UNLIMITED, 1),
        frozenset({"endless"}),
        symmetry=False,
        live=True,
    ),
    Run("progress with two clients", "protocol", bounds(3, 0, 2, 1, 2, 1), live=True),
)

DEEP = (
    *STANDARD,
    Run("calibration, all of it", "calibration", {"masters": 3, "slaves": 1, "tids": 5}, symmetry=False),
    Run("two clients, two faults", "protocol", bounds(3, 0, 2, 3, 2, 2)),
    Run("two clients, three elections", "protocol", bounds(3, 0, 2, 2, 3, 1)),
    Run("two clients and a slave", "protocol", bounds(3, 1, 2, 1, 2, 1)),
    Run("two clients, a read in parts", "protocol", bounds(3, 0, 2, 1, 2, 1), frozenset({"reader"})),
)


def explore(run: Run, memory: int) -> tuple[Found, dict[str, Any]]:
    """Explore one entry of the list; the result as an object, with what fails under ``problems``."""
    began = time.process_time()
    found = search(build(run.model, run.bounds, run.switches), symmetry=run.symmetry, memory=memory)
    result = as_object(found, traces(found))
    problems = [f"broken: {violation['invariant']}" for violation in result["violations"]]
    if run.live and found.complete:
        problems += [failure.what for failure in check(found)]
    counted = (found.states, found.transitions, found.depth)
    if run.counts is not None and found.complete and counted != run.counts:
        problems.append(f"counts {counted}, expected {run.counts}")
    result["problems"] = problems
    result["cpu_seconds"] = round(time.process_time() - began, 1)
    result["run"] = run.name
    return found, result


def nowhere(results: list[dict[str, Any]]) -> list[str]:
    """Actions that no run took and witnesses that no run reached."""
    taken: dict[str, bool] = {}
    for result in results:
        for name, count in result["actions"].items():
            key = f"{result['model']}: {name}"
            taken[key] = taken.get(key, False) or count > 0
        for name, steps in result["witnesses"].items():
            key = f"{result['model']}: {name}"
            taken[key] = taken.get(key, False) or steps is not None
    return sorted(key for key, seen in taken.items() if not seen)


@click.command()
@click.option("--deep", is_flag=True, help="Larger bounds, about an hour.")
@click.option("--json", "report", type=click.Path(dir_okay=False, path_type=Path), help="Write all results there.")
def main(deep: bool, report: Path | None) -> None:
    """Explore the list; exit status 1 if anything is refuted, 3 if a limit was reached."""
    results = []
    for run in DEEP if deep else STANDARD:
        _, result = explore(run, DEEP_MEMORY if deep else MEMORY)
        results.append(result)
        limits = " ".join(f"{key} {value}" for key, value in run.bounds.items())
        verdict = "; ".join(result["problems"]) or ("holds" if result["complete"] else result["stopped"])
        print(
            f"{run.name}: {verdict}: {result['states']:,} states{' up to symmetry' if run.symmetry else ''}, "
            f"{result['transitions']:,} transitions, depth {result['depth']}, hash {result['hash']}, "
            f"{result['cpu_seconds']} CPU-s [{limits} {' '.join(sorted(run.switches))}]",
            flush=True,
        )
        if result["stopped"] == "interrupted":
            break
    missing = nowhere(results) if len(results) == len(DEEP if deep else STANDARD) else []
    for name in missing:
        print(f"never: {name}")
    if report:
        report.write_text(json.dumps(results, indent=1) + "\n")
    states = sum(result["states"] for result in results)
    refuted = [result["run"] for result in results if result["problems"]] + missing
    undecided = [result["run"] for result in results if not result["complete"] and not result["problems"]]
    print(f"explored {states:,} states in {len(results)} runs: {len(refuted)} refuted, {len(undecided)} undecided")
    sys.exit(REFUTED if refuted else UNDECIDED if undecided else HOLDS)


if __name__ == "__main__":
    main()
