"""Graph kernels for progress: backward reachability, strongly connected components, fairness of cycles."""

import numpy as np

from hammer2_proofs.explorer.jit import outer


@outer
def reverse(starts, targets, states):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201  # numba finds the types
    """The edges turned round: first edge of each state, and the states that they come from."""
    begins = np.zeros(states + 1, dtype=np.int64)
    for edge in range(starts[states]):
        begins[targets[edge] + 1] += 1
    for state in range(states):
        begins[state + 1] += begins[state]
    at = begins[:-1].copy()
    sources = np.empty(starts[states], dtype=np.uint32)
    for state in range(states):
        for edge in range(starts[state], starts[state + 1]):
            sources[at[targets[edge]]] = state
            at[targets[edge]] += 1
    return begins, sources


@outer
def reaching(begins, sources, goals):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201  # numba finds the types
    """Which states have a way to a goal."""
    states = len(begins) - 1
    good = np.zeros(states, dtype=np.uint8)
    queue = np.empty(states, dtype=np.uint32)
    many = 0
    for state in range(states):
        if goals[state]:
            good[state] = 1
            queue[many] = state
            many += 1
    done = 0
    while done < many:
        state = queue[done]
        done += 1
        for edge in range(begins[state], begins[state + 1]):
            source = sources[edge]
            if not good[source]:
                good[source] = 1
                queue[many] = source
                many += 1
    return good


@outer
def components(starts, targets, goals):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201  # numba finds the types
    """Tarjan's algorithm off the goals: the component of each state (0: a goal), numbered from 1."""
    states = len(starts) - 1
    number = np.zeros(states, dtype=np.uint32)
    low = np.zeros(states, dtype=np.uint32)
    component = np.zeros(states, dtype=np.uint32)
    waiting = np.empty(states, dtype=np.uint32)
    path = np.empty(states, dtype=np.uint32)
    at = np.empty(states, dtype=np.int64)
    found = 0
    counter = 0
    n_waiting = 0
    for root in range(states):
        if goals[root] or number[root]:
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
                if goals[target]:
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
                while True:
                    n_waiting -= 1
                    member = waiting[n_waiting]
                    component[member] = found
                    if member == state:
                        break
            depth -= 1
            if depth >= 0 and low[state] < low[path[depth]]:
                low[path[depth]] = low[state]
    return component, found


@outer
def fair_cycles(starts, targets, labels, component, found):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201  # numba finds the types
    """For each component whether it has a cycle, and which labels are always possible in it but never taken inside."""
    states = len(starts) - 1
    always = np.full(found + 1, ~np.uint64(0), dtype=np.uint64)
    inside = np.zeros(found + 1, dtype=np.uint64)
    cyclic = np.zeros(found + 1, dtype=np.uint8)
    for state in range(states):
        mine = component[state]
        if mine == 0:
            continue
        possible = np.uint64(0)
        for edge in range(starts[state], starts[state + 1]):
            bit = np.uint64(0)
            if labels[edge] < 64:
                bit = np.uint64(1) << np.uint64(labels[edge])
            possible |= bit
            if component[targets[edge]] == mine:
                inside[mine] |= bit
                cyclic[mine] = 1
        always[mine] &= possible
    starved = always & ~inside
    return cyclic, starved
