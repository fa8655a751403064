"""Resynchronization: who fell behind is brought into step, while others write on, however often it is cut short."""

import random

import pytest
from tests.cluster_kit import GRACE, Cluster, nothing
from tests.sim_kit import by_seed
from tests.store_kit import problems, tree_of

from hammer2_cluster.device.faults import Fault, Kind
from hammer2_cluster.difference import elements_at
from hammer2_cluster.failures import Cause
from hammer2_cluster.resync import Interrupted, Progress, is_out_of_step, sessions_by_epoch
from hammer2_cluster.sessions import RECOVERIES
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.inode_data import InodeData
from hammer2_cluster.synchronization import ATTEMPTS
from hammer2_spec.vocabulary import PfsType

BIG = b"0123456789" * 9000


def fallen_behind(*, clients: int = 1, files: int = 3, target: int = 2) -> Cluster:
    """A cluster whose node 2, or another one, has missed some writes."""
    cluster = Cluster(clients=clients, tasks=3)
    cluster.sim.run(0, cluster.put(0, b"before", BIG))
    cluster.sim.settle()
    cluster.failures.disconnected(target)
    for n in range(files):
        cluster.sim.run(0, cluster.put(0, b"%d" % n, BIG))
    cluster.sim.run(0, cluster.sessions[0].write(lambda: cluster.filesystems[0].remove(b"a")))
    cluster.sim.settle()
    cluster.mount_again(target)
    return cluster


def all_equal(cluster: Cluster) -> bool:
    cluster.sim.settle()
    assert cluster.locked() == []
    assert not any(volume.pins for volume in cluster.chains.volumes if volume is not None)
    return len({tree_of(volume) for volume in cluster.chains.volumes if volume is not None}) == 1


@pytest.mark.claims("C97")
@pytest.mark.parametrize("seed", range(6))
def test_a_node_that_fell_behind_is_in_step_again(seed: int) -> None:
    cluster, pick = fallen_behind(), by_seed(seed)
    progress = cluster.sim.run("task 2", cluster.resync(2).run(), pick)
    assert progress == Progress(passes=1, copied=progress.copied, removed=1, skipped=2)
    node = cluster.control.state.nodes[2]
    assert node.eligible
    assert cluster.failures.queue == {}
    assert all_equal(cluster)
    cluster.media_agree_with_the_control_state()
    cluster.sim.run(0, cluster.put(0, b"after", BIG), pick)
    assert all_equal(cluster)
    assert not problems(cluster.devices)


@pytest.mark.claims("C92")
def test_what_did_not_change_is_not_copied_again() -> None:
    cluster = fallen_behind(files=1)
    first = cluster.sim.run("task 2", cluster.resync(2).run())
    cluster.failures.disconnected(2)
    cluster.sim.run(0, cluster.put(0, b"0", b"little"))
    cluster.sim.settle()
    cluster.mount_again(2)
    second = cluster.sim.run("task 2", cluster.resync(2).run())
    assert first.copied > second.copied == 1
    assert second.skipped == 2
    assert all_equal(cluster)


@pytest.mark.claims("C92")
def test_of_a_file_of_which_one_block_has_changed_that_block_and_its_inode_are_copied() -> None:
    cluster = fallen_behind(files=1)
    cluster.sim.run("task 2", cluster.resync(2).run())
    cluster.failures.disconnected(2)
    cluster.sim.run(0, cluster.sessions[0].write(lambda: cluster.filesystems[0].write(b"0", 70_000, b"changed")))
    cluster.sim.settle()
    cluster.mount_again(2)
    progress = cluster.sim.run("task 2", cluster.resync(2).run())
    assert progress == Progress(passes=1, copied=2, removed=0, skipped=3), "two files, and the file's other block"
    assert all_equal(cluster)


