"""Space on a full node: snapshots that enough others have are given up for it, the oldest first (C94)."""

from collections.abc import Sequence

import pytest
from tests.cluster_kit import Cluster
from tests.store_kit import make, memory, problems, put, read, reopen, tree_of

from hammer2_cluster.device.faults import Fault, Kind
from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.failures import Cause
from hammer2_cluster.room import remove_snapshot, snapshots_on
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.local import Store
from hammer2_cluster.synchronization import ATTEMPTS

SMALL = 1 << 19
"""Of the last node, in bytes; the others have twice as much."""
OLD = {b"first": b"1" * 90_000, b"second": b"2" * 90_000}
NEW = b"3" * 280_000
"""It fits on the small node when one of the snapshots is gone."""


def labels_on(store: Store, n: int) -> list[bytes]:
    volume = store.volumes[n]
    assert volume is not None
    return [root.inode.name for root in at_once(snapshots_on(store.chains, volume))]


def with_snapshots(
    lost_on: dict[int, Sequence[bytes]] | None = None, contents: dict[bytes, bytes] = OLD
) -> list[MemoryDevice]:
    """Three nodes with snapshots of files that are gone. lost_on: for nodes, the labels that they have lost."""
    devices = [*memory(2, 2 * SMALL), MemoryDevice(SMALL)]
    store = make(devices)
    filesystem = store.mount()
    for label, content in contents.items():
        put(store, filesystem, label, content)
        store.run(filesystem.snapshot(label))
        store.run(filesystem.remove(label))
        store.run(filesystem.flush())
    for n, labels in (lost_on or {}).items():
        volume = store.volumes[n]
        assert volume is not None
        for root in at_once(snapshots_on(store.chains, volume)):
            if root.inode.name in labels:
                at_once(remove_snapshot(store.chains, volume, root))
    return devices


def filled(devices: list[MemoryDevice], fault: Fault | None = None, new: bytes = NEW) -> Cluster:
    """The small node has missed a file that it has no room for, and is there again, with this fault."""
    cluster = Cluster(watched=True, memories=devices)
    cluster.failures.disconnected(2)
    cluster.sim.run(0, cluster.put(0, b"new", new))
    cluster.sim.settle()
    cluster.devices[2].faults.extend([fault] if fault else [])
    cluster.failures.returned(2)
    cluster.sim.settle()
    return cluster


def is_in_step(cluster: Cluster) -> bool:
    trees = {tree_of(volume) for volume in cluster.chains.volumes if volume is not None}
    return cluster.control.state.nodes[2].eligible and not cluster.failures.queue and len(trees) == 1


@pytest.mark.claims("C93", "C94")
def test_a_full_node_gives_up_its_oldest_snapshot_and_is_brought_into_step() -> None:
    devices = with_snapshots()
    cluster = filled(devices)
    assert is_in_step(cluster)
    assert cluster.watchers[2].removed_snapshots == [b"first"]
    assert (cluster.control.taken["NoSpaceForCopy"], cluster.control.taken["FreeSpace"]) == (1, 1)
    cluster.media_agree_with_the_control_state()
    assert not problems(devices)
    store = reopen(devices)
    assert [labels_on(store, n) for n in range(3)] == [[b"first", b"second"]] * 2 + [[b"second"]]
    for label, content in OLD.items():
        assert read(store, store.mount(label), label) == content, "on the nodes that have it, all of it is there"


@pytest.mark.claims("C94")
def test_as_many_snapshots_are_given_up_one_after_the_other_as_are_needed() -> None:
    labels = [b"%d" % n for n in range(ATTEMPTS + 2)]
    cluster = filled(with_snapshots(contents={label: label * 30_000 for label in labels}), new=b"x" * 300_000)
    assert is_in_step(cluster)
    assert cluster.watchers[2].removed_snapshots == labels, "the oldest first"


@pytest.mark.claims("C94")
def test_a_snapshot_that_too_few_others_have_is_not_given_up() -> None:
    cluster = filled(with_snapshots(lost_on={1: [b"first"]}))
    assert is_in_step(cluster)
    assert cluster.watchers[2].removed_snapshots == [b"second"]


@pytest.mark.claims("C93", "C94")
def test_a_node_that_has_nothing_to_give_up_waits_until_there_is_room() -> None:
    devices = with_snapshots(lost_on={1: [b"first"], 0: [b"second"]})
    cluster = filled(devices)
    assert not is_in_step(cluster)
    assert cluster.failures.causes[2] is Cause.FULL
    assert cluster.watchers[2].has_given_up
    assert labels_on(reopen(devices), 2) == [b"first", b"second"]
    cluster.sim.run(0, cluster.sessions[0].write(lambda: cluster.filesystems[0].remove(b"new")))
    cluster.sim.settle()
    assert is_in_step(cluster)
    assert cluster.watchers[2].removed_snapshots == []


@pytest.mark.claims("C94")
def test_a_node_that_cannot_even_remove_a_snapshot_keeps_it() -> None:
    devices = with_snapshots()
    cluster = filled(devices, Fault(Kind.FULL))
    assert not is_in_step(cluster)
    assert cluster.failures.causes[2] is Cause.FULL
    assert "full" in cluster.watchers[2].trouble
    assert labels_on(reopen(devices), 2) == [b"first", b"second"]
    cluster.devices[2].faults.clear()
    cluster.failures.returned(2)
    cluster.sim.settle()
    assert is_in_step(cluster)
    assert cluster.watchers[2].removed_snapshots == [b"first"]


@pytest.mark.claims("C82", "C94")
def test_a_node_that_runs_out_of_space_in_the_middle_of_a_write_gives_up_a_snapshot_too() -> None:
    cluster = Cluster(watched=True, memories=with_snapshots())
    cluster.sim.run(0, cluster.put(0, b"c", b"little"))
    cluster.sim.settle()
    volume = cluster.chains.volumes[2]
    assert volume is not None
    volume.promised = volume.freemap.free_bytes
    cluster.sim.run(0, cluster.sessions[0].write(lambda: cluster.filesystems[0].remove(b"c")))
    assert cluster.failures.causes == {2: Cause.FULL}
    assert cluster.control.taken["NoSpace"] == 1
    cluster.sim.settle()
    assert is_in_step(cluster)
    assert cluster.watchers[2].removed_snapshots == [b"first"]


@pytest.mark.claims("C94")
def test_a_snapshot_that_is_mounted_is_not_given_up() -> None:
    store = reopen(with_snapshots())
    assert labels_on(store, 2) == [b"first", b"second"], "the oldest first"
    store.mount(b"first")
    assert labels_on(store, 2) == [b"second"]
