"""A new medium in the place of an old one: recorded without it, filled, and only then a voter (P10, P11)."""

import json
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from tests.cluster_kit import Cluster, equal_nodes, nothing
from tests.sim_kit import FILES, by_seed, read_all
from tests.store_command_kit import good, refused, run
from tests.store_kit import problems, reopen, tree_of

from hammer2_cluster import difference
from hammer2_cluster.device.device import Device
from hammer2_cluster.device.faults import Fault, FaultyDevice, Kind
from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.failures import Cause
from hammer2_cluster.outcomes import deref
from hammer2_cluster.replacements import OLD_MEDIUM, Successors, recorded
from hammer2_cluster.service import Service
from hammer2_cluster.store import lookup
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.directory import UnavailableError
from hammer2_cluster.store.inode_data import InodeData
from hammer2_cluster.store.pfs import roots_of
from hammer2_cluster.store.volume_header import generations
from hammer2_cluster.straight import Straight
from hammer2_oracle.store_replace import put_new_image
from hammer2_spec.semantics import REPAIRED
from hammer2_spec.vocabulary import Lookup

BIG = b"0123456789" * 9000


def memories(cluster: Cluster) -> list[MemoryDevice]:
    """What is on the media, and nothing else."""
    found = []
    for device in cluster.devices:
        assert isinstance(device.below, MemoryDevice)
        found.append(MemoryDevice(device.size, device.below.content))
    return found


@pytest.mark.claims("C97")
def test_a_new_medium_is_recorded_without_it_then_filled_and_then_votes() -> None:
    cluster = Cluster(watched=True)
    cluster.sim.run(0, cluster.put(0, b"c", BIG))
    cluster.replace_medium(1)
    cluster.sim.settle()
    assert cluster.control.state.nodes[1].blank, "nobody has recorded it"
    assert (cluster.control.taken["LoseMedia"], cluster.control.taken["SyncFinish"]) == (1, 0)
    assert cluster.failures.causes == {1: Cause.REPLACED}
    cluster.sim.run(0, cluster.put(0, b"d", b"next"))
    assert cluster.control.taken["BeginReplacement"] == 1
    cluster.sim.settle()
    assert [node.eligible for node in cluster.control.state.nodes] == [True] * 3
    assert equal_nodes(cluster, (0, 1, 2))
    cluster.media_agree_with_the_control_state()
    cluster.failures.disconnected(0)
    cluster.sim.run(0, cluster.put(0, b"e", BIG))
    assert cluster.sim.run(0, cluster.get(0, b"c")) == BIG
    assert cluster.sim.run(0, cluster.get(0, b"d")) == b"next"
    assert cluster.control.taken["BeginReplacement"] == 1
    assert not problems(cluster.devices)


@pytest.mark.claims("C97")
def test_a_new_medium_makes_no_majority_before_it_is_filled() -> None:
    cluster = Cluster(watched=True)
    cluster.sim.run(0, cluster.put(0, b"c", BIG))
    cluster.sim.settle()
    cluster.failures.disconnected(0)
    cluster.replace_medium(1)
    cluster.sim.settle()
    with pytest.raises(UnavailableError):
        cluster.sim.run(0, cluster.put(0, b"d", BIG))
    cluster.failures.returned(0)
    cluster.sim.settle()
    cluster.sim.run(0, cluster.put(0, b"d", BIG))
    cluster.sim.settle()
    assert equal_nodes(cluster, (0, 1, 2))
    assert cluster.sim.run(0, cluster.get(0, b"c")) == BIG


def test_a_session_waits_for_nodes_that_can_promise_not_for_new_media() -> None:
    cluster = Cluster(watched=True)
    cluster.replace_medium(1)
    cluster.sim.settle()
    cluster.failures.disconnected(0)
    cluster.sim.settle()
    cluster.sim.start(0, cluster.put(0, b"c", BIG))
    while "client 0 waits for a quorum" not in cluster.sim.who_waits():
        cluster.sim.happen()
    cluster.failures.returned(0)
    cluster.sim.settle()
    assert cluster.sim.has_ended(0)
    assert cluster.sim.run(0, cluster.get(0, b"c")) == BIG


