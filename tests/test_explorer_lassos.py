"""A fair cycle that avoids the goal is shown: it comes back to where it began, and forgets no fair action."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from hammer2_oracle.cli import main
from hammer2_oracle.commands.explore import explore
from hammer2_proofs.explorer.models import build
from hammer2_proofs.explorer.progress import check
from hammer2_proofs.explorer.search import indices, search
from hammer2_proofs.explorer.trace import Trace
from hammer2_spec.protocol.state import UNLIMITED
from hammer2_spec.transition_system import Action, Model, replaced

STARVED = [
    "protocol",
    "--writes",
    "1",
    "--elections",
    "15",
    "--faults",
    "1",
    "--with",
    "endless",
    "--progress-property",
]


def forgotten(model: Model[Any, Any], cycle: Trace) -> set[tuple[str, int | None]]:
    """What fairness owes and a cycle does not pay: fair actions that are possible all along it and never taken."""

    def fair_index(action: Action[Any, Any], index: Sequence[int]) -> int | None:
        return index[action.over.index(action.fair_over)] if action.fair_over else None

    fair = {action.name: action for action in model.actions if action.fair and not action.fault}
    taken = {
        (step.action, fair_index(fair[step.action], [i for _, i in step.index]))
        for step in cycle.steps
        if step.action in fair
    }
    possible = [
        {
            (name, fair_index(action, index))
            for name, action in fair.items()
            for index in indices(model, action.over)
            if action.step(model.setup, step.state, *index) is not None
        }
        for step in cycle.steps
    ]
    return set.intersection(*possible) - taken


@pytest.mark.parametrize("rule", ["exclusive_pass", "replacement_first"])
def test_what_recurs_for_ever_comes_back_to_where_it_began_and_forgets_no_fair_action(rule: str) -> None:
    bounds = {"writes": 1, "elections": UNLIMITED, "faults": 1}
    found = search(build("protocol", bounds, frozenset({"endless", f"without-{rule}"})))
    [stuck] = check(found)
    assert stuck.cycle is not None
    assert stuck.trace.steps[-1].state == stuck.cycle.initial == stuck.cycle.steps[-1].state
    assert forgotten(found.model, stuck.cycle) == set()
    assert all(not found.model.goal(found.model.setup, step.state) for step in stuck.cycle.steps if found.model.goal)


def test_what_recurs_for_ever_is_drawn_and_written(tmp_path: Path) -> None:
    itf = tmp_path / "starved.itf.json"
    starved = CliRunner().invoke(explore, [*STARVED, "--without", "exclusive_pass", "--itf", str(itf)])
    assert starved.exit_code == 1
    title = "what can recur from there for ever: 8 steps, and all is as at first"
    before, _, recurring = " ".join(starved.stdout.split()).partition(title)
    assert "15 │ BeginAgain" in before
    assert "8 │ SyncFinish" in recurring
    written = json.loads(itf.read_text())
    assert written["loop"] == 15
    assert len(written["states"]) == 15 + 8
    assert CliRunner().invoke(main, ["check", str(itf)]).exit_code == 0


class Lamp(NamedTuple):
    lit: bool = False


class Lamps(NamedTuple):
    lamps: tuple[Lamp, ...]


class Nothing(NamedTuple):
    bounds: int = 0


def switch(_m: Nothing, s: Lamps, i: int) -> Lamps:
    return s._replace(lamps=replaced(s.lamps, i, s.lamps[i]._replace(lit=not s.lamps[i].lit)))


def all_lamps_are_lit(_m: Nothing, s: Lamps) -> bool:
    return all(lamp.lit for lamp in s.lamps)


@pytest.mark.parametrize(("fair_over", "steps"), [("lamps", 6), (None, 2)])
def test_a_cycle_is_as_long_as_fairness_to_each_index_makes_it(fair_over: str | None, steps: int) -> None:
    """Three lamps: each must be switched, or any; never all lit."""
    action: Action[Nothing, Lamps] = Action("Switch", switch, ("lamps",), fair_over=fair_over)
    start = Lamps((Lamp(),) * 3)
    model = Model("lamps", Nothing(), (start,), {"lamps": 3}, {}, (action,), goal=all_lamps_are_lit)
    [stuck] = check(search(model))
    assert stuck.trace.steps == ()
    assert stuck.cycle is not None
    assert len(stuck.cycle.steps) == steps
    assert stuck.cycle.steps[-1].state == start
    assert forgotten(model, stuck.cycle) == set()
    short = Trace(start, stuck.cycle.steps[:1] * 2)
    assert bool(forgotten(model, short)) == (fair_over == "lamps")
