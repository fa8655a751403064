"""The protocol as a model: its actions, its sentences, its bounds, and which states are the same."""

from collections.abc import Callable

from hammer2_spec.protocol import failures, invariants, reading, resynchronization, sessions, witnesses, writing
from hammer2_spec.protocol.sessions import EPOCHS
from hammer2_spec.protocol.state import (
    SEQUENCES,
    UNLIMITED,
    Client,
    Node,
    Phase,
    Setup,
    State,
    epoch_of,
    majority,
    sequence_of,
    syncing,
    usable,
)
from hammer2_spec.transition_system import Action, Model, StepInvariant

CLIENTS, NODES, MASTERS = "clients", "nodes", "masters"


def _tids_of_node(node: Node, epoch: int) -> int:
    """The sequence numbers that a node mentions in an epoch, one bit each."""
    mask = 0
    if epoch_of(node.durable_tid) == epoch:
        mask |= 1 << sequence_of(node.durable_tid)
    if epoch_of(node.volatile_tid) == epoch:
        mask |= 1 << sequence_of(node.volatile_tid)
    if syncing(node) and epoch_of(node.snapshot_tid) == epoch:
        mask |= 1 << sequence_of(node.snapshot_tid)
    return mask


def _tids_of_client(client: Client, epoch: int) -> int:
    """The sequence numbers that a client mentions in an epoch, one bit each."""
    mask = 0
    if client.phase == Phase.IDLE:
        return mask
    if epoch_of(client.prior_tid) == epoch:
        mask |= 1 << sequence_of(client.prior_tid)
    if client.phase != Phase.ELECT and epoch_of(client.tid) == epoch:
        mask |= 1 << sequence_of(client.tid)
    return mask


def _epochs(s: State) -> int:
    """The epochs that a state mentions, one bit each; 0 always."""
    mask = 1
    for node in s.nodes:
        mask |= 1 << node.promised | 1 << epoch_of(node.durable_tid) | 1 << epoch_of(node.volatile_tid)
        if syncing(node):
            mask |= 1 << epoch_of(node.snapshot_tid)
    for client in s.clients:
        if client.phase != Phase.IDLE:
            mask |= 1 << client.epoch | 1 << epoch_of(client.prior_tid)
            if client.phase != Phase.ELECT:
                mask |= 1 << epoch_of(client.tid)
    if s.reading:
        mask |= 1 << epoch_of(s.read_tid)
    return mask


def _rank(mask: int, position: int) -> int:
    """How many bits are set below a position."""
    return (mask & ((1 << position) - 1)).bit_count()


def _sequences(s: State, epoch: int) -> int:
    """The sequence numbers that a state mentions in an epoch; 0 of epoch 0 always."""
    mask = int(epoch == 0)
    for node in s.nodes:
        mask |= _tids_of_node(node, epoch)
    for client in s.clients:
        mask |= _tids_of_client(client, epoch)
    if s.reading and epoch_of(s.read_tid) == epoch:
        mask |= 1 << sequence_of(s.read_tid)
    return mask


def _renamed(tid: int, epoch: int, rank: int, sequences: int) -> int:
    """A tid of this epoch with epoch and sequence number replaced by their ranks; any other as it is."""
    if epoch_of(tid) != epoch:
        return tid
    return rank * SEQUENCES + _rank(sequences, sequence_of(tid))


def _renamed_epoch(number: int, epoch: int, rank: int) -> int:
    """The rank of this epoch; any other as it is."""
    if number != epoch:
        return number
    return rank


def _renamed_node(node: Node, epoch: int, rank: int, sequences: int) -> Node:
    node = node._replace(
        promised=_renamed_epoch(node.promised, epoch, rank),
        durable_tid=_renamed(node.durable_tid, epoch, rank, sequences),
        volatile_tid=_renamed(node.volatile_tid, epoch, rank, sequences),
    )
    if syncing(node):
        node = node._replace(snapshot_tid=_renamed(node.snapshot_tid, epoch, rank, sequences))
    return node


def _renamed_client(client: Client, epoch: int, rank: int, sequences: int) -> Client:
    if client.phase == Phase.IDLE:
        return client
    client = client._replace(
        epoch=_renamed_epoch(client.epoch, epoch, rank), prior_tid=_renamed(client.prior_tid, epoch, rank, sequences)
    )
    if client.phase != Phase.ELECT:
        client = client._replace(tid=_renamed(client.tid, epoch, rank, sequences))
    return client


def ranked(m: Setup, s: State) -> State | None:
    """The state with epochs, and sequence numbers within their epoch, replaced by their ranks: only order matters.

    The ranks of lower epochs are below the epochs that are still to be renamed, so one never meets the other.
    """
    if not m.rank_tids:
        return s
    epochs = _epochs(s)
    for epoch in range(EPOCHS):
        if (epochs >> epoch) & 1 == 1:
            rank = _rank(epochs, epoch)
            sequences = _sequences(s, epoch)
            s = s._replace(
                nodes=tuple(_renamed_node(node, epoch, rank, sequences) for node in s.nodes),
            )
            s = s._replace(
                clients=tuple(_renamed_client(client, epoch, rank, sequences) for client in s.clients),
            )
            s = s._replace(read_tid=_renamed(s.read_tid, epoch, rank, sequences))
    return s


