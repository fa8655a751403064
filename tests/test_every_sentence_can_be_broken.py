"""Each sentence of the models says something: here are states, or steps, that break it, one for each of its parts.

A sentence that holds in all states that are reached might hold of anything. These states are not reached: they are
made by hand, from a cluster, or a target, at rest, of which all sentences hold.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest

from hammer2_proofs.explorer import calibration
from hammer2_proofs.explorer.models import build
from hammer2_proofs.explorer.verification import DEEP, STANDARD
from hammer2_spec.protocol import goals, inductive, invariants, model, tree
from hammer2_spec.protocol.state import Client, Node, Phase, Soft, State, Sync, first_of, mixture
from hammer2_spec.protocol.tree import MIXED, Element, Tree
from hammer2_spec.transition_system import Model

Sentence = Callable[..., bool]
Changes = Mapping[int, Mapping[str, Any]]

# ---------------------------------------------------------------- clusters

CLUSTER: Model[Any, Any] = build(
    "protocol", {"slaves": 1, "clients": 2, "soft_masters": 1}, frozenset({"reader", "strengthened"})
)
M = CLUSTER.setup
SLAVE = 3
A, B = 1, 2
TORN = mixture(M)
READY, WRITE, ELECT, RECOVER = Phase.READY, Phase.WRITE, Phase.ELECT, Phase.RECOVER
ONE, TWO = first_of(1), first_of(2)
"""The first tids of two epochs."""


def cluster(nodes: Changes | None = None, clients: Changes | None = None, **rest: Any) -> State:  # noqa: ANN401  # fields
    """Three masters, a slave and the session of client 0, at rest, but for these changes."""

    def changed(records: Iterable[Any], changes: Changes | None) -> tuple[Any, ...]:
        return tuple(record._replace(**(changes or {}).get(i, {})) for i, record in enumerate(records))

    at_rest = (Client(phase=READY), Client())
    return State(changed([Node()] * 4, nodes), changed(at_rest, clients), **{"soft": (Soft(),), **rest})


def node(i: int, **changes: Any) -> State:  # noqa: ANN401  # fields
    """One node is otherwise."""
    return cluster({i: changes})


def client(c: int, **changes: Any) -> State:  # noqa: ANN401  # fields
    """One client is otherwise."""
    return cluster(clients={c: changes})


REST = cluster()
COPYING = {"sync": Sync.PASS, "eligible": False}
DISABLED = {"eligible": False}
AWAY = {"eligible": False, "connected": False}
RECOVERING = {"phase": RECOVER, "prior_tid": 1}
WRITING = {"phase": WRITE, "tid": 1, "content": A}
READABLE = cluster({0: {"durable_tid": 1, "durable_content": A | B}, 1: {"durable_tid": 1, "durable_content": A | B}})

STATES: dict[Sentence, list[State]] = {
    invariants.every_majority_of_intact_media_yields_what_was_acknowledged: [
        cluster(known=A),
        node(0, durable_tid=1, incomplete=True),
        node(0, durable_tid=1, durable_content=TORN),
    ],
    invariants.a_hard_read_returns_everything_acknowledged: [
        cluster(known=A),
        cluster({i: {"durable_content": TORN} for i in (0, 1)}),
    ],
    invariants.a_session_that_answers_alone_returns_everything_acknowledged: [cluster(known=A)],
    invariants.a_read_in_parts_returns_what_was_acknowledged_before_it_began: [
        cluster({0: {"read": True}, 1: {"read": True}}, reading=True, read_since=A),
        cluster({0: {"read": True}, 1: {"read": True}}, reading=True, read_content=TORN),
    ],
    invariants.a_tid_has_one_content: [
        node(0, durable_content=A),
        node(0, volatile_content=A),
        node(0, **COPYING, snapshot_content=A),
        client(0, content=A),
        client(0, prior_content=A),
        client(1, phase=ELECT, content=A),
        client(1, phase=RECOVER, content=A),
    ],
    invariants.a_node_declared_synchronized_is: [
        node(0, volatile_content=A),
        node(0, incomplete=True),
        node(0, blank=True),
        cluster({SLAVE: {"volatile_content": A}}, {0: WRITING}),
    ],
    invariants.a_mixture_of_versions_never_looks_synchronized: [
        node(0, durable_content=TORN, incomplete=True),
        node(0, volatile_content=TORN, incomplete=True),
        node(0, durable_content=TORN, **DISABLED),
        node(SLAVE, durable_content=TORN, **DISABLED),
    ],
    invariants.the_focus_is_valid: [node(0, volatile_content=A), node(0, incomplete=True)],
    invariants.msynced_and_ssynced_mean_what_they_say: [
        node(0, volatile_content=A),
        node(SLAVE, volatile_content=A),
        node(0, incomplete=True),
    ],
    inductive.no_number_is_negative: [
        *(node(0, **{name: -1}) for name in ("promised", "durable_tid", "volatile_tid", "snapshot_tid")),
        *(client(0, **{name: -1}) for name in ("epoch", "tid", "prior_tid")),
    ],
    inductive.no_media_is_blank_or_torn: [
        node(0, blank=True),
        node(0, incomplete=True),
        node(0, media_lost=1),
        client(0, torn_evidence=True),
    ],
    inductive.memory_is_not_behind_media: [node(0, durable_tid=1)],
    inductive.a_write_disabled_node_has_nothing_dirty: [
        node(0, **DISABLED, volatile_tid=1),
        node(0, **DISABLED, volatile_content=A),
    ],
    inductive.no_version_is_of_a_later_epoch_than_was_promised: [node(0, volatile_tid=ONE)],
    inductive.a_session_counts_in_its_own_epoch: [
        client(0, epoch=1),
        client(0, prior_tid=1),
        client(0, prior_content=A),
        client(0, phase=WRITE),
        client(1, phase=ELECT),
        client(1, phase=ELECT, epoch=1, prior_tid=ONE),
        client(1, phase=RECOVER, prior_tid=0),
        client(1, phase=RECOVER, epoch=1, tid=ONE, content=A),
    ],
    inductive.a_pass_copies_a_version_of_its_session: [
        node(0, **COPYING, owner=1),
        node(0, **COPYING, snapshot_tid=1),
        cluster({0: {**COPYING, "snapshot_tid": 1}}, {0: WRITING}),
    ],
    inductive.no_replies_outlive_their_use: [node(0, replies=0b01), node(0, replies=0b10)],
    inductive.nothing_is_ahead_of_a_session_in_its_epoch: [
        node(0, durable_tid=1),
        node(0, volatile_tid=1),
        node(0, **COPYING, snapshot_tid=1),
        client(1, phase=ELECT, prior_tid=1),
        client(1, phase=READY, tid=1),
    ],
    inductive.every_epoch_was_promised_by_a_majority: [
        node(0, durable_tid=ONE),
        node(0, volatile_tid=ONE),
        node(0, **COPYING, snapshot_tid=ONE),
        client(1, phase=ELECT, prior_tid=ONE),
        client(0, epoch=1),
    ],
    inductive.a_promise_in_a_pocket_was_given: [
        cluster({0: {"replies": 0b10}}, {1: {"phase": ELECT, "epoch": 1}}),
        cluster({SLAVE: {"replies": 0b10, "promised": 1}}, {1: {"phase": ELECT, "epoch": 1}}),
        cluster({0: {"replies": 0b11, "promised": 1}}, {c: {"phase": ELECT, "epoch": 1} for c in (0, 1)}),
    ],
    inductive.nobody_can_win_an_epoch_that_was_won: [
        cluster({0: {"durable_tid": ONE}}, {1: {"phase": ELECT, "epoch": 1}}),
        cluster({0: {**COPYING, "snapshot_tid": ONE}}, {1: {"phase": ELECT, "epoch": 1}}),
        cluster(clients={0: {"epoch": 1}, 1: {"phase": ELECT, "epoch": 1}}),
    ],
    inductive.no_two_sessions_have_one_epoch: [client(1, phase=READY), client(1, phase=RECOVER)],
    inductive.what_was_recovered_is_known_exactly: [
        client(0, phase=RECOVER, prior_content=A),
        cluster({0: {"durable_content": A}}, {0: {"phase": RECOVER, "epoch": 1, "tid": ONE}}),
        cluster(clients={c: {**RECOVERING, "tid": (ONE, TWO)[c], "prior_content": c} for c in (0, 1)}),
    ],
    inductive.the_first_version_is_empty: [
        node(0, durable_content=A),
        node(0, volatile_content=A),
        node(0, **COPYING, snapshot_content=A),
        client(1, phase=ELECT, content=A),
        client(0, content=A),
        client(0, prior_content=A),
    ],
    inductive.no_version_is_a_mixture: [
        *(node(0, **{name: TORN}) for name in ("durable_content", "volatile_content", "snapshot_content")),
        *(client(0, **{name: TORN}) for name in ("content", "prior_content")),
    ],
    inductive.what_is_over_leaves_nothing_behind: [
        *(node(0, **{name: 1}) for name in ("snapshot_tid", "snapshot_content", "pass_epoch", "owner")),
        *(client(1, **{name: 1}) for name in ("epoch", "tid", "content")),
        client(0, stale_promise=True),
        client(0, torn_evidence=True),
    ],
    inductive.a_node_that_is_away_takes_part_in_nothing: [
        node(0, connected=False),
        node(0, **AWAY, sync=Sync.PASS),
    ],
    inductive.a_pass_never_goes_back: [node(0, sync=Sync.PASS), node(0, **COPYING, durable_tid=1)],
}

STEPS: dict[Sentence, list[tuple[State, State]]] = {
    invariants.the_media_of_a_write_disabled_node_stays: [
        (node(0, **DISABLED), node(0, **DISABLED, durable_tid=1)),
        (node(0, **DISABLED), node(0, **DISABLED, durable_content=A)),
    ],
    invariants.acknowledged_versions_are_nested: [
        (cluster(clients={0: WRITING}, known=B), client(0, tid=1, content=A)),
    ],
    invariants.what_is_known_is_never_forgotten: [(cluster(known=A | B), cluster(known=B))],
    invariants.what_is_acknowledged_is_known: [(client(0, **WRITING), client(0, tid=1, content=A))],
    invariants.what_a_read_returned_is_known: [
        (READABLE, READABLE),
        (READABLE, READABLE._replace(known=A)),
        (REST, cluster(known=A)),
    ],
    invariants.what_a_read_in_parts_returned_is_known: [(cluster(read_content=A | B), cluster(known=A))],
    invariants.what_a_soft_master_wrote_is_changed_by_nobody_else: [
        (cluster(soft=(Soft(0, True),)), cluster(soft=(Soft(1, True),))),
        (cluster(soft=(Soft(0, True),)), cluster(soft=(Soft(0, False),))),
    ],
    inductive.the_tid_on_media_never_falls: [(node(0, durable_tid=1), REST)],
    inductive.no_promise_is_taken_back: [(node(0, promised=1), REST)],
    inductive.a_node_that_is_away_stays_as_it_is: [
        (node(0, **AWAY), node(0, **{**AWAY, name: value}))
        for name, value in (
            *(("promised", 1), ("durable_tid", 1), ("volatile_tid", 1)),
            *(("eligible", True), ("blank", True)),
        )
    ],
}

# ---------------------------------------------------------------- targets of a resynchronization

TREE: Model[Any, Any] = build("tree", {"tids": 3}, frozenset())
DIRECTORY, LEAF = 1, 3
WRITTEN = {"tids": 1, "history": 1}
"""Write 1 touched the first leaf."""
HAS = {"tid": 1, "durable_tid": 1}
DATA = {"content": 1, "durable_content": 1}


def target(elements: Changes | None = None, **rest: Any) -> Tree:  # noqa: ANN401  # fields
    """A tree at rest, but for these changes."""
    return Tree(tuple(Element()._replace(**(elements or {}).get(e, {})) for e in range(TREE.setup.elements)), **rest)


COPIED = {0: HAS, DIRECTORY: HAS, LEAF: {**HAS, **DATA}}
"""A target that has write 1."""
PASS = target(COPIED, **WRITTEN, syncing=True, snapshot=1, eligible=False)

TREES: dict[Sentence, list[Tree]] = {
    tree.an_unmarked_root_shows_one_whole_version: [
        target({0: HAS}, **WRITTEN),
        target({0: HAS, LEAF: {"durable_content": MIXED}}, **WRITTEN),
        target({LEAF: DATA}, **WRITTEN),
    ],
    tree.an_element_that_looks_certified_is: [
        target({0: HAS}, **WRITTEN),
        target({DIRECTORY: HAS}, **WRITTEN),
        target({LEAF: HAS}, **WRITTEN),
    ],
    tree.a_target_declared_in_step_is: [
        target({**COPIED, 0: {}}, **WRITTEN),
        target({**COPIED, LEAF: HAS}, **WRITTEN),
    ],
}
STEPS_OF_TREES: dict[Sentence, list[tuple[Tree, Tree]]] = {
    tree.what_a_pass_ends_with_is_on_the_media: [
        (PASS, target({**COPIED, **changed}, **WRITTEN))
        for changed in (
            *({0: {"tid": 1}}, {DIRECTORY: {"tid": 1}}, {LEAF: {**HAS, "content": 1}}, {LEAF: DATA}),
            *({e: {**COPIED[e], "durable_mark": True}} for e in (0, DIRECTORY, LEAF)),
        )
    ],
    tree.only_what_a_pass_copies_is_lost_with_its_source: [
        (PASS._replace(tids=2), target(COPIED, tids=3, history=1, astray=2)),
    ],
}

# ---------------------------------------------------------------- each by itself

OVER_ALL: Model[Any, Any] = build("calibration", {}, frozenset())
BEHIND = OVER_ALL.initial[0]._replace(committed=1)
APART = M._replace(fixed_majority=False)
"""With it no two views that share no master can both write: what forbids that is taken away here."""
SPLIT = cluster({0: {"cut": 0b10}, 1: {"cut": 0b01}, 2: {"cut": 0b01}}, {1: {"phase": READY}})

EXAMPLES: dict[Sentence, list[tuple[Any, ...]]] = {
    **{judged: [(M, state) for state in states] for judged, states in STATES.items()},
    **{judged: [(M, *step) for step in steps] for judged, steps in STEPS.items()},
    **{judged: [(TREE.setup, state) for state in states] for judged, states in TREES.items()},
    **{judged: [(TREE.setup, *step) for step in steps] for judged, steps in STEPS_OF_TREES.items()},
    invariants.two_views_that_may_both_write_share_a_master: [(APART, SPLIT)],
    calibration.a_quorum_of_an_unlocked_cluster_has_what_is_committed: [(OVER_ALL.setup, BEHIND)],
}
NOT_YET: dict[Sentence, list[tuple[Any, Any]]] = {
    goals.all_nodes_are_synchronized: [
        (M, node(0, durable_tid=1)),
        (M, node(SLAVE, **DISABLED)),
        (M._replace(endless=True), node(0, volatile_tid=1)),
    ],
    goals.all_that_is_there_is_synchronized: [(M, node(0, durable_tid=1)), (M, node(0, **DISABLED))],
    goals.no_write_is_under_way: [(M, client(0, **WRITING))],
    tree.the_target_is_in_step: [
        (TREE.setup, target(COPIED, **WRITTEN, eligible=False)),
        (TREE.setup, target(COPIED, **WRITTEN, pending=1)),
        (TREE.setup, target({LEAF: {"content": 1}})),
    ],
}
"""Of each goal: states that are short of it."""


def models() -> Iterator[Model[Any, Any]]:
    for run in (*STANDARD, *DEEP):
        yield build(run.model, run.bounds, run.switches)


def every_sentence() -> set[Sentence]:
    """What explorations check, and what is proved."""
    steps = (*model.STEP_INVARIANTS, *model.STEPS_IN_PARTS, *model.STEPS_OF_SOFT_MASTERS, *model.STRENGTHENING_STEPS)
    found: set[Sentence] = {*model.INVARIANTS, *model.TWO_CLIENTS, *model.IN_PARTS, *model.ALONE}
    found |= {*inductive.INDUCTIVE, *inductive.CONSEQUENCES, *(step.holds for step in steps)}
    for one in models():
        found |= {*one.invariants, *(step.holds for step in one.step_invariants)}
    return found


def test_every_sentence_has_an_example_that_breaks_it() -> None:
    assert {judged.__name__ for judged in every_sentence()} == {judged.__name__ for judged in EXAMPLES}
    assert {*EXAMPLES} == every_sentence()
    assert all(EXAMPLES.values())


@pytest.mark.parametrize("judged", EXAMPLES, ids=lambda judged: judged.__name__)
def test_it_breaks_it(judged: Sentence) -> None:
    assert [example for example in EXAMPLES[judged] if judged(*example)] == []


def test_at_rest_everything_holds() -> None:
    for judged in STATES:
        assert judged(M, REST), judged.__name__
    for judged in STEPS.keys() - {invariants.what_a_read_returned_is_known}:
        assert judged(M, REST, REST), judged.__name__
    assert invariants.what_a_read_returned_is_known(M, READABLE, READABLE._replace(known=A | B))
    for judged in TREES:
        assert judged(TREE.setup, target()), judged.__name__
        assert judged(TREE.setup, target(COPIED, **WRITTEN)), judged.__name__
    assert tree.what_a_pass_ends_with_is_on_the_media(TREE.setup, PASS, target(COPIED, **WRITTEN))
    for one in models():
        assert all(judged(one.setup, state) for judged in one.invariants for state in one.initial), one.name


def test_every_goal_can_be_missed_and_what_must_be_reached_is_not_there_at_first() -> None:
    assert {*NOT_YET} == {one.goal for one in models() if one.goal}
    for goal, states in NOT_YET.items():
        assert [it for it in states if goal(*it)] == [], goal.__name__
    for one in models():
        for witness in one.witnesses:
            assert not any(witness(one.setup, state) for state in one.initial), witness.__name__
