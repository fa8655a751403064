"""Interesting situations that an exploration must reach, or it has shown nothing about them."""

from hammer2_spec.protocol.state import Phase, Setup, State, Sync, majority, syncing, usable


def _synchronized(_m: Setup, s: State) -> int:
    return sum(1 for node in s.nodes if node.connected and node.eligible and usable(node))


def no_quorum_is_connected(m: Setup, s: State) -> bool:
    """Too few masters are there to go on."""
    return sum(1 for i, node in enumerate(s.nodes) if i < m.masters and node.connected) < majority(m)


def a_quorum_is_regained_by_a_session_after_a_failure(m: Setup, s: State) -> bool:
    """A session of a later epoch serves, with a majority in step."""
    return _synchronized(m, s) >= majority(m) and any(
        client.phase == Phase.READY and client.epoch > 0 for client in s.clients
    )


def a_returned_node_has_a_tid_that_nobody_else_has(m: Setup, s: State) -> bool:
    """A write-disabled, connected master is ahead of all others."""
    return any(
        i < m.masters
        and node.connected
        and not node.eligible
        and node.durable_tid > max((other.durable_tid for j, other in enumerate(s.nodes) if j != i), default=0)
        for i, node in enumerate(s.nodes)
    )


def two_resynchronizations_at_once(_m: Setup, s: State) -> bool:
    """Two nodes are being copied to (C96)."""
    return sum(1 for node in s.nodes if syncing(node)) >= 2


def a_resynchronization_was_overtaken_by_a_write(_m: Setup, s: State) -> bool:
    """A node was copied to and is behind all the same."""
    return any(node.sync == Sync.OVERTAKEN for node in s.nodes)


def a_replaced_master_is_in_step_again(_m: Setup, s: State) -> bool:
    """New media was filled and takes writes."""
    return any(node.media_lost and node.eligible and not node.blank for node in s.nodes)


def an_unacknowledged_write_survives_a_recovery(_m: Setup, s: State) -> bool:
    """A later session serves a version with a write that nobody was told of."""
    return any(client.phase == Phase.READY and client.content & ~s.known != 0 for client in s.clients)


def two_sessions_at_once(_m: Setup, s: State) -> bool:
    """Two clients both believe that they may write."""
    return sum(1 for client in s.clients if client.phase in (Phase.READY, Phase.WRITE)) >= 2


def everything_was_written_and_acknowledged(m: Setup, s: State) -> bool:
    """All writes within the bounds are known."""
    return s.known & ((1 << m.writes) - 1) == (1 << m.writes) - 1
