"""The control state of the cluster: what a node has on its media and in memory, what a client knows, and the ghosts.

A tid is (epoch, sequence), held as one int. Content is the set of writes that a version contains, one bit each: what
is acknowledged can only be lost by a version that lacks one of its writes.
"""

from enum import IntEnum
from typing import NamedTuple

SEQUENCES = 16
"""Sequence numbers of one epoch; a tid is epoch * SEQUENCES + sequence."""

UNLIMITED = 15
"""A bound that is no bound."""


class Phase(IntEnum):
    """What a client's session is doing."""

    IDLE = 0
    ELECT = 1
    RECOVER = 2
    READY = 3
    WRITE = 4


class Sync(IntEnum):
    """A node's resynchronization: none, a pass, a pass that new writes wait for, or the wish for such a pass."""

    NONE = 0
    PASS = 1
    EXCLUSIVE = 2
    OVERTAKEN = 3


class Node(NamedTuple):
    """A node. On its media: ``promised``, ``durable_*``, ``blank``, ``incomplete``; the rest is lost with its memory.

    Attributes:
        promised: the highest epoch it has promised to; it refuses lower ones.
        durable_tid: the version on its media.
        durable_content: the writes in it.
        volatile_tid: the version in memory, which differs from the media's while data is dirty.
        volatile_content: the writes in it.
        connected: whether it can be reached at all.
        eligible: whether it takes new writes; a write-disabled node does not (L1397-1401).
        blank: its media is new and knows nothing.
        incomplete: a copy was begun over its only version and not finished (only where the old one is not kept).
        media_lost: ghost: the number of the loss that took this master's media, from 1; 0: it has its first.
        sync: its resynchronization.
        owner: the client that runs it.
        snapshot_tid: the version that is being copied to it (L1440-1443).
        snapshot_content: the writes in that.
        replies: the clients (one bit each) that hold its promise or its flush reply.
        read: whether the reader holds its answer.
        cut: the clients (one bit each) that a partition keeps from it.
        full: it has run out of space, and takes nothing until some is freed.
        pass_epoch: the epoch of the session that began its pass; only where a pass may outlive its session.
    """

    promised: int = 0
    durable_tid: int = 0
    volatile_tid: int = 0
    snapshot_tid: int = 0
    durable_content: int = 0
    volatile_content: int = 0
    snapshot_content: int = 0
    connected: bool = True
    eligible: bool = True
    blank: bool = False
    incomplete: bool = False
    media_lost: int = 0
    sync: Sync = Sync.NONE
    owner: int = 0
    replies: int = 0
    read: bool = False
    cut: int = 0
    full: bool = False
    pass_epoch: int = 0


class Soft(NamedTuple):
    """A soft master: written without a quorum, no part of one, and never the target of a resynchronization (L434-446).

    Attributes:
        tid: the version that it was last brought to.
        written: it has writes of its own since.
    """

    tid: int = 0
    written: bool = False


class Client(NamedTuple):
    """A front end's session; all of it is lost when it ends.

    Attributes:
        phase: what it is doing.
        epoch: the epoch that it was promised or asks for.
        tid: the version that it writes or serves.
        content: the writes in it; while electing: those of the best evidence.
        prior_tid: the version before that; while electing and recovering: the best evidence.
        prior_content: the writes in it.
        stale_promise: a promise that it holds came from media that has since been lost.
        torn_evidence: the best evidence is an incomplete copy.
    """

    phase: Phase = Phase.IDLE
    epoch: int = 0
    tid: int = 0
    prior_tid: int = 0
    content: int = 0
    prior_content: int = 0
    stale_promise: bool = False
    torn_evidence: bool = False


