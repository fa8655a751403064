"""Nodes that are synchronized have the same, and where they have not, it is told what and where."""

from pathlib import Path

import pytest
from tests.store_command_kit import run
from tests.store_kit import Ids, make, memory, put, reopen, small_cluster

from hammer2_cluster.comparison import Difference, differences, files_on
from hammer2_cluster.device.device import Device
from hammer2_cluster.device.file import FileDevice
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.local import LABEL, Store
from hammer2_cluster.store.volume_header import NOTHING_CONFIRMED
from hammer2_spec.vocabulary import PfsType

BIG = b"0123456789" * 9000


def compared(devices: list[Device]) -> list[Difference]:
    return list(differences({n: at_once(files_on(device, NOTHING_CONFIRMED)) for n, device in enumerate(devices)}))


def write_alone(devices: list[Device], name: bytes, data: bytes | None) -> None:
    """As on all nodes, but only here: its tid is that of the others, who did something else."""
    store = Store.open(devices, Ids())
    filesystem = store.mount()
    if data is None:
        store.run(filesystem.remove(name))
    else:
        put(store, filesystem, name, data)
    store.run(filesystem.flush())


def made() -> list[Device]:
    """Two stores of one master each that have the same ids: each takes itself for the whole."""
    devices: list[Device] = [*memory(2)]
    for device in devices:
        store = make([device])
        filesystem = store.mount()
        put(store, filesystem, b"big", BIG)
        put(store, filesystem, b"small", b"little")
        store.run(filesystem.flush())
    return devices


def test_what_all_nodes_have_done_is_the_same_whatever_their_tables_look_like() -> None:
    devices, _, _ = small_cluster(3)
    copies = [at_once(files_on(device, NOTHING_CONFIRMED)) for device in devices]
    assert {of.label for of in copies[0]} == {LABEL, b"then"}
    assert all(len(files) == 14 for files in copies[0].values())
    assert compared([*devices]) == []


@pytest.mark.parametrize(
    ("name", "data"), [(b"big", BIG[:70_000] + b"x" + BIG[70_001:]), (b"small", b"Little"), (b"small", None)]
)
def test_a_file_that_is_not_the_same_is_named_with_who_has_what(name: bytes, data: bytes | None) -> None:
    devices = made()
    write_alone(devices[:1], name, data)
    assert compared(devices) == [], "the one is ahead of the other"
    write_alone(devices[1:], b"small" if name != b"small" else b"big", BIG)
    found = {difference.name: difference.groups for difference in compared(devices)}
    assert found[name] == [[0], [1]]
    assert {*found} == {name, b"small"}, "what was written anew as it was is the same"


def test_fsck_says_which_synchronized_nodes_differ(tmp_path: Path) -> None:
    images = tmp_path / "store"
    images.mkdir()
    devices: list[Device] = [FileDevice.make(images / f"{n}.img", 1 << 20) for n in range(3)]
    Store.make(devices, [PfsType.MASTER] * 3, Ids()).close()
    both = []
    for name in (b"one", b"other"):
        copies = [tmp_path / f"{name.decode()}{n}" for n in range(3)]
        for n, copy in enumerate(copies):
            copy.write_bytes((images / f"{n}.img").read_bytes())
        opened: list[Device] = [FileDevice(copy) for copy in copies]
        store = reopen(opened)
        filesystem = store.mount()
        put(store, filesystem, name, BIG)
        store.run(filesystem.flush())
        store.close()
        both.append(copies)
    for n, copy in enumerate([*both[0][:2], both[1][2]]):
        (images / f"{n}.img").write_bytes(copy.read_bytes())
    result = run("fsck", images)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert [line for line in lines if line.startswith("node")] == [f"node {n}: {lines[n][8:]}" for n in range(3)]
    assert all(" 0 problems" in line for line in lines[:3])
    assert sorted(lines[3:]) == [
        f"'ROOT', tid 1: {name} is not the same on nodes 0, 1; node 2" for name in ("'one'", "'other'")
    ]
