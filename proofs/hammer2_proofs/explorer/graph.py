"""Graph kernels for progress: backward reachability, strongly connected components, fairness of cycles.

A graph is (starts, targets): the edges of a state are those from its start up to the next one's.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hammer2_proofs.explorer.machine import Machine

TEXT = '''
@entry
def reverse(starts: ints, targets: links, states: int, begins: ints, at: ints, sources: links):
    """The edges turned round: first edge of each state, and the states that they come from."""
    for edge in range(starts[states]):
        begins[targets[edge] + 1] += 1
    for state in range(states):
        begins[state + 1] += begins[state]
        at[state] = begins[state]
    for state in range(states):
        for edge in range(starts[state], starts[state + 1]):
            sources[at[targets[edge]]] = state
            at[targets[edge]] += 1


@entry
def reaching(begins: ints, sources: links, goals: marks, states: int, queue: links, good: marks):
    """Mark which states have a way to a goal."""
    many = 0
    for state in range(states):
        if goals[state] != 0:
            good[state] = 1
            queue[many] = state
            many += 1
    done = 0
    while done < many:
        state = queue[done]
        done += 1
        for edge in range(begins[state], begins[state + 1]):
            source = sources[edge]
            if good[source] == 0:
                good[source] = 1
                queue[many] = source
                many += 1


@entry
def resting(starts: ints, labels: marks, goals: marks, states: int, rests: marks):
    """Mark which states off the goals no edge with a label leaves: nothing there ever has to happen."""
    for state in range(states):
        rests[state] = goals[state] == 0
        for edge in range(starts[state], starts[state + 1]):
            if labels[edge] < 64:
                rests[state] = 0


@entry
def components(starts: ints, targets: links, goals: marks, states: int, number: links, low: links, component: links,
               waiting: links, path: links, at: ints) -> int:
    """Tarjan's algorithm off the goals: the component of each state (0: a goal), numbered from 1; how many."""
    found = 0
    counter = 0
    n_waiting = 0
    for root in range(states):
        if goals[root] != 0 or number[root] != 0:
            continue
        depth = 0
        path[0] = root
        counter += 1
        number[root] = counter
        low[root] = counter
        waiting[n_waiting] = root
        n_waiting += 1
        at[root] = starts[root]
        while depth >= 0:
            state = path[depth]
            if at[state] < starts[state + 1]:
                target = targets[at[state]]
                at[state] += 1
                if goals[target] != 0:
                    continue
                if number[target] == 0:
                    counter += 1
                    number[target] = counter
                    low[target] = counter
                    waiting[n_waiting] = target
                    n_waiting += 1
                    at[target] = starts[target]
                    depth += 1
                    path[depth] = target
                elif component[target] == 0 and number[target] < low[state]:
                    low[state] = number[target]
                continue
            if low[state] == number[state]:
                found += 1
                while component[state] == 0:
                    n_waiting -= 1
                    component[waiting[n_waiting]] = found
            depth -= 1
            if depth >= 0 and low[state] < low[path[depth]]:
                low[path[depth]] = low[state]
    return found


@entry
def fairness(starts: ints, targets: links, labels: marks, component: links, states: int, always: words, inside: words,
             cyclic: marks):
    """Of each component: the labels possible in all its states, those taken inside, and whether it has a cycle."""
    for state in range(states):
        mine = component[state]
        if mine == 0:
            continue
        possible = u64(0)
        for edge in range(starts[state], starts[state + 1]):
            bit = u64(0)
            if labels[edge] < 64:
                bit = u64(1) << u64(labels[edge])
            possible |= bit
            if component[targets[edge]] == mine:
                inside[mine] |= bit
                cyclic[mine] = 1
        always[mine] &= possible
