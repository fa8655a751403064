"""Which images are a store: foreign ones, copies, missing ones and exchanged ones are named, and do no harm."""

import shutil
from pathlib import Path

import pytest
from tests.store_command_kit import good, run
from tests.store_kit import SIZE, Ids, content_of, flush_half_way, make, memory, put, reopen

from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.local import Store
from hammer2_cluster.store.members import members_of
from hammer2_cluster.store.volume_header import BadVolumeError
from hammer2_spec.vocabulary import PfsType


def store_with(content: bytes, nodes: int = 3, ids: Ids | None = None) -> list[MemoryDevice]:
    devices = memory(nodes, SIZE)
    store = Store.make(devices, [PfsType.MASTER] * nodes, ids or Ids())
    filesystem = store.mount()
    put(store, filesystem, b"a", content)
    store.run(filesystem.flush())
    return devices


def another_store(nodes: int = 3) -> list[MemoryDevice]:
    ids = Ids()
    for _ in range(100):
        ids()
    return store_with(b"other", nodes, ids)


def files_of(devices: list[MemoryDevice | None]) -> tuple[dict[bytes, bytes], list[str]]:
    store = reopen(devices)
    return content_of(store, store.mount()), store.trouble


def test_a_foreign_image_takes_no_part_and_is_not_touched() -> None:
    ours, theirs = store_with(b"ours"), another_store()
    before = bytes(theirs[1].content)
    files, trouble = files_of([ours[0], theirs[1], ours[2]])
    assert files == {b"a": b"ours"}
    assert trouble == ["", "it was made for another store", ""]
    assert theirs[1].content == before


def test_a_foreign_image_does_not_confirm_what_a_crash_has_left_open() -> None:
    """Its tid is higher; a generation that none of our nodes has confirmed must be undone all the same."""
    ours, theirs = store_with(b"flushed"), another_store()
    store = reopen(theirs)
    filesystem = store.mount()
    for n in range(5):
        put(store, filesystem, b"a", b"%d" % n)
        store.run(filesystem.flush())
    store = reopen(ours)
    filesystem = store.mount()
    put(store, filesystem, b"a", b"undone")
    flush_half_way(store, filesystem)
    assert files_of([*ours, theirs[2]]) == ({b"a": b"flushed"}, ["", "", "", "it was made for another store"])


def test_where_no_store_has_more_images_than_another_none_is_opened() -> None:
    ours, theirs = store_with(b"ours", 2), another_store(2)
    with pytest.raises(BadVolumeError, match="all nodes: it was not made together with the others"):
        reopen([ours[0], theirs[1]])


def test_a_copy_does_not_vote() -> None:
    """One node of three is no quorum, however often it is there."""
    ours = store_with(b"ours")
    copies = [MemoryDevice(SIZE, ours[0].content) for _ in range(2)]
    store = reopen([ours[0], *copies])
    assert store.trouble == ["", "it is node 0, or a copy of it", "it is node 0, or a copy of it"]
    assert [volume is not None for volume in store.volumes] == [True, False, False]


def test_copies_of_a_foreign_image_do_not_outvote_the_store() -> None:
    ours, theirs = store_with(b"ours", 5), another_store()
    copies: list[MemoryDevice | None] = [MemoryDevice(SIZE, theirs[0].content) for _ in range(4)]
    files, trouble = files_of([*ours[:3], *copies])
    assert files == {b"a": b"ours"}
    assert trouble == ["", "", "", *["it was made for another store"] * 4]


def test_images_that_changed_places_take_no_part() -> None:
    ours = store_with(b"ours", 5)
    files, trouble = files_of([ours[1], ours[0], *ours[2:]])
    assert files == {b"a": b"ours"}
    assert trouble == ["it is node 1, or a copy of it", "it is node 0, or a copy of it", "", "", ""]


def test_images_that_are_missing_at_the_end_are_noticed() -> None:
    ours = store_with(b"ours", 5)
    assert files_of([*ours[:3]]) == ({b"a": b"ours"}, ["", "", "", "not there", "not there"])
    assert at_once(members_of([None, ours[1]])).trouble == ["not there", "", "not there", "not there", "not there"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    good("init", tmp_path / "store", "--masters", "3", "--size", "512K")
    good("put", tmp_path / "store", "-", "a", stdin=b"content")
    return tmp_path / "store"


def names_node(directory: Path, line: str) -> None:
    """Every command that reads says so in one line, and does its work; fsck finds it."""
    commands: list[list[str | Path]] = [["get", directory, "a"], ["ls", directory], ["status", directory]]
    for command in commands:
        result = run(*command)
        assert (result.exit_code, result.stderr) == (0, f"hammer2-cluster: {line}\n"), command
    result = run("fsck", directory)
    node, _, why = line.partition(" takes no part: ")
    assert result.exit_code == 1
    assert f"{node}: {why}\n{node}: 0 blocks, 1 problem\n" in result.stdout


def test_the_command_names_a_missing_last_image(directory: Path) -> None:
    (directory / "2.img").unlink()
    names_node(directory, "node 2 takes no part: not there")
    assert "node 2  -" in run("status", directory).stdout


def test_the_command_names_a_foreign_image(directory: Path, tmp_path: Path) -> None:
    good("init", tmp_path / "other", "--masters", "3", "--size", "512K")
    shutil.copy(tmp_path / "other" / "0.img", directory / "0.img")
    names_node(directory, "node 0 takes no part: it was made for another store")


def test_the_command_names_a_copy(directory: Path) -> None:
    shutil.copy(directory / "0.img", directory / "1.img")
    names_node(directory, "node 1 takes no part: it is node 0, or a copy of it")
    (directory / "2.img").unlink()
    assert "no quorum" in run("get", directory, "a").stderr.splitlines()[-1]


def test_make_says_to_each_volume_who_it_is() -> None:
    store = make(memory(4, SIZE))
    assert [(v.header.slot, v.header.nodes) for v in store.volumes if v is not None] == [(n, 4) for n in range(4)]
    assert len({v.header.volume_id for v in store.volumes if v is not None}) == 4
