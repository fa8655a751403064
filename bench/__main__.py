"""Measure and print: `python -m bench [MODULE...] [--json FILE]`."""

import importlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Sequence
from typing import TextIO

import click
from rich.console import Console
from rich.table import Table

import bench
from bench import Figure


def bound(figure: Figure) -> str:
    """Write the promised bound of a figure, nothing where there is none."""
    limits = ((figure.at_most, "at most"), (figure.at_least, "at least"))
    return ", ".join(f"{word} {limit:,g}" for limit, word in limits if limit is not None)


def table_of(figures: Sequence[Figure]) -> Table:
    """Return the figures as a table, broken bounds in red."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("figure")
    for column in ("value", "unit", "promised"):
        table.add_column(column, justify="right", no_wrap=True)
    for figure in figures:
        style = None if figure.kept else "red"
        table.add_row(figure.name, f"{figure.value:,.4g}", figure.unit, bound(figure), style=style)
    return table


def modules() -> list[str]:
    """Return the names of the benchmarks."""
    return [module.name for module in pkgutil.iter_modules(bench.__path__) if not module.name.startswith("_")]


def figures_of(name: str) -> list[Figure]:
    """Measure: return the figures of one benchmark."""
    return list(importlib.import_module(f"bench.{name}").figures())


def said(error: subprocess.CalledProcessError) -> str:
    """What the command that failed wrote on standard error, if that was kept."""
    kept: bytes | str | None = error.stderr
    return kept.decode(errors="replace") if isinstance(kept, bytes) else kept or ""


def measure(names: Sequence[str]) -> list[Figure]:
    """Return the figures of the named benchmarks."""
    figures: list[Figure] = []
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        figures += figures_of(name)
    return figures


@click.command()
@click.argument("names", metavar="[MODULE]...", nargs=-1)
@click.option("--json", "report", type=click.File("w", lazy=False), help="Write the figures there.")
def main(names: Sequence[str], report: TextIO | None) -> None:
    """Print the figures of every module in bench/, or of the named ones; status 1 if a promised bound is broken."""
    known = modules()
    for name in names:
        if name not in known:
            raise click.UsageError(f"no benchmark is called {name!r}; there are: {', '.join(known)}")
    try:
        figures = measure(names or known)
    except subprocess.CalledProcessError as error:
        print(f"bench: a measured command failed: {error}\n{said(error)}".rstrip(), file=sys.stderr)
        sys.exit(2)
    Console(width=None if sys.stdout.isatty() else 120).print(table_of(figures))
    if report:
        report.write(json.dumps([figure._asdict() | {"kept": figure.kept} for figure in figures], indent=2) + "\n")
    broken = [figure.name for figure in figures if not figure.kept]
    print(f"bench: {len(figures)} figures, {len(broken)} beyond what is promised")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
