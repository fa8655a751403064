"""Sessions: a client is promised an epoch by a majority, recovers the last version, and serves it until it ends."""

from hammer2_spec.protocol.state import (
    UNLIMITED,
    Client,
    Node,
    Phase,
    Setup,
    State,
    Sync,
    after_fault,
    epoch_of,
    fault_possible,
    few_epochs,
    first_of,
    holds_reply,
    in_reach,
    majority,
    needed,
    reached,
    replacement,
    replies,
    syncing,
    usable,
    with_reply,
    without_replies,
    without_sync,
    write_disabled,
)
from hammer2_spec.transition_system import replaced

EPOCHS = 15
"""Epochs are less than this."""


def somebody_else_is_active(s: State, c: int) -> bool:
    """Whether another client has a session."""
    return any(d != c and other.phase != Phase.IDLE for d, other in enumerate(s.clients))


def highest_promise_reached(m: Setup, s: State, c: int) -> int:
    """The highest epoch promised by a node that a client reaches."""
    return max((node.promised for i, node in enumerate(s.nodes) if reached(m, s, c, i) and not node.blank), default=0)


def highest_epoch_anywhere(s: State) -> int:
    """The highest epoch in use: where nobody promises, an oracle still makes epochs unique."""
    promised = max((node.promised for node in s.nodes), default=0)
    tids = max((max(node.durable_tid, node.volatile_tid) for node in s.nodes), default=0)
    copied = max((node.snapshot_tid for node in s.nodes if syncing(node)), default=0)
    epochs = max((client.epoch for client in s.clients if client.phase != Phase.IDLE), default=0)
    running = max((node.pass_epoch for node in s.nodes), default=0)
    highest = max(promised, epochs)
    highest = max(highest, epoch_of(tids))
    highest = max(highest, epoch_of(copied))
    return max(highest, running)


def may_elect(m: Setup, s: State, c: int) -> bool:
    """Whether a client without a session may ask for one: a majority of masters must be in reach."""
    if s.clients[c].phase != Phase.IDLE:
        return False
    if m.elections < UNLIMITED and s.elections >= m.elections:
        return False
    can_promise = sum(
        1
        for i, node in enumerate(s.nodes)
        if i < m.masters and reached(m, s, c, i) and (not node.blank or not m.blank_is_no_evidence)
    )
    return can_promise >= needed(m, s, c)


def with_election(m: Setup, s: State, c: int, epoch: int) -> State:
    """The state, this epoch asked for."""
    if m.elections < UNLIMITED:
        s = s._replace(elections=s.elections + 1)
    return s._replace(clients=replaced(s.clients, c, Client(phase=Phase.ELECT, epoch=epoch)))


def _elect(m: Setup, s: State, c: int) -> State | None:
    if not may_elect(m, s, c):
        return None
    highest = highest_promise_reached(m, s, c)
    if not m.promise:
        highest = highest_epoch_anywhere(s)
    if highest + 1 >= EPOCHS:
        return None
    return with_election(m, s, c, highest + 1)


def elect_freely(m: Setup, s: State, c: int, epoch: int) -> State | None:
    """A client asks for any epoch that is higher than those it sees: between two that it does not see, or equal to one.

    Epochs that are in use are even then (``ranked``), so that there is always one between.
    """
    if not may_elect(m, s, c) or epoch <= highest_promise_reached(m, s, c) or epoch > highest_epoch_anywhere(s) + 1:
        return None
    return with_election(m, s, c, epoch)


def elect(m: Setup, s: State, c: int) -> State | None:
    """A client asks for an epoch higher than any it can see; a majority of masters must be in reach."""
    if somebody_else_is_active(s, c):
        return None
    return _elect(m, s, c)


def preempt(m: Setup, s: State, c: int) -> State | None:
    """The same while another client has a session, which it thereby ends: a fault, which brings an epoch about."""
    if not somebody_else_is_active(s, c) or not few_epochs(m, s):
        return None
    return _elect(m, s, c)


