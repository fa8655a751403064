"""Writing through failures: what is acknowledged stays, whoever fails, and the control state tells the truth."""

from contextlib import nullcontext
from functools import partial

import pytest
from tests.cluster_kit import GRACE, Cluster, equal_nodes, nothing
from tests.sim_kit import by_seed

from hammer2_cluster.device.faults import Fault, Kind
from hammer2_cluster.failures import ROOT, Cause, common
from hammer2_cluster.patience import Cancelled
from hammer2_cluster.resync import is_out_of_step
from hammer2_cluster.sessions import Unwritten
from hammer2_cluster.store.directory import NotFoundError, UnavailableError
from hammer2_spec.protocol.state import Phase
from hammer2_spec.vocabulary import CHAIN_FLUSH_MASK

BIG = b"0123456789" * 9000


@pytest.mark.parametrize("seed", range(6))
def test_two_clients_take_turns_and_every_node_has_every_write(seed: int) -> None:
    cluster, pick = Cluster(clients=2), by_seed(seed)
    for turn, c in enumerate((0, 0, 1, 0, 1)):
        cluster.sim.run(c, cluster.put(c, b"%d" % turn, BIG), pick)
    cluster.sim.settle(pick)
    cluster.media_agree_with_the_control_state()
    assert equal_nodes(cluster, (0, 1, 2))
    assert cluster.sim.run(1, cluster.get(1, b"3"), pick) == BIG
    assert cluster.control.taken["Acknowledge"] == 5
    assert all(node.eligible for node in cluster.control.state.nodes)


@pytest.mark.claims("C06", "C80", "C82", "C83", "C86")
@pytest.mark.parametrize(("kind", "cause"), [(Kind.WRITE_ERROR, Cause.WRITE), (Kind.FULL, Cause.FULL)])
def test_a_node_that_fails_to_write_is_disabled_as_a_whole_and_its_media_stay(kind: Kind, cause: Cause) -> None:
    cluster = Cluster()
    cluster.sim.run(0, cluster.put(0, b"c", BIG))
    cluster.sim.settle()
    before = cluster.control.state.nodes[1].durable_tid
    cluster.devices[1].faults.append(Fault(kind))
    cluster.sim.run(0, cluster.put(0, b"d", BIG))
    cluster.sim.settle()
    node = cluster.control.state.nodes[1]
    assert not node.eligible
    assert cluster.control.media_tid(node.durable_tid) < cluster.control.media_tid(cluster.sessions[0].client.tid)
    assert (cluster.failures.queue[1], cluster.failures.causes[1]) == (ROOT, cause)
    written = cluster.devices[1].count.writes
    cluster.devices[1].faults.clear()
    cluster.sim.run(0, cluster.put(0, b"e", BIG))
    cluster.sim.settle()
    assert cluster.devices[1].count.writes == written, "a flush on a write-disabled node writes nothing (C86)"
    cluster.mount_again(1)
    volume = cluster.chains.volumes[1]
    assert volume is not None
    assert volume.header.mirror_tid == cluster.control.media_tid(before), "its mirror_tid did not move"
    assert cluster.sim.run(0, cluster.get(0, b"e")) == BIG
    assert equal_nodes(cluster, (0, 2))


def with_a_stalled_node() -> Cluster:
    """Node 2 does nothing any more, and has not written the last file."""
    cluster = Cluster()
    cluster.sim.run(0, cluster.put(0, b"c", BIG))
    cluster.sim.settle()
    cluster.sim.stalled.add(2)
    cluster.sim.run(0, cluster.put(0, b"d", BIG))
    return cluster


@pytest.mark.claims("C02", "C85")
def test_a_node_that_stalls_is_done_without_when_its_grace_is_over() -> None:
    cluster = with_a_stalled_node()
    assert cluster.sim.now == 0
    cluster.sim.run(0, cluster.put(0, b"e", BIG))
    assert cluster.sim.now == GRACE
    assert cluster.failures.causes == {2: Cause.STALL}
    cluster.sim.stalled.clear()
    cluster.sim.settle()
    assert cluster.sim.run(0, cluster.get(0, b"e")) == BIG
    assert equal_nodes(cluster, (0, 1))


