"""What a node has promised stays promised, whatever becomes of the process that heard it."""

import pytest
from tests.cluster_kit import Cluster

from hammer2_cluster.control import Control
from hammer2_cluster.device.device import ReadError
from hammer2_cluster.device.faults import Fault, Kind
from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.promises import begin_epoch, read_promise, write_promise
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.layout import PROMISE_OFFSET


def test_a_promise_is_read_as_it_was_written_and_none_is_zero() -> None:
    device = MemoryDevice(1 << 20)
    assert at_once(read_promise(device)) == 0
    for epoch in (1, 2**63):
        at_once(write_promise(device, epoch))
        assert at_once(read_promise(device)) == epoch


@pytest.mark.parametrize("at", range(20))
def test_a_damaged_promise_is_not_believed(at: int) -> None:
    device = MemoryDevice(1 << 20)
    at_once(write_promise(device, 5))
    device.content[PROMISE_OFFSET + at] ^= 1
    with pytest.raises(ReadError):
        at_once(read_promise(device))


def test_all_of_a_promise_lies_in_one_sector() -> None:
    device = MemoryDevice(1 << 20)
    at_once(write_promise(device, 2**64 - 1))
    assert PROMISE_OFFSET % 512 == 0
    assert not any(device.content[PROMISE_OFFSET + 512 : PROMISE_OFFSET + 1024])


def test_a_session_that_never_served_is_not_repeated_by_another_process() -> None:
    """Its epoch stands on media before it counts: another one with the same would give its tids another content."""
    cluster = Cluster()
    cluster.sim.start(0, cluster.put(0, b"c", b"never"))
    while not cluster.control.taken["Win"]:
        cluster.sim.happen()
    assert cluster.control.taken["Restamp"] == 0
    promised = [at_once(read_promise(device.below)) for device in cluster.devices]
    epoch = cluster.control.media_epoch(cluster.sessions[0].client.epoch)
    assert sum(said == epoch for said in promised) >= 2
    tids = [cluster.control.media_tid(node.durable_tid) for node in cluster.control.state.nodes]
    after = Control(tids, 3, 1, promised=promised)
    after.take("Elect", 0)
    assert after.media_epoch(after.state.clients[0].epoch) > epoch


def test_a_node_that_cannot_write_its_promise_has_not_promised() -> None:
    cluster = Cluster()
    cluster.devices[1].faults.append(Fault(Kind.WRITE_ERROR, times=1))
    cluster.sim.run(0, cluster.put(0, b"c", b"two are enough"))
    cluster.sim.settle()
    assert cluster.control.taken["Promise"] == 2
    assert set(cluster.failures.queue) == {1}


def test_a_new_epoch_is_above_all_that_anybody_there_has_heard_of() -> None:
    cluster = Cluster()
    at_once(write_promise(cluster.devices[1], 7))
    volumes = cluster.chains.volumes
    assert at_once(begin_epoch([None, *volumes[1:]])) == 8 << 32
    assert [at_once(read_promise(device)) for device in cluster.devices] == [0, 8, 8]
    assert at_once(begin_epoch([volumes[0], None, volumes[2]])) == 9 << 32


def test_who_cannot_promise_is_not_written() -> None:
    cluster = Cluster()
    cluster.devices[0].faults.append(Fault(Kind.WRITE_ERROR))
    at_once(begin_epoch(cluster.chains.volumes))
    assert [volume is not None and volume.failed is None for volume in cluster.chains.volumes] == [False, True, True]


def test_a_node_whose_promise_cannot_be_read_does_not_stop_the_others() -> None:
    cluster = Cluster(5)
    at_once(write_promise(cluster.devices[1].below, 7))
    content = bytearray(at_once(cluster.devices[1].below.read(PROMISE_OFFSET, 1024)))
    content[9] ^= 1
    at_once(cluster.devices[1].below.write(PROMISE_OFFSET, content))
    volumes = list(cluster.chains.volumes)
    begun = at_once(begin_epoch([None, *volumes[1:]]))
    assert [volume is not None and bool(volume.failed) for volume in volumes] == [False, True, False, False, False]
    promised = [at_once(read_promise(device.below)) << 32 for device in cluster.devices[2:]]
    assert promised == [begun] * 3
    assert at_once(cluster.devices[1].below.read(PROMISE_OFFSET, 1024)) == content