@pytest.mark.claims("C95")
def test_a_pass_copies_what_was_when_it_began_while_others_write_on() -> None:
    for seed in range(10):
        cluster, pick = fallen_behind(), by_seed(seed)
        cluster.sim.start("task 2", cluster.resync(2).run())
        for n in range(4):
            cluster.sim.run(0, cluster.put(0, b"while %d" % n, BIG), pick)
        cluster.sim.settle(pick)
        progress = cluster.sim.result("task 2")
        assert progress.passes > 1
        assert cluster.control.state.nodes[2].eligible
        cluster.sim.run(0, cluster.put(0, b"after", BIG), pick)
        assert all_equal(cluster)
        cluster.media_agree_with_the_control_state()


def test_a_file_that_shrinks_into_its_inode_during_a_pass_takes_its_blocks_along() -> None:
    cluster = fallen_behind(files=1)
    task = cluster.resync(2)
    cluster.sim.start("task 2", task.run())
    while task.progress.copied < 3:
        cluster.sim.happen()
    cluster.sim.run(0, cluster.put(0, b"0", b"little"))
    cluster.sim.settle()
    assert cluster.sim.result("task 2").passes > 1
    assert all_equal(cluster)
    assert not problems(cluster.devices)


@pytest.mark.claims("C93")
def test_a_node_that_has_never_been_brought_into_step_has_no_more_attempts_than_another() -> None:
    cluster = fallen_behind()
    cluster.devices[2].faults.append(Fault(Kind.WRITE_ERROR))
    watcher = cluster.watch(2)
    cluster.sim.settle()
    assert watcher.has_given_up
    assert cluster.control.taken["SyncBegin"] == ATTEMPTS


@pytest.mark.claims("C93")
def test_after_so_many_failures_in_a_row_a_node_waits_until_something_happens_elsewhere() -> None:
    cluster = Cluster(watched=True)
    cluster.sim.run(0, cluster.put(0, b"c", BIG))
    cluster.sim.settle()
    for more in range(2):
        cluster.failures.disconnected(2)
        cluster.sim.run(0, cluster.put(0, b"%d" % more, BIG))
        cluster.sim.settle()
        before = cluster.control.taken["SyncBegin"]
        cluster.devices[2].faults.append(Fault(Kind.WRITE_ERROR))
        cluster.failures.returned(2)
        cluster.sim.settle()
        assert cluster.control.taken["SyncBegin"] == before + ATTEMPTS
        assert cluster.watchers[2].has_given_up
        assert "write error" in cluster.watchers[2].trouble
        cluster.sim.run(0, cluster.put(0, b"d", BIG))
        cluster.sim.settle()
        assert cluster.control.taken["SyncBegin"] == before + ATTEMPTS + 1, "one more, because others went on"
        assert cluster.watchers[2].has_given_up
        cluster.devices[2].faults.clear()
        cluster.sim.run(0, cluster.put(0, b"d", BIG))
        cluster.sim.settle()
        assert (cluster.watchers[2].has_given_up, cluster.watchers[2].trouble) == (False, "")
        assert cluster.failures.causes == {}
        assert all_equal(cluster)


def test_the_sessions_that_serve_or_recover_are_known_the_latest_first() -> None:
    cluster = Cluster(clients=3)
    assert sessions_by_epoch(cluster.control) == []
    for c in (1, 2, 0):
        cluster.sim.run(c, cluster.put(c, b"%d" % c, b"x"))
    cluster.sessions[2].end()
    assert sessions_by_epoch(cluster.control) == [0, 1]
    assert cluster.control.attempt("Elect", 2) or cluster.control.attempt("Preempt", 2)
    assert sessions_by_epoch(cluster.control) == [0, 1], "one that is not elected yet does not count"


