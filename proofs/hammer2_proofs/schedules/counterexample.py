"""A run that breaks something: made shorter, drawn with nodes as columns and steps as rows, and as it is made again."""

# ruff: noqa: SLF001 - what a node does next is private to it

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import zip_longest
from shlex import quote
from textwrap import wrap
from typing import Any, Final, NamedTuple

from hammer2_proofs.explorer.trace import changes
from hammer2_proofs.schedules.judge import Violation
from hammer2_proofs.schedules.search import NO_END, Counterexample, must_end, what_breaks
from hammer2_proofs.schedules.world import STRIKES, Move, Scenario, Void, World
from hammer2_spec.protocol.notation import SHOWN

WIDTH: Final = 30
"""Of the column of a node."""


def run(scenario: Scenario, wanted: Sequence[Move], *, to_the_end: bool = True) -> Counterexample | None:
    """What these moves break, those left out that cannot be made; then the plainest ones, to the end."""

    def go_on(world: World) -> None:
        left = list(wanted)
        while moves := world.moves():
            while left and left[0] not in moves:
                left.pop(0)
            if not left and not to_the_end:
                return
            world.make(left.pop(0) if left else moves[0])
            must_end(world)
        world.end()

    return what_breaks(World(scenario), go_on)


def shortened(scenario: Scenario, found: Counterexample) -> Counterexample:
    """A run of which no move can be left out, nor any few moves that follow each other; one without an end as it is."""
    if len(found.moves) > NO_END:
        return found
    size = len(found.moves) // 2
    while size:
        at = 0
        while at < len(found.moves):
            shorter = run(scenario, found.moves[:at] + found.moves[at + size :])
            if shorter is not None and len(shorter.moves) < len(found.moves):
                found = shorter
            else:
                at += size
        size //= 2
    return found


class Row(NamedTuple):
    """One step."""

    move: str
    nodes: list[str]
    """What each node does, and what becomes of its part of the control state."""
    clients: list[str]
    """What becomes of each client's."""


def rows(scenario: Scenario, moves: Sequence[Move]) -> list[Row]:
    """Every step of a run, the one that breaks something last."""
    world, found = World(scenario), []
    for move in moves:
        before, heard = world.judge.state, len(world.judge.outcomes)
        does = _does(world, move)
        with suppress(Violation, Void):
            world.make(move)
        after, sizes = world.control.state, (scenario.masters, len(scenario.programs))
        cells = _cells(world, changes(before, after._replace(elections=before.elections, faults=before.faults)))
        nodes = ["; ".join([*does.get(n, []), *cells.get(f"nodes[{n}]", [])]) for n in range(sizes[0])]
        clients = ["; ".join(cells.get(f"clients[{c}]", [])) for c in range(sizes[1])]
        for outcome in world.judge.outcomes[heard:]:
            clients[int(outcome.split(":")[0])] += f" -> {outcome.partition(': ')[2]}"
        found.append(Row(str(move), nodes, clients))
    world.close()
    return found


def _does(world: World, move: Move) -> dict[int, list[str]]:
    if move.what == "step" or move.what in STRIKES:
        node = world.sim.nodes[move.node]
        ready = next((begun.errand for begun in node._waiting if begun.waits.ready()), None) or node._first_in_queue()
        what = "" if ready is None else f"{ready.client}: {_words(ready.step)}"
        return {move.node: [what, *([] if move.what == "step" else [move.what.replace("-", " ").upper()])]}
    if move.what in ("late", "gone", "back"):
        return {move.node: [move.what.upper()]}
    return {}


def _words(step: Any) -> str:  # noqa: ANN401 - a function, or a partial one
    """What a step is called; one that only carries another to the node has that one's name."""
    cells = [cell.cell_contents for cell in getattr(step, "__closure__", None) or ()]
    carried = next((it for it in cells if isinstance(it, partial)), step)
    function = carried.func if isinstance(carried, partial) else carried
    return str(function.__qualname__).rpartition(".")[2].strip("_").replace("_", " ")


def _cells(world: World, changed: Mapping[str, tuple[object, object]]) -> dict[str, list[str]]:
    cells: dict[str, list[str]] = {}
    for path, (_, new) in changed.items():
        record, _, field = path.rpartition(".")
        write = SHOWN.get(f"{record.partition('[')[0]}.{field}")
        name = getattr(new, "name", None)
        value = write(world.judge.setup, new) if write and isinstance(new, int) else str(name or new).lower()
        cells.setdefault(record, []).append(f"{field.replace('_', ' ')} {value}")
    return cells


def picture(scenario: Scenario, moves: Sequence[Move]) -> list[str]:
    """The rows, as lines of text."""
    clients = range(len(scenario.programs))
    heads = ["", "step", *[f"node {n}" for n in range(scenario.masters)], *[f"client {c}" for c in clients]]
    table = [[str(i), row.move, *row.nodes, *row.clients] for i, row in enumerate(rows(scenario, moves), start=1)]
    widths = [min(WIDTH, max(len(line[i]) for line in [heads, *table])) for i in range(len(heads))]
    lines = []
    for row in [heads, ["-" * width for width in widths], *table]:
        columns = [wrap(cell, width) if cell else [] for cell, width in zip(row, widths, strict=True)]
        lines += [
            "  ".join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()
            for parts in zip_longest(*columns, fillvalue="")
        ]
    return lines


def command(scenario: Scenario, moves: Sequence[Move], plant: str = "") -> str:
    """What makes the run again."""
    steps = " ".join(map(str, moves))
    planted = f" --plant {quote(plant)}" if plant else ""
    return f"python -m hammer2_proofs.schedules {quote(scenario.name)}{planted} --steps {quote(steps)}"


def told(scenario: Scenario, found: Counterexample, plant: str = "") -> list[str]:
    """A counterexample for people: the program, the picture, what is broken, and how it is made again."""
    return [
        f"{scenario.bounds}:",
        *picture(scenario, found.moves),
        f"after {len(found.moves)} steps: {found.what}",
        f"Reproduce with: {command(scenario, found.moves, plant)}",
    ]


def as_object(scenario: Scenario, found: Counterexample) -> dict[str, object]:
    """The same for machines."""
    return {
        "scenario": scenario.name,
        "programs": scenario.programs,
        "what": found.what,
        "steps": [str(move) for move in found.moves],
        "rows": [row._asdict() for row in rows(scenario, found.moves)],
        "reproduce": command(scenario, found.moves),
    }