def called(cluster: Cluster, n: int, key: int) -> bytes:
    """The name of the inode at a key below the root, as node n has it."""

    async def name() -> bytes:
        async with difference.inode_at(cluster.failures.root(n), ()) as item:
            chain, _ = await lookup.lookup(item, 0, key, key, Lookup.ALWAYS)
            assert chain is not None
            name = InodeData.read(deref(chain.data)).name
            chain.volume.unlock(chain)
            return name

    return at_once(name())


def test_what_a_new_medium_is_called_is_written_where_no_name_belongs_and_is_its_own() -> None:
    cluster = Cluster(watched=True)
    for _ in range(2):
        cluster.replace_medium(2)
        cluster.sim.settle()
        for _ in range(2):
            cluster.sim.run(0, cluster.put(0, b"c", BIG))
            cluster.sim.settle()
        medium = deref(cluster.chains.volumes[2]).header.volume_id
        assert [called(cluster, n, 2) for n in range(3)] == [medium.hex().encode()] * 3
        listed = at_once(difference.elements_at(cluster.failures.root(0), ())) or {}
        assert {*range(3)} & listed.keys() == {2}, "whose medium is the first one has no record"
        assert at_once(recorded(cluster.failures.root(0))) == {2: medium}
    identities = set()
    for volume in cluster.chains.volumes:
        assert volume is not None
        straight = Straight(cluster.chains, REPAIRED)
        [root] = straight.run(roots_of(straight, cluster.chains, volume))
        identities.add(root.inode.pfs_fsid)
        assert root.inode.pfs_nmasters == 3
    assert len(identities) == 3

    async def names() -> list[bytes]:
        return [listed.name async for listed in cluster.filesystems[0].names()]

    assert sorted(cluster.sim.run(0, names())) == sorted({*FILES, b"c"})


def with_a_successor(*, recorded: bool = True) -> tuple[Cluster, MemoryDevice]:
    """Node 1 has a new medium, and the old one still exists."""
    cluster = Cluster(watched=True)
    cluster.sim.run(0, cluster.put(0, b"c", BIG))
    cluster.sim.settle()
    old = memories(cluster)[1]
    cluster.replace_medium(1)
    cluster.sim.settle()
    if recorded:
        cluster.sim.run(0, cluster.put(0, b"d", b"next"))
        cluster.sim.settle()
    return cluster, old


def put_back(cluster: Cluster, old: MemoryDevice) -> None:
    cluster.failures.disconnected(1)
    cluster.devices[1] = FaultyDevice(old, cluster.sim.nodes[1])
    cluster.failures.returned(1)
    cluster.sim.settle()


@pytest.mark.claims("C97")
def test_a_medium_that_has_been_replaced_is_refused_when_it_is_put_back_and_stays_as_it_is() -> None:
    cluster, old = with_a_successor()
    before = bytes(old.content)
    put_back(cluster, old)
    assert not cluster.failures.is_mounted(1)
    assert cluster.watchers[1].trouble == f"node 1: {OLD_MEDIUM}"
    assert bytes(old.content) == before
    cluster.sim.run(0, cluster.put(0, b"e", BIG))
    assert cluster.sim.run(0, cluster.get(0, b"d")) == b"next"
    cluster.replace_medium(1)
    for _ in range(2):
        cluster.sim.settle()
        cluster.sim.run(0, cluster.sessions[0].write(nothing))
    cluster.sim.settle()
    assert equal_nodes(cluster, (0, 1, 2))


