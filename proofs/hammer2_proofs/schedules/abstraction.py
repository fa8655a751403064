"""The code beside the protocol: which actions it takes, and which of the explorer's states it visits."""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np

import hammer2_cluster
from hammer2_proofs.explorer.search import search as explore
from hammer2_proofs.schedules.judge import SPECIFIED
from hammer2_proofs.schedules.search import Found
from hammer2_proofs.schedules.world import World
from hammer2_spec.protocol.model import CLIENTS, MASTERS, NODES, SPACE, protocol
from hammer2_spec.protocol.ranks import ranked
from hammer2_spec.protocol.state import Setup, State

MEMORY: Final = 2 << 30


@dataclass(frozen=True)
class Visited:
    """The abstract states of some scenarios, beside those of the explorer in the same bounds."""

    elections: int
    faults: int
    code: int
    """States that the code visits, like nodes alike."""
    explored: int
    outside: int
    """States that only the code visits: there must be none."""
    undecided: str
    """Why the explorer did not end, or nothing."""


def visited(found: Found) -> Visited:
    """What a search visited, beside all that the protocol can reach with so many writes, elections and faults."""
    world = World(found.scenario)
    elections = max(state.elections for state in found.abstract)
    faults = max(state.faults for state in found.abstract)
    setup = world.judge.setup._replace(elections=elections, faults=faults)
    if not found.taken["BeginAgain"]:
        setup = setup._replace(endless=False)
    if not {action.name for action in SPACE} & found.taken.keys():
        setup = setup._replace(space=False)
    model = replace(protocol(setup, warm=False), initial=(world.judge.state,))
    explored = explore(model, symmetry=True, memory=MEMORY)
    alike = explored.kernels.alike
    code = {explored.layout.pack(_ranked(setup, state), alike) for state in found.abstract}
    width = explored.layout.words
    kind = np.dtype([(f"word{n}", np.uint64) for n in range(width)])
    outside = np.array(sorted(code), dtype=np.uint64).reshape(-1, width).view(kind).ravel()
    for pool in explored.pools:
        known = pool.store[: pool.known * width].reshape(-1, width).view(kind).ravel()
        outside = np.setdiff1d(outside, known)
    return Visited(elections, faults, len(code), explored.states, len(outside), explored.stopped)


def _ranked(setup: Setup, state: State) -> State:
    after = ranked(setup, state)
    if after is None:
        raise ValueError("a state of the code is beyond the numbers of the protocol")
    return after


# ---- actions


@cache
def named_in_the_code() -> frozenset[str]:
    """The actions whose names the implementation mentions."""
    names = set()
    for path in Path(hammer2_cluster.__path__[0]).glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in SPECIFIED}
    return frozenset(names)


def instances(setup: Setup, state: State) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every action, with every choice of its indices."""
    sizes = {CLIENTS: len(state.clients), NODES: len(state.nodes), MASTERS: setup.masters}
    for action in SPECIFIED.values():
        for indices in product(*(range(sizes[domain]) for domain in action.over)):
            yield action.name, indices


def _enabled(setup: Setup, action: str, state: State) -> bool:
    return any(
        name == action and SPECIFIED[action].step(setup, state, *indices) is not None
        for name, indices in instances(setup, state)
    )


def reasons(runs: Sequence[Found]) -> Iterator[tuple[str, str]]:
    """For each action that was never taken, why: a reason that was checked; none if there is none."""
    taken: Counter[str] = sum((found.taken for found in runs), Counter())
    states: dict[Setup, set[State]] = {}
    for found in runs:
        states.setdefault(World(found.scenario).judge.setup, set()).update(found.abstract)
    for action in SPECIFIED:
        if not taken[action]:
            yield action, _reason(action, states.items())


def _reason(action: str, states: Iterable[tuple[Setup, set[State]]]) -> str:
    if action not in named_in_the_code():
        return "no code names it"
    where = [(setup, state) for setup, some in states for state in some if _enabled(setup, action, state)]
    if not where:
        return "it is possible in none of the states that were visited"
    if action == "BeginAgain" and all(_enabled(setup, "Begin", s) or s.begun == setup.writes for setup, s in where):
        return "wherever it is possible Begin is too, or all writes of the programs have begun"
    return ""