def test_a_node_that_is_silent_while_a_session_is_opened_is_not_given_up() -> None:
    cluster = Cluster()
    cluster.sim.stalled.add(2)
    cluster.sim.run(0, cluster.sessions[0].open())
    assert cluster.sessions[0].client.phase is Phase.READY
    assert cluster.failures.causes == {}
    cluster.sim.stalled.clear()
    cluster.sim.settle()
    assert cluster.failures.is_mounted(2)


def test_nodes_without_whose_promise_no_session_can_begin_are_given_up_if_they_are_silent() -> None:
    cluster = Cluster()
    cluster.sim.stalled |= {1, 2}
    with pytest.raises(UnavailableError, match="too few masters promise"):
        cluster.sim.run(0, cluster.sessions[0].open())
    assert cluster.failures.causes == {1: Cause.STALL, 2: Cause.STALL}


def test_a_node_that_is_silent_and_has_to_be_resynchronized_anyway_is_not_given_up() -> None:
    cluster = Cluster(clients=2)
    cluster.sim.run(0, cluster.put(0, b"c", BIG))
    cluster.sim.settle()
    cluster.sim.stalled.add(2)
    cluster.sim.run(0, cluster.put(0, b"d", BIG))
    cluster.sim.run(1, cluster.put(1, b"e", BIG))
    assert cluster.control.state.nodes[2].eligible
    assert is_out_of_step(cluster.control, 2), "it has not what the second session began with"
    cluster.sim.stalled.clear()
    cluster.sim.settle()
    cluster.sim.run(1, cluster.put(1, b"f", BIG))
    cluster.sim.settle()
    assert cluster.control.state.nodes[2].eligible
    assert cluster.failures.causes == {}, "it is left out"


def test_where_too_few_are_in_step_but_have_the_last_version_a_new_session_goes_on_with_it() -> None:
    cluster = Cluster()
    cluster.sim.run(0, cluster.put(0, b"c", BIG))
    cluster.sim.settle()
    for n in (1, 2):
        cluster.failures.disconnected(n)
        cluster.mount_again(n)
    epoch = cluster.sessions[0].client.epoch
    cluster.sim.run(0, cluster.put(0, b"d", BIG))
    assert cluster.sessions[0].client.epoch > epoch
    assert all(node.eligible for node in cluster.control.state.nodes)
    assert cluster.sim.run(0, cluster.get(0, b"c")) == BIG
    assert equal_nodes(cluster, (0, 1, 2))


def test_a_write_that_is_cancelled_before_it_has_begun_costs_nobody_his_session() -> None:
    cluster = with_a_stalled_node()
    cluster.sim.start(0, cluster.ons[0].perform(partial(cluster.put, 0, b"e", BIG), UnavailableError))
    while cluster.sim.who_waits() != "client 0 waits for the last write to reach all nodes":
        cluster.sim.happen()
    cluster.sim.cancel(0)
    with pytest.raises(Cancelled):
        cluster.sim.result(0)
    assert cluster.sessions[0].client.phase is Phase.READY


def test_a_change_that_fails_half_way_is_seen_by_nobody() -> None:
    cluster = Cluster(watched=True)

    async def half() -> None:
        await cluster.filesystems[0].put(b"c", [BIG], len(BIG))
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        cluster.sim.run(0, cluster.sessions[0].write(half))
    cluster.sim.settle()
    cluster.media_agree_with_the_control_state()
    with pytest.raises(NotFoundError):
        cluster.sim.run(0, cluster.get(0, b"c"))
    cluster.sim.run(0, cluster.put(0, b"d", BIG))
    cluster.sim.settle()
    assert equal_nodes(cluster, (0, 1, 2))


