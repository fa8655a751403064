"""Interesting situations that an exploration must reach, or it has shown nothing about them."""

from hammer2_spec.protocol.resynchronization import orphaned
from hammer2_spec.protocol.state import Phase, Setup, State, Sync, majority, reached, syncing, usable


def _synchronized(_m: Setup, s: State) -> int:
    return sum(1 for node in s.nodes if node.connected and node.eligible and usable(node))


def a_quorum_is_regained_by_a_session_after_a_failure(m: Setup, s: State) -> bool:
    """A session of a later epoch serves, with a majority in step."""
    return _synchronized(m, s) >= majority(m) and any(
        client.phase == Phase.READY and client.epoch > 0 for client in s.clients
    )


def a_quorum_was_lost_and_regained(m: Setup, s: State) -> bool:
    """There were too few masters, and now a majority is in step with a session."""
    return s.outage and a_quorum_is_regained_by_a_session_after_a_failure(m, s)


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
    return any(node.media_lost > 0 and node.eligible and not node.blank for node in s.nodes)


def an_unacknowledged_write_survives_a_recovery(_m: Setup, s: State) -> bool:
    """A later session serves a version with a write that nobody was told of."""
    return any(client.phase == Phase.READY and client.content & ~s.known != 0 for client in s.clients)


def two_sessions_at_once(_m: Setup, s: State) -> bool:
    """Two clients both believe that they may write."""
    return sum(1 for client in s.clients if client.phase in (Phase.READY, Phase.WRITE)) >= 2


def everything_was_written_and_acknowledged(m: Setup, s: State) -> bool:
    """All writes within the bounds are known."""
    return s.known & ((1 << m.writes) - 1) == (1 << m.writes) - 1


def a_write_was_acknowledged_while_a_node_stalled(m: Setup, s: State) -> bool:
    """A node in reach, with nothing wrong with it, has not taken the write yet that counts as done (L1405)."""
    for c, client in enumerate(s.clients):
        acknowledged = client.content & ~client.prior_content & s.known
        if client.phase == Phase.READY and acknowledged != 0:
            for i, node in enumerate(s.nodes):
                if reached(m, s, c, i) and node.eligible and node.volatile_tid == client.prior_tid:
                    return True
    return False


def a_soft_master_diverged(_m: Setup, s: State) -> bool:
    """A soft master has writes of its own, and the quorum has gone on without it."""
    return any(
        soft.written and any(client.phase == Phase.READY and client.tid > soft.tid for client in s.clients)
        for soft in s.soft
    )


def a_pass_outlived_its_session(m: Setup, s: State) -> bool:
    """A copy is running for a session that has ended, and the same client has another."""
    return any(
        syncing(node) and orphaned(m, s.clients[node.owner], node) and s.clients[node.owner].phase == Phase.READY
        for node in s.nodes
    )


def a_node_is_full(_m: Setup, s: State) -> bool:
    """A node waits for space."""
    return any(node.full for node in s.nodes)


def two_sessions_in_a_partition(m: Setup, s: State) -> bool:
    """Two clients both serve, and neither reaches all masters."""
    return two_sessions_at_once(m, s) and not any(
        all((node.cut >> c) & 1 == 0 for i, node in enumerate(s.nodes) if i < m.masters)
        for c, _ in enumerate(s.clients)
    )


def media_replaced_a_second_time_is_in_step_again(_m: Setup, s: State) -> bool:
    """After two losses the node with the newest media takes writes."""
    return any(node.media_lost == 2 and node.eligible and not node.blank for node in s.nodes)


def a_tid_between_two_epochs_was_chosen(_m: Setup, s: State) -> bool:
    """A client asks for an epoch that lies below one already promised."""
    return any(
        client.phase == Phase.ELECT and any(node.promised > client.epoch for node in s.nodes) for client in s.clients
    )
