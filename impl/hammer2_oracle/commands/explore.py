"""hammer2-cluster explore: every reachable state of a model, up to its bounds."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hammer2_cluster.program import pasted
from hammer2_oracle import exploration_report
from hammer2_oracle.options import complain
from hammer2_oracle.status import Status
from hammer2_spec.transition_system import Model

if TYPE_CHECKING:
    from hammer2_proofs.explorer.progress import Stuck
    from hammer2_proofs.explorer.search import Found, Progress
    from hammer2_proofs.explorer.trace import Trace

BOUNDS = (
    *("masters", "slaves", "clients", "tids", "writes", "elections", "faults", "losses"),
    *("soft_masters", "fault_epochs"),
)
MEBIBYTE = 2**20
DEFAULT_MEMORY_MIB = 8192


class Bounded(click.Option):
    """A bound. What it bounds, and in which range, the models know: they are asked when help is wanted."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The line of the help."""
        from hammer2_proofs.explorer.models import MODELS

        told: dict[str, list[str]] = {}
        for model, entry in MODELS.items():
            if self.name in entry.bounds:
                bound = entry.bounds[self.name]
                told.setdefault(f"{bound.meaning}: {bound.values}", []).append(model)
        self.help = "; ".join(f"{text} ({', '.join(models)})" for text, models in told.items())
        return super().get_help_record(ctx)


def bounds(command: Callable[..., None]) -> Callable[..., None]:
    """The options that bound a model; each model says which of them it takes, and in which range."""
    for name in reversed(BOUNDS):
        command = click.option(f"--{name.replace('_', '-')}", name, cls=Bounded, type=int, default=None)(command)
    return command