@pytest.mark.claims("C97")
def test_a_medium_that_is_put_back_before_its_successor_is_recorded_is_recorded_as_another_new_one() -> None:
    cluster, old = with_a_successor(recorded=False)
    tid = at_once(generations(old)).newest.mirror_tid
    put_back(cluster, old)
    assert at_once(generations(old)).newest.mirror_tid == tid, "it loses nothing by it"
    assert cluster.control.state.nodes[1].blank, "never as the member that it was"
    cluster.sim.run(0, cluster.put(0, b"d", b"next"))
    cluster.sim.settle()
    assert cluster.control.taken["BeginReplacement"] == 1
    assert called(cluster, 0, 1) == at_once(generations(old)).newest.volume_id.hex().encode()
    assert equal_nodes(cluster, (0, 1, 2))


@pytest.mark.claims("C97")
def test_an_old_medium_that_is_there_before_anybody_who_knows_of_its_successor_is_left_out_when_he_comes() -> None:
    cluster, old = with_a_successor()
    media: list[Device] = [*memories(cluster)]
    media[1] = old
    absent = [[Fault(Kind.READ_ERROR)], [], [Fault(Kind.READ_ERROR)]]
    service = Service(media, grace=20, faults=absent)
    try:
        assert service.failures.is_mounted(1), "it cannot know"
        deref(service.devices[0]).faults.clear()
        service.failures.returned(0)
        with pytest.raises(UnavailableError):
            service.write(0, nothing)
        assert service.failures.is_mounted(0)
        assert not service.failures.is_mounted(1)
        assert service.failures.causes[1] is Cause.BEHIND
        assert service.control.state.nodes[0].eligible is False, "they make no quorum"
        deref(service.devices[2]).faults.clear()
        service.failures.returned(2)
        for _ in range(40):
            with suppress(UnavailableError):
                service.write(0, nothing)
            if service.wait_for_nodes(0.2) == [1] and service.watchers[1].trouble:
                break
        assert OLD_MEDIUM in service.watchers[1].trouble
        assert service.run(0, partial(read_all, service.clients[0].filesystem, b"d")) == b"next"
    finally:
        service.close()


def test_the_newest_root_says_which_medium_a_node_has() -> None:
    cluster = Cluster()
    volume = deref(cluster.chains.volumes[1])
    successors = Successors()
    assert not successors.has_replaced(volume)
    for tid, other in enumerate((b"\0" * 16, b"\xff" * 16)):
        successors.learn(tid, {1: other})
        assert successors.has_replaced(volume)
    assert not successors.has_replaced(deref(cluster.chains.volumes[0]))
    successors.learn(0, {1: volume.header.volume_id})
    assert successors.has_replaced(volume)
    successors.learn(2, {1: volume.header.volume_id})
    assert not successors.has_replaced(volume)


def test_a_record_that_cannot_be_read_says_nothing() -> None:
    cluster, _ = with_a_successor()
    root = cluster.failures.root(0)
    medium = deref(cluster.chains.volumes[1]).header.volume_id
    assert at_once(recorded(root)) == {1: medium}
    cluster.failures.disconnected(0)
    cluster.mount_again(0)
    root = cluster.failures.root(0)
    content = at_once(difference.content_of(root.volume, root.entry()))
    [where] = [
        it.offset for it in at_once(difference.entries_below(root.volume, root.bref.type, content)) if it.key == 1
    ]
    cluster.devices[0].faults.append(Fault(Kind.READ_ERROR, range(where, where + 1)))
    assert at_once(recorded(root)) == {}
    assert cluster.locked() == []


@pytest.mark.parametrize("seed", range(2))
def test_whenever_everything_crashes_a_replacement_is_taken_up_again(seed: int) -> None:
    for moment in range(0, 180, 45):
        cluster, pick = Cluster(watched=True), by_seed(seed)
        cluster.sim.run(0, cluster.put(0, b"c", BIG), pick)
        cluster.replace_medium(1)
        cluster.sim.start(0, cluster.put(0, b"d", b"next"))
        for _ in range(moment):
            if cluster.sim.events():
                cluster.sim.happen(pick)
        after = memories(cluster)
        service = Service(after, grace=20)
        try:
            behind = [1]
            for _ in range(40):  # the first of these may come before the node is mounted
                if behind:
                    service.write(0, nothing)
                    behind = service.wait_for_nodes(0.5)
            assert behind == []
            assert service.run(0, partial(read_all, service.clients[0].filesystem, b"c")) == BIG
        finally:
            service.close()
        assert not problems(after)
        assert len({tree_of(volume) for volume in reopen(after).volumes if volume is not None}) == 1


