"""What ``hammer2-cluster prove --teeth`` does and prints: the fate of every mutant of resolve."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from hammer2_cluster.program import pasted
from hammer2_oracle.screen import Screen
from hammer2_oracle.status import Status
from hammer2_proofs.killers import Kill
from hammer2_proofs.mutants import Mutation
from hammer2_proofs.teeth import LEAST_ASKED, Fate, Outcome, Summary, Teeth, mutants_of_resolve
from hammer2_spec.notation import arguments, format_slot
from hammer2_spec.semantics import describe

STYLES = {Outcome.REFUTED: "", Outcome.EQUIVALENT: "cyan", Outcome.UNDECIDED: "bold red"}


def prove_teeth(as_json: bool, mutation: Mutation | None = None, teeth: Teeth | None = None) -> Status:
    """Judge the mutants (of resolve) and print their fates as they become known; Ctrl-C sums up what is known by then.

    AGREE if each is refuted or proved equivalent, DIFFER if there are fewer than there should be, else UNDECIDED.
    """
    mutation = mutation or mutants_of_resolve()
    teeth = teeth or Teeth()
    fates: list[Fate] = []
    screen = Screen()
    with _progress(len(mutation.mutants)) as advance:
        try:
            for fate in teeth.judge(mutation.mutants):
                fates.append(fate)
                advance()
                if not as_json:
                    for line in told(fate):
                        screen.line(line, STYLES[fate.outcome])
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
    summary = Summary(mutation, tuple(fates), teeth.asked_too)
    if as_json:
        click.echo(json.dumps(summary_as_json(summary)))
    else:
        show(summary, screen)
    return status_of(summary)


def status_of(summary: Summary) -> Status:
    """The exit status."""
    if summary.undecided or len(summary.fates) < len(summary.mutation.mutants):
        return Status.UNDECIDED
    return Status.AGREE if summary.passed else Status.DIFFER


def told(fate: Fate) -> Iterator[str]:
    """One mutant in two lines: what was done, and what became of it."""
    yield f"{fate.outcome.value:<10} {fate.mutant.description}"
    if fate.kill is None:
        yield f"           {fate.obligation}"
    else:
        yield f"           {fate.obligation}: {call_in_words(fate.kill)}"


def call_in_words(kill: Kill) -> str:
    """The call in a row, what the mutant answered, and what is right."""
    configuration, _, expected = kill.call
    slots, pfs_nmasters, prior, _ = configuration
    row = " ".join("*" * (i == prior) + format_slot(slot) for i, slot in enumerate(slots)) or "no slots"
    of = "no pfs" if pfs_nmasters is None else f"nmasters {pfs_nmasters}"
    foreign = ", foreign focus" if prior is not None and prior < 0 else ""
    if kill.raised:
        return f"{row} ({of}{foreign}) raises {kill.raised}"
    if type(kill.got) is not type(expected):
        return f"{row} ({of}{foreign}) gives {kill.got!r}"
    pairs = zip(type(expected)._fields, expected, tuple(kill.got), strict=True)
    wrong = ", ".join(f"{name} {got} instead of {right}" for name, right, got in pairs if got != right)
    return f"{row} ({of}{foreign}) gives {wrong}"


def show(summary: Summary, screen: Screen) -> None:
    """Print the result for people."""
    mutation, counts = summary.mutation, summary.counts
    screen.line()
    for name, count in summary.by_obligation.most_common():
        screen.line(f"{count:5} refuted by the specification, {name}")
    broken = sum(bool(fate.properties) for fate in summary.fates)
    screen.line(f"{broken:5} of these break a named property of the claims by that very answer")
    asked = ", ".join(f"{count} {outcome}" for outcome, count in summary.asked_too.most_common()) or "none"
    screen.line(f"{summary.asked_too.total():5} of these put to the prover as well: {asked}")
    screen.line(f"{counts[Outcome.EQUIVALENT]:5} proved equivalent: 0 to 8 slots, all semantics")
    screen.line(f"{mutation.same_code + mutation.same_text:5} changes made no new program and are not counted")
    screen.line(f"{sum(fate.cpu_seconds for fate in summary.fates):5.0f} CPU-seconds")
    screen.line(summary.sentence, "bold")
    if len(summary.fates) < len(mutation.mutants):
        screen.line(f"stopped after {len(summary.fates)} of {len(mutation.mutants)} mutants", "bold red")
    elif not summary.complete:
        screen.line(f"expected at least {summary.least} mutants: the mutator has lost some", "bold red")
    elif summary.asked_too["refuted"] < LEAST_ASKED:
        screen.line(f"expected the prover to find at least {LEAST_ASKED} by itself", "bold red")
    for fate in summary.undecided:
        screen.line(f"undecided: {fate.mutant.name}: {fate.mutant.description}: {fate.obligation}", "bold red")
    if not summary.passed:
        screen.line(f"Reproduce with: {pasted('prove', '--teeth')}")


def summary_as_json(summary: Summary) -> dict[str, Any]:
    """The object that ``--json`` prints."""
    mutation, counts = summary.mutation, summary.counts
    return {
        "command": "prove --teeth",
        "mutants": len(mutation.mutants),
        "least": summary.least,
        **{outcome.value: counts[outcome] for outcome in Outcome},
        "refuted_by": dict(summary.by_obligation.most_common()),
        "put_to_the_prover_too": dict(summary.asked_too.most_common()),
        "not_counted": {
            "same_text": mutation.same_text,
            "same_code": mutation.same_code,
            "not_compiled": mutation.not_compiled,
        },
        "passed": summary.passed,
        "fates": [fate_as_json(fate) for fate in summary.fates],
    }


def fate_as_json(fate: Fate) -> dict[str, Any]:
    """One mutant."""
    mutant, kill = fate.mutant, fate.kill
    result: dict[str, Any] = {
        "mutant": mutant.name,
        "function": mutant.function,
        "line": mutant.line,
        "operator": mutant.operator,
        "description": mutant.description,
        "outcome": fate.outcome.value,
        "obligation": fate.obligation,
        "properties": list(fate.properties),
        "cpu_seconds": round(fate.cpu_seconds, 3),
    }
    if kill:
        result["semantics"] = describe(kill.call.semantics)
        result["configuration"] = arguments(kill.call.configuration)
        result["expected"] = kill.call.expected._asdict()
        result["got"] = kill.got._asdict() if hasattr(kill.got, "_asdict") else kill.got
        result["raised"] = kill.raised or None
    return result


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    """Show how many mutants have been judged, on a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("mutants"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda: progress.advance(task)
