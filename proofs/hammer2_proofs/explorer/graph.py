"""Graph kernels for progress: backward reachability, strongly connected components, fairness of cycles.

A graph is (starts, targets): the edges of a state are those from its start up to the next one's.
"""

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
