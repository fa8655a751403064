"""A soft master: brought up to date from a session while it has no writes of its own, and written without a quorum.

It is a record apart from the nodes: no action of the protocol reads it, so that it is no part of a quorum, no target
of a resynchronization, and exempt from convergence.
"""

from hammer2_spec.protocol.resynchronization import target_tid
from hammer2_spec.protocol.state import Phase, Setup, State
from hammer2_spec.transition_system import replaced


def soft_follow(_m: Setup, s: State, c: int, k: int) -> State | None:
    """A soft master takes the last committed version of a session; not over its own writes."""
    client, soft = s.clients[c], s.soft[k]
    if client.phase not in (Phase.READY, Phase.WRITE) or soft.written or soft.tid == target_tid(client):
        return None
    return s._replace(soft=replaced(s.soft, k, soft._replace(tid=target_tid(client))))


def soft_write(_m: Setup, s: State, k: int) -> State | None:
    """A soft master is written, whoever is there."""
    soft = s.soft[k]
    if soft.written:
        return None
    return s._replace(soft=replaced(s.soft, k, soft._replace(written=True)))