# ---- the command


@pytest.fixture
def store(tmp_path: Path) -> Path:
    directory = tmp_path / "store"
    good("init", directory, "--size", "1M", "--slaves", "1")
    good("put", directory, "-", "f", stdin=b"as it was")
    good("resync", directory)
    return directory


def is_sound(store: Path) -> bool:
    report = json.loads(good("fsck", store, "--json"))
    return not report["differences"] and all(not node["problems"] for node in report["nodes"])


@pytest.mark.parametrize("lost", ["gone", "damaged", "well", "failing"])
@pytest.mark.parametrize("node", [0, 3])
def test_an_image_is_replaced_whatever_has_become_of_the_old_one(store: Path, node: int, lost: str) -> None:
    image = store / f"{node}.img"
    if lost == "gone":
        image.unlink()
    elif lost == "damaged":
        image.write_bytes(bytes(1 << 20))
    elif lost == "failing":
        good("fail", store, str(node), "--how", "disconnect")
    before = image.read_bytes() if lost == "well" else b""
    result = run("replace", store, str(node), "--json", "--size", "2M")
    assert result.exit_code == 0, result.output
    assert [row["in_step"] for row in json.loads(result.stdout)["nodes"]] == [True] * 4
    assert image.read_bytes()[: 1 << 20] != before
    assert image.stat().st_size == 2 << 20
    assert is_sound(store)
    for other in {0, 1, 2} - {node, 2}:
        good("fail", store, str(other), "--how", "disconnect")
        assert run("get", store, "f").stdout_bytes == b"as it was"
        good("reconnect", store, str(other))
    assert sorted(path.name for path in store.iterdir()) == ["0.img", "1.img", "2.img", "3.img"]


def test_a_replacement_that_was_interrupted_is_taken_up_by_resync(store: Path) -> None:
    put_new_image(store, 1, None)
    assert run("get", store, "f").stdout_bytes == b"as it was"
    result = run("put", store, "-", "g", stdin=b"meanwhile")
    assert (result.exit_code, "node 1 takes no part" in result.stderr) == (0, True)
    assert run("resync", store).exit_code == 0
    assert is_sound(store)
    assert good("get", store, "g") == b"meanwhile"


@pytest.mark.claims("C97")
def test_an_image_that_has_been_replaced_does_not_vote_when_it_is_put_back(store: Path) -> None:
    old = (store / "1.img").read_bytes()
    good("replace", store, "1")
    good("fail", store, "0", "--how", "disconnect")
    assert run("put", store, "-", "g", stdin=b"acknowledged").exit_code == 0
    good("reconnect", store, "0")
    (store / "1.img").write_bytes(old)
    there = (store / "2.img").rename(store / "away")
    assert "too few masters" in refused("resync", store)
    there.rename(store / "2.img")
    result = run("resync", store)
    assert (result.exit_code, f"node 1: not in step: {OLD_MEDIUM}" in result.stdout) == (1, True)
    assert (store / "1.img").read_bytes() == old
    assert run("get", store, "g").stdout_bytes == b"acknowledged"
    good("replace", store, "1")
    assert is_sound(store)


def test_what_the_others_need_cannot_be_replaced_and_stays(store: Path) -> None:
    (store / "0.img").unlink()
    before = (store / "1.img").read_bytes()
    assert "node 1 cannot be replaced, the others need it" in refused("replace", store, "1")
    assert (store / "1.img").read_bytes() == before
    assert "there is no node 6" in refused("replace", store, "6")
    assert "a volume has" in refused("replace", store, "0", "--size", "64K")
    (store / "0.img").symlink_to(store / "elsewhere")
    assert "is no plain file" in refused("replace", store, "0")