def test_a_node_is_out_of_step_that_takes_no_writes_or_has_missed_some_of_the_latest_session() -> None:
    cluster = Cluster(clients=2)
    assert is_out_of_step(cluster.control, 0), "before anybody has a session"
    cluster.sim.run(0, cluster.put(0, b"c", b"x"))
    cluster.sim.settle()
    assert not any(is_out_of_step(cluster.control, n) for n in range(3))
    cluster.sim.stalled.add(2)
    cluster.sim.run(0, cluster.put(0, b"d", b"x"))
    cluster.sim.run(1, cluster.put(1, b"e", b"x"))
    assert cluster.control.state.nodes[2].eligible
    assert [is_out_of_step(cluster.control, n) for n in range(3)] == [False, False, True]
    for session in cluster.sessions:
        session.end()
    assert not is_out_of_step(cluster.control, 2), "there is no session that it has missed some of"


def test_a_pass_that_is_refused_does_not_sleep_through_the_loss_of_its_node() -> None:
    waited = 0
    for moment in range(12):
        cluster = fallen_behind(clients=2)
        cluster.control.take("Preempt", 1)
        cluster.control.take("Promise", 1, 2)  # so node 2 takes nothing of the other session
        cluster.sim.start("task 2", cluster.resync(2).run())
        for _ in range(moment):
            if cluster.sim.events():
                cluster.sim.happen()
        waited += "another session" in cluster.sim.who_waits()
        cluster.failures.disconnected(2)
        while cluster.sim.events():
            cluster.sim.happen()
        assert cluster.sim.has_ended("task 2"), moment
    assert 0 < waited < 12


def test_no_pass_begins_from_a_write_that_is_not_acknowledged() -> None:
    cluster = fallen_behind()
    cluster.control.take("Begin", 0)
    cluster.control.take("Deliver", 0, 0)
    cluster.control.take("Flush", 0)
    cluster.sim.start("task 2", cluster.resync(2).run())
    while cluster.sim.events():
        cluster.sim.happen()
    assert "waits for a node to copy from" in cluster.sim.who_waits()
    assert cluster.control.taken["SyncBegin"] == 0


@pytest.mark.claims("C96")
def test_two_nodes_are_resynchronized_at_once() -> None:
    cluster = Cluster(5, tasks=5)
    for n in (1, 3):
        cluster.failures.disconnected(n)
    cluster.sim.run(0, cluster.put(0, b"c", BIG))
    for n in (1, 3):
        cluster.mount_again(n)
        cluster.sim.start(f"task {n}", cluster.resync(n).run())
    cluster.sim.settle(by_seed(3))
    assert all(node.eligible for node in cluster.control.state.nodes)
    assert all_equal(cluster)


@pytest.mark.parametrize("lost", [0, 2])
def test_a_pass_whose_source_or_target_is_lost_can_be_begun_again(lost: int) -> None:
    for moment in range(5, 60, 6):
        cluster, pick = fallen_behind(), by_seed(moment)
        cluster.sim.start("task 2", cluster.resync(2).run())
        for _ in range(moment):
            if not cluster.sim.has_ended("task 2"):
                cluster.sim.happen(pick)
        cluster.failures.disconnected(lost)
        while cluster.sim.events():
            cluster.sim.happen(pick)
        cluster.media_agree_with_the_control_state()
        cluster.mount_again(lost)
        cluster.sim.run(0, cluster.sessions[0].write(nothing), pick)
        for n, node in enumerate(cluster.control.state.nodes):
            if not node.eligible:
                cluster.sim.run(f"task {n}", cluster.resync(n).run(), pick)
        assert all_equal(cluster)


@pytest.mark.parametrize(("source", "target"), [(0, 2), (1, 0)])
def test_a_source_that_does_not_answer_in_time_is_given_up_and_what_it_does_later_harms_nobody(
    source: int, target: int
) -> None:
    cluster = fallen_behind(target=target)
    cluster.sim.stalled.add(source)
    with pytest.raises(Interrupted, match=f"node {source} does not answer"):
        cluster.sim.run(f"task {target}", cluster.resync(target).run())
    assert cluster.sim.now == RECOVERIES * GRACE
    assert cluster.failures.is_mounted(source), "for this pass alone"
    cluster.sim.stalled.clear()
    cluster.sim.settle()
    assert cluster.control.taken["SyncBegin"] == 0, "the pass that it was for is over"
    assert not any(volume.pins for volume in cluster.chains.volumes if volume is not None)
    cluster.sim.run(f"task {target}", cluster.resync(target).run())
    assert all_equal(cluster)