def promise(m: Setup, s: State, c: int, i: int) -> State | None:
    """A master promises, durably, to refuse lower epochs, and shows its version: the one in memory.

    A write-disabled master promises too. What is dirty may still be flushed afterwards.
    """
    client, node = s.clients[c], s.nodes[i]
    if client.phase != Phase.ELECT or not reached(m, s, c, i) or holds_reply(node, c):
        return None
    if node.blank and m.blank_is_no_evidence:
        return None
    if not node.eligible and not m.disabled_is_evidence:
        return None
    if m.promise and node.promised >= client.epoch:
        return None
    if m.settle_at_promise and node.volatile_tid != node.durable_tid:
        node = write_disabled(node)
    shown_tid = node.volatile_tid
    shown_content = node.volatile_content
    if not m.volatile_is_evidence:
        shown_tid = node.durable_tid
        shown_content = node.durable_content
    first = not any(holds_reply(other, c) for other in s.nodes)
    if first or shown_tid > client.prior_tid or (shown_tid == client.prior_tid and client.torn_evidence):
        if not node.incomplete:
            client = client._replace(prior_tid=shown_tid, content=shown_content, torn_evidence=False)
        elif m.torn_is_no_evidence:
            if first:
                client = client._replace(torn_evidence=True)
        elif first or shown_tid > client.prior_tid:
            client = client._replace(prior_tid=shown_tid, content=0, torn_evidence=True)
    if m.promise:
        node = node._replace(promised=client.epoch)
    return s._replace(nodes=replaced(s.nodes, i, with_reply(node, c)), clients=replaced(s.clients, c, client))


def valid_promises(m: Setup, s: State, c: int) -> int:
    """How many promises count: one from lost media does not, once the evidence records its replacement."""
    client = s.clients[c]
    votes = replies(m, s, c)
    if not client.stale_promise or not m.record_replacement:
        return votes
    return votes - sum(
        1 for node in s.nodes if holds_reply(node, c) and client.content & replacement(m, node.media_lost) != 0
    )


def _counted_if_flushed(node: Node, c: int, tid: int) -> Node:
    if node.durable_tid == tid and usable(node):
        return with_reply(node, c)
    return node


def win(m: Setup, s: State, c: int) -> State | None:
    """A majority has promised: the client adopts the best evidence, which must be a whole version."""
    client = s.clients[c]
    if client.phase != Phase.ELECT or client.torn_evidence or valid_promises(m, s, c) < needed(m, s, c):
        return None
    tid = first_of(client.epoch)
    stamped = m.restamp and m.epoch_in_tid
    if not stamped:
        tid = client.prior_tid
    client = client._replace(
        phase=Phase.RECOVER, tid=tid, prior_content=client.content, stale_promise=False, torn_evidence=False
    )
    s = without_replies(s, c)
    if not stamped:
        # Whoever has the version on its media has nothing left to flush.
        s = s._replace(nodes=tuple(_counted_if_flushed(node, c, tid) for node in s.nodes))
    return s._replace(clients=replaced(s.clients, c, client))


def restamp(m: Setup, s: State, c: int, i: int) -> State | None:
    """A node that has the recovered version takes the session's first tid: a resynchronization of length zero."""
    client, node = s.clients[c], s.nodes[i]
    if client.phase != Phase.RECOVER or not reached(m, s, c, i) or not usable(node) or syncing(node):
        return None
    if node.volatile_tid != client.prior_tid or (m.promise and node.promised > client.epoch):
        return None
    if node.volatile_tid == client.tid and node.eligible:
        return None
    if m.promise:
        node = node._replace(promised=client.epoch)
    node = without_sync(node._replace(volatile_tid=client.tid, eligible=True))
    return s._replace(nodes=replaced(s.nodes, i, node))


