"""What a failure does to its node, where it hurts: under a pass, under a flush, under another session."""

import threading
from contextlib import suppress
from functools import partial

import pytest
from tests.cluster_kit import FAST, Cluster, equal_nodes, nothing
from tests.sim_kit import FILES, by_seed
from tests.store_kit import Ids, make, memory, problems, tree_of

from hammer2_cluster import difference
from hammer2_cluster.device.device import Device, DeviceError
from hammer2_cluster.device.faults import Fault, Kind
from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.failures import ROOT, Cause, point_above
from hammer2_cluster.node import Suspended, suspended
from hammer2_cluster.objects import Blockref, Chain
from hammer2_cluster.resync import Interrupted, Progress
from hammer2_cluster.sessions import Unwritten
from hammer2_cluster.store.blockref import Entry
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.directory import NotFoundError, UnavailableError
from hammer2_cluster.store.fsck import Kind as ProblemKind
from hammer2_cluster.store.layout import HEADER_BYTES, HEADER_COUNT
from hammer2_cluster.store.local import Store
from hammer2_cluster.store.making import format_volume
from hammer2_cluster.store.pfs import create_pfs
from hammer2_cluster.store.volume import entries_in
from hammer2_cluster.store.volume_header import BadVolumeError, generations
from hammer2_spec.vocabulary import CHAIN_FLUSH_MASK, BrefFlag, BrefType, PfsType

BIG = b"0123456789" * 9000


@pytest.mark.claims("C95")
def test_what_a_pass_reads_is_not_overwritten_while_it_reads() -> None:
    cluster = Cluster(tasks=3)
    cluster.failures.disconnected(2)
    cluster.sim.run(0, cluster.put(0, b"c", BIG))
    cluster.sim.settle()
    cluster.mount_again(2)
    cluster.sim.start("task 2", cluster.resync(2).run())
    while not cluster.control.taken["SyncBegin"]:
        cluster.sim.happen()
    cluster.sim.stalled.add(2)
    for size in (len(BIG), 10000, 5000):  # what comes free of the first is what the others would be given
        cluster.sim.run(0, cluster.put(0, b"c" if size == len(BIG) else b"%d" % size, b"x" * size))
    cluster.sim.stalled.clear()
    cluster.sim.settle()
    assert cluster.sim.result("task 2").passes > 1
    assert cluster.control.state.nodes[2].eligible
    assert not problems(cluster.devices)


class Gate:
    """A device that is in the middle of a write for as long as somebody wants it to be."""

    def __init__(self, below: Device, places: range = range(1 << 20)) -> None:
        self.below, self.places = below, places
        self.entered, self.opened = threading.Event(), threading.Event()
        self.opened.set()

    @property
    def size(self) -> int:
        return self.below.size

    async def read(self, offset: int, length: int) -> bytes:
        return await self.below.read(offset, length)

    async def write(self, offset: int, data: bytes | bytearray) -> None:
        if not self.opened.is_set() and offset in self.places:
            self.entered.set()
            assert self.opened.wait(60)
        await self.below.write(offset, data)

    async def sync(self) -> None:
        await self.below.sync()

    def close(self) -> None:
        self.below.close()


def given_up_in_the_middle(places: range) -> tuple[Cluster, int]:
    """Node 1 is given up while its worker writes there, in a call that cannot be interrupted; and its tid before."""
    cluster = Cluster()
    cluster.sim.run(0, cluster.put(0, b"c", BIG))
    cluster.sim.settle()
    volume = cluster.chains.volumes[1]
    assert volume is not None
    gate = Gate(cluster.devices[1].below, places)
    cluster.devices[1].below = gate
    cluster.sim.stalled.add(1)
    cluster.sim.run(0, cluster.put(0, b"d", BIG))
    while cluster.sim.events():
        cluster.sim.happen()
    gate.opened.clear()

    def work() -> None:
        while cluster.sim.nodes[1].carry_on():
            pass

    worker = threading.Thread(target=work)
    worker.start()
    assert gate.entered.wait(60)
    cluster.failures.disconnected(1)
    gate.opened.set()
    worker.join(60)
    assert not worker.is_alive()
    cluster.sim.stalled.clear()
    cluster.sim.settle()
    return cluster, cluster.control.media_tid(cluster.control.state.nodes[1].durable_tid)


