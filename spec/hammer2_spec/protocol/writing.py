"""Writing: begin, deliver to each node, flush, acknowledge (L79-91, L1395-1414)."""

from hammer2_spec.protocol.state import (
    SEQUENCES,
    Node,
    Phase,
    Setup,
    State,
    Sync,
    after_fault,
    epoch_of,
    fault_possible,
    first_of,
    losses_so_far,
    needed,
    reached,
    replacement,
    replies,
    sequence_of,
    usable,
    with_reply,
    without_replies,
    without_sync,
    write_disabled,
)
from hammer2_spec.transition_system import replaced


def at_the_last_version(m: Setup, s: State, c: int) -> int:
    """How many masters in reach are eligible and have the session's version."""
    client = s.clients[c]
    return sum(
        1
        for i, node in enumerate(s.nodes)
        if i < m.masters and reached(m, s, c, i) and node.eligible and usable(node) and node.volatile_tid == client.tid
    )


def somebody_owes_the_last_write(m: Setup, s: State, c: int) -> bool:
    """Whether an eligible node in reach has not taken the last write."""
    client = s.clients[c]
    return client.prior_tid != client.tid and any(
        reached(m, s, c, i) and node.eligible and node.volatile_tid == client.prior_tid
        for i, node in enumerate(s.nodes)
    )


def exclusive_pass_wanted(m: Setup, s: State, c: int) -> bool:
    """Whether a node in reach was overtaken and now has a right to a pass without new writes."""
    return any(reached(m, s, c, i) and node.sync in (Sync.EXCLUSIVE, Sync.OVERTAKEN) for i, node in enumerate(s.nodes))


def replacements_unrecorded(m: Setup, s: State, c: int) -> int:
    """The replacements of media that the session's version does not record, as a set."""
    if not m.record_replacement:
        return 0
    happened = sum(replacement(m, loss) for loss in range(1, losses_so_far(s) + 1))
    return happened & ~s.clients[c].content


def replacement_pending(m: Setup, s: State, c: int) -> bool:
    """Whether a master whose replacement is not recorded is in reach and waits to be let in."""
    unrecorded = replacements_unrecorded(m, s, c)
    return unrecorded != 0 and any(
        node.blank and replacement(m, node.media_lost) & unrecorded != 0 and reached(m, s, c, i)
        for i, node in enumerate(s.nodes)
    )


def somebody_is_ahead(m: Setup, s: State, c: int) -> bool:
    """Whether a master in reach shows a higher tid than the session's."""
    tid = s.clients[c].tid
    return any(i < m.masters and reached(m, s, c, i) and node.durable_tid > tid for i, node in enumerate(s.nodes))


def can_begin(m: Setup, s: State, c: int) -> bool:
    """Whether a new write may begin: the last one is in place, and no resynchronization has precedence."""
    client = s.clients[c]
    if client.phase != Phase.READY:
        return False
    if m.resolve_at_begin and at_the_last_version(m, s, c) < needed(m, s, c):
        return False
    if m.wait_for_all and somebody_owes_the_last_write(m, s, c):
        return False
    if m.exclusive_pass and exclusive_pass_wanted(m, s, c):
        return False
    if not m.majority_tid and somebody_is_ahead(m, s, c):
        return False
    return sequence_of(client.tid) < SEQUENCES - 2


def next_tid(m: Setup, epoch: int, tid: int) -> int:
    """The tid of the write after this one. Without a re-stamp the session's first write brings its epoch."""
    if not m.restamp and m.epoch_in_tid and epoch_of(tid) != epoch:
        return first_of(epoch) + 1
    return tid + 1


def _begin(m: Setup, s: State, c: int, write: int) -> State:
    client = s.clients[c]
    s = without_replies(s, c)
    client = client._replace(
        phase=Phase.WRITE,
        prior_tid=client.tid,
        prior_content=client.content,
        tid=next_tid(m, client.epoch, client.tid),
        content=client.content | write,
    )
    return s._replace(clients=replaced(s.clients, c, client))


def begin(m: Setup, s: State, c: int) -> State | None:
    """A client begins a write: a new version on top of the last one."""
    if not can_begin(m, s, c) or s.begun >= m.writes or (m.replacement_first and replacement_pending(m, s, c)):
        return None
    write = 1 << s.begun
    s = s._replace(begun=s.begun + 1)
    return _begin(m, s, c, write)


