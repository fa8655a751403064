"""The protocol as a model: its actions, its sentences, its bounds, and which states are the same."""

from collections.abc import Callable

from hammer2_spec.protocol import (
    failures,
    inductive,
    invariants,
    reading,
    resynchronization,
    sessions,
    soft,
    witnesses,
    writing,
)
from hammer2_spec.protocol.goals import goal_of, no_write_is_under_way
from hammer2_spec.protocol.notation import SHOWN
from hammer2_spec.protocol.ranks import ranked
from hammer2_spec.protocol.sessions import EPOCHS
from hammer2_spec.protocol.state import (
    SEQUENCES,
    UNLIMITED,
    Client,
    Node,
    Phase,
    Setup,
    Soft,
    State,
    majority,
    mixture,
)
from hammer2_spec.transition_system import Action, Model, StepInvariant

CLIENTS, NODES, MASTERS, SOFT, ALL_EPOCHS = "clients", "nodes", "masters", "soft", "epochs"


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
    Action("BeginReplacement", writing.begin_replacement, (CLIENTS,)),
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
PARTITION: tuple[Action[Setup, State], ...] = (
    Action("Cut", failures.cut, (CLIENTS, NODES), fault=True),
    Action("Heal", failures.heal, (CLIENTS, NODES), fair_over=NODES),
    Action("Answer", sessions.answer, (CLIENTS, NODES), fair_over=NODES),
)
SPACE: tuple[Action[Setup, State], ...] = (
    Action("NoSpace", writing.no_space, (CLIENTS, NODES), fault=True),
    Action("NoSpaceForCopy", failures.no_space_for_copy, (NODES,), fault=True),
    Action("FreeSpace", failures.free_space, (NODES,), fair_over=NODES),
)
SOFT_MASTER: tuple[Action[Setup, State], ...] = (
    Action("SoftFollow", soft.soft_follow, (CLIENTS, SOFT), fair=False),
    Action("SoftWrite", soft.soft_write, (SOFT,), fair=False),
)
ELECT_FREELY: Action[Setup, State] = Action("ElectFreely", sessions.elect_freely, (CLIENTS, ALL_EPOCHS), fault=True)
STAY_AWAY: Action[Setup, State] = Action("ComeBack", failures.reconnect, (NODES,), fault=True)
ABORT: Action[Setup, State] = Action("Abort", sessions.abort, (CLIENTS,))
CRASH: Action[Setup, State] = Action("Crash", failures.crash, (NODES,), fault=True)

WHY = {
    "promise": "a majority of masters promises an epoch, durably, before a session's first write",
    "restamp": "a session stamps what it recovered with its own epoch before it serves it",
    "refuse_lower_epochs": "resynchronization too is refused by a node that promised a higher epoch",
    "never_lower": "a resynchronization that would lower the tid on a node's media neither begins nor ends",
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
    "sound_votes": "only sound masters with a whole version answer a hard read",
    "majority_tid": "the version that a majority has decides, not the highest that anybody shows",
    "stamp_last": "a copy gets the tid of its version when it is complete, not when it begins",
    "spare_kept_version": "freeing space never removes the version that is kept until a copy is complete",
    "resolve_at_begin": "whether there is a quorum is decided when a write begins, not when its cluster was locked",
}
"""What each ingredient says."""

INSTEAD = {
    "settle_at_promise": "a node that promises is write-disabled if it has anything dirty",
    "admit_between_writes": "replaced media is filled between writes only",
    "void_lost_promises": "a promise is void as soon as the media that it was on is lost",
    "one_torn_at_a_time": "no master is copied to while another has no whole version",
    "copy_committed_only": "a session copies nothing before it serves",
    "torn_is_no_evidence": "the tid of an incomplete copy counts for nothing in a recovery",
    "unmarked_copies": "a copy that was cut short in place is not marked as incomplete",
    "eligible_votes": "only masters that are not write-disabled answer a hard read",
    "session_reads": "a session that serves answers reads from its own version, and asks no node",
}
"""What else has been thought of; none of it is a part of the protocol."""