@pytest.mark.claims("C82", "C86")
def test_a_flush_that_is_under_way_when_its_node_is_disabled_writes_no_header() -> None:
    """What is written after a failure must not count (C86)."""
    cluster, tid = given_up_in_the_middle(range(HEADER_COUNT * HEADER_BYTES, 1 << 20))
    assert at_once(generations(cluster.devices[1])).newest.mirror_tid == tid


@pytest.mark.claims("C86")
def test_a_flush_that_was_done_when_its_node_had_been_given_up_is_undone_when_it_is_mounted() -> None:
    """Nobody counted it; the node must be what the others believe that it is."""
    cluster, tid = given_up_in_the_middle(range(HEADER_COUNT * HEADER_BYTES))
    newest = at_once(generations(cluster.devices[1])).newest
    assert newest.mirror_tid > tid, "too late to be stopped"
    cluster.mount_again(1)
    cluster.media_agree_with_the_control_state()
    found = at_once(generations(cluster.devices[1]))
    assert (found.newest.mirror_tid, found.is_confirmed) == (tid, True)
    cluster.sim.run(0, cluster.put(0, b"e", BIG))
    cluster.watch(1)
    cluster.sim.settle()
    assert all(node.eligible for node in cluster.control.state.nodes)
    assert len({tree_of(volume) for volume in cluster.chains.volumes if volume is not None}) == 1
    assert not problems(cluster.devices)


@pytest.mark.claims("C86")
def test_what_another_session_left_half_done_is_not_stamped() -> None:
    """A client is cut off in the middle of a write; what is dirty then must not become part of any version."""
    for moment in range(0, 200, 9):
        cluster, pick = Cluster(clients=2, watched=True), by_seed(moment)
        cluster.sim.run(0, cluster.put(0, b"c", b"first"), pick)
        cluster.sim.settle(pick)
        cluster.sim.start(0, cluster.ons[0].perform(partial(cluster.put, 0, b"c", BIG), UnavailableError, FAST))
        for _ in range(moment):
            if not cluster.sim.has_ended(0):
                cluster.sim.happen(pick)
        other = partial(cluster.put, 1, b"d", b"other")
        with suppress(UnavailableError, Unwritten):
            cluster.sim.run(1, cluster.ons[1].perform(other, UnavailableError, FAST), pick)
        cluster.sim.settle(pick)
        cluster.media_agree_with_the_control_state()
        cluster.sim.run(1, cluster.ons[1].perform(other, UnavailableError), pick)
        cluster.sim.settle(pick)
        assert cluster.sim.run(1, cluster.get(1, b"c"), pick) in (b"first", BIG)
        assert all(node.eligible for node in cluster.control.state.nodes)
        assert not problems(cluster.devices)


def test_who_goes_on_writing_after_its_session_is_over_is_fenced_off_and_costs_nobody_anything() -> None:
    cluster = Cluster(clients=2)
    may_go_on: list[bool] = []

    async def late() -> None:
        await suspended(Suspended(lambda: bool(may_go_on), "somebody"))
        await cluster.filesystems[0].put(b"c", [BIG], len(BIG))

    cluster.sim.start(0, cluster.sessions[0].write(late))
    while cluster.sim.events():
        cluster.sim.happen()
    cluster.sim.run(1, cluster.put(1, b"d", BIG))
    may_go_on.append(True)
    cluster.sim.settle()
    with pytest.raises(UnavailableError, match="another session has begun"):
        cluster.sim.result(0)
    cluster.sim.run(1, cluster.put(1, b"e", BIG))
    cluster.sim.settle()
    assert all(node.eligible for node in cluster.control.state.nodes)
    assert cluster.failures.queue == {}
    with pytest.raises(NotFoundError):
        cluster.sim.run(1, cluster.get(1, b"c"))


@pytest.mark.claims("C06", "C87")
def test_what_a_client_that_vanished_left_in_memory_is_thrown_away_before_the_node_is_resynchronized() -> None:
    cluster = Cluster(clients=2, watched=True)
    cluster.sim.run(0, cluster.put(0, b"c", BIG))
    cluster.sim.settle()

    async def change_and_vanish() -> None:
        await cluster.filesystems[0].write(b"c", 0, b"x" * len(BIG))
        await suspended(Suspended(bool, "nothing"))

    cluster.sim.serve(0, cluster.sessions[0].write(change_and_vanish))
    while cluster.sim.events():
        cluster.sim.happen()
    cluster.sim.stalled.add(2)
    cluster.sim.run(1, cluster.ons[1].perform(partial(cluster.put, 1, b"d", BIG), UnavailableError))
    cluster.sim.stalled.clear()
    cluster.sim.settle()
    assert cluster.sim.run(1, cluster.get(1, b"c")) == BIG
    cluster.sim.settle()
    assert all(node.eligible for node in cluster.control.state.nodes)
    assert len({tree_of(volume) for volume in cluster.chains.volumes if volume is not None}) == 1


