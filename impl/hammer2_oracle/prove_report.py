"""What ``hammer2-cluster prove`` does and prints."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from hammer2_cluster.decisions import SEED_DECISION, Decision
from hammer2_cluster.program import pasted
from hammer2_oracle.options import complain
from hammer2_oracle.screen import Screen
from hammer2_oracle.status import Status, worst
from hammer2_proofs.obligations import Obligation, Result, Solver, script
from hammer2_proofs.obligations import Status as Answer
from hammer2_proofs.proving import NOT_PROVED, Question, Tally, questions
from hammer2_proofs.values import negation
from hammer2_spec.semantics import REPAIRED, Semantics, describe

STATUS: Final = {
    Answer.PROVED: Status.AGREE,
    Answer.REFUTED: Status.DIFFER,
    Answer.VACUOUS: Status.DIFFER,
    Answer.UNDECIDED: Status.UNDECIDED,
}
FILE_NAME_LENGTH: Final = 100
Z3_STATUS: Final = "(set-info :status unknown)\n"
"""z3 writes it into every script; no solver has been asked yet."""


def prove(
    asked: Sequence[Obligation],
    names: Sequence[str],
    solvers: Sequence[Solver],
    timeout: float,
    semantics: Semantics,
    decision: Decision,
    as_json: bool,
) -> Status:
    """Ask for the obligations of these names and print answers as they come; Ctrl-C sums up what is known by then."""
    to_ask = questions(asked, solvers)
    tally, screen = Tally(len(to_ask)), Screen()
    with _progress(to_ask) as advance:
        try:
            before = ""
            for result in tally.ask(to_ask, timeout):
                if not as_json:
                    _show(result, screen, before)
                before = result.detail
                advance()
        except KeyboardInterrupt:
            complain("stopped before all was asked")
    status = worst(
        *(STATUS[result.status] for result in tally.results), *([] if tally.complete else [Status.UNDECIDED])
    )
    again = _reproduction(tally, names, solvers, timeout, semantics, decision) if status else None
    if as_json:
        click.echo(json.dumps(_as_json(tally, semantics, decision, status) | {"reproduce": again}))
        return status
    for family, rest in NOT_PROVED.items():
        if any(it.name.startswith(f"{family}: ") for it in asked):
            screen.line(f"{family}: {rest}")
    screen.line(tally.sentence, "bold red" if status else "bold green")
    if again:
        screen.line(f"Reproduce with: {again}")
    return status


def list_obligations(asked: Sequence[Obligation], as_json: bool) -> None:
    """Print the names, and which solvers must prove each."""
    if as_json:
        click.echo(json.dumps({"obligations": [{"name": it.name, "solvers": it.solvers} for it in asked]}))
        return
    for obligation in asked:
        click.echo(f"{'+'.join(obligation.solvers):<8} {obligation.name}")


def export(asked: Sequence[Obligation], directory: Path, as_json: bool) -> None:
    """Write each obligation as an SMT-LIB script: a solver that answers unsat proves it, sat refutes it."""
    directory.mkdir(parents=True, exist_ok=True)
    for number, obligation in enumerate(asked, 1):
        name = re.sub(r"[^a-z0-9]+", "-", obligation.name.lower()).strip("-")[:FILE_NAME_LENGTH]
        text = script([*obligation.hypotheses, negation(obligation.goal)]).replace(Z3_STATUS, "")
        head = f"; {obligation.name}\n; unsat: proved, sat: refuted\n"
        (directory / f"{number:04}-{name}.smt2").write_text(head + text)
    if as_json:
        click.echo(json.dumps({"command": "prove --smt2", "directory": str(directory), "scripts": len(asked)}))
        return
    click.echo(f"{len(asked):,} scripts in {directory}: unsat is proved")


def _show(result: Result, screen: Screen, before: str) -> None:
    bad = STATUS[result.status] is not Status.AGREE
    line = f"{result.status.value:<9} {result.solver:<4} {result.seconds:7.2f} s  {result.name}"
    screen.line(line, "bold red" if bad else "")
    several_lines = "\n" in result.detail
    for detail in ["as above"] if several_lines and result.detail == before else result.detail.splitlines():
        screen.line(f"    {detail}")


def _as_json(tally: Tally, semantics: Semantics, decision: Decision, status: Status) -> dict[str, Any]:
    return {
        "command": "prove",
        "decision": decision.name,
        "semantics": describe(semantics),
        "status": status,
        "questions": tally.total,
        "complete": tally.complete,
        **{answer.value: tally.counts[answer] for answer in Answer},
        "cpu_seconds": round(sum(result.seconds for result in tally.results), 3),
        "answers": [
            {
                "name": result.name,
                "solver": result.solver,
                "answer": result.status.value,
                "cpu_seconds": round(result.seconds, 3),
                "detail": result.detail or None,
            }
            for result in tally.results
        ],
    }


def _reproduction(
    tally: Tally,
    names: Sequence[str],
    solvers: Sequence[Solver],
    timeout: float,
    semantics: Semantics,
    decision: Decision,
) -> str:
    words = ["prove"]
    if semantics != REPAIRED:
        words += ["--semantics", describe(semantics)]
    if decision.name != SEED_DECISION:
        words += ["--decision", decision.name]
    if solvers:
        words += ["--solver", "both" if len(solvers) > 1 else solvers[0]]
    words += ["--timeout", f"{timeout:g}"]
    failed = [result.name for result in tally.results if STATUS[result.status] is not Status.AGREE]
    return pasted(*words, *(failed[:1] or names))


@contextmanager
def lifting() -> Iterator[None]:
    """Say on a terminal that the sources are being lifted, which takes some seconds."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status("lifting the sources"):
        yield


@contextmanager
def _progress(to_ask: Sequence[Question]) -> Iterator[Callable[[], None]]:
    """Show on a terminal how many questions have been answered, and which one is being asked."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False)
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=len(to_ask))
        names = iter([question.obligation.name for question in to_ask] + [""])
        progress.update(task, description=next(names))
        yield lambda: progress.update(task, advance=1, description=next(names))
