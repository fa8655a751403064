"""The protocol's matrix: each ingredient taken away, in each situation; and what breaks in the seed as it is.

python -m hammer2_proofs.protocol_ablations            replays what is stored: seconds
python -m hammer2_proofs.protocol_ablations --again    explores everything anew and compares: some minutes
python -m hammer2_proofs.protocol_ablations --write    explores everything anew and stores it
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from hammer2_proofs.explorer.models import INGREDIENTS_OF, switches_of
from hammer2_proofs.explorer.progress import check
from hammer2_proofs.explorer.report import traces
from hammer2_proofs.explorer.search import search
from hammer2_proofs.explorer.trace import Trace
from hammer2_proofs.protocol_findings import BROKEN, HOLDS, STORED, STUCK, complaints, digest, load, model_of, told
from hammer2_spec.protocol.state import UNLIMITED

SEED_STEPS: Final = 10
"""How far the seed is explored: it breaks sooner."""


@dataclass(frozen=True)
class Situation:
    """Bounds within which ingredients are taken away one by one."""

    name: str
    model: str
    bounds: Mapping[str, int]
    switches: frozenset[str] = frozenset()
    live: bool = False
    symmetry: bool = True
    only: frozenset[str] = frozenset()
    """The ingredients that are taken away here; all of the model's if empty."""


ONE_CLIENT = Situation("one client", "protocol", {"writes": 2, "elections": 2, "faults": UNLIMITED})
TWO_CLIENTS = Situation("two clients", "protocol", {"clients": 2, "writes": 2, "elections": 2, "faults": 1})
SITUATIONS: Final = (
    ONE_CLIENT,
    TWO_CLIENTS,
    Situation(
        "two clients in a partition",
        "protocol",
        {"clients": 2, "writes": 2, "elections": 2, "faults": 2},
        frozenset({"split-views"}),
        only=frozenset({"promise", "restamp", "refuse_lower_epochs", "fixed_majority"}),
    ),
    Situation(
        "nodes run out of space",
        "protocol",
        {"writes": 2, "elections": 2, "faults": 2},
        frozenset({"space"}),
        only=frozenset({"spare_kept_version"}),
    ),
    Situation(
        "clients write for ever",
        "protocol",
        {"writes": 1, "elections": UNLIMITED, "faults": 1},
        frozenset({"endless"}),
        live=True,
        symmetry=False,
        only=frozenset({"exclusive_pass", "replacement_first", "wait_for_all", "majority_tid"}),
    ),
    Situation(
        "a common outage",
        "protocol",
        {"writes": 1, "elections": UNLIMITED, "faults": 2, "fault_epochs": 2},
        live=True,
        only=frozenset({"disabled_is_evidence"}),
    ),
    Situation("the tree", "tree", {"tids": 2}, live=True, symmetry=False),
)
TOGETHER: Final = (
    ("one client", ("promise", "refuse_lower_epochs")),
    ("one client", ("disable_on_disconnect", "disable_on_write_failure", "resync_before_eligible")),
    ("the tree", ("mark_leaf", "stamp_last")),
)
"""Ingredients that are taken away together: none of either group is needed alone."""


def _row(situation: Situation, without: Sequence[str], switches: frozenset[str]) -> dict[str, Any]:
    return {
        "situation": situation.name,
        "without": list(without),
        "model": situation.model,
        "bounds": dict(situation.bounds),
        "switches": sorted(situation.switches | switches),
    }


def _steps(trace: Trace | None) -> list[list[Any]]:
    return [] if trace is None else [[step.action, [i for _, i in step.index]] for step in trace.steps]


def take_away(situation: Situation, without: Sequence[str]) -> dict[str, Any]:
    """Explore a situation without some ingredients: what breaks first, or that nothing does."""
    row = _row(situation, without, frozenset(f"without-{name}" for name in without))
    found = search(model_of(row), symmetry=situation.symmetry)
    broken = traces(found)
    if broken:
        name, trace = min(broken.items(), key=lambda it: len(it[1].steps))
        return {**row, "standing": BROKEN, "sentence": name, "steps": _steps(trace)}
    if not found.complete:
        raise click.ClickException(f"{situation.name} without {', '.join(without)}: {found.stopped}")
    row["states"] = found.states
    failures = check(found) if situation.live else []
    if failures:
        what, trace, cycle = failures[0].what, failures[0].trace, failures[0].cycle
        return {**row, "standing": STUCK, "sentence": what, "steps": _steps(trace), "cycle": _steps(cycle)}
    return {**row, "standing": HOLDS}