def spoil(cluster: Cluster, n: int, kind: BrefType) -> None:
    """Flip a bit of every block of a kind that belongs to a file, on the media of a node."""
    volume = cluster.chains.volumes[n]
    assert volume is not None
    device = cluster.devices[n].below
    assert isinstance(device, MemoryDevice)

    def below(entry: Entry) -> list[Entry]:
        content = at_once(difference.content_of(volume, entry))
        return at_once(difference.entries_below(volume, entry.type, content))

    def tables(entry: Entry) -> list[Entry]:
        content = at_once(difference.content_of(volume, entry))
        return [below for below in entries_in(entry.type, content) if below.type == BrefType.INDIRECT]

    inodes = below(cluster.failures.root(n).entry())
    find = {BrefType.INODE: lambda inode: [inode], BrefType.INDIRECT: tables, BrefType.DATA: below}[kind]
    blocks = [block for inode in inodes for block in find(inode)]
    assert blocks
    for block in blocks:
        device.content[block.offset] ^= 1


def forget(cluster: Cluster, n: int) -> None:
    """What a node has in memory is forgotten; it is in step again afterwards."""
    cluster.failures.disconnected(n)
    cluster.failures.returned(n)
    cluster.sim.run(0, cluster.sessions[0].write(nothing))
    cluster.sim.settle()


def with_spoiled_files(*names: bytes) -> Cluster:
    """Node 1, resynchronized and in step, has big files whose data cannot be read there; nobody knows yet."""
    cluster = Cluster(tasks=3)
    for name in names:
        cluster.sim.run(0, cluster.put(0, name, BIG))
    cluster.sim.settle()
    cluster.failures.disconnected(1)
    cluster.mount_again(1)
    cluster.sim.run(0, cluster.sessions[0].write(nothing))
    cluster.sim.settle()
    cluster.sim.run("task 1", cluster.resync(1).run())
    cluster.sim.settle()
    spoil(cluster, 1, BrefType.DATA)
    return cluster


@pytest.mark.claims("C81", "C91")
def test_what_cannot_be_read_costs_a_node_that_element_and_its_file_is_queued() -> None:
    cluster = with_spoiled_files(b"c", b"d")
    assert cluster.sim.run(0, cluster.get(0, b"c")) == BIG
    cluster.sim.settle()
    assert cluster.control.state.nodes[1].eligible, "the node stays"
    files = at_once(difference.elements_at(cluster.failures.root(1), ())) or {}
    assert cluster.failures.queue[1] == cluster.failures.unreadable[1]
    assert cluster.failures.queue[1] in {(file,) for file in files}
    assert cluster.failures.causes == {1: Cause.READ}
    assert cluster.sim.run(0, cluster.get(0, b"d")) == BIG
    cluster.sim.settle()
    assert cluster.failures.queue == cluster.failures.unreadable == {1: ROOT}, "the point above both files"


@pytest.mark.claims("C91")
def test_the_point_above_an_element_is_found_whatever_else_is_flagged_on_the_way() -> None:
    above = Chain(0, Blockref(BrefType.INODE, key=1))  # the super-root, which is no place to resynchronize
    root = Chain(1, Blockref(BrefType.INODE, key=2, flags=BrefFlag.PFSROOT | BrefFlag.ZERO), parent=above)
    directory = Chain(2, Blockref(BrefType.INODE, key=3, flags=BrefFlag.ZERO), parent=root)
    table = Chain(3, Blockref(BrefType.INDIRECT, key=4, flags=BrefFlag.ZERO), parent=directory)
    inode = Chain(4, Blockref(BrefType.INODE, key=5, flags=BrefFlag.ZERO), parent=table)
    block = Chain(5, Blockref(BrefType.DATA, key=6, flags=BrefFlag.ZERO), parent=inode)
    points = [point_above(chain) for chain in (root, directory, table, inode, block)]
    assert points == [ROOT, ROOT, (3,), (3,), (3, 5)]