INVARIANTS = (
    invariants.every_majority_of_intact_media_yields_what_was_acknowledged,
    invariants.a_hard_read_returns_everything_acknowledged,
    invariants.a_tid_has_one_content,
    invariants.a_node_declared_synchronized_is,
    invariants.a_mixture_of_versions_never_looks_synchronized,
    invariants.the_focus_is_valid,
    invariants.msynced_and_ssynced_mean_what_they_say,
)
TWO_CLIENTS = (invariants.two_views_that_may_both_write_share_a_master,)
ALONE = (invariants.a_session_that_answers_alone_returns_everything_acknowledged,)
IN_PARTS = (invariants.a_read_in_parts_returns_what_was_acknowledged_before_it_began,)
STEP_INVARIANTS: tuple[StepInvariant[Setup, State], ...] = (
    StepInvariant(
        invariants.the_media_of_a_write_disabled_node_stays, exempt=("Restamp", "SyncBegin", "SyncFinish", "LoseMedia")
    ),
    StepInvariant(invariants.acknowledged_versions_are_nested, only=("Acknowledge",)),
    StepInvariant(invariants.what_is_known_is_never_forgotten),
    StepInvariant(invariants.what_is_acknowledged_is_known, only=("Acknowledge",)),
    StepInvariant(invariants.what_a_read_returned_is_known, only=("Read",)),
)
STEPS_IN_PARTS: tuple[StepInvariant[Setup, State], ...] = (
    StepInvariant(invariants.what_a_read_in_parts_returned_is_known, only=("ReadEnd",)),
)
STEPS_OF_SOFT_MASTERS: tuple[StepInvariant[Setup, State], ...] = (
    StepInvariant(invariants.what_a_soft_master_wrote_is_changed_by_nobody_else, exempt=("SoftWrite",)),
)
STRENGTHENING_STEPS: tuple[StepInvariant[Setup, State], ...] = (
    StepInvariant(inductive.the_tid_on_media_never_falls, exempt=("LoseMedia",)),
    StepInvariant(inductive.no_promise_is_taken_back, exempt=("LoseMedia",)),
    StepInvariant(inductive.a_node_that_is_away_stays_as_it_is, exempt=("Reconnect", "ComeBack", "LoseMedia", "Crash")),
)
WITNESSES = (
    witnesses.a_quorum_is_regained_by_a_session_after_a_failure,
    witnesses.a_returned_node_has_a_tid_that_nobody_else_has,
    witnesses.two_resynchronizations_at_once,
    witnesses.everything_was_written_and_acknowledged,
    witnesses.an_unacknowledged_write_survives_a_recovery,
)


def expected(setup: Setup, soft_masters: int = 0) -> tuple[Callable[[Setup, State], bool], ...]:
    """The witnesses that these bounds can reach."""
    result = list(WITNESSES)
    if setup.faithful_clients and setup.steady_nodes and len(setup.views) == 1 and not setup.partitions:
        # A session ends when no source is left, and whoever has flushed what is under way is one.
        result.remove(witnesses.an_unacknowledged_write_survives_a_recovery)
        if not setup.losses:
            result.remove(witnesses.a_returned_node_has_a_tid_that_nobody_else_has)
    if setup.writes > 1 or setup.endless:
        result.append(witnesses.a_resynchronization_was_overtaken_by_a_write)
    if setup.faults > setup.masters - majority(setup) and not setup.steady_nodes:
        result.append(failures.no_quorum_is_connected)
        if setup.history:
            result.append(witnesses.a_quorum_was_lost_and_regained)
    if any(view.bit_count() > majority(setup) for view in setup.views):
        result.append(witnesses.a_write_was_acknowledged_while_a_node_stalled)
    if setup.losses and setup.masters > majority(setup):
        result.append(witnesses.a_replaced_master_is_in_step_again)
        if setup.losses > 1:
            result.append(witnesses.media_replaced_a_second_time_is_in_step_again)
    if setup.late_finish:
        result.append(witnesses.a_pass_outlived_its_session)
    if setup.space:
        result.append(witnesses.a_node_is_full)
    if len(setup.views) > 1:
        result.append(witnesses.two_sessions_at_once)
        if setup.partitions and setup.faults > 1:
            result.append(witnesses.two_sessions_in_a_partition)
        if setup.free_epochs:
            result.append(witnesses.a_tid_between_two_epochs_was_chosen)
    if soft_masters:
        result.append(witnesses.a_soft_master_diverged)
    return tuple(result)