class State(NamedTuple):
    """The whole cluster.

    Attributes:
        nodes: the masters, then the slaves.
        clients: the front ends.
        known: ghost: the writes that were acknowledged or read.
        begun: how many writes were begun.
        faults: how many faults there were.
        elections: how many elections there were.
        reading: whether a read is collecting its answers.
        read_tid: the version that the answers so far agree on.
        read_content: the writes in it.
        read_since: ghost: what was known when the read began.
        outage: ghost: whether too few masters were connected for a quorum at some time.
        soft: the soft masters.
    """

    nodes: tuple[Node, ...]
    clients: tuple[Client, ...]
    known: int = 0
    begun: int = 0
    faults: int = 0
    elections: int = 0
    reading: bool = False
    read_tid: int = 0
    read_content: int = 0
    read_since: int = 0
    outage: bool = False
    soft: tuple[Soft, ...] = ()


class Setup(NamedTuple):
    """The bounds, and the ingredients of the protocol: each can be taken away to see what breaks.

    Attributes:
        masters: how many; a majority is of these, whoever is present (L409).
        views: for each client the nodes that it reaches, one bit each: a partition.
        writes: how many writes there may be.
        elections: how many elections, or UNLIMITED.
        faults: how many faults, or UNLIMITED.
        fault_epochs: how many different epochs faults may bring about.
        losses: how many times a master's media may be lost.
        endless: clients go on writing for ever, without new content.
        reader: a reader collects its answers one by one.
        rank_tids: states whose tids are in the same order count as one.
        partitions: links between clients and nodes may be cut, and heal.
        free_epochs: a client may choose any epoch higher than those it sees, not just the next.
        late_finish: a pass goes on when its session has ended, and may end after it.
        space: nodes may run out of space, and free some.
        stay_away: a disconnected node may stay away for ever.
        history: remember that there was no quorum at some time.
        faithful_clients: no session ends without need.
        steady_nodes: no node goes away, or crashes.
    """

    masters: int
    views: tuple[int, ...]
    writes: int
    elections: int
    faults: int
    fault_epochs: int
    losses: int
    endless: bool
    reader: bool
    rank_tids: bool
    partitions: bool = False
    free_epochs: bool = False
    late_finish: bool = False
    space: bool = False
    stay_away: bool = False
    history: bool = False
    faithful_clients: bool = False
    steady_nodes: bool = False
    # What follows are other answers to what an ingredient answers; the repaired protocol has none of them.
    settle_at_promise: bool = False
    admit_between_writes: bool = False
    void_lost_promises: bool = False
    one_torn_at_a_time: bool = False
    copy_committed_only: bool = False
    torn_is_no_evidence: bool = False
    unmarked_copies: bool = False
    eligible_votes: bool = False
    session_reads: bool = False
    # What follows are the ingredients; all of them hold in the repaired protocol.
    promise: bool = True
    restamp: bool = True
    refuse_lower_epochs: bool = True
    never_lower: bool = True
    flush_before_ack: bool = True
    read_flushed: bool = True
    unique_tids: bool = True
    epoch_in_tid: bool = True
    check_predecessor: bool = True
    disable_on_disconnect: bool = True
    disable_on_write_failure: bool = True
    resync_before_eligible: bool = True
    blank_is_no_evidence: bool = True
    record_replacement: bool = True
    disabled_is_evidence: bool = True
    volatile_is_evidence: bool = True
    fixed_majority: bool = True
    keep_old_version: bool = True
    exclusive_pass: bool = True
    replacement_first: bool = True
    wait_for_all: bool = True
    sound_votes: bool = True
    majority_tid: bool = True
    stamp_last: bool = True
    spare_kept_version: bool = True
    resolve_at_begin: bool = True


INGREDIENTS = Setup._fields[Setup._fields.index("promise") :]
"""The names of the ingredients."""

ALTERNATIVES = Setup._fields[Setup._fields.index("settle_at_promise") : Setup._fields.index("promise")]
"""The names of the other answers."""


def epoch_of(tid: int) -> int:
    """The epoch of a tid."""
    return tid // SEQUENCES


def sequence_of(tid: int) -> int:
    """The sequence number of a tid."""
    return tid % SEQUENCES


def first_of(epoch: int) -> int:
    """The tid with which a session re-stamps what it has recovered."""
    return epoch * SEQUENCES


