"""Whether the judges of the operations have teeth: how many mutants, and which branches, each notices alone.

    python tools/mutate_operations.py [replay|properties]... [--sample N] [--seed S]

The replay of the recorded traces judges the operations as the seed has them, on the straight runner; the rules, on the
model, as they are repaired, with members that are late too. Each judge answers for the code that is left under its
semantics and its runners: a mutant that does not change that code, or a branch that is not in it, cannot be noticed and
is not counted. Contracts are not mutated;
the decision, which the operations call, has teeth of its own (`hammer2-cluster prove --teeth`). No mutant is called
equivalent: what is noticed by nobody counts against the score.
"""

import lzma
import os
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import Progress

import traces_by_reading
from hammer2_oracle.replay import check_trace
from hammer2_oracle.trace_record import OPERATIONS, Trace
from hammer2_oracle.traces import decode
from hammer2_proofs.operations.probes import STATEMENT_KIND, Place
from hammer2_proofs.operations.properties import Properties
from hammer2_proofs.operations.teeth import (
    Coverage,
    Fate,
    Judge,
    Outcome,
    belongs_to,
    code_of,
    coverage_of,
    fates_of,
    mutants,
    ways_through,
)
from hammer2_spec.semantics import SEED, describe

GOLDEN: Final = Path(__file__).parents[1] / "data" / "golden" / "traces-public.jsonl.xz"
FLOOR: Final = 95
"""Per cent of the mutants that must be killed, and of the branches that must be taken."""
LEAST_MUTANTS: Final = 150


class Replay:
    """The recorded traces, the shortest first, then those that nobody recorded."""

    name = "replay"
    semantics = SEED
    straight = True

    def __init__(self) -> None:
        with lzma.open(GOLDEN) as file:
            recorded = sorted(map(decode, file.read().splitlines()), key=lambda trace: len(trace.steps))
        read = traces_by_reading.traces()
        self._parts = {"recorded traces": len(recorded), "traces by reading": len(recorded) + len(read)}
        self._traces: list[Trace] = recorded + read

    def parts(self) -> Mapping[str, int]:
        """Those that were recorded, then those that follow from the text of the seed."""
        return self._parts

    def count(self) -> int:
        """Traces."""
        return len(self._traces)

    def is_well(self, case: int) -> bool:
        """The trace agrees."""
        return check_trace(self._traces[case], self.semantics) is None


JUDGES: Final = {"replay": Replay, "properties": Properties}


def report_branches(judge: Judge, coverage: Coverage) -> float:
    """Print which branches a judge never takes; the share of those taken, in per cent."""
    ways = ways_through(code_of(judge.semantics, list(OPERATIONS), straight=judge.straight))
    missed = sorted(ways - coverage.ways)
    for where, way in missed:
        print(f"  never: {described(where)} {'' if where.kind == 'case' else 'true' if way else 'false'}".rstrip())
    share = 100 * (len(ways) - len(missed)) / len(ways)
    print(f"{judge.name}: {len(ways) - len(missed)} of {len(ways)} branches taken ({share:.1f} %)")
    return share


def described(where: Place) -> str:
    """A place for people."""
    return f"{where.module}.py:{where.line}:{where.column + 1} {where.kind}"


def report_mutants(judge: Judge, coverage: Coverage, sample: int | None, seed: int, processes: int) -> float:
    """Print which mutants a judge does not notice; the share of those that it does, in per cent."""
    code = code_of(judge.semantics, list(OPERATIONS), straight=judge.straight)
    every = mutants()
    concerned = [mutant for mutant in every if belongs_to(mutant, code)]
    chosen = concerned if sample is None else random.Random(seed).sample(concerned, min(sample, len(concerned)))  # noqa: S311 - no secret
    fates: list[Fate] = []
    try:
        with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
            found = fates_of(judge, coverage, chosen, processes)
            fates.extend(progress.track(found, len(chosen), description=judge.name))
    except KeyboardInterrupt:
        print(f"stopped after {len(fates)} of {len(chosen)} mutants")
    for fate in sorted(fates, key=lambda fate: fate.mutant.description):
        if fate.outcome is not Outcome.KILLED:
            print(f"  {fate.outcome.value}: {fate.mutant.description} ({fate.mutant.function}; {fate.tried} cases)")
    counts = Counter(fate.outcome for fate in fates)
    share = 100 * counts[Outcome.KILLED] / max(1, len(fates))
    print(
        f"{judge.name} ({describe(judge.semantics)}): {counts[Outcome.KILLED]} of {len(fates)} mutants killed "
        f"({share:.1f} %), {counts[Outcome.ALIVE]} survived, {counts[Outcome.STOPPED]} stopped for their time; "
        f"{len(concerned)} of all {len(every)} are in its code"
    )
    begins = 0
    for part, end in judge.parts().items():
        killed = sum(fate.case is not None and begins <= fate.case < end for fate in fates)
        print(f"  {killed} of them by {end - begins} {part}{' alone' if begins else ''}")
        begins = end
    if len(fates) < len(chosen):
        sys.exit(3)
    return share


@click.command()
@click.argument("judges", metavar="[JUDGE]...", nargs=-1, type=click.Choice(sorted(JUDGES)))
@click.option("--sample", type=click.IntRange(LEAST_MUTANTS), help="So many mutants for each judge, drawn at random.")
@click.option("--seed", type=int, default=20150330, show_default=True, help="Where the draw begins.")
@click.option("--processes", type=click.IntRange(1), default=os.cpu_count(), show_default=True)
def main(judges: Sequence[str], sample: int | None, seed: int, processes: int) -> None:
    """Judge the judges; exit status 1 if a score is below 95 in a hundred."""
    good = True
    for name in judges or sorted(JUDGES, reverse=True):
        judge = JUDGES[name]()
        coverage = coverage_of(judge)
        statements = sum(where.kind == STATEMENT_KIND for where, _ in coverage.ways)
        print(f"{name}: {judge.count()} cases come by {statements} statements", flush=True)
        good &= report_branches(judge, coverage) >= FLOOR
        good &= report_mutants(judge, coverage, sample, seed, processes) >= FLOOR
    if not good:
        drawn = "" if sample is None else f" --sample {sample} --seed {seed}"
        print(f"Reproduce with: .venv/bin/python tools/mutate_operations.py {' '.join(judges)}{drawn}")
        sys.exit(1)


if __name__ == "__main__":
    main()
