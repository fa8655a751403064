"""``hammer2-cluster conform``: examine an implementation that speaks JSON lines on its standard input and output."""

from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from hammer2_oracle.conform import DIRECTORY
from hammer2_oracle.options import json_option, silence_option
from hammer2_oracle.status import Status
from hammer2_spec.semantics import parse

FILE: Final = click.Path(path_type=Path, dir_okay=False)


OF_CAMPAIGNS: Final = ("semantics", "slots", "lives", "programs", "seed", "directory", "junit", "html", "as_json")


def _refuse_besides_vectors() -> None:
    """Vectors say themselves what is asked and what is right, and the receipt is what is written."""
    context = click.get_current_context()
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in OF_CAMPAIGNS and source is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[0]} and --vectors exclude each other")


@click.command("conform", context_settings={"ignore_unknown_options": True})
@click.argument("command", metavar="-- COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option(
    "--semantics",
    metavar="claimed|auto|seed|repaired|+NAME,..|-NAME,..",
    default="claimed",
    show_default=True,
    help="Judge it by what it claims to have mended, by what its own answers say, or by these semantics.",
)
@click.option(
    "--slots",
    type=click.IntRange(0, 4),
    default=2,
    show_default=True,
    help="Ask all clusters of so many members; each one more takes 25 times as long.",
)
@click.option(
    "--lives",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    help="Then so many random lives of a cluster, of up to 24 calls each; and scenarios; and days of operations. What "
    "goes wrong is shrunk.",
)
@click.option(
    "--programs",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="Ask for the operations of so many programs in worlds, if it performs operations; there are some 800.",
)
@click.option("--seed", type=click.IntRange(min=0), default=20150330, show_default=True, help="Of all random choices.")
@silence_option
@click.option(
    "--vectors",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DIR",
    help="Ask what the vectors in DIR hold instead, and write a receipt.",
)
@click.option(
    "--receipt", type=FILE, metavar="FILE", default="receipt.jsonl", show_default=True, help="Of a run over vectors."
)
@click.option(
    "--save",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=DIRECTORY,
    show_default=True,
    metavar="DIR",
    help="Where divergences are kept, for replay.",
)
@click.option("--junit", type=FILE, metavar="FILE", help="Write JUnit XML for a CI server, too.")
@click.option("--html", type=FILE, metavar="FILE", help="Write a page that draws each divergence, too.")
@json_option
def conform(  # noqa: PLR0913 - one for each option
    command: tuple[str, ...],
    semantics: str,
    slots: int,
    lives: int,
    programs: int,
    seed: int,
    timeout: float,
    vectors: Path | None,
    receipt: Path,
    directory: Path,
    junit: Path | None,
    html: Path | None,
    as_json: bool,
) -> Status:
    """Examine the implementation that COMMAND starts. docs/reference/conform.md describes what the two say.

    Nothing is expected of what COMMAND prints on standard error; it passes through.
    """
    if vectors:
        _refuse_besides_vectors()
        from hammer2_oracle.conform import over_vectors

        return over_vectors.run(command, vectors, receipt, timeout)
    from hammer2_oracle.conform.command import Outputs, run
    from hammer2_oracle.conform.run import Plan

    try:
        given = None if semantics in ("claimed", "auto") else parse(semantics)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--semantics") from None
    return run(
        command,
        Plan(given, semantics == "auto", slots, lives, programs, seed, timeout),
        Outputs(directory, junit, html),
        as_json,
    )
