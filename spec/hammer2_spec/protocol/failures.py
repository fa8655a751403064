"""Failures of nodes (L1374-1407): they go away and come back, crash, or lose their media."""

from hammer2_spec.protocol.state import (
    Client,
    Node,
    Phase,
    Setup,
    State,
    after_fault,
    fault_possible,
    few_epochs,
    holds_reply,
    some_media_lost,
    usable,
    without_sync,
    write_disabled,
)
from hammer2_spec.transition_system import replaced


def disconnect(m: Setup, s: State, i: int) -> State | None:
    """A node goes away, or crashes: what was not flushed is lost (L1403: as if a write had failed)."""
    node = s.nodes[i]
    if not node.connected or not fault_possible(m, s):
        return None
    node = without_sync(node._replace(connected=False))
    if m.disable_on_disconnect:
        node = write_disabled(node)
    s = after_fault(m, s)
    return s._replace(nodes=replaced(s.nodes, i, node))


def crash(m: Setup, s: State, i: int) -> State | None:
    """Only where a disconnected node keeps its memory: it loses that in a crash of its own."""
    node = s.nodes[i]
    if m.disable_on_disconnect or node.volatile_tid == node.durable_tid or not fault_possible(m, s):
        return None
    node = without_sync(node._replace(volatile_tid=node.durable_tid, volatile_content=node.durable_content))
    s = after_fault(m, s)
    return s._replace(nodes=replaced(s.nodes, i, node))


def reconnect(m: Setup, s: State, i: int) -> State | None:
    """A node comes back; it stays write-disabled until it has been resynchronized."""
    node = s.nodes[i]
    if node.connected:
        return None
    node = node._replace(connected=True)
    if not m.resync_before_eligible and usable(node):
        node = node._replace(eligible=True)
    return s._replace(nodes=replaced(s.nodes, i, node))


def _doubtful(client: Client, node: Node, c: int) -> Client:
    if client.phase == Phase.ELECT and holds_reply(node, c):
        return client._replace(stale_promise=True)
    return client


def lose_media(m: Setup, s: State, i: int) -> State | None:
    """A master's media is replaced by new, blank media; the promises that it gave are on their way all the same."""
    node = s.nodes[i]
    if not m.losses or some_media_lost(s) or not few_epochs(m, s):
        return None
    blank = Node(
        connected=node.connected, eligible=False, blank=True, media_lost=True, replies=node.replies, read=node.read
    )
    s = s._replace(nodes=replaced(s.nodes, i, blank))
    return s._replace(clients=tuple(_doubtful(client, node, c) for c, client in enumerate(s.clients)))
