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