def begin_again(m: Setup, s: State, c: int) -> State | None:
    """Clients that write for ever: a new version whose content is not told apart from the last one's."""
    if not m.endless or not can_begin(m, s, c) or (m.replacement_first and replacement_pending(m, s, c)):
        return None
    return _begin(m, s, c, 0)


def begin_replacement(m: Setup, s: State, c: int) -> State | None:
    """The write that records that a master's media is new; it commits without that master."""
    unrecorded = replacements_unrecorded(m, s, c)
    if not can_begin(m, s, c) or unrecorded == 0:
        return None
    return _begin(m, s, c, unrecorded)


def deliverable(m: Setup, s: State, c: int, i: int) -> bool:
    """Whether a node takes a client's write: it must hold exactly the version before it."""
    client, node = s.clients[c], s.nodes[i]
    if client.phase not in (Phase.WRITE, Phase.READY) or not reached(m, s, c, i):
        return False
    if not node.eligible or not usable(node) or node.volatile_tid == client.tid:
        return False
    if m.check_predecessor and node.volatile_tid != client.prior_tid:
        return False
    if not m.check_predecessor and node.volatile_tid > client.tid:
        return False
    return not m.promise or node.promised <= client.epoch


def deliver(m: Setup, s: State, c: int, i: int) -> State | None:
    """A node takes a write, in memory: the change is applied to whatever content it has."""
    if not deliverable(m, s, c, i):
        return None
    client, node = s.clients[c], s.nodes[i]
    node = node._replace(
        volatile_tid=client.tid, volatile_content=node.volatile_content | client.content & ~client.prior_content
    )
    if m.promise:
        node = node._replace(promised=client.epoch)
    if not m.flush_before_ack and client.phase == Phase.WRITE:
        node = with_reply(node, c)
    return s._replace(nodes=replaced(s.nodes, i, node))


def write_fail(m: Setup, s: State, c: int, i: int) -> State | None:
    """A node fails to take a write by an I/O error: it is write-disabled (L1395-1401)."""
    if not deliverable(m, s, c, i) or not fault_possible(m, s) or not m.disable_on_write_failure:
        return None
    s = after_fault(m, s)
    return s._replace(nodes=replaced(s.nodes, i, without_sync(write_disabled(s.nodes[i]))))


def no_space(m: Setup, s: State, c: int, i: int) -> State | None:
    """A node runs out of space: it is write-disabled, and takes nothing until space is freed (L1395-1401)."""
    if not deliverable(m, s, c, i) or not fault_possible(m, s):
        return None
    s = after_fault(m, s)
    node = without_sync(write_disabled(s.nodes[i]))
    return s._replace(nodes=replaced(s.nodes, i, node._replace(full=True)))


def _waits_for(m: Setup, s: State, c: int, i: int) -> bool:
    client = s.clients[c]
    return (
        client.phase in (Phase.RECOVER, Phase.WRITE) and client.tid == s.nodes[i].volatile_tid and reached(m, s, c, i)
    )


def dirty(node: Node) -> bool:
    """Whether a node has something to flush."""
    return node.connected and node.eligible and node.durable_tid != node.volatile_tid


def flush(m: Setup, s: State, i: int) -> State | None:
    """What is dirty reaches the media, atomically; the clients that wait for it hear of it."""
    node = s.nodes[i]
    if not dirty(node):
        return None
    for c, _client in enumerate(s.clients):
        if _waits_for(m, s, c, i):
            node = with_reply(node, c)
    node = node._replace(durable_tid=node.volatile_tid, durable_content=node.volatile_content)
    return s._replace(nodes=replaced(s.nodes, i, node))


def flush_fail(m: Setup, s: State, i: int) -> State | None:
    """A flush fails: nothing of it is on the media, and the node is write-disabled (L1409-1414)."""
    node = s.nodes[i]
    if not dirty(node) or not fault_possible(m, s):
        return None
    s = after_fault(m, s)
    return s._replace(nodes=replaced(s.nodes, i, write_disabled(node)))


def acknowledge(m: Setup, s: State, c: int) -> State | None:
    """A majority of masters has flushed the write: it counts as done."""
    client = s.clients[c]
    if client.phase != Phase.WRITE or replies(m, s, c) < needed(m, s, c):
        return None
    s = without_replies(s, c)
    s = s._replace(clients=replaced(s.clients, c, client._replace(phase=Phase.READY)))
    return s._replace(known=s.known | client.content)