def test_a_target_that_does_not_answer_in_time_is_given_up_and_does_nothing_of_the_pass_later() -> None:
    cluster = fallen_behind()
    task = cluster.resync(2)
    cluster.sim.start("task 2", task.run())
    while not task.progress.copied:
        cluster.sim.happen()
    cluster.sim.stalled.add(2)
    root = cluster.failures.root(2)
    while not cluster.sim.has_ended("task 2"):
        cluster.sim.happen()
    with pytest.raises(Interrupted, match="node 2 does not answer"):
        cluster.sim.result("task 2")
    assert cluster.failures.causes == {2: Cause.STALL}
    assert not cluster.failures.is_mounted(2)
    before, writes = at_once(elements_at(root, ())), cluster.devices[2].count.writes
    cluster.sim.stalled.clear()
    cluster.sim.settle()
    assert (at_once(elements_at(root, ())), cluster.devices[2].count.writes) == (before, writes)
    cluster.mount_again(2)
    cluster.sim.run("task 2", cluster.resync(2).run())
    assert all_equal(cluster)


def test_a_target_that_cannot_be_written_interrupts_the_pass_and_keeps_its_version() -> None:
    cluster = fallen_behind()
    before = cluster.control.state.nodes[2].durable_tid
    cluster.devices[2].faults.append(Fault(Kind.WRITE_ERROR))
    with pytest.raises(Interrupted):
        cluster.sim.run("task 2", cluster.resync(2).run())
    assert cluster.control.state.nodes[2].durable_tid == before
    cluster.devices[2].faults.clear()
    cluster.mount_again(2)
    cluster.sim.settle()
    cluster.media_agree_with_the_control_state()
    cluster.sim.run("task 2", cluster.resync(2).run())
    assert all_equal(cluster)


def test_the_identity_of_a_nodes_pfs_is_never_copied() -> None:
    cluster = fallen_behind()
    root = cluster.failures.root(2)
    cluster.sim.run("task 2", cluster.resync(2).run())
    identities = []
    for n in range(3):
        chain = cluster.failures.root(n)
        data, _ = at_once(chain.volume.read(chain.entry()))
        identities.append(InodeData.read(data))
    assert root is cluster.failures.root(2)
    assert len({identity.pfs_fsid for identity in identities}) == 3
    assert {identity.pfs_type for identity in identities} == {PfsType.MASTER}


@pytest.mark.claims("C97")
def test_random_writes_and_losses_end_with_equal_nodes() -> None:
    for seed in range(12):
        chance, pick = random.Random(seed), by_seed(seed)
        cluster = Cluster(tasks=3)
        cluster.sim.run(0, cluster.sessions[0].write(nothing), pick)
        cluster.sim.settle(pick)
        for turn in range(12):
            down = [n for n, node in enumerate(cluster.control.state.nodes) if not node.eligible]
            if turn and chance.random() < 0.5 and not down:
                cluster.failures.disconnected(chance.randrange(3))
            elif down and chance.random() < 0.5:
                cluster.mount_again(down[0])
                cluster.sim.run(f"task {down[0]}", cluster.resync(down[0]).run(), pick)
                cluster.media_agree_with_the_control_state()
            data = bytes([turn]) * chance.choice((3, 900, 100000))
            cluster.sim.run(0, cluster.put(0, b"%d" % chance.randrange(4), data), pick)
        cluster.sim.settle(pick)
        for n, node in enumerate(cluster.control.state.nodes):
            if not node.eligible:
                cluster.mount_again(n)
                cluster.sim.run(f"task {n}", cluster.resync(n).run(), pick)
        assert all_equal(cluster)
        assert not problems(cluster.devices)
