"""What an exploration found, for people: counts, sentences, and each counterexample as a table."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hammer2_spec.transition_system import Model, sentence

if TYPE_CHECKING:
    from rich.console import Console

    from hammer2_proofs.explorer.progress import Stuck
    from hammer2_proofs.explorer.search import Found
    from hammer2_proofs.explorer.trace import Trace

WIDE = 1000
"""Columns of what is no terminal: there no line is broken."""
Name = TypeVar("Name")
Way = TypeVar("Way")


def listing() -> None:
    """Print the models, their bounds and switches."""
    from hammer2_proofs.explorer.models import MODELS, option

    for name, entry in MODELS.items():
        click.echo(f"{name}: {entry.about}")
        for key, bound in entry.bounds.items():
            click.echo(f"  --{key.replace('_', '-')} {bound.values}: {bound.meaning}")
        for switch, text in entry.switches.items():
            click.echo(f"  --{option(switch)}: {text}")


def printed(
    found: "Found", broken: Mapping[str, "Trace"], result: Mapping[str, Any], stuck: "Sequence[Stuck] | None"
) -> None:
    """Print what a search found.

    Args:
        found: the search.
        broken: the shortest counterexample of each broken sentence.
        result: the same as an object.
        stuck: where there is no progress; None if that was not asked, or not judged.
    """
    from rich.console import Console

    from hammer2_proofs.explorer.models import parameters

    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDE)
    console.print(f"{found.model.name}: {', '.join(parameters(found.model))}")
    console.print(
        f"{found.states:,} states{' up to symmetry' if found.symmetry else ''}, {found.transitions:,} transitions, "
        f"depth {found.depth}, hash {result['hash']}, {found.seconds:.1f} s"
    )
    if found.outside:
        console.print(f"{found.outside:,} successors beyond the bounds were left out")
    _counts(console, found, result)
    _verdicts(console, found, broken, stuck)
    for names, trace in together(broken.items()):
        _broken(console, found, names, trace)
    for what, way in together((failure.what, (failure.trace, failure.cycle)) for failure in stuck or ()):
        _stuck(console, found, what, *way)
    for name in result["never"]:
        console.print(f"NEVER: {name}")
    if found.stopped:
        covered = f"all states within {found.depth} steps are found, the last {found.frontier:,} of them not judged"
        console.print(f"{'stopped' if broken else 'undecided'}: {found.stopped}; {covered}")


def together(ways: Iterable[tuple[Name, Way]]) -> Iterator[tuple[list[Name], Way]]:
    """Each way once, with the names of all that it breaks."""
    found: list[tuple[list[Name], Way]] = []
    for name, way in ways:
        names = next((names for names, known in found if known == way), None)
        if names is None:
            found.append(([name], way))
        else:
            names.append(name)
    return iter(found)


def _counts(console: "Console", found: "Found", result: Mapping[str, Any]) -> None:
    from rich.table import Table

    table = Table("action", "taken", box=None)
    for name, count in found.actions.items():
        table.add_row(name, f"{count:,}")
    console.print(table)
    witnesses = Table("witness", "reached after", box=None)
    for name, steps in result["witnesses"].items():
        witnesses.add_row(name, "never" if steps is None else f"{steps} steps")
    console.print(witnesses)


def _verdicts(
    console: "Console", found: "Found", broken: Mapping[str, "Trace"], stuck: "Sequence[Stuck] | None"
) -> None:
    for invariant in _sentences(found):
        name = sentence(invariant)
        console.print(f"{'BROKEN' if name in broken else 'holds' if found.complete else 'so far'}: {name}")
    for failure in stuck or ():
        console.print(f"NO PROGRESS: {failure.what} ({failure.states:,} states)")
    if stuck == [] and found.complete and not broken and found.model.goal is not None:
        console.print(f"holds: once faults stop, a way leads to: {sentence(found.model.goal)}")
        console.print("holds: short of it something always has to happen")
        console.print(
            "not checked, with --symmetry: fair cycles" if found.symmetry else "holds: no fair cycle avoids it"
        )


def _sentences(found: "Found") -> list[Callable[..., bool]]:
    return [*found.model.invariants, *(step.holds for step in found.model.step_invariants)]


def _broken(console: "Console", found: "Found", names: Sequence[str], trace: "Trace") -> None:
    from hammer2_proofs.explorer.table import whole

    console.print(f"\nbroken after {len(trace.steps)} steps: {'; '.join(names)}")
    for judged in _sentences(found):
        if sentence(judged) in names:
            console.print(f"expected: {_meant(judged)}")
    draw(console, found.model, trace, [whole(found.model, trace)])


def _stuck(console: "Console", found: "Found", what: Sequence[str], trace: "Trace", cycle: "Trace | None") -> None:
    from hammer2_proofs.explorer.table import whole

    for name in what:
        console.print(f"\n{name}: the way there")
    if found.model.goal is not None:
        console.print(f"expected, at last: {_meant(found.model.goal)}")
    draw(console, found.model, trace, () if cycle else [whole(found.model, trace)])
    if cycle:
        console.print(f"\nwhat can recur from there for ever: {len(cycle.steps)} steps, and all is as at first")
        draw(console, found.model, cycle)


def _meant(judged: Callable[..., bool]) -> str:
    """What a sentence says at more length."""
    return (judged.__doc__ or sentence(judged)).partition("\n")[0]


def _list(console: "Console", heads: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """A table for a terminal that is too narrow for it: below each step what it changes, a line for each column."""
    from rich.padding import Padding

    for number, action, *cells in lines:
        console.print(f"{number:>3} {action.replace(chr(10), '')}")
        for head, cell in zip(heads[2:], cells, strict=True):
            if cell:
                console.print(Padding(f"{head}: {cell.replace(chr(10), ', ')}", (0, 0, 0, 8)))


def draw(console: "Console", model: Model[Any, Any], trace: "Trace", end: Sequence[Sequence[str]] = ()) -> None:
    """Print a counterexample.

    Args:
        console: where; if it is too narrow for the table there is a line for each of its cells instead.
        model: what it is a counterexample of.
        trace: the steps.
        end: rows to follow.
    """
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    from hammer2_proofs.explorer.table import RENUMBERED, columns, rows

    heads, lines = columns(trace), [*rows(model, trace), *end]
    table = Table(*heads, show_lines=True)
    for line in lines:
        table.add_row(*(Text(cell) for cell in line))
    if Measurement.get(console, console.options.update_width(WIDE), table).maximum <= console.width:
        console.print(table)
    else:
        _list(console, heads, lines)
    if any(step.made is not None for step in trace.steps):
        console.print(f"{RENUMBERED}: only their order counts, so they are counted anew; that sets no node back")
