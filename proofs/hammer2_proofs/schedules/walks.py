"""Single runs beyond the bounds, drawn at random: the plainest step each time, but for some steps that are drawn."""

# ruff: noqa: SLF001 - a walk is the world's next step, made by who may look inside

import random
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from hammer2_proofs.schedules.search import Counterexample, must_end, what_breaks
from hammer2_proofs.schedules.world import Move, Scenario, Void, World

MOST_STEPS: Final = 12
"""Plain ones before one that is drawn."""
MOST_TURNS: Final = 60
MOST_CHOICES: Final = 40


class Turn(NamedTuple):
    """So many plain steps, and then this one of those that are possible, counted round and round."""

    after: int
    choice: int


def drawn(chance: random.Random) -> list[Turn]:
    """A walk."""
    most = chance.randint(0, MOST_STEPS)
    return [Turn(chance.randint(0, most), chance.randrange(MOST_CHOICES)) for _ in range(chance.randint(1, MOST_TURNS))]


def walk(
    scenario: Scenario, turns: Sequence[Turn], note: Callable[[World], None] = lambda _: None
) -> Counterexample | None:
    """One run, to its end. Returns what it breaks. note: called after every step."""

    def go_on(world: World) -> None:
        left, plain = list(turns), 0
        while moves := world.moves():
            turns_now = bool(left) and plain == left[0].after
            move = moves[left.pop(0).choice % len(moves)] if turns_now else moves[0]
            plain = 0 if turns_now else plain + 1
            _make(world, move)
            note(world)
            must_end(world)
        world.end()

    return what_breaks(World(scenario), go_on)


def _make(world: World, move: Move) -> None:
    """A step; with its fault, if there is something to strike. Raises Violation, Void."""
    try:
        world.make(move)
    except Void:
        if move.what == "no-room":  # who found little room may have done something else
            raise
        world.devices[move.node].faults.clear()
        world.left_faults += 1
        world.moves_made[-1] = Move("step", move.node)  # like any other
        world._nobody_has_died()
        world.judge.after()