def test_a_node_that_has_done_nothing_of_a_change_that_fails_is_not_given_up() -> None:
    cluster = Cluster()

    async def half() -> None:
        cluster.sim.stalled.add(2)
        await cluster.filesystems[0].put(b"d", [BIG], len(BIG))
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        cluster.sim.run(0, cluster.sessions[0].write(half))
    cluster.sim.stalled.clear()
    cluster.sim.settle()
    assert set(cluster.failures.queue) == {0, 1}, "what the others have in memory is thrown away"
    assert cluster.control.state.nodes[2].eligible
    assert not cluster.failures.root(2).flags & CHAIN_FLUSH_MASK, "and it does nothing of it later"


@pytest.mark.claims("C83")
def test_a_node_that_comes_back_in_the_middle_of_a_write_takes_no_part_in_it() -> None:
    cluster = Cluster()
    cluster.sim.run(0, cluster.put(0, b"c", BIG))
    cluster.sim.settle()

    async def change() -> None:
        await cluster.filesystems[0].put(b"d", [BIG], len(BIG))
        cluster.failures.disconnected(1)
        cluster.mount_again(1)
        await cluster.filesystems[0].put(b"e", [BIG], len(BIG))

    cluster.sim.run(0, cluster.sessions[0].write(change))
    cluster.sim.settle()
    assert not cluster.failures.root(1).flags & CHAIN_FLUSH_MASK
    assert [node.eligible for node in cluster.control.state.nodes] == [True, False, True]


def test_a_change_that_fails_before_it_changes_anything_costs_nothing() -> None:
    cluster = Cluster()
    with pytest.raises(NotFoundError):
        cluster.sim.run(0, cluster.sessions[0].write(lambda: cluster.filesystems[0].remove(b"nothing")))
    cluster.sim.settle()
    assert cluster.sessions[0].client.phase is Phase.READY
    assert all(node.eligible for node in cluster.control.state.nodes)


def test_a_write_that_is_cancelled_is_taken_back_everywhere() -> None:
    for moment in range(60, 200, 7):
        cluster, pick = Cluster(watched=True), by_seed(moment)
        cluster.sim.run(0, cluster.put(0, b"c", b"first"), pick)
        cluster.sim.start(0, cluster.ons[0].perform(partial(cluster.put, 0, b"c", BIG), UnavailableError))
        for _ in range(moment - 60):
            if not cluster.sim.has_ended(0):
                cluster.sim.happen(pick)
        if not cluster.sim.has_ended(0):
            cluster.sim.cancel(0)
            with pytest.raises(Cancelled):
                cluster.sim.result(0)
        cluster.sim.settle(pick)
        cluster.media_agree_with_the_control_state()
        cluster.sim.run(0, cluster.put(0, b"d", BIG), pick)
        assert cluster.sim.run(0, cluster.get(0, b"c"), pick) in (b"first", BIG)
        cluster.sim.settle(pick)


def test_a_node_that_missed_a_part_of_a_write_does_not_count_as_having_it() -> None:
    cluster = Cluster()

    async def change() -> None:
        await cluster.filesystems[0].put(b"c", [BIG], len(BIG))
        cluster.journals[0].spoil(1)

    cluster.sim.run(0, cluster.sessions[0].write(change))
    cluster.sim.settle()
    assert [node.eligible for node in cluster.control.state.nodes] == [True, False, True]
    assert cluster.failures.queue == {1: ROOT}


@pytest.mark.parametrize("n", range(3))
def test_a_node_that_did_something_else_than_the_majority_is_not_in_step_whoever_answers_first(n: int) -> None:
    cluster = Cluster()

    async def change() -> None:
        await cluster.filesystems[0].put(b"c", [BIG], len(BIG))
        cluster.journals[0].begin(n, cluster.sessions[0].client.epoch)  # as if it had done nothing

    cluster.sim.run(0, cluster.sessions[0].write(change))
    cluster.sim.settle()
    assert [node.eligible for node in cluster.control.state.nodes] == [i != n for i in range(3)]


def in_the_middle_of_a_write(cluster: Cluster, name: bytes) -> None:
    """Client 0 has begun to write a file, and waits for the nodes."""
    cluster.sim.start(0, cluster.put(0, name, BIG))
    while not cluster.control.taken["Begin"]:
        cluster.sim.happen()


