"""The protocol's matrix: each ingredient taken away, in each situation; and what breaks in the seed as it is.

python -m hammer2_proofs.protocol_ablations            replays what is stored: seconds
python -m hammer2_proofs.protocol_ablations --again    explores everything anew and compares: some minutes
python -m hammer2_proofs.protocol_ablations --write    explores everything anew and stores it
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import click

from hammer2_proofs.explorer.models import INGREDIENTS_OF, switches_of
from hammer2_proofs.explorer.progress import Stuck, check
from hammer2_proofs.explorer.report import traces
from hammer2_proofs.explorer.search import search
from hammer2_proofs.explorer.trace import Trace
from hammer2_proofs.protocol_findings import (
    BROKEN,
    HOLDS,
    STORED,
    STUCK,
    asked,
    complaints,
    digest,
    load,
    model_of,
    told,
)
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
    Situation(
        "only I/O errors",
        "protocol",
        {"writes": 2, "elections": 2, "faults": UNLIMITED, "losses": 0},
        frozenset({"faithful-clients", "steady-nodes"}),
        only=frozenset({"flush_before_ack", "read_flushed", "unique_tids"}),
    ),
    Situation(
        "clients crash as well",
        "protocol",
        {"writes": 2, "elections": 2, "faults": UNLIMITED, "losses": 0},
        frozenset({"steady-nodes"}),
        only=frozenset({"restamp", "epoch_in_tid", "check_predecessor"}),
    ),
    Situation(
        "nodes go away as well",
        "protocol",
        {"writes": 2, "elections": 2, "faults": UNLIMITED, "losses": 0},
        only=frozenset({"never_lower"}),
    ),
    Situation("the tree", "tree", {"tids": 2}, live=True, symmetry=False),
)


BY_NAME: Final = {situation.name: situation for situation in SITUATIONS}


class Attempt(NamedTuple):
    """What is taken away, where, and which other answers (``ALTERNATIVES``) are given instead."""

    situation: str
    without: tuple[str, ...]
    instead: tuple[str, ...] = ()


BOTH: Final = ("one client", "two clients")
DISABLING: Final = ("disable_on_disconnect", "disable_on_write_failure", "resync_before_eligible")
FOR_RIVALS: Final = ("promise", "refuse_lower_epochs")
TOGETHER: Final = (
    Attempt("one client", FOR_RIVALS),
    *(Attempt(where, DISABLING) for where in BOTH),
    Attempt("the tree", ("mark_leaf", "stamp_last")),
    *(Attempt("one client", ("check_predecessor", name)) for name in ("wait_for_all", *DISABLING)),
    # What the original's setting, one front end, can do without, the more of it the fewer kinds of failures there are.
    Attempt(
        "only I/O errors",
        (*FOR_RIVALS, "restamp", "never_lower", "epoch_in_tid", "record_replacement", *DISABLING),
    ),
    Attempt(
        "only I/O errors",
        (*FOR_RIVALS, "restamp", "never_lower", "epoch_in_tid", "record_replacement", "check_predecessor"),
    ),
    Attempt("clients crash as well", (*FOR_RIVALS, "never_lower", "record_replacement", *DISABLING)),
    Attempt("nodes go away as well", (*FOR_RIVALS, "record_replacement", *DISABLING)),
    Attempt("one client", (*FOR_RIVALS, "record_replacement", *DISABLING), ("admit_between_writes",)),
)
"""Ingredients that are taken away together."""
OTHER_ANSWERS: Final = (
    ("volatile_is_evidence", ("settle_at_promise",)),
    ("record_replacement", ("admit_between_writes",)),
    ("record_replacement", ("void_lost_promises",)),
    ("record_replacement", ("admit_between_writes", "void_lost_promises")),
    ("keep_old_version", ("one_torn_at_a_time",)),
    ("keep_old_version", ("one_torn_at_a_time", "torn_is_no_evidence")),
    ("keep_old_version", ("copy_committed_only",)),
    ("keep_old_version", ("copy_committed_only", "torn_is_no_evidence")),
    ("keep_old_version", ("copy_committed_only", "unmarked_copies")),
    (None, ("eligible_votes",)),
    (None, ("session_reads",)),
)
"""For an ingredient, or for none, what might be done instead."""
INSTEAD: Final = (
    *(Attempt(where, (name,) if name else (), instead) for where in BOTH for name, instead in OTHER_ANSWERS),
    Attempt("a common outage", ("keep_old_version",), ("copy_committed_only",)),
)


def _row(situation: Situation, attempt: Attempt) -> dict[str, Any]:
    switches = {*(f"without-{name}" for name in attempt.without), *(it.replace("_", "-") for it in attempt.instead)}
    return _described(situation, attempt.without, attempt.instead, frozenset(switches))


def _described(
    situation: Situation, without: Sequence[str], instead: Sequence[str], switches: frozenset[str]
) -> dict[str, Any]:
    return {
        "situation": situation.name,
        "without": list(without),
        "instead": list(instead),
        "model": situation.model,
        "bounds": dict(situation.bounds),
        "switches": sorted(situation.switches | switches),
    }


def _steps(trace: Trace | None) -> list[list[Any]]:
    return [] if trace is None else [[step.action, [i for _, i in step.index]] for step in trace.steps]


def take_away(attempt: Attempt) -> dict[str, Any]:
    """Explore a situation without some ingredients: what breaks first, or that nothing does."""
    situation = BY_NAME[attempt.situation]
    row = _row(situation, attempt)
    found = search(model_of(row), symmetry=situation.symmetry)
    broken = traces(found)
    if broken:
        name, trace = min(broken.items(), key=lambda it: len(it[1].steps))
        return {**row, "standing": BROKEN, "sentence": name, "steps": _steps(trace)}
    if not found.complete:
        raise click.ClickException(f"{situation.name} without {', '.join(attempt.without)}: {found.stopped}")
    row["states"] = found.states
    ways = [_without_progress(stuck) for stuck in check(found)] if situation.live else []
    if ways:
        return {**row, "standing": STUCK, **ways[0], "also": ways[1:]}
    return {**row, "standing": HOLDS}


def _without_progress(stuck: Stuck) -> dict[str, Any]:
    return {"sentence": stuck.what, "steps": _steps(stuck.trace), "cycle": _steps(stuck.cycle)}


def seed_rows() -> Iterator[dict[str, Any]]:
    """For each sentence that the seed breaks: the shortest way there."""
    for situation in (ONE_CLIENT, TWO_CLIENTS, SITUATIONS[-1]):
        row = _described(situation, ["seed"], [], switches_of(situation.model, "seed"))
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
    yield from map(take_away, attempts())


def attempts() -> Iterator[Attempt]:
    """What is taken away, and where: each ingredient by itself, some together, some with another answer instead."""
    for situation in SITUATIONS:
        for name in INGREDIENTS_OF[situation.model]:
            if not situation.only or name in situation.only:
                yield Attempt(situation.name, (name,))
    yield from TOGETHER
    yield from INSTEAD


def gaps(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is stored and should not be, or not as it is, and what should be and is not."""
    head = ("situation", "without", "instead", "model", "bounds", "switches")
    wanted = [_row(BY_NAME[attempt.situation], attempt) for attempt in attempts()]
    stored = [{name: row[name] for name in head} for row in found if row["without"] != ["seed"]]
    for row in wanted:
        if stored.count(row) != 1:
            yield f"stored {stored.count(row)} times: {asked(row)}"
    for row in stored:
        if row not in wanted:
            yield f"nobody asked for: {asked(row)}"


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