def replacement(m: Setup, loss: int) -> int:
    """The write that records that media was replaced after this loss, as a set; the empty set for no loss."""
    if loss == 0:
        return 0
    return 1 << m.writes + loss - 1


def mixture(m: Setup) -> int:
    """The mark of content that is neither one version nor another, as a set."""
    return 1 << m.writes << max(m.losses, 1)


def majority(m: Setup) -> int:
    """More than half of the masters that the PFS was made with."""
    return m.masters // 2 + 1


def in_reach(m: Setup, node: Node, c: int, i: int) -> bool:
    """Whether a client reaches this node, the i-th."""
    return node.connected and (m.views[c] >> i) & 1 == 1 and (node.cut >> c) & 1 == 0


def reached(m: Setup, s: State, c: int, i: int) -> bool:
    """Whether a client reaches a node."""
    return in_reach(m, s.nodes[i], c, i)


def needed(m: Setup, s: State, c: int) -> int:
    """How many masters a client must hear; without the fixed majority: more than half of those it reaches."""
    if m.fixed_majority:
        return majority(m)
    return sum(1 for i in range(m.masters) if reached(m, s, c, i)) // 2 + 1


def usable(node: Node) -> bool:
    """Whether a node's media holds a whole version."""
    return not node.blank and not node.incomplete


def holds_reply(node: Node, c: int) -> bool:
    """Whether a client holds a node's reply."""
    return (node.replies >> c) & 1 == 1


def replies(m: Setup, s: State, c: int) -> int:
    """How many masters' replies a client holds."""
    return sum(1 for i, node in enumerate(s.nodes) if i < m.masters and holds_reply(node, c))


def with_reply(node: Node, c: int) -> Node:
    """The node, its reply held by a client."""
    return node._replace(replies=node.replies | 1 << c)


def without_replies(s: State, c: int) -> State:
    """The state, all replies that a client held forgotten."""
    return s._replace(nodes=tuple(node._replace(replies=node.replies & ~(1 << c)) for node in s.nodes))


def write_disabled(node: Node) -> Node:
    """The node after a failure: no new writes, and what was dirty is thrown away (L1409-1414)."""
    return node._replace(eligible=False, volatile_tid=node.durable_tid, volatile_content=node.durable_content)


def without_sync(node: Node) -> Node:
    """The node, its resynchronization ended."""
    return node._replace(sync=Sync.NONE, owner=0, snapshot_tid=0, snapshot_content=0, pass_epoch=0)


def syncing(node: Node) -> bool:
    """Whether a copy is running."""
    return node.sync in (Sync.PASS, Sync.EXCLUSIVE)


def epochs_in_use(s: State) -> int:
    """How many different epochs the state mentions, besides 0."""
    mask = 0
    for node in s.nodes:
        mask |= 1 << node.promised | 1 << epoch_of(node.durable_tid) | 1 << epoch_of(node.volatile_tid)
        if syncing(node):
            mask |= 1 << epoch_of(node.snapshot_tid) | 1 << node.pass_epoch
    for client in s.clients:
        if client.phase != Phase.IDLE:
            mask |= 1 << client.epoch | 1 << epoch_of(client.tid) | 1 << epoch_of(client.prior_tid)
    return (mask >> 1).bit_count()


def few_epochs(m: Setup, s: State) -> bool:
    """Whether a fault may still happen: with elections unlimited, faults are what makes epochs without end."""
    return m.fault_epochs >= UNLIMITED or epochs_in_use(s) < m.fault_epochs


def fault_possible(m: Setup, s: State) -> bool:
    """Whether one more fault is within the bounds."""
    return (m.faults >= UNLIMITED or s.faults < m.faults) and few_epochs(m, s)


def after_fault(m: Setup, s: State) -> State:
    """Count a fault, if they are bounded."""
    if m.faults >= UNLIMITED:
        return s
    return s._replace(faults=s.faults + 1)


def losses_so_far(s: State) -> int:
    """How many times a master's media was lost."""
    return max((node.media_lost for node in s.nodes), default=0)
