"""Resynchronization (L1421-1447): a pass copies a virtual snapshot of the session's last version to one node."""

from hammer2_spec.protocol.sessions import is_source
from hammer2_spec.protocol.state import (
    Client,
    Node,
    Phase,
    Setup,
    State,
    Sync,
    after_fault,
    fault_possible,
    mixture,
    reached,
    replacement,
    syncing,
    usable,
    with_reply,
    without_sync,
    write_disabled,
)
from hammer2_spec.transition_system import replaced


def needs_sync(client: Client, node: Node) -> bool:
    """Whether a node is not in step: write-disabled, cut short in a copy, or behind."""
    if not node.eligible or node.incomplete:
        return True
    return node.volatile_tid not in (client.tid, client.prior_tid)


def other_source_reached(m: Setup, s: State, c: int, i: int) -> bool:
    """Whether a client reaches a source besides this node."""
    return any(j != i and reached(m, s, c, j) and is_source(s.clients[c], node) for j, node in enumerate(s.nodes))


def target_tid(client: Client) -> int:
    """The version that a pass copies: while a write is under way, the one before it."""
    if client.phase == Phase.WRITE:
        return client.prior_tid
    return client.tid


def target_content(client: Client) -> int:
    """The writes in it."""
    if client.phase == Phase.WRITE:
        return client.prior_content
    return client.content


def may_admit(m: Setup, client: Client, node: Node) -> bool:
    """Whether a blank node may be filled: only with a version that records that its media is new."""
    if m.admit_between_writes:
        return client.phase == Phase.READY
    if not m.record_replacement:
        return True
    return client.phase != Phase.RECOVER and target_content(client) & replacement(m, node.media_lost) != 0


def another_master_is_torn(m: Setup, s: State, i: int) -> bool:
    """Whether a master besides this node has no whole version."""
    return any(j < m.masters and j != i and not usable(node) for j, node in enumerate(s.nodes))


def sync_begin(m: Setup, s: State, c: int, i: int) -> State | None:
    """A pass begins: what is dirty on the target is thrown away, the snapshot is taken."""
    client, node = s.clients[c], s.nodes[i]
    if client.phase not in (Phase.RECOVER, Phase.READY, Phase.WRITE) or not reached(m, s, c, i) or syncing(node):
        return None
    if node.full:
        return None
    if m.promise and m.refuse_lower_epochs and node.promised > client.epoch:
        return None
    if not needs_sync(client, node) or not other_source_reached(m, s, c, i):
        return None
    if client.phase == Phase.RECOVER and not node.blank and not node.incomplete:
        if node.volatile_tid == client.prior_tid:
            return None
    tid = target_tid(client)
    if m.never_lower and tid < node.durable_tid:
        return None
    if node.blank and not may_admit(m, client, node):
        return None
    if m.copy_committed_only and client.phase == Phase.RECOVER:
        return None
    if m.one_torn_at_a_time and i < m.masters and another_master_is_torn(m, s, i):
        return None
    torn = not m.keep_old_version and not node.blank and (node.durable_tid != tid or node.incomplete)
    exclusive = node.sync == Sync.OVERTAKEN and m.exclusive_pass
    early = not m.stamp_last and not node.blank and node.durable_tid != tid
    node = write_disabled(node)
    node = node._replace(sync=Sync.PASS, owner=c, snapshot_tid=tid, snapshot_content=target_content(client))
    if m.late_finish:
        node = node._replace(pass_epoch=client.epoch)
    if early:
        content = node.durable_content | mixture(m)
        node = node._replace(durable_tid=tid, volatile_tid=tid, durable_content=content, volatile_content=content)
    if exclusive:
        node = node._replace(sync=Sync.EXCLUSIVE)
    if torn:
        node = node._replace(
            durable_content=node.durable_content | mixture(m),
            volatile_content=node.durable_content | mixture(m),
            incomplete=not m.unmarked_copies,
        )
    return s._replace(nodes=replaced(s.nodes, i, node))


def epoch_of_pass(m: Setup, client: Client, node: Node) -> int:
    """The epoch of the session that began a pass."""
    if m.late_finish:
        return node.pass_epoch
    return client.epoch


def orphaned(m: Setup, client: Client, node: Node) -> bool:
    """Whether the session that began a pass has ended: the pass may be finished, but nobody counts on it."""
    if client.phase not in (Phase.RECOVER, Phase.READY, Phase.WRITE):
        return True
    return epoch_of_pass(m, client, node) != client.epoch


def refused(m: Setup, client: Client, node: Node) -> bool:
    """Whether a node refuses the end of a pass: it has promised to somebody else, or its media is ahead by now."""
    if m.promise and m.refuse_lower_epochs and node.promised > epoch_of_pass(m, client, node):
        return True
    if m.admit_between_writes and node.blank:
        if client.phase != Phase.READY or client.tid != node.snapshot_tid:
            return True
    return m.never_lower and node.durable_tid > node.snapshot_tid


def sync_finish(m: Setup, s: State, i: int) -> State | None:
    """A pass ends: the node accepts the snapshot as its version, durably and at once, or was overtaken meanwhile."""
    node = s.nodes[i]
    if not syncing(node) or node.full:
        return None
    c = node.owner
    client = s.clients[c]
    orphan = orphaned(m, client, node)
    if (orphan and not (m.late_finish and node.connected)) or (not orphan and not reached(m, s, c, i)):
        return None
    if refused(m, client, node):
        return None
    tid = node.snapshot_tid
    epoch = epoch_of_pass(m, client, node)
    in_step = not orphan and tid in (client.tid, client.prior_tid)
    node = node._replace(
        durable_tid=tid,
        volatile_tid=tid,
        durable_content=node.snapshot_content,
        volatile_content=node.snapshot_content,
        blank=False,
        incomplete=False,
    )
    if m.promise:
        node = node._replace(promised=max(node.promised, epoch))
    node = without_sync(node)
    if in_step:
        node = node._replace(eligible=True)
    elif m.exclusive_pass and not orphan:
        node = node._replace(sync=Sync.OVERTAKEN, owner=c)
    if in_step and tid == client.tid and client.phase in (Phase.RECOVER, Phase.WRITE):
        node = with_reply(node, c)
    return s._replace(nodes=replaced(s.nodes, i, node))


def sync_refused(m: Setup, s: State, i: int) -> State | None:
    """A pass ends without effect because the node refuses it."""
    node = s.nodes[i]
    if not syncing(node):
        return None
    client = s.clients[node.owner]
    if not refused(m, client, node):
        return None
    return s._replace(nodes=replaced(s.nodes, i, without_sync(node)))


def sync_interrupt(m: Setup, s: State, i: int) -> State | None:
    """A pass is cut short."""
    node = s.nodes[i]
    if not syncing(node) or not fault_possible(m, s):
        return None
    client = s.clients[node.owner]
    if refused(m, client, node):
        return None
    s = after_fault(m, s)
    return s._replace(nodes=replaced(s.nodes, i, without_sync(node)))
