"""Progress: once faults stop, the goal can be reached from every state, and no fair behaviour avoids it for ever.

A behaviour is fair if a fair action that stays possible is taken at last, for each index of its fair domain by itself.
Any other, such as the choice to begin a write, may be left undone for ever: a state that only such actions leave is an
end. Of cycles it is enough to look at whole components: if an action is possible all along a part of one and never
taken there, it need not be so in the whole; the whole is the cycle that gives every action its best chance.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from hammer2_proofs.explorer.graph import LABELS, Graph
from hammer2_proofs.explorer.report import steps_of, violation
from hammer2_proofs.explorer.search import Found, Notes
from hammer2_proofs.explorer.trace import Trace, follow, trace_to
from hammer2_spec.transition_system import sentence

UNFAIR = -1
FAULT = -2
EDGES_PER_STATE = 8


class Failure(NamedTuple):
    """States without progress, by their numbers: how many, the nearest, and the cycle from there, if there is one."""

    what: str
    states: int
    first: int
    cycle: tuple[int, ...] = ()


@dataclass(frozen=True)
class Stuck:
    """States without progress: what is wrong with them, how many they are, the way to the nearest.

    ``cycle`` is what can recur there for ever, and is fair to every action: its last state is its first. None where
    nothing needs to recur.
    """

    what: str
    states: int
    trace: Trace
    cycle: Trace | None = None

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        cycle = steps_of(self.cycle) if self.cycle else []
        return {"what": self.what, "states": self.states, **violation(self.what, self.trace), "cycle": cycle}


def check(found: Found) -> list[Stuck]:
    """Check progress towards the model's goal in what a complete search has found.

    With symmetry fairness cannot be told node by node; then cycles are not checked.

    Raises:
        ValueError: the search is not complete, left successors out, used two workers, or the model has no goal.
    """
    if not found.complete or found.workers != 1 or found.model.goal is None:
        raise ValueError("progress needs a model with a goal, completely searched by one worker")
    if found.outside:
        raise ValueError(f"progress needs all successors: {found.outside:,} are beyond the bounds")
    return [_followed(found, failure) for failure in failures(found)]


def _followed(found: Found, failure: Failure) -> Stuck:
    trace = trace_to(found, failure.first)
    if not failure.cycle:
        return Stuck(failure.what, failure.states, trace)
    start = trace.steps[-1].state if trace.steps else trace.initial
    along = follow(found, start, [found.words(state) for state in failure.cycle], faults=False)
    return Stuck(failure.what, failure.states, trace, Trace(start, along))


def failures(found: Found) -> Iterator[Failure]:
    """What is wrong, with how many states, and the first of them."""
    if found.model.goal is None:
        raise ValueError(f"{found.model.name} has no goal")
    goal = sentence(found.model.goal)
    starts, targets, labels, goals = edges(found)
    graph = Graph(starts, targets, goals)
    good = graph.reaching()
    dead = np.flatnonzero(good == 0)
    if len(dead):
        yield Failure(f"no way leads to: {goal}", len(dead), int(dead[0]))
    if not found.symmetry:
        component, many = graph.components()
        bad = graph.fair_cycles(labels, component, many)
        if len(bad):
            members = np.flatnonzero(np.isin(component, bad))
            first = int(members[0])
            cycle = tuple(graph.fair_cycle(labels, component, first))
            yield Failure(f"{len(bad)} fair cycles avoid for ever: {goal}", len(members), first, cycle)
    ends = graph.resting(labels)
    if len(ends):
        yield Failure(f"nothing has to happen any more short of: {goal}", len(ends), int(ends[0]))


def edges(found: Found) -> tuple[Any, Any, Any, Any]:
    """The fault-free edges: first edge of each state, targets, labels for fairness; and which states are goals.

    An edge to a state that the search did not visit (one beyond the bounds) is left out.
    """
    label_of = []
    next_label = 0
    for action in found.model.actions:
        if action.fault or not action.fair:
            label_of.append(FAULT if action.fault else UNFAIR)
            continue
        label_of.append(next_label)
        next_label += found.model.sizes[action.fair_over] if action.fair_over else 1
    if next_label > LABELS:
        raise ValueError(f"{next_label} fair actions: expected at most {LABELS}")
    pool = found.pools[0]
    room = EDGES_PER_STATE * found.states + 2 * found.kernels.instances
    starts = np.zeros(found.states + 1, dtype=np.int64)
    targets = np.empty(room, dtype=np.uint32)
    labels = np.empty(room, dtype=np.uint8)
    goals = np.zeros(found.states, dtype=np.uint8)
    notes = Notes(found.model, found.kernels.instances)
    numbers = np.array(label_of, dtype=np.int64)
    done = 0
    while done < found.states:
        done = found.machine.edges(
            found.setup, pool.table, len(pool.table), pool.store, done, found.states, found.symmetry,
            pool.vector, pool.next, pool.rows, notes.log,
            starts, targets, labels, numbers, goals, len(targets), notes.broken, notes.reached,
        )  # fmt: skip
        if done < found.states:
            targets = np.resize(targets, 2 * len(targets))
            labels = np.resize(labels, 2 * len(labels))
    return starts, targets, labels, goals