'''

Array = npt.NDArray[Any]
LABELS = 64
"""Labels of edges are below this; what is not subject to fairness has a higher number."""


class Graph:
    """The graph kernels over one graph.

    Args:
        starts: the first edge of each state, and the end of the last one's.
        targets: where each edge leads.
        goals: 1 for each state that is a goal.
    """

    def __init__(self, starts: Array, targets: Array, goals: Array) -> None:
        self.starts, self.targets, self.goals = starts, targets, goals
        self.states = len(goals)
        self._machine = Machine(TEXT)

    def reaching(self) -> Array:
        """1 for each state that has a way to a goal."""
        begins, at = np.zeros(self.states + 1, dtype=np.int64), np.empty(self.states, dtype=np.int64)
        sources = np.empty(int(self.starts[self.states]), dtype=np.uint32)
        self._machine.reverse(self.starts, self.targets, self.states, begins, at, sources)
        good, queue = np.zeros(self.states, dtype=np.uint8), np.empty(self.states, dtype=np.uint32)
        self._machine.reaching(begins, sources, self.goals, self.states, queue, good)
        return good

    def resting(self, labels: Array) -> Array:
        """The states off the goals in which nothing has to happen: no edge that leaves them has a label below 64."""
        rests = np.zeros(self.states, dtype=np.uint8)
        self._machine.resting(self.starts, labels, self.goals, self.states, rests)
        return np.flatnonzero(rests)

    def components(self) -> tuple[Array, int]:
        """The strongly connected component of each state off the goals, numbered from 1 (0: a goal); how many."""
        number, low, component = (np.zeros(self.states, dtype=np.uint32) for _ in range(3))
        waiting, path = (np.empty(self.states, dtype=np.uint32) for _ in range(2))
        at = np.empty(self.states, dtype=np.int64)
        many = self._machine.components(
            self.starts, self.targets, self.goals, self.states, number, low, component, waiting, path, at
        )
        return component, many

    def fair_cycles(self, labels: Array, component: Array, many: int) -> Array:
        """The components with a fair cycle: one in which no label (below 64) is always possible and never taken."""
        always = np.full(many + 1, 2**64 - 1, dtype=np.uint64)
        inside, cyclic = np.zeros(many + 1, dtype=np.uint64), np.zeros(many + 1, dtype=np.uint8)
        self._machine.fairness(self.starts, self.targets, labels, component, self.states, always, inside, cyclic)
        return np.flatnonzero((cyclic != 0) & (always & ~inside == 0))

    def fair_cycle(self, labels: Array, component: Array, start: int) -> list[int]:
        """A short fair cycle through a state of a component that has one: the states after it, and it once more.

        Every label that is possible at the start is taken on the way, or a state is passed where it is not possible.
        """
        owed = self._possible(labels, start)
        way = [start]
        while owed:
            leg = self._leg(labels, component, way[-1], owed, None)
            for _, label, target in leg:
                owed = (owed - {label}) & self._possible(labels, target)
            way += [target for _, _, target in leg]
        if len(way) == 1 or way[-1] != start:
            way += [target for _, _, target in self._leg(labels, component, way[-1], frozenset(), start)]
        return way[1:]

    def _edges(self, labels: Array, state: int) -> Iterator[tuple[int, int, int]]:
        for edge in range(int(self.starts[state]), int(self.starts[state + 1])):
            yield state, int(labels[edge]), int(self.targets[edge])

    def _possible(self, labels: Array, state: int) -> frozenset[int]:
        return frozenset(label for _, label, _ in self._edges(labels, state) if label < LABELS)

    def _leg(
        self, labels: Array, component: Array, start: int, owed: frozenset[int], end: int | None
    ) -> list[tuple[int, int, int]]:
        """The fewest edges inside a component up to one that pays something owed, or up to a state."""
        before: dict[int, tuple[int, int, int]] = {}
        waiting = deque([start])
        while waiting:
            for edge in self._edges(labels, waiting.popleft()):
                _, label, target = edge
                if component[target] != component[start]:
                    continue
                if target == end or label in owed or owed - self._possible(labels, target):
                    leg = [edge]
                    while leg[0][0] != start:
                        leg.insert(0, before[leg[0][0]])
                    return leg
                if target not in before and target != start:
                    before[target] = edge
                    waiting.append(target)
        raise ValueError(f"the component of state {start} has no fair cycle")
