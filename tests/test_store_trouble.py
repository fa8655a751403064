"""hammer2-cluster store where nodes, images or headers are bad, and what an init leaves that is killed."""

import errno
import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest
from tests.store_command_kit import COMMAND, good, refused, run
from tests.store_kit import flush_half_way

from hammer2_cluster.device.file import FileDevice
from hammer2_cluster.outcomes import deref
from hammer2_cluster.store.chains import own
from hammer2_oracle.store_directory import opened
from hammer2_spec.semantics import REPAIRED


@pytest.fixture
def store(tmp_path: Path) -> Path:
    directory = tmp_path / "store"
    good("init", directory, "--masters", "3", "--slaves", "1", "--size", "4M")
    return directory


def test_reading_commands_need_no_more_than_to_read(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where a crash has left a generation open, which is settled on the medium where that can be."""
    good("put", store, "-", "a", stdin=b"flushed")
    with opened(store, REPAIRED, must_write=True) as cluster:
        filesystem = cluster.mount()
        cluster.run(filesystem.put(b"a", [b"undone"], 6))
        flush_half_way(cluster, filesystem)
    before = {path.name: path.read_bytes() for path in store.iterdir()}
    system_open = os.open

    def read_only(path: Path, flags: int, mode: int = 0o777, **more: int) -> int:
        if str(path).endswith(".img") and flags & (os.O_RDWR | os.O_WRONLY):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return system_open(path, flags, mode, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", read_only)  # what a user who may not write sees; root may always
        assert good("get", store, "a") == b"flushed"
        assert good("ls", store) == b"           7 a\n"
        assert b"reached: 3 for tid 1" in good("status", store)
        assert good("fsck", store).count(b" 0 problems") == 4
        assert "0.img: Permission denied; " in refused("rm", store, "a")
    good("fsck", store)
    assert {path.name: path.read_bytes() for path in store.iterdir()} == before
    assert good("get", store, "a") == b"flushed"
    changed = {path.name for path in store.iterdir() if path.read_bytes() != before[path.name]}
    assert changed == {"0.img", "1.img", "2.img"}  # the slave has nothing open


@pytest.mark.parametrize("masters", [2, 4])
def test_half_of_the_masters_is_no_majority(tmp_path: Path, masters: int) -> None:
    directory = tmp_path / "store"
    good("init", directory, "--masters", str(masters), "--size", "1M")
    good("put", directory, "-", "a", stdin=b"of all")
    for node in range(masters // 2, masters):
        good("fail", directory, str(node), "--how", "write")
    assert "not written" in run("put", directory, "-", "a", stdin=b"of half").stderr
    for node in range(masters // 2, masters):
        good("reconnect", directory, str(node))
    assert run("get", directory, "a").stdout_bytes == b"of all"


def test_put_without_a_standard_input_says_so(store: Path) -> None:
    ended = subprocess.run(f"{COMMAND} store put {store} - a <&-", shell=True, capture_output=True, check=False)  # noqa: S602 - a shell closes it
    assert ended.returncode == 2
    assert ended.stderr == b"hammer2-cluster: standard input: is closed\n"


@pytest.mark.timeout(60)
def test_a_pipe_in_the_place_of_an_image_is_named_and_waited_for_by_nobody(store: Path) -> None:
    good("put", store, "-", "a", stdin=b"content")
    (store / "1.img").unlink()
    os.mkfifo(store / "1.img")
    commands: list[list[str | Path]] = [["ls", store], ["get", store, "a"], ["status", store], ["rm", store, "a"]]
    for command in commands:
        result = run(*command)
        line = f"hammer2-cluster: node 1 takes no part: {store}/1.img: neither a file nor a block device\n"
        assert (result.exit_code, result.stderr) == (0, line)


def corrupt(image: Path, what: bytes) -> None:
    content = bytearray(image.read_bytes())
    content[content.index(what)] ^= 1
    image.write_bytes(content)


def test_a_node_that_drops_out_on_the_way_is_named_by_every_command(store: Path, tmp_path: Path) -> None:
    data = {b"small": b"small content", b"large": b"large content" * 10_000}
    for file, content in data.items():
        good("put", store, "-", file, stdin=content)
    corrupt(store / "1.img", b"small content")
    corrupt(store / "0.img", b"large content" * 4000)
    why = r"inode 0x[0-9a-f]+ at block 0x[0-9a-f]+: check code is wrong"
    reading: list[list[str | Path]] = [["ls", store], ["get", store, "small"]]
    for command in reading:
        result = run(*command)
        assert result.exit_code == 0
        assert re.fullmatch(f"hammer2-cluster: node 1 was not heard on everything: {why}\n", result.stderr)
    result = run("get", store, "large")
    assert (result.exit_code, result.stdout_bytes) == (0, data[b"large"])
    assert re.fullmatch(r"hammer2-cluster: node 0 was not heard on everything: data 0x0 at .*\n", result.stderr)
    (tmp_path / "new").write_bytes(b"new")
    writing: dict[str, list[str | Path]] = {"put": [tmp_path / "new", "small"], "rm": ["small"]}
    for name, arguments in writing.items():
        copy = tmp_path / name
        copytree(store, copy)
        result = run(name, copy, *arguments)
        assert result.exit_code == 0
        assert re.fullmatch(f"hammer2-cluster: node 1 was not written: {why}\n", result.stderr)
        nodes = json.loads(run("status", copy, "--json").stdout)["nodes"]
        assert [node["tid"] for node in nodes] == [3, 2, 3, 0]


@pytest.mark.parametrize("what", ["ROOT", "super-root"])
def test_a_node_whose_top_is_bad_has_a_row_that_says_so(store: Path, what: str) -> None:
    good("put", store, "-", "a", stdin=b"content")
    good("snapshot", store, "then")
    with opened(store, REPAIRED, must_write=False) as cluster:
        top = deref(deref(cluster.volumes[2]).super_root)
        filesystem = cluster.mount()
        at = own(deref(filesystem._root.array[2].chain)) if what == "ROOT" else top  # noqa: SLF001 - where it stands
        offset = at.entry().offset
    content = bytearray((store / "2.img").read_bytes())
    content[offset + 100] ^= 1
    (store / "2.img").write_bytes(content)
    result = run("status", store)
    assert result.exit_code == 0
    row = next(line for line in result.stdout.splitlines() if line.startswith("node 2 "))
    assert re.search(rf"  inode 0x[0-9a-f]+ at block {offset:#x}: CHECK error$", row)
    assert "reached: 2 for tid 1, 2 needed" in result.stdout
    assert "snapshots then" in result.stdout
    result = run("get", store, "a")
    assert (result.exit_code, result.stdout_bytes) == (0, b"content")
    assert re.fullmatch(
        r"hammer2-cluster: node 2 takes no part: inode 0x\w+ at block 0x\w+: CHECK error\n", result.stderr
    )


def test_a_snapshot_is_made_without_a_node_that_cannot_say_which_ones_it_has(store: Path) -> None:
    good("put", store, "-", "a", stdin=b"content")
    good("snapshot", store, "first")
    with opened(store, REPAIRED, must_write=False) as cluster:
        root = own(deref(cluster.mount(b"first")._root.array[0].chain))  # noqa: SLF001 - where it stands
        offset = root.entry().offset
    content = bytearray((store / "0.img").read_bytes())
    content[offset + 100] ^= 1
    (store / "0.img").write_bytes(content)
    result = run("snapshot", store, "second")
    why = rf"node 0 was not written: inode \w+ at block {offset:#x}: CHECK error"
    assert (result.exit_code, result.stdout) == (0, "")
    assert re.fullmatch(f"hammer2-cluster: {why}\n", result.stderr)
    assert good("get", store, "a", "--snapshot", "second") == b"content"
    result = run("snapshot", store, "second")  # what cannot be done names it as well
    assert result.exit_code == 2
    assert re.fullmatch(f"hammer2-cluster: {why}\nhammer2-cluster: .*: node 1 has a PFS 'second'\n", result.stderr)


def test_fsck_says_which_header_is_damaged_and_that_it_does_no_harm(store: Path) -> None:
    content = bytearray((store / "1.img").read_bytes())
    content[3 * 4096 + 100] ^= 1
    (store / "1.img").write_bytes(content)
    assert b"node 1: volume header 3 is not valid; others are, no harm is done\n" in good("fsck", store)
    assert [node["damaged_headers"] for node in json.loads(good("fsck", store, "--json"))["nodes"]] == [[], [3], [], []]


def test_where_the_newest_header_is_lost_the_one_before_is_read_aloud_and_nothing_is_written(tmp_path: Path) -> None:
    store = tmp_path / "store"
    good("init", store, "--masters", "1", "--size", "512K")
    for content in (b"old", b"new"):
        good("put", store, "-", "a", stdin=content)
    lose_header(store / "0.img", newest=True)
    image = (store / "0.img").read_bytes()
    doubt = "both copies of a volume header are bad, perhaps of the newest one"
    result = run("get", store, "a")
    said = f"hammer2-cluster: node 0 was not heard on everything: {doubt}\n"
    assert (result.exit_code, result.stdout, result.stderr) == (0, "old", said)
    assert refused("rm", store, "a") == f"{store}: all nodes: {doubt}"
    result = run("fsck", store)
    assert result.exit_code == 1
    assert re.fullmatch(f"node 0: block 0x(0|2000): lost: {doubt}", result.stdout.splitlines()[0])
    assert "no harm" not in result.stdout
    assert (store / "0.img").read_bytes() == image


def lose_header(image: Path, *, newest: bool) -> None:
    """Both copies of the newest one, or of the other one."""
    content = bytearray(image.read_bytes())
    generations = [struct.unpack_from("<Q", content, place * 4096 + 0x18)[0] for place in range(4)]
    for place, generation in enumerate(generations):
        if (generation == max(generations)) == newest:
            content[place * 4096 + 0x30] ^= 1
    image.write_bytes(content)


@pytest.mark.parametrize("newest", [True, False])
def test_a_node_that_lost_headers_comes_back_when_others_are_ahead_of_it(store: Path, newest: bool) -> None:
    for content in (b"old", b"new"):
        good("put", store, "-", "a", stdin=content)
    lose_header(store / "1.img", newest=newest)
    doubt = "both copies of a volume header are bad, perhaps of the newest one"
    result = run("put", store, "-", "a", stdin=b"newer")
    why = "at tid 1, not 2" if newest else doubt
    assert (result.exit_code, result.stderr) == (0, f"hammer2-cluster: node 1 takes no part: {why}\n")
    assert run("get", store, "a").stdout_bytes == b"newer"
    assert run("resync", store).exit_code == 0
    assert run("fsck", store).exit_code == 0
    assert len({node["tid"] for node in json.loads(good("status", store, "--json"))["nodes"][:3]}) == 1
    (store / "0.img").unlink()
    assert run("get", store, "a").stdout_bytes == b"newer"


def test_fsck_calls_files_by_their_names(store: Path) -> None:
    good("put", store, "-", b"a\nb", stdin=b"content of the file" * 5000)
    corrupt(store / "1.img", b"content of the file" * 3000)
    problem = next(line for line in run("fsck", store).stdout.splitlines() if line.startswith("node 1: block"))
    assert r": check code is wrong: /ROOT/a\x0ab from byte 0 on: the content is not what was written" in problem


INIT_THAT_IS_KILLED = """
import os, pathlib, sys
from hammer2_cluster.device.file import FileDevice
from hammer2_oracle.cli import main
name, most, directory = sys.argv[1], int(sys.argv[2]), sys.argv[3]
place = FileDevice if name == "make" else pathlib.Path
before, calls = getattr(place, name), []
def counted(*arguments, **more):
    calls.append(1)
    if len(calls) > most:
        os.kill(os.getpid(), 9)
    return before(*arguments, **more)
setattr(place, name, counted)
main(["store", "init", directory, "--masters", "3", "--size", "1M"])
"""


@pytest.mark.parametrize("moments", [["make"], ["replace"], ["replace", "unlink"]], ids=" ".join)
def test_an_init_that_is_killed_leaves_what_another_one_can_deal_with(tmp_path: Path, moments: list[str]) -> None:
    """It is stopped when it has made two images, or given two their names, or taken away two that another one left."""
    for moment in moments:
        subprocess.run([sys.executable, "-c", INIT_THAT_IS_KILLED, moment, "2", tmp_path / "s"], check=False)
        left = {path.name for path in (tmp_path / "s").iterdir()}
        assert "0.img.unfinished" in left
        assert "0.img" not in left
        assert "init was interrupted here, or is at work; run it again" in refused("ls", tmp_path / "s")
    result = run("init", tmp_path / "s", "--masters", "1", "--slaves", "1", "--size", "512K")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "an init was interrupted here, what it left is replaced" in result.stderr
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["0.img", "1.img"]
    assert good("ls", tmp_path / "s") == b""


def test_the_names_of_new_images_are_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the medium keeps cannot be seen from here: that the system is asked to, when all have theirs, can."""
    synced: list[set[str]] = []

    def fsync(file: int) -> None:
        assert os.path.samestat(os.fstat(file), (tmp_path / "s").stat())
        synced.append({path.name for path in (tmp_path / "s").iterdir()})

    monkeypatch.setattr(os, "fsync", fsync)
    good("init", tmp_path / "s", "--masters", "2", "--size", "512K")
    assert synced == [{"0.img", "1.img"}]


def test_an_init_at_work_is_not_disturbed_by_another(tmp_path: Path) -> None:
    device = FileDevice.make(tmp_path / "0.img.unfinished", 1 << 20)
    assert "0.img.unfinished: in use by another process" in refused("init", tmp_path)
    device.close()
