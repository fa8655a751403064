"""Runs of the real code far beyond the bounds of the exploration: drawn at random, judged after every step."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hammer2_proofs.schedules.counterexample import command, run
from hammer2_proofs.schedules.planted import PLANTS
from hammer2_proofs.schedules.scenarios import WALKS
from hammer2_proofs.schedules.walks import MOST_CHOICES, MOST_STEPS, MOST_TURNS, Turn, drawn, walk
from hammer2_proofs.schedules.world import Move, Scenario, World

PROFILE = settings.get_profile("default") if settings.default is None else settings.default
RUNS = PROFILE.max_examples if PROFILE.max_examples > 1000 else 25
TURNS = st.lists(
    st.builds(Turn, st.integers(0, MOST_STEPS), st.integers(0, MOST_CHOICES - 1)), min_size=1, max_size=MOST_TURNS
)


@settings(max_examples=RUNS, deadline=None)
@given(st.sampled_from(WALKS), TURNS)
def test_a_run_that_is_drawn_at_random_breaks_nothing(scenario: Scenario, turns: list[Turn]) -> None:
    wrong = walk(scenario, turns)
    if wrong is not None:
        pytest.fail(f"after {len(wrong.moves)} steps: {wrong.what}\ndrawn by: {command(scenario, wrong.moves)}")


def test_a_planted_mistake_is_found_by_a_walk_and_its_steps_show_it_again() -> None:
    plant = PLANTS["early-acknowledgement"]
    with plant.planted():
        found = ((scenario, walk(scenario, drawn(random.Random(seed)))) for seed in range(20) for scenario in WALKS)
        scenario, wrong = next((scenario, wrong) for scenario, wrong in found if wrong is not None)
        again = run(scenario, [Move.read(str(move)) for move in wrong.moves])
    assert again == wrong
    assert command(scenario, wrong.moves).startswith(f"python -m hammer2_proofs.schedules {scenario.name} --steps ")


def test_equal_seeds_walk_equal_ways() -> None:
    def way() -> list[Move]:
        moves: list[Move] = []
        walk(WALKS[0], drawn(random.Random(7)), lambda world: moves.append(world.moves_made[-1]))
        return moves

    assert way() == way()
    assert any(not str(move).isdigit() for move in way())


def test_walks_meet_every_kind_of_fault() -> None:
    met: set[str] = set()

    def note(world: World) -> None:
        met.add(world.moves_made[-1].what)

    for seed in range(60):
        walk(WALKS[seed % len(WALKS)], drawn(random.Random(seed)), note)
    assert {"late", "gone", "back", "write-error", "sync-error", "full", "cancel", "tick"} <= met
