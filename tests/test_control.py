"""The control state changes through the protocol's actions alone, and keeps its tids in order for ever."""

import pytest

from hammer2_cluster.control import Control, Refused
from hammer2_spec.protocol.state import Phase


def opened(control: Control, c: int) -> None:
    control.attempt("GiveUp", c)
    assert control.take_first(("Elect", c), ("Preempt", c))
    for i in range(3):
        control.attempt("Promise", c, i)
    control.take("Win", c)
    for i in range(3):
        control.attempt("Restamp", c, i)
        control.attempt("Flush", i)
    control.take("Ready", c)


def written(control: Control, c: int) -> None:
    assert control.take_first(("Begin", c), ("BeginAgain", c))
    for i in range(3):
        control.attempt("Deliver", c, i)
        control.attempt("Flush", i)
    control.take("Acknowledge", c)


def test_numbers_never_run_out_and_tids_on_media_only_grow() -> None:
    control = Control([7, 7, 7], 3, 2, writes=4, judged=True)
    seen = [7]
    for turn in range(30):
        opened(control, turn % 2)
        for _ in range(20 if turn % 5 == 0 else 2):
            written(control, turn % 2)
            tids = {control.media_tid(node.durable_tid) for node in control.state.nodes}
            assert len(tids) == 1
            seen += tids
    assert seen == sorted(set(seen))
    assert control.taken["BeginAgain"] > 100


def test_nodes_that_differ_when_they_are_opened_keep_their_order() -> None:
    control = Control([(3 << 32) + 7, (3 << 32) + 9, 12, None], 3, 1)
    tids = [node.durable_tid for node in control.state.nodes]
    assert [control.media_tid(tid) for tid in tids[:3]] == [(3 << 32) + 7, (3 << 32) + 9, 12]
    assert tids[2] < tids[0] < tids[1]
    assert not control.state.nodes[3].connected
    assert not any(node.eligible for node in control.state.nodes)


@pytest.mark.parametrize("begun", ["before all", "in an election", "in a write", "after many sessions"])
@pytest.mark.parametrize(("tid", "promised"), [(12, 0), (13, 3), ((3 << 32) + 8, 5), ((4 << 32) + 1, 4), (0, 0)])
def test_what_is_learnt_of_a_node_later_stands_in_its_place_and_changes_nothing_else(
    begun: str, tid: int, promised: int
) -> None:
    control = Control([12, None, (3 << 32) + 7], 3, 2, promised=[3, 0, 3], judged=True)
    assert (control.knows(0), control.knows(1)) == (True, False)
    for _ in range({"before all": 0, "after many sessions": 20}.get(begun, 1)):
        opened_by_the_others(control, until=begun)
    before = [media_of(control, n) for n in (0, 2)], control.state.clients[0].phase
    control.learn(1, tid, promised)
    assert control.knows(1)
    assert ([media_of(control, n) for n in (0, 2)], control.state.clients[0].phase) == before
    assert media_of(control, 1) == (tid, max(promised, tid >> 32))
    by_media = sorted((media_of(control, n)[0], control.state.nodes[n].durable_tid) for n in range(3))
    assert by_media == sorted(by_media, key=lambda both: both[1])
    control.take("Reconnect", 1)
    assert control.take_first(("Elect", 1), ("Preempt", 1))
    assert control.media_epoch(control.state.clients[1].epoch) > max(promised, tid >> 32)
    control.take("Promise", 1, 1)
    assert control.media_tid(control.state.clients[1].prior_tid) == tid, "it shows what it has"


def media_of(control: Control, n: int) -> tuple[int, int]:
    """The tid and the promise on the media of a node, as the control state says."""
    node = control.state.nodes[n]
    return control.media_tid(node.durable_tid), control.media_epoch(node.promised)


def opened_by_the_others(control: Control, *, until: str) -> None:
    """Two nodes of three in step, by a session of client 0 that may stop somewhere."""
    c = 0
    control.attempt("GiveUp", c)
    control.attempt("CrashClient", c)
    assert control.take_first(("Elect", c), ("Preempt", c))
    if until == "in an election":
        control.take("Promise", c, 2)
        return
    for i in (0, 2):
        control.take("Promise", c, i)
    control.take("Win", c)
    behind = [i for i in (0, 2) if not control.attempt("Restamp", c, i)]
    control.attempt("Flush", 0)
    control.attempt("Flush", 2)
    for i in behind:
        control.take("SyncBegin", c, i)
        control.take("SyncFinish", i)
    control.take("Ready", c)
    assert control.take_first(("Begin", c), ("BeginAgain", c))
    if until != "in a write":
        for i in (0, 2):
            control.take("Deliver", c, i)
            control.take("Flush", i)
        control.take("Acknowledge", c)


def test_an_action_whose_guard_does_not_hold_is_refused_and_changes_nothing() -> None:
    control = Control([1, 1, 1], 3, 1)
    before = control.state
    with pytest.raises(Refused, match="Win"):
        control.take("Win", 0)
    assert not control.attempt("Acknowledge", 0)
    assert control.state is before
    assert not control.taken


def test_nobody_can_write_the_control_state() -> None:
    control = Control([1, 1, 1], 3, 1)
    with pytest.raises(AttributeError):
        control.state = control.state  # type: ignore[misc]  # what must fail
    with pytest.raises(AttributeError):
        control.state.nodes[0].eligible = True  # type: ignore[misc]  # what must fail
    assert control.state.clients[0].phase is Phase.IDLE