def seed_rows() -> Iterator[dict[str, Any]]:
    """For each sentence that the seed breaks: the shortest way there."""
    for situation in (ONE_CLIENT, TWO_CLIENTS, SITUATIONS[-1]):
        row = _row(situation, ["seed"], switches_of(situation.model, "seed"))
        found = search(model_of(row), symmetry=situation.symmetry, depth=SEED_STEPS, keep_going=True)
        for name, trace in traces(found).items():
            yield {**row, "standing": BROKEN, "sentence": name, "steps": _steps(trace)}


def rows() -> Iterator[dict[str, Any]]:
    """Everything, explored anew: the seed, each ingredient by itself, some together."""
    seen: set[str] = set()
    for row in seed_rows():
        if row["sentence"] not in seen:
            seen.add(row["sentence"])
            yield row
    for situation, without in attempts():
        yield take_away(situation, without)


def attempts() -> Iterator[tuple[Situation, tuple[str, ...]]]:
    """What is taken away, and where: each ingredient by itself, some together."""
    for situation in SITUATIONS:
        for name in INGREDIENTS_OF[situation.model]:
            if not situation.only or name in situation.only:
                yield situation, (name,)
    by_name = {situation.name: situation for situation in SITUATIONS}
    for name, without in TOGETHER:
        yield by_name[name], without


def gaps(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is stored and should not be, or not as it is, and what should be and is not."""
    head = ("situation", "without", "model", "bounds", "switches")
    wanted = [_row(it, without, frozenset(f"without-{name}" for name in without)) for it, without in attempts()]
    stored = [{name: row[name] for name in head} for row in found if row["without"] != ["seed"]]
    for row in wanted:
        if stored.count(row) != 1:
            yield f"stored {stored.count(row)} times: {', '.join(row['without'])} taken away, {row['situation']}"
    for row in stored:
        if row not in wanted:
            yield f"nobody asked for: {', '.join(row['without'])} taken away, {row['situation']}"


def differences(stored: Sequence[Mapping[str, Any]], anew: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Where what is explored anew is not what is stored."""
    for row in anew:
        if row not in stored:
            yield f"explored anew, and not stored: {told(row)}"
    for row in stored:
        if row not in anew:
            yield f"stored, and not found again: {told(row)}"


def store(found: Sequence[Mapping[str, Any]]) -> None:
    """Keep the rows."""
    lines = [json.dumps({"sources": digest()}), *map(json.dumps, found)]
    STORED.write_text("\n".join(lines) + "\n", encoding="utf-8")


def explored(progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """All rows, told one by one."""
    found = []
    for row in rows():
        found.append(row)
        progress(told(row))
    return found


@click.command()
@click.option("--again", is_flag=True, help="Explore everything anew and compare it with what is stored.")
@click.option("--write", is_flag=True, help="Explore everything anew and store it.")
def main(*, again: bool, write: bool) -> None:
    """Replay the protocol's counterexamples, or find them anew."""
    started = time.process_time()
    if write:
        store(explored(click.echo))
    found = load()
    wrong = [*gaps(found), *complaints(found)]
    if again:
        wrong += differences(found, json.loads(json.dumps(explored(click.echo))))
    for line in wrong:
        click.echo(line, err=True)
    if wrong:
        click.echo("Reproduce with: .venv/bin/python -m hammer2_proofs.protocol_ablations", err=True)
    traces_ = sum(row["standing"] != HOLDS for row in found)
    click.echo(
        f"{len(found)} rows, {traces_} counterexamples: {'all as stored' if not wrong else 'see above'}, "
        f"{time.process_time() - started:.0f} CPU-seconds"
    )
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