@click.command()
@click.argument("model", default="protocol")
@bounds
@click.option("--bug", is_flag=True, help="Plant the calibration model's mistake.")
@click.option("--without", multiple=True, metavar="NAME", help="Take an ingredient of the protocol away.")
@click.option(
    "--semantics", metavar="TEXT", help="The ingredients of seed or repaired, + and - some: seed,+promise or -restamp."
)
@click.option("--with", "plus", multiple=True, metavar="NAME", help="Turn a switch of the model on.")
@click.option("--symmetry", is_flag=True, help="Count states that differ by a permutation of like nodes as one.")
@click.option("--workers", type=click.IntRange(1, 2), default=1, show_default=True, help="Cores.")
@click.option("--depth", type=click.IntRange(0), default=None, help="Stop at this depth.")
@click.option(
    "--memory",
    type=click.IntRange(1),
    default=DEFAULT_MEMORY_MIB,
    show_default=True,
    help="Stop when the states and their table fill so many MiB; the interpreter, some 100 MiB, comes on top, and so "
    "does the graph of --progress-property.",
)
@click.option("--keep-going", is_flag=True, help="Look for every broken sentence, not only those of the first level.")
@click.option("--progress-property", "live", is_flag=True, help="Check progress as well: it is slower.")
@click.option("--itf", type=click.Path(dir_okay=False, path_type=Path), help="Write the counterexample as ITF.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--list", "listing", is_flag=True, help="List the models, their bounds and switches.")
def explore(model: str, **options: Any) -> None:  # noqa: ANN401  # click's own dictionary
    """Explore every reachable state of MODEL, breadth first, up to its bounds.

    Exit status 0: everything holds. 1: something is broken. 2: bad usage. 3: undecided, a limit was reached.
    """
    if options["listing"]:
        exploration_report.listing()
        return
    from hammer2_proofs.explorer.models import build, switches_of
    from hammer2_proofs.explorer.report import as_object, traces
    from hammer2_proofs.explorer.search import search

    switches = {*options["plus"], *(f"without-{name.replace('-', '_')}" for name in options["without"])}
    if options["bug"]:
        switches.add("bug")
    try:
        if options["semantics"]:
            switches |= switches_of(model, options["semantics"])
        built = build(model, {name: options[name] for name in BOUNDS}, frozenset(switches))
        if options["live"]:
            _progress_can_be_checked(built, options)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    symmetry = options["symmetry"] and any(len(group) > 1 for group in built.alike)
    if options["symmetry"] and not symmetry:
        complain(f"no two nodes of this {model} are alike: --symmetry changes nothing")
    with _display(as_json=options["as_json"]) as show:
        try:
            found = search(
                built,
                symmetry=symmetry,
                workers=options["workers"],
                memory=options["memory"] * MEBIBYTE,
                depth=options["depth"],
                keep_going=options["keep_going"],
                progress=show,
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        broken = traces(found)
    result = as_object(found, broken)
    stuck, unjudged = _progress(found, asked=options["live"] and not broken and found.complete)
    result["progress"] = [failure.as_object() for failure in stuck]
    if unjudged:
        result |= {"complete": False, "stopped": unjudged}
    again = f"Reproduce with: {pasted('explore', *_arguments(model, options))}"
    if options["itf"]:
        from hammer2_proofs.explorer.itf import export

        to_write: list[tuple[str, Trace, Trace | None]] = [(name, trace, None) for name, trace in broken.items()]
        to_write += [(failure.what, failure.trace, failure.cycle) for failure in stuck]
        if to_write:
            _write(options["itf"], json.dumps(export(built, *to_write[0]), indent=1) + "\n")
        else:
            complain(f"{options['itf']} is not written: there is no counterexample")
    if options["as_json"]:
        click.echo(json.dumps(result))
    else:
        exploration_report.printed(found, broken, result, stuck if options["live"] and not unjudged else None)
        if unjudged:
            click.echo(f"undecided: {unjudged}")
        if broken or result["never"] or result["progress"]:
            click.echo(again)
    sys.exit(_status(broken, result))


def _status(broken: dict[str, "Trace"], result: dict[str, Any]) -> Status:
    if broken or result["never"] or result["progress"]:
        return Status.DIFFER
    return Status.AGREE if result["complete"] else Status.UNDECIDED


def _progress(found: "Found", *, asked: bool) -> "tuple[list[Stuck], str]":
    """Where there is none, and why it is not judged, if so."""
    from hammer2_proofs.explorer.progress import check

    if not asked:
        return [], ""
    if found.outside:
        return [], f"progress is not judged, because {found.outside:,} successors were left out"
    try:
        return check(found), ""
    except KeyboardInterrupt:
        return [], "interrupted while progress was judged"


def _progress_can_be_checked(model: Model[Any, Any], options: dict[str, Any]) -> None:
    """Raises ValueError where it would say nothing of the model."""
    from hammer2_spec.protocol.state import UNLIMITED

    if model.goal is None:
        raise ValueError(f"{model.name} has no goal to make progress to")
    if options["workers"] != 1:
        raise ValueError("progress is checked by one worker")
    if getattr(model.setup, "elections", UNLIMITED) < UNLIMITED:
        raise ValueError(f"progress needs --elections {UNLIMITED}, without end: where none is left nobody recovers")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from None


def _arguments(model: str, options: dict[str, Any]) -> list[str]:
    words = [model]
    for name in BOUNDS:
        if options[name] is not None:
            words += [f"--{name.replace('_', '-')}", str(options[name])]
    for name in options["without"]:
        words += ["--without", name]
    if options["semantics"]:
        words += ["--semantics", options["semantics"]]
    for name in options["plus"]:
        words += ["--with", name]
    words += [f"--{flag.replace('_', '-')}" for flag in ("bug", "symmetry", "keep_going") if options[flag]]
    if options["depth"] is not None:
        words += ["--depth", str(options["depth"])]
    if options["live"]:
        words.append("--progress-property")
    if options["workers"] != 1:
        words += ["--workers", str(options["workers"])]
    return words


class _Silent:
    """No display: the output is a pipe or a machine's."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


class _Line:
    """One line on the terminal that says how far the search is."""

    def __enter__(self) -> Callable[["Progress"], None]:
        return self.show

    def __exit__(self, *_: object) -> None:
        click.echo("\r\x1b[K", nl=False, err=True)

    @staticmethod
    def show(progress: "Progress") -> None:
        """Rewrite the line."""
        text = (
            f"\r\x1b[K{progress.states:,} states, {progress.rate:,.0f} a second, depth {progress.depth}, "
            f"frontier {progress.frontier:,}, {progress.bytes // MEBIBYTE:,} MiB"
        )
        click.echo(text, nl=False, err=True)


def _display(*, as_json: bool) -> _Silent | _Line:
    return _Line() if sys.stderr.isatty() and not as_json else _Silent()


if __name__ == "__main__":
    explore()