def enabled_actions(setup: Setup, soft_masters: int = 0) -> tuple[Action[Setup, State], ...]:
    """The actions that these bounds and ingredients have at all."""
    actions = [
        action
        for action in ACTIONS
        if not (action.name == "Preempt" and len(setup.views) == 1)
        # With one client nobody promises to another meanwhile, and no media gets ahead of a copy to it.
        and not (action.name == "SyncRefused" and len(setup.views) == 1 and not setup.admit_between_writes)
        and not (action.name == "CrashClient" and setup.faithful_clients)
        and not (action.name in ("Disconnect", "Reconnect") and setup.steady_nodes)
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
    if setup.partitions:
        actions.extend(PARTITION)
    if setup.space:
        actions.extend(SPACE)
    if setup.free_epochs:
        actions.append(ELECT_FREELY)
    if setup.stay_away:
        actions = [STAY_AWAY if action.name == "Reconnect" else action for action in actions]
    if soft_masters:
        actions.extend(SOFT_MASTER)
    return tuple(actions)


def protocol(
    setup: Setup,
    slaves: int = 0,
    *,
    warm: bool = True,
    soft_masters: int = 0,
    operations: bool = False,
    strengthened: bool = False,
) -> Model[Setup, State]:
    """The protocol within these bounds.

    Args:
        setup: bounds and ingredients.
        slaves: how many nodes besides the masters.
        warm: start with all nodes synchronized and one session open; else with no session.
        soft_masters: how many soft masters.
        operations: the goal is that operations complete, not that all nodes are synchronized.
        strengthened: check, too, the sentences that make the invariants inductive.
    """
    nodes = setup.masters + slaves
    clients = [Client() for _ in setup.views]
    if warm:
        clients[0] = Client(phase=Phase.READY)
    epochs = EPOCHS - 1 if setup.elections >= UNLIMITED or setup.free_epochs else setup.elections
    # One write more than counted for the replacement; a session's numbers start again with each epoch.
    sequences = SEQUENCES - 1
    tids = epochs * SEQUENCES + sequences
    content = 2 * mixture(setup) - 1
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
        "nodes.media_lost": setup.losses,
        "nodes.cut": (1 << len(clients)) - 1 if setup.partitions else 0,
        "nodes.full": int(setup.space),
        "nodes.pass_epoch": epochs if setup.late_finish else 0,
        "soft.tid": tids,
        "outage": int(setup.history),
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
    return Model(
        name="protocol",
        setup=setup,
        initial=(State(nodes=(Node(),) * nodes, clients=tuple(clients), soft=(Soft(),) * soft_masters),),
        sizes={NODES: nodes, MASTERS: setup.masters, CLIENTS: len(clients), SOFT: soft_masters, ALL_EPOCHS: EPOCHS},
        ranges=ranges,
        actions=enabled_actions(setup, soft_masters),
        invariants=(
            *INVARIANTS,
            *(TWO_CLIENTS if len(clients) > 1 else ()),
            *(IN_PARTS if setup.reader else ()),
            *(ALONE if setup.session_reads else ()),
            *(inductive.strengthening(setup) if strengthened else ()),
        ),
        step_invariants=(
            *STEP_INVARIANTS,
            *(STEPS_IN_PARTS if setup.reader else ()),
            *(STEPS_OF_SOFT_MASTERS if soft_masters else ()),
            *(STRENGTHENING_STEPS if strengthened else ()),
        ),
        witnesses=expected(setup, soft_masters),
        normalize=ranked if setup.rank_tids else None,
        alike=groups(setup.masters, nodes, setup.views),
        symmetric=NODES,
        goal=no_write_is_under_way if operations else goal_of(setup),
        shown=SHOWN,
    )