def test_a_session_lets_another_one_finish_its_write_and_then_goes_on_at_once() -> None:
    cluster = Cluster(clients=2)
    in_the_middle_of_a_write(cluster, b"c")
    cluster.sim.run(1, cluster.put(1, b"d", BIG))
    assert cluster.sim.result(0) is None, "it was not cut off"
    cluster.sim.run(0, cluster.put(0, b"e", BIG))
    assert cluster.control.taken["Preempt"] == 2
    assert cluster.sim.now == 0, "nobody waits for a session that is over"
    cluster.sim.settle()
    assert {node.eligible for node in cluster.control.state.nodes} == {True}


def test_a_session_that_does_not_finish_its_write_is_waited_for_so_long_and_no_longer() -> None:
    cluster = Cluster(clients=2)
    in_the_middle_of_a_write(cluster, b"c")
    cluster.sim.stalled.update({0, 1, 2})
    cluster.sim.start(1, cluster.put(1, b"d", BIG))
    while cluster.control.taken["Preempt"] == 0:
        cluster.sim.happen()
    assert cluster.sim.now == GRACE


@pytest.mark.claims("C90")
def test_a_slave_holds_up_no_write() -> None:
    cluster = Cluster(slaves=1, watched=True)

    async def not_on_the_slave() -> None:
        await cluster.filesystems[0].put(b"b", [BIG], len(BIG))
        assert cluster.control.taken["Begin"] == 2
        assert not cluster.control.state.nodes[3].eligible, "what this write changes is brought to it afterwards"

    cluster.sim.run(0, cluster.put(0, b"b", BIG))
    assert cluster.failures.causes == {}, "it had nothing to fall behind with"
    cluster.sim.settle()
    assert cluster.control.state.nodes[3].eligible
    writes = cluster.devices[3].count.writes
    cluster.sim.run(0, cluster.sessions[0].write(not_on_the_slave))
    assert cluster.devices[3].count.writes == writes
    cluster.sim.settle()
    cluster.sim.stalled.add(3)
    for name in (b"c", b"d", b"e"):
        cluster.sim.run(0, cluster.put(0, name, BIG))
    assert cluster.sim.now == 0
    assert cluster.failures.queue == {3: ROOT}
    assert cluster.failures.causes == {3: Cause.BEHIND}


@pytest.mark.claims("C87")
@pytest.mark.parametrize("failing", [1, 2])
def test_what_is_dirty_is_thrown_away_only_where_enough_nodes_remain_to_complete_the_write(failing: int) -> None:
    """With too few, what they have stays: it is not acknowledged, and whoever has it brings it to the others."""
    cluster = Cluster()
    cluster.sim.run(0, cluster.put(0, b"c", b"before"))
    cluster.sim.settle()
    for n in range(failing):
        cluster.devices[n].faults.append(Fault(Kind.WRITE_ERROR))
    with pytest.raises(Unwritten, match="it may appear later, or not") if failing > 1 else nullcontext():
        cluster.sim.run(0, cluster.put(0, b"c", BIG))
    cluster.sim.settle()
    assert set(cluster.failures.queue) == {*range(failing)}, "those that remain are not given up"
    for n in range(failing):
        cluster.devices[n].faults.clear()
        cluster.mount_again(n)
        cluster.watch(n)
    cluster.sim.run(0, cluster.sessions[0].write(nothing))
    cluster.sim.settle()
    assert cluster.sim.run(0, cluster.get(0, b"c")) == BIG
    assert equal_nodes(cluster, (0, 1, 2))