@pytest.mark.claims("C91", "C92")
def test_only_what_could_not_be_read_and_what_is_below_it_is_looked_at_again() -> None:
    cluster = with_spoiled_files(b"c", b"d", b"e")  # only one of which is read
    assert cluster.sim.run(0, cluster.get(0, b"c")) == BIG
    cluster.sim.settle()
    cluster.failures.disconnected(1)
    cluster.sim.run(0, cluster.sessions[0].write(nothing))
    cluster.sim.settle()
    cluster.mount_again(1)
    progress = cluster.sim.run("task 1", cluster.resync(1).run())
    assert progress == Progress(passes=1, copied=2, removed=0, skipped=4), "two blocks of c, but not its inode"


def test_the_cause_that_is_told_is_the_last_one_but_for_reads_that_fail_too() -> None:
    cluster = Cluster()
    cluster.sim.run(0, cluster.put(0, b"c", BIG))
    cluster.sim.settle()
    chain = cluster.failures.root(1)
    cluster.failures.chain_failed(0, chain)
    assert cluster.failures.causes == {1: Cause.READ}
    cluster.failures.disconnected(1, Cause.STALL)
    assert cluster.failures.away == set(), "it may be tried again at once"
    cluster.failures.chain_failed(0, chain)
    assert cluster.failures.causes == {1: Cause.STALL}
    cluster.mount_again(1)
    cluster.failures.disconnected(1)
    assert cluster.failures.causes == {1: Cause.DISCONNECT}
    assert cluster.failures.away == {1}


@pytest.mark.claims("C83")
def test_a_write_leaves_a_disabled_node_out_though_it_is_mounted_and_has_the_last_version() -> None:
    cluster = Cluster()
    cluster.sim.run(0, cluster.put(0, b"c", BIG))
    cluster.sim.settle()
    cluster.failures.disconnected(1)
    cluster.mount_again(1)
    cluster.sim.settle()  # the client has heard of both
    node = cluster.control.state.nodes[1]
    assert (node.eligible, node.volatile_tid) == (False, cluster.sessions[0].client.tid)
    writes = cluster.devices[1].count.writes
    cluster.sim.run(0, cluster.put(0, b"d", BIG))
    cluster.sim.settle()
    assert not cluster.failures.root(1).flags & CHAIN_FLUSH_MASK, "nothing is modified on it"
    assert cluster.devices[1].count.writes == writes
    assert cluster.control.state.nodes[1] == node
    assert cluster.failures.is_mounted(1)


@pytest.mark.claims("C87", "C90")
def test_a_node_that_is_needed_is_not_taken_out_of_service_to_be_mended() -> None:
    cluster = Cluster(watched=True)
    cluster.sim.run(0, cluster.put(0, b"c", BIG))
    cluster.sim.settle()
    forget(cluster, 1)
    spoil(cluster, 1, BrefType.DATA)
    cluster.failures.disconnected(0)
    cluster.sim.run(0, cluster.sessions[0].write(nothing))
    cluster.failures.chain_failed(0, cluster.failures.root(1))
    lost = cluster.sim.nodes[1].times_lost
    cluster.sim.settle()
    assert cluster.failures.is_mounted(1)
    assert cluster.sim.nodes[1].times_lost == lost
    assert cluster.failures.queue == {0: ROOT, 1: ROOT}
    assert cluster.failures.returns == 1, "when it was to forget"
    cluster.failures.returned(0)
    assert cluster.failures.returns == 2
    cluster.sim.settle()
    assert cluster.sim.nodes[1].times_lost == lost + 1
    assert cluster.failures.queue == {}
    assert all(node.eligible for node in cluster.control.state.nodes)


def test_a_node_that_was_never_there_has_no_root() -> None:
    with pytest.raises(UnavailableError, match="node 7 is not there"):
        Cluster().failures.root(7)


def test_a_file_whose_table_cannot_be_read_is_made_anew() -> None:
    long = bytes(range(256)) * 2100  # more blocks than an inode's table has entries
    devices = memory(3, 1 << 21)
    make(devices)
    cluster = Cluster(watched=True, memories=devices)
    cluster.sim.run(0, cluster.put(0, b"c", long))
    cluster.sim.settle()
    spoil(cluster, 1, BrefType.INDIRECT)
    forget(cluster, 1)
    assert cluster.sim.run(0, cluster.get(0, b"c")) == long
    cluster.sim.settle()
    assert cluster.watchers[1].progress.passes == 1
    assert all(node.eligible for node in cluster.control.state.nodes)
    assert len({tree_of(volume) for volume in cluster.chains.volumes if volume is not None}) == 1


