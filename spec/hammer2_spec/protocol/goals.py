"""What must be reached once faults stop."""

from collections.abc import Callable

from hammer2_spec.protocol.state import Phase, Setup, State, majority, reached, usable


def synchronized(m: Setup, s: State, c: int) -> bool:
    """Whether every node in a client's view is in step with its session, and has flushed."""
    client = s.clients[c]
    return client.phase == Phase.READY and all(
        (m.views[c] >> i) & 1 == 0
        or (
            node.connected
            and node.eligible
            and usable(node)
            and node.volatile_tid == client.tid
            and node.durable_tid == client.tid
        )
        for i, node in enumerate(s.nodes)
    )


def in_step(m: Setup, s: State, c: int) -> bool:
    """Whether every node in a client's view is in step with its session, which may be writing."""
    client = s.clients[c]
    return client.phase in (Phase.READY, Phase.WRITE) and all(
        (m.views[c] >> i) & 1 == 0
        or (node.connected and node.eligible and usable(node) and node.volatile_tid in (client.tid, client.prior_tid))
        for i, node in enumerate(s.nodes)
    )


def all_nodes_are_synchronized(m: Setup, s: State) -> bool:
    """The goal: some session serves, and every node in its view is synchronized (C97).

    It cannot ask for more: nobody brings a node into step whom no session sees. Where no client sees all nodes, a node
    outside the view of the session that serves waits for a session that sees it, and for that one to end a client must
    fail, or another must pre-empt it: both are faults.
    Where clients write for ever, "flushed" is never the case of all at once: there the goal is to be in step.
    """
    if m.endless:
        return any(in_step(m, s, c) for c, _client in enumerate(s.clients))
    return any(synchronized(m, s, c) for c, _client in enumerate(s.clients))


def all_that_is_there_is_synchronized(m: Setup, s: State) -> bool:
    """The goal where nodes may stay away: those that are there are synchronized, if a majority of masters is there."""
    there = sum(1 for i, node in enumerate(s.nodes) if i < m.masters and node.connected and not node.blank)
    if there < majority(m):
        return True
    return any(
        client.phase == Phase.READY
        and all(
            not reached(m, s, c, i)
            or (node.eligible and usable(node) and node.volatile_tid == client.tid and node.durable_tid == client.tid)
            for i, node in enumerate(s.nodes)
        )
        for c, client in enumerate(s.clients)
    )


def no_write_is_under_way(_m: Setup, s: State) -> bool:
    """The goal of operations: every write that was begun has been acknowledged, or its session has ended."""
    return not any(client.phase == Phase.WRITE for client in s.clients)


def goal_of(setup: Setup) -> Callable[[Setup, State], bool]:
    """What must be reached once faults stop."""
    if setup.stay_away:
        return all_that_is_there_is_synchronized
    return all_nodes_are_synchronized