@pytest.mark.claims("C87")
def test_a_write_changes_a_node_only_while_its_own_session_lasts_and_the_node_has_not_promised_on() -> None:
    cluster = Cluster(clients=2)
    session, journal = cluster.sessions[0], cluster.journals[0]
    cluster.sim.stalled.add(2)  # so it has promised nothing
    cluster.sim.run(0, session.open())
    epoch = session.client.epoch
    assert all(journal.may_change(n, epoch) for n in range(3))
    assert not any(journal.may_change(n, other) for n in range(3) for other in (epoch - 1, epoch + 1))
    cluster.control.take("Preempt", 1)
    cluster.control.take("Promise", 1, 0)
    assert [journal.may_change(n, epoch) for n in range(3)] == [False, True, True]
    session.end()
    assert not any(journal.may_change(n, epoch) for n in range(3))
    assert not journal.may_change(2, session.client.epoch), "there is none without a session"


@pytest.mark.claims("C87")
def test_what_goes_on_changing_after_its_session_has_ended_is_fenced_off() -> None:
    cluster = Cluster()

    async def change() -> None:
        cluster.sessions[0].end()
        await cluster.filesystems[0].put(b"c", [BIG], len(BIG))

    with pytest.raises(UnavailableError, match="another session has begun"):
        cluster.sim.run(0, cluster.sessions[0].write(change))
    cluster.sim.settle()
    assert not any(cluster.failures.root(n).flags & CHAIN_FLUSH_MASK for n in range(3))
    assert cluster.failures.queue == {}


def test_without_a_quorum_no_session_is_asked_for_and_nobody_is_given_up() -> None:
    cluster = Cluster()
    for n in (0, 1):
        cluster.failures.disconnected(n)
    cluster.sim.settle()
    cluster.sim.stalled.add(2)
    with pytest.raises(UnavailableError, match="too few masters are connected"):
        cluster.sim.run(0, cluster.sessions[0].open())
    assert cluster.sim.now == GRACE, "so long it has waited for them"
    assert cluster.failures.causes == {0: Cause.DISCONNECT, 1: Cause.DISCONNECT}


@pytest.mark.claims("C97")
def test_a_write_that_meets_a_new_medium_when_it_would_begin_is_not_begun_and_the_next_one_records_it_first() -> None:
    cluster = Cluster(5)
    cluster.sim.run(0, cluster.sessions[0].write(nothing))
    cluster.sim.stalled.add(4)
    cluster.sim.run(0, cluster.put(0, b"c", BIG))
    cluster.sim.start(0, cluster.put(0, b"d", BIG))
    while cluster.sim.who_waits() != "client 0 waits for the last write to reach all nodes":
        cluster.sim.happen()
    cluster.control.take("LoseMedia", 1)
    while not cluster.sim.has_ended(0):
        cluster.sim.happen()
    with pytest.raises(UnavailableError, match="too few masters are in step"):
        cluster.sim.result(0)
    assert cluster.sessions[0].client.phase is Phase.READY
    with pytest.raises(NotFoundError):
        cluster.sim.run(0, cluster.get(0, b"d"))
    cluster.sim.run(0, cluster.put(0, b"d", BIG))
    assert cluster.control.taken["BeginReplacement"] == 1
    assert cluster.sim.run(0, cluster.get(0, b"d")) == BIG


@pytest.mark.claims("C83")
def test_a_node_that_is_left_out_of_writes_is_not_held_by_any_of_them() -> None:
    cluster = Cluster()
    cluster.sim.run(0, cluster.sessions[0].write(nothing))
    cluster.failures.disconnected(1)
    cluster.mount_again(1)
    root = cluster.failures.root(1)
    mounted = root.refs
    for _ in range(3):
        cluster.sim.run(0, cluster.sessions[0].write(nothing))
        cluster.sim.settle()
    assert root.refs == mounted
    assert not cluster.control.state.nodes[1].eligible


@pytest.mark.claims("C91")
def test_the_highest_common_point_covers_all_that_failed() -> None:
    assert common((1, 2), (1, 3)) == (1,)
    assert common((1, 2), (1, 2)) == (1, 2)
    assert common((4,), (5,)) == ROOT


def test_a_write_returns_what_its_change_returns() -> None:
    async def change() -> int:
        return 42

    cluster = Cluster()
    assert cluster.sim.run(0, cluster.sessions[0].write(change)) == 42
