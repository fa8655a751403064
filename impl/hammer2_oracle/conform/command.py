"""What ``hammer2-cluster conform`` does and prints."""

import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click

from hammer2_cluster.program import pasted
from hammer2_oracle.conform import report as reports
from hammer2_oracle.conform.divergence import AnyDivergence, save, write_whole
from hammer2_oracle.conform.implementation import Misbehaved
from hammer2_oracle.conform.report import Report
from hammer2_oracle.conform.run import Plan, examine
from hammer2_oracle.options import complain
from hammer2_oracle.screen import Screen
from hammer2_oracle.status import Status, worst
from hammer2_spec.semantics import describe


class Outputs(NamedTuple):
    """What is written besides what is printed."""

    divergences: Path
    """The directory where they are kept."""
    junit: Path | None = None
    html: Path | None = None


def run(command: Sequence[str], plan: Plan, outputs: Outputs, as_json: bool) -> Status:
    """Examine an implementation, keep and print what was found.

    Args:
        command: the implementation.
        plan: what is asked.
        outputs: what is written.
        as_json: print one object.

    Raises click.ClickException where it cannot be examined.
    """
    try:
        with _progress() as tell:
            report = examine(command, plan, tell)
    except Misbehaved as misbehaved:
        raise click.ClickException(f"{shlex.join(command)}: {misbehaved}") from None
    except ModuleNotFoundError as missing:
        if missing.name != "hypothesis":
            raise
        raise click.ClickException(
            "random lives need hypothesis: install hammer2-cluster[testing], or say --lives 0"
        ) from None
    except ValueError as error:
        raise click.ClickException(f"{shlex.join(command)} introduces itself with {error}") from None
    reproduce = reproduction(command, plan)
    kept, complaints = _written(report, reports.records(report, command, reproduce), outputs)
    if as_json:
        click.echo(json.dumps(reports.as_json(report, command, reproduce)))
    else:
        _show(report, kept, reproduce)
    for complaint in complaints:
        complain(complaint)
    return worst(report.status, Status.BAD_INPUT if complaints else Status.AGREE)


def _written(
    report: Report, divergences: Sequence[AnyDivergence], outputs: Outputs
) -> tuple[list[Path], Sequence[str]]:
    """Where the divergences are kept, and what could not be written, and why."""
    kept: list[Path] = []

    def keep() -> None:
        kept.extend(save(divergences, outputs.divergences))

    def write_junit(path: Path) -> None:
        from hammer2_oracle.conform.junit import write

        write(path, report, divergences)

    def write_page(path: Path) -> None:
        from hammer2_oracle.conform.page import page

        write_whole(path, page(report, divergences, kept).encode())

    works: list[Callable[[], None]] = [keep]
    works += [partial(write_junit, outputs.junit)] if outputs.junit else []
    works += [partial(write_page, outputs.html)] if outputs.html else []
    complaints = []
    for work in works:
        try:
            work()
        except OSError as error:
            complaints.append(f"could not be written: {error.filename}: {error.strerror}")
    return kept, complaints


def _show(report: Report, kept: Sequence[Path], reproduce: str) -> None:
    screen = Screen()
    for line in reports.lines(report, kept):
        screen.line(line)
    screen.line(report.sentence, "bold red" if report.status else "bold green")
    if report.status:
        screen.line(f"Reproduce with: {reproduce}")


def reproduction(command: Sequence[str], plan: Plan) -> str:
    """The command line that asks the same again."""
    default = Plan()
    words = ["conform"]
    if plan.infer:
        words += ["--semantics", "auto"]
    elif plan.semantics is not None:
        words += ["--semantics", describe(plan.semantics)]
    for name in ("slots", "lives", "programs", "seed", "timeout"):
        if getattr(plan, name) != getattr(default, name):
            words += [f"--{name}", f"{getattr(plan, name):g}" if name == "timeout" else str(getattr(plan, name))]
    return pasted(*words, "--", *command)


@contextmanager
def _progress() -> Iterator[Callable[[Report], None]]:
    """Show on a terminal how many decisions have been judged."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("starting the implementation") as status:
        yield lambda report: status.update(report.sentence)