def test_a_node_of_which_something_cannot_be_read_while_it_is_mounted_stays_out_until_it_can() -> None:
    outcomes = []
    for after in range(12):
        cluster = Cluster()
        cluster.failures.disconnected(1)
        fault = Fault(Kind.READ_ERROR, times=1, after=after)
        cluster.devices[1].faults.append(fault)
        with suppress(BadVolumeError, DeviceError, UnavailableError):
            cluster.mount_again(1)
        outcomes.append(cluster.failures.is_mounted(1))
        if not outcomes[-1]:
            cluster.mount_again(1)
        assert cluster.failures.is_mounted(1)
        assert cluster.locked() == []
    assert {*outcomes} == {True, False}


def test_a_node_whose_root_cannot_be_read_is_not_resynchronized() -> None:
    cluster = Cluster(tasks=3)
    cluster.failures.disconnected(2)
    cluster.sim.run(0, cluster.put(0, b"c", BIG))
    cluster.sim.settle()
    cluster.mount_again(2)
    where = cluster.failures.root(2).entry().offset
    cluster.devices[2].faults.append(Fault(Kind.READ_ERROR, range(where, where + 1)))
    with pytest.raises(Interrupted, match="node 2: its root cannot be read"):
        cluster.sim.run("task 2", cluster.resync(2).run())
    cluster.devices[2].faults.clear()
    cluster.sim.run("task 2", cluster.resync(2).run())
    assert cluster.control.state.nodes[2].eligible


@pytest.mark.claims("C97")
def test_a_node_whose_last_version_is_gone_from_its_medium_is_not_taken_for_one_that_has_it() -> None:
    cluster = Cluster()
    for name in (b"c", b"d"):
        cluster.sim.run(0, cluster.put(0, name, BIG))
        cluster.sim.settle()
    for n in (1, 2):
        cluster.failures.disconnected(n)
    device = cluster.devices[1].below
    assert isinstance(device, MemoryDevice)
    for offset in at_once(generations(device)).newest.offsets():
        device.content[offset] ^= 1
    with pytest.raises(UnavailableError, match="the last version that it had is not on its medium any more"):
        cluster.mount_again(1)
    cluster.mount_again(2)
    cluster.sim.run(0, cluster.put(0, b"e", BIG))
    cluster.sim.settle()
    assert [node.eligible for node in cluster.control.state.nodes] == [True, False, True]
    assert equal_nodes(cluster, (0, 2))


def test_a_node_that_has_no_such_filesystem_is_not_mounted() -> None:
    cluster = Cluster()
    cluster.failures.disconnected(2)
    at_once(format_volume(cluster.devices[2], b"another volume..", b"of another store"))
    store = Store.open([cluster.devices[2]], Ids())
    store.run(create_pfs(store.on, store.chains, b"another", [PfsType.MASTER], bytes(16)))
    with pytest.raises(UnavailableError, match="node 2 has no 'ROOT'"):
        cluster.mount_again(2)
    assert not cluster.control.state.nodes[2].connected


@pytest.mark.claims("C81", "C90")
@pytest.mark.parametrize("kind", [BrefType.DATA, BrefType.INODE])
def test_what_cannot_be_read_is_mended_from_the_others_though_its_tid_is_right(kind: BrefType) -> None:
    cluster = Cluster(watched=True)
    cluster.sim.run(0, cluster.put(0, b"c", BIG))
    cluster.sim.settle()
    spoil(cluster, 1, kind)
    assert problems(cluster.devices)
    cluster.failures.disconnected(1)  # what it has in memory is forgotten
    cluster.failures.returned(1)
    cluster.sim.run(0, cluster.sessions[0].write(nothing))
    cluster.sim.settle()
    files = {**FILES, b"c": BIG}
    for name, data in files.items():
        assert cluster.sim.run(0, cluster.get(0, name)) == data
    cluster.sim.settle()
    assert cluster.control.taken["Disconnect"] > 1, "once more, to be mended"
    assert cluster.failures.queue == cluster.failures.unreadable == {}
    for name, data in files.items():
        assert cluster.sim.run(0, cluster.get(0, name)) == data
    cluster.sim.settle()
    assert all(node.eligible for node in cluster.control.state.nodes)
    assert len({tree_of(volume) for volume in cluster.chains.volumes if volume is not None}) == 1
    left = {problem.kind for problem in problems(cluster.devices)}
    assert left == (set() if kind is BrefType.DATA else {ProblemKind.LEAK}), "what a lost table led to stays taken"
