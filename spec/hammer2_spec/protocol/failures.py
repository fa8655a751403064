"""Failures (L1374-1407): nodes go away and come back, crash, lose their media or fill up; links are cut."""

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
    losses_so_far,
    majority,
    mixture,
    syncing,
    usable,
    without_sync,
    write_disabled,
)
from hammer2_spec.transition_system import replaced


def no_quorum_is_connected(m: Setup, s: State) -> bool:
    """Too few masters are there to go on."""
    return sum(1 for i, node in enumerate(s.nodes) if i < m.masters and node.connected) < majority(m)


def _remembered(m: Setup, s: State) -> State:
    if m.history and no_quorum_is_connected(m, s):
        return s._replace(outage=True)
    return s


def disconnect(m: Setup, s: State, i: int) -> State | None:
    """A node goes away, or crashes: what was not flushed is lost (L1403: as if a write had failed)."""
    node = s.nodes[i]
    if not node.connected or not fault_possible(m, s):
        return None
    node = without_sync(node._replace(connected=False))
    if m.disable_on_disconnect:
        node = write_disabled(node)
    s = after_fault(m, s)
    s = s._replace(nodes=replaced(s.nodes, i, node))
    return _remembered(m, s)


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


def cut(m: Setup, s: State, c: int, i: int) -> State | None:
    """The link between a client and a node is cut; others may reach the node still."""
    node = s.nodes[i]
    if (node.cut >> c) & 1 == 1 or not fault_possible(m, s):
        return None
    s = after_fault(m, s)
    return s._replace(nodes=replaced(s.nodes, i, node._replace(cut=node.cut | 1 << c)))


def heal(_m: Setup, s: State, c: int, i: int) -> State | None:
    """The link is there again."""
    node = s.nodes[i]
    if (node.cut >> c) & 1 == 0:
        return None
    return s._replace(nodes=replaced(s.nodes, i, node._replace(cut=node.cut & ~(1 << c))))


def _doubtful(client: Client, node: Node, c: int) -> Client:
    if client.phase == Phase.ELECT and holds_reply(node, c):
        return client._replace(stale_promise=True)
    return client


def _voided(s: State, node: Node) -> int:
    waiting = sum(1 << c for c, client in enumerate(s.clients) if client.phase == Phase.ELECT)
    return node.replies & ~waiting


def lose_media(m: Setup, s: State, i: int) -> State | None:
    """A master's media is replaced by new, blank media; the promises that it gave are on their way all the same."""
    node = s.nodes[i]
    lost = losses_so_far(s)
    if lost >= m.losses or not few_epochs(m, s):
        return None
    blank = Node(
        connected=node.connected,
        eligible=False,
        blank=True,
        media_lost=lost + 1,
        replies=node.replies,
        read=node.read,
        cut=node.cut,
    )
    if m.void_lost_promises:
        return s._replace(nodes=replaced(s.nodes, i, blank._replace(replies=_voided(s, node))))
    s = s._replace(nodes=replaced(s.nodes, i, blank))
    return s._replace(clients=tuple(_doubtful(client, node, c) for c, client in enumerate(s.clients)))


def no_space_for_copy(m: Setup, s: State, i: int) -> State | None:
    """The target of a pass runs out of space; the pass waits (L1431-1434)."""
    node = s.nodes[i]
    if not syncing(node) or node.full or not fault_possible(m, s):
        return None
    s = after_fault(m, s)
    return s._replace(nodes=replaced(s.nodes, i, node._replace(full=True)))


def free_space(m: Setup, s: State, i: int) -> State | None:
    """Older snapshots are removed to make space (L1436-1438); never the one that is kept until a copy is complete."""
    node = s.nodes[i]
    if not node.full:
        return None
    if not m.spare_kept_version and syncing(node) and not node.blank:
        torn = node.durable_content | mixture(m)
        node = node._replace(durable_content=torn, volatile_content=torn, incomplete=True)
    return s._replace(nodes=replaced(s.nodes, i, node._replace(full=False)))