def groups(masters: int, nodes: int, views: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The nodes that may change places: of one type and in the same views."""
    like: dict[tuple[bool, ...], list[int]] = {}
    for i in range(nodes):
        like.setdefault((i < masters, *(view >> i & 1 == 1 for view in views)), []).append(i)
    return tuple(tuple(group) for group in like.values())


ACTIONS: tuple[Action[Setup, State], ...] = (
    Action("Elect", sessions.elect, (CLIENTS,)),
    Action("Preempt", sessions.preempt, (CLIENTS,), fault=True),
    Action("Promise", sessions.promise, (CLIENTS, MASTERS), fair_over=MASTERS),
    Action("Win", sessions.win, (CLIENTS,)),
    Action("Restamp", sessions.restamp, (CLIENTS, NODES), fair_over=NODES),
    Action("Ready", sessions.ready, (CLIENTS,)),
    Action("GiveUp", sessions.give_up, (CLIENTS,)),
    Action("CrashClient", sessions.crash_client, (CLIENTS,), fault=True),
    Action("Begin", writing.begin, (CLIENTS,), fair=False),
    Action("BeginReplacement", writing.begin_replacement, (CLIENTS,), fair=False),
    Action("Deliver", writing.deliver, (CLIENTS, NODES), fair_over=NODES),
    Action("WriteFail", writing.write_fail, (CLIENTS, NODES), fault=True),
    Action("Flush", writing.flush, (NODES,), fair_over=NODES),
    Action("FlushFail", writing.flush_fail, (NODES,), fault=True),
    Action("Acknowledge", writing.acknowledge, (CLIENTS,)),
    Action("Disconnect", failures.disconnect, (NODES,), fault=True),
    Action("Reconnect", failures.reconnect, (NODES,), fair_over=NODES),
    Action("SyncBegin", resynchronization.sync_begin, (CLIENTS, NODES), fair_over=NODES),
    Action("SyncFinish", resynchronization.sync_finish, (NODES,), fair_over=NODES),
    Action("SyncRefused", resynchronization.sync_refused, (NODES,), fair_over=NODES),
    Action("SyncInterrupt", resynchronization.sync_interrupt, (NODES,), fault=True),
    Action("Read", reading.read, (), fair=False),
)
LOSE_MEDIA: Action[Setup, State] = Action("LoseMedia", failures.lose_media, (MASTERS,), fault=True)
BEGIN_AGAIN: Action[Setup, State] = Action("BeginAgain", writing.begin_again, (CLIENTS,), fair=False)
READER: tuple[Action[Setup, State], ...] = (
    Action("ReadStart", reading.read_start, (), fair=False),
    Action("ReadAnswer", reading.read_answer, (MASTERS,), fair_over=MASTERS),
    Action("ReadEnd", reading.read_end),
)
ABORT: Action[Setup, State] = Action("Abort", sessions.abort, (CLIENTS,))
CRASH: Action[Setup, State] = Action("Crash", failures.crash, (NODES,), fault=True)

WHY = {
    "promise": "a majority of masters promises an epoch, durably, before a session's first write",
    "restamp": "a session stamps what it recovered with its own epoch before it serves it",
    "refuse_lower_epochs": "resynchronization too is refused by a node that promised a higher epoch",
    "never_lower": "a resynchronization never lowers the tid on a node's media",
    "flush_before_ack": "acknowledged means flushed on a majority of masters",
    "read_flushed": "a hard read counts what is flushed, not what is in memory",
    "unique_tids": "a tid is never used again; an aborted write keeps its own",
    "epoch_in_tid": "a tid begins with the epoch of the session that made it",
    "check_predecessor": "a write goes only to a node that has exactly the version before it",
    "disable_on_disconnect": "a node that went away is write-disabled and loses what was dirty",
    "disable_on_write_failure": "a node that failed to take a write is write-disabled",
    "resync_before_eligible": "a node that came back takes no writes until it is resynchronized",
    "blank_is_no_evidence": "replaced media neither promises nor shows a version",
    "record_replacement": "replaced media is let in again by a recorded write that commits without it",
    "disabled_is_evidence": "a write-disabled node's version counts in a recovery",
    "volatile_is_evidence": "what a node shows in a recovery is the version in memory",
    "fixed_majority": "a majority is of the masters that the PFS was made with, not of those present",
    "keep_old_version": "a node keeps its old version until the copy of the new one is complete",
    "exclusive_pass": "a resynchronization that was overtaken gets a pass that new writes wait for",
    "replacement_first": "recording a replacement precedes other writes",
    "wait_for_all": "a new write waits for eligible nodes that owe the last one",
}
"""What each ingredient says."""

INVARIANTS = (
    invariants.every_majority_of_intact_media_yields_what_was_acknowledged,
    invariants.a_hard_read_returns_everything_acknowledged,
    invariants.a_tid_has_one_content,
)
STEP_INVARIANTS: tuple[StepInvariant[Setup, State], ...] = (
    StepInvariant(
        invariants.the_media_of_a_write_disabled_node_stays, exempt=("Restamp", "SyncBegin", "SyncFinish", "LoseMedia")
    ),
    StepInvariant(invariants.acknowledged_versions_are_nested, only=("Acknowledge",)),
)
WITNESSES = (
    witnesses.a_quorum_is_regained_by_a_session_after_a_failure,
    witnesses.a_returned_node_has_a_tid_that_nobody_else_has,
    witnesses.two_resynchronizations_at_once,
    witnesses.everything_was_written_and_acknowledged,
    witnesses.an_unacknowledged_write_survives_a_recovery,
)


def expected(setup: Setup) -> tuple[Callable[[Setup, State], bool], ...]:
    """The witnesses that these bounds can reach."""
    result = list(WITNESSES)
    if setup.writes + int(setup.losses) > 1 or setup.endless:
        result.append(witnesses.a_resynchronization_was_overtaken_by_a_write)
    if setup.faults > setup.masters - majority(setup):
        result.append(witnesses.no_quorum_is_connected)
    if setup.losses and setup.masters > majority(setup):
        result.append(witnesses.a_replaced_master_is_in_step_again)
    if len(setup.views) > 1:
        result.append(witnesses.two_sessions_at_once)
    return tuple(result)


def enabled_actions(setup: Setup) -> tuple[Action[Setup, State], ...]:
    """The actions that these bounds and ingredients have at all."""
    actions = [
        action
        for action in ACTIONS
        if not (action.name == "Preempt" and len(setup.views) == 1)
        # With one client nobody promises to another meanwhile, and no media gets ahead of a copy to it.
        and not (action.name == "SyncRefused" and len(setup.views) == 1)
        and not (action.name == "WriteFail" and not setup.disable_on_write_failure)
        and not (action.name == "BeginReplacement" and not (setup.losses and setup.record_replacement))
        # Two masters have no majority without one of them.
        and not (action.name == "BeginReplacement" and setup.masters == majority(setup) and setup.fixed_majority)
    ]
    if setup.losses:
        actions.append(LOSE_MEDIA)
    if setup.endless:
        actions.append(BEGIN_AGAIN)
    if setup.reader:
        actions.extend(READER)
    if not setup.unique_tids:
        actions.append(ABORT)
    if not setup.disable_on_disconnect:
        actions.append(CRASH)
    return tuple(actions)


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

    Where clients write for ever, "flushed" is never the case of all at once: there the goal is to be in step.
    """
    if m.endless:
        return any(in_step(m, s, c) for c, _client in enumerate(s.clients))
    return any(synchronized(m, s, c) for c, _client in enumerate(s.clients))


def protocol(setup: Setup, slaves: int = 0, *, warm: bool = True) -> Model[Setup, State]:
    """The protocol within these bounds.

    Args:
        setup: bounds and ingredients.
        slaves: how many nodes besides the masters.
        warm: start with all nodes synchronized and one session open; else with no session.
    """
    nodes = setup.masters + slaves
    clients = [Client() for _ in setup.views]
    if warm:
        clients[0] = Client(phase=Phase.READY)
    epochs = EPOCHS - 1 if setup.elections >= UNLIMITED else setup.elections
    # One write more than counted for the replacement; a session's numbers start again with each epoch.
    sequences = SEQUENCES - 1
    tids = epochs * SEQUENCES + sequences
    content = (4 << setup.writes) - 1
    unlimited_faults = setup.faults >= UNLIMITED
    ranges = {
        "nodes.promised": epochs,
        "nodes.durable_tid": tids,
        "nodes.volatile_tid": tids,
        "nodes.snapshot_tid": tids,
        "nodes.durable_content": content,
        "nodes.volatile_content": content,
        "nodes.snapshot_content": content,
        "nodes.owner": len(clients) - 1,
        "nodes.replies": (1 << len(clients)) - 1,
        "clients.epoch": epochs,
        "clients.tid": tids,
        "clients.prior_tid": tids,
        "clients.content": content,
        "clients.prior_content": content,
        "known": content,
        "begun": setup.writes,
        "faults": 0 if unlimited_faults else setup.faults,
        "elections": 0 if setup.elections >= UNLIMITED else setup.elections,
        "read_tid": tids if setup.reader else 0,
        "read_content": content if setup.reader else 0,
        "read_since": content if setup.reader else 0,
    }
    extra = (invariants.a_read_in_parts_returns_what_was_acknowledged_before_it_began,) if setup.reader else ()
    return Model(
        name="protocol",
        setup=setup,
        initial=(State(nodes=(Node(),) * nodes, clients=tuple(clients)),),
        sizes={NODES: nodes, MASTERS: setup.masters, CLIENTS: len(clients)},
        ranges=ranges,
        actions=enabled_actions(setup),
        invariants=(*INVARIANTS, *extra),
        step_invariants=STEP_INVARIANTS,
        witnesses=expected(setup),
        normalize=ranked if setup.rank_tids else None,
        alike=groups(setup.masters, nodes, setup.views),
        symmetric=NODES,
        goal=all_nodes_are_synchronized,
    )