def ready(m: Setup, s: State, c: int) -> State | None:
    """A majority of masters has flushed the re-stamped version: it may be served."""
    client = s.clients[c]
    if client.phase != Phase.RECOVER or replies(m, s, c) < needed(m, s, c):
        return None
    s = without_replies(s, c)
    return s._replace(clients=replaced(s.clients, c, client._replace(phase=Phase.READY)))


def is_source(client: Client, node: Node) -> bool:
    """Whether a node has a version that the client's session may copy from."""
    if not usable(node):
        return False
    if client.phase != Phase.RECOVER and not node.eligible:
        return False
    return node.volatile_tid in (client.prior_tid, client.tid)


def source_reached(m: Setup, s: State, c: int) -> bool:
    """Whether a client reaches a source."""
    return any(reached(m, s, c, i) and is_source(s.clients[c], node) for i, node in enumerate(s.nodes))


def stuck(m: Setup, s: State, c: int) -> bool:
    """Whether a session cannot go on: it is refused by a node in reach, or has lost all sources."""
    client = s.clients[c]
    if client.phase == Phase.IDLE:
        return False
    if any(reached(m, s, c, i) and node.promised > client.epoch for i, node in enumerate(s.nodes)):
        return True
    enough = replies(m, s, c) >= majority(m)
    if client.phase == Phase.ELECT:
        if enough and valid_promises(m, s, c) >= majority(m):
            return client.torn_evidence
        return any(
            i < m.masters
            and reached(m, s, c, i)
            and not node.blank
            and node.promised >= client.epoch
            and not holds_reply(node, c)
            for i, node in enumerate(s.nodes)
        )
    if enough and client.phase in (Phase.RECOVER, Phase.WRITE):
        return False
    return not source_reached(m, s, c)


def _released(m: Setup, node: Node, c: int) -> Node:
    if node.sync != Sync.NONE and node.owner == c and not (m.late_finish and syncing(node)):
        return without_sync(node)
    return node


def _end(m: Setup, s: State, c: int) -> State:
    s = without_replies(s, c)
    s = s._replace(nodes=tuple(_released(m, node, c) for node in s.nodes))
    return s._replace(clients=replaced(s.clients, c, Client()))


def give_up(m: Setup, s: State, c: int) -> State | None:
    """A session that cannot go on ends; what it was writing may or may not appear later."""
    if not stuck(m, s, c):
        return None
    return _end(m, s, c)


def crash_client(m: Setup, s: State, c: int) -> State | None:
    """A session ends for no reason of its own."""
    if s.clients[c].phase == Phase.IDLE or stuck(m, s, c) or not fault_possible(m, s):
        return None
    s = after_fault(m, s)
    return _end(m, s, c)


def answer(m: Setup, s: State, c: int, i: int) -> State | None:
    """A node whose reply was lost with a link says again that it has flushed what a session waits for."""
    client, node = s.clients[c], s.nodes[i]
    if client.phase not in (Phase.RECOVER, Phase.WRITE) or not reached(m, s, c, i) or holds_reply(node, c):
        return None
    if not usable(node) or not node.eligible or node.durable_tid != client.tid:
        return None
    return s._replace(nodes=replaced(s.nodes, i, with_reply(node, c)))


def _taken_back(m: Setup, node: Node, c: int, i: int, tid: int) -> Node:
    if node.volatile_tid == tid and in_reach(m, node, c, i):
        return write_disabled(node)
    return node


def abort(m: Setup, s: State, c: int) -> State | None:
    """Only without unique tids: a write is taken back and its tid used again, as the seed's next tid would be."""
    client = s.clients[c]
    if m.unique_tids or client.phase != Phase.WRITE:
        return None
    s = without_replies(s, c)
    s = s._replace(nodes=tuple(_taken_back(m, node, c, i, client.tid) for i, node in enumerate(s.nodes)))
    client = client._replace(phase=Phase.READY, tid=client.prior_tid, content=client.prior_content)
    return s._replace(clients=replaced(s.clients, c, client))
