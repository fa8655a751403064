"""hammer2-cluster store: what it does, and what it refuses."""

import io
import json
import os
import pty
import random
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.store_command_kit import COMMAND, good, refused, run

from hammer2_cluster.device.file import FileDevice
from hammer2_oracle.cli import main
from hammer2_oracle.store_directory import StoreError, changing, mounted, opened, pieces_of
from hammer2_spec.semantics import REPAIRED

HOW_TO = Path(__file__).parents[1] / "docs" / "how-to" / "run-a-cluster-on-files.md"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    directory = tmp_path / "store"
    good("init", directory, "--masters", "3", "--slaves", "1", "--size", "4M")
    return directory


def test_a_new_store_has_one_image_per_node(store: Path) -> None:
    assert sorted(path.name for path in store.iterdir()) == ["0.img", "1.img", "2.img", "3.img"]
    assert {path.stat().st_size for path in store.iterdir()} == {4 << 20}
    assert good("ls", store) == b""
    assert b"0 problems" in good("fsck", store)


@pytest.mark.parametrize("size", [0, 1, 512, 513, 65536, 65537, 1_000_000])
def test_what_is_put_can_be_got(store: Path, tmp_path: Path, size: int) -> None:
    data = random.Random(size).randbytes(size)
    (tmp_path / "file").write_bytes(data)
    good("put", store, tmp_path / "file")
    assert good("get", store, "file") == data
    good("get", store, "file", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == data
    assert good("ls", store) == f"{size:>12} file\n".encode()


def test_put_reads_standard_input_and_replaces(store: Path) -> None:
    for data in (b"one", b"the other" * 1000, b""):
        good("put", store, "-", "name", stdin=data)
        assert good("get", store, "name") == data
    assert len(good("ls", store).splitlines()) == 1


def test_names_are_bytes(store: Path) -> None:
    for name in (b"\xff\xfe\n", b"n" * 255, "ünïcode".encode(), b" ", b"-" * 2):
        good("put", store, "--", "-", name, stdin=name)
        assert good("get", store, "--", name) == name
    listed = json.loads(good("ls", store, "--json"))["files"]
    assert {bytes.fromhex(row["name_hex"]) for row in listed} >= {b"\xff\xfe\n", b"n" * 255}
    assert next(row for row in listed if row["name"] == "ünïcode")["size"] == 9
    assert b"\\xff\\xfe\\x0a\n" in good("ls", store)
    assert "1 to 255 bytes" in refused("put", store, "/dev/null", "n" * 256)


def test_rm_removes_and_a_snapshot_remembers(store: Path) -> None:
    good("put", store, "-", "a", stdin=b"before")
    good("snapshot", store, "then")
    good("put", store, "-", "a", stdin=b"after")
    good("put", store, "-", "b", stdin=b"new")
    assert good("get", store, "a", "--snapshot", "then") == b"before"
    good("rm", store, "a")
    assert good("ls", store).split() == [b"3", b"b"]
    assert good("ls", store, "--snapshot", "then").split() == [b"6", b"a"]
    assert "node 0 has a PFS 'then'" in refused("snapshot", store, "then")
    good("snapshot", store, b"\xff")
    assert json.loads(good("status", store, "--json"))["snapshots"] == [
        {"name": "then", "name_hex": b"then".hex()},
        {"name": None, "name_hex": "ff"},
    ]
    good("snapshot", store, "then", "--delete")
    for command in (("ls",), ("get", "a")):
        assert "there is no snapshot 'then'" in refused(command[0], store, *command[1:], "--snapshot", "then")
    assert "there is no snapshot 'then'" in refused("snapshot", store, "then", "--delete")
    assert "is no snapshot" in refused("snapshot", store, "ROOT", "--delete")


def test_status_tells_quorum_and_focus(store: Path) -> None:
    good("put", store, "-", "a", stdin=b"x")
    status = json.loads(good("status", store, "--json"))
    assert [node["type"] for node in status["nodes"]] == ["master", "master", "master", "slave"]
    assert [node["tid"] for node in status["nodes"]] == [1, 1, 1, 0]
    assert status["quorum"] == {"reached": True, "tid": 1, "votes": 3, "needed": 2}
    assert (status["focus"], status["readable"], status["writable"]) == (0, True, True)
    text = good("status", store).decode()
    assert "reached: 3 for tid 1, 2 needed" in text
    assert "focus     slot 0" in text


def test_a_slave_is_written_by_resynchronization_alone_unless_the_repair_is_taken_away(tmp_path: Path) -> None:
    """In the original every write goes to every member; what status says of the slave is true either way."""
    said = {}
    for semantics in ("repaired", "-believed_writes"):
        directory = tmp_path / semantics
        for command in (["init", "--masters", "2", "--slaves", "1", "--size", "1M"], ["put", "/dev/null"]):
            arguments = ["store", f"--semantics={semantics}", command[0], str(directory), *command[1:]]
            assert CliRunner().invoke(main, arguments).exit_code == 0
        slave = json.loads(good("status", directory, "--json"))["nodes"][2]
        said[semantics] = (slave["type"], slave["tid"], slave["counted"], slave["state"])
    assert said == {
        "repaired": ("slave", 0, False, "at tid 0, behind the quorum's tid 1 (L495)"),
        "-believed_writes": ("slave", 1, True, "at the quorum's tid 1 (L493-495)"),
    }


def test_the_how_to_shows_what_the_commands_print(tmp_path: Path) -> None:
    indented = [line[4:] for line in HOW_TO.read_text().splitlines() if line.startswith("    ")]
    first, *shown = "\n".join(indented).split("$ ")
    assert (first, len(shown)) == ("", 18)
    (tmp_path / ".venv").symlink_to(COMMAND.parents[1])
    for example in shown:
        command, _, output = example.partition("\n")
        finished = subprocess.run(
            ["/bin/bash", "-c", command], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=False
        )
        assert finished.stdout.rstrip() == output.rstrip(), command


def test_where_the_original_panics_the_command_says_so(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["store", "--semantics", "seed", "init", str(tmp_path / "s")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "hammer2-cluster: the original would not survive this: kkassert:L408\n"
    assert not (tmp_path / "s").exists()


def test_two_of_three_masters_are_enough_and_one_is_not(store: Path) -> None:
    good("put", store, "-", "a", stdin=b"x")
    (store / "1.img").unlink()
    result = run("get", store, "a")
    assert (result.exit_code, result.stdout_bytes) == (0, b"x")
    assert "node 1 takes no part: not there" in result.stderr
    (store / "0.img").write_bytes(b"garbage" * 65536)
    result = run("get", store, "a")
    assert (result.exit_code, result.stdout_bytes) == (2, b"")
    assert "no quorum" in result.stderr


def test_what_cannot_be_done_is_one_line_and_status_2(store: Path, tmp_path: Path) -> None:
    assert "there is no 'nope'" in refused("get", store, "nope")
    assert "there is no 'nope'" in refused("rm", store, "nope")
    assert "No such file or directory" in refused("ls", tmp_path / "nowhere")
    assert "expected 0.img" in refused("ls", tmp_path)
    assert "is there already" in refused("init", store)
    assert "multiple of 65536" in refused("init", tmp_path / "new", "--size", "1000001")
    assert "524288 to" in refused("init", tmp_path / "new", "--size", "64K")
    assert "1 to 8 nodes" in refused("init", tmp_path / "new", "--masters", "8", "--slaves", "1")
    assert "is no size" in refused("init", tmp_path / "new", "--size", "big")
    assert not (tmp_path / "new").exists()
    assert "expected a NAME" in refused("put", store, "-")
    for path in store.iterdir():
        path.write_bytes(b"x")
    assert "truncated" in run("ls", store).stderr.splitlines()[-1]


COMMANDS = [("put", "/dev/null"), ("get", "a"), ("ls",), ("rm", "a"), ("snapshot", "s"), ("status",)]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_what_is_no_store_is_one_line_and_status_2(store: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    def says(directory: Path, what: str) -> None:
        assert what in refused(command[0], directory, *command[1:])

    says(tmp_path / "nowhere", "nowhere: No such file or directory")
    says(Path("/dev/null"), "/dev/null: Not a directory")
    says(tmp_path, "no images, expected 0.img, 1.img")
    for path in store.iterdir():
        path.write_bytes(random.Random(1).randbytes(1 << 20))
    says(store, "all nodes: none of the four volume headers is valid: not a volume, or destroyed")
    for path in store.iterdir():
        path.write_bytes(b"")
    says(store, "0.img: 0 bytes, expected a multiple of 65536: truncated?")


def test_fsck_of_what_is_no_volume_is_status_1_and_claims_nothing_else(store: Path, tmp_path: Path) -> None:
    assert "No such file" in refused("fsck", tmp_path / "nowhere")
    for path in store.iterdir():
        path.write_bytes(random.Random(1).randbytes(1 << 20))
    result = run("fsck", store)
    assert (result.exit_code, result.stderr) == (1, "")
    said = "none of the four volume headers is valid: not a volume, or destroyed"
    assert result.stdout.splitlines()[:2] == [f"node 0: {said}", "node 0: 0 blocks, 1 problem"]


@pytest.mark.parametrize(("masters", "cut_off"), [(1, 1 << 20), (3, 65536)])
def test_a_truncated_image_is_refused(tmp_path: Path, masters: int, cut_off: int) -> None:
    good("init", tmp_path / "s", "--masters", str(masters), "--size", "4M")
    for path in (tmp_path / "s").iterdir():
        os.truncate(path, cut_off)
    assert f"the volume has 4194304 bytes, the device {cut_off}: truncated?" in refused("ls", tmp_path / "s")


def test_what_cannot_be_put_is_one_line_and_changes_nothing(store: Path, tmp_path: Path) -> None:
    before = [path.read_bytes() for path in sorted(store.iterdir())]
    assert refused("put", store, tmp_path) == f"{tmp_path}: Is a directory"
    assert refused("put", store, tmp_path / "nope") == f"{tmp_path}/nope: No such file or directory"
    assert "a name has 1 to 255 bytes, this one 256" in refused("put", store, "/dev/null", "n" * 256)
    assert "a name has 1 to 255 bytes, this one 0" in refused("put", store, "/dev/null", "")
    assert [path.read_bytes() for path in sorted(store.iterdir())] == before


@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_that_changes_while_it_is_put_is_refused(change: int) -> None:
    content = io.BytesIO(bytes(2 << 20))
    with pytest.raises(StoreError, match="changed while it was read"):
        list(pieces_of(content, (2 << 20) + change, "file"))


def test_what_has_no_size_is_put_whole(store: Path, tmp_path: Path) -> None:
    good("put", store, "/proc/self/status")
    assert b"VmPeak" in good("get", store, "status")
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["/bin/sh", "-c", f"seq 100000 > {tmp_path}/pipe"]):
        good("put", store, tmp_path / "pipe")
    assert good("get", store, "pipe").splitlines()[-1] == b"100000"


def test_get_writes_through_links_and_into_devices_and_replaces_neither(store: Path, tmp_path: Path) -> None:
    good("put", store, "-", "a", stdin=b"content")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    good("get", store, "a", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"content"
    good("get", store, "a", "/dev/null")
    assert Path("/dev/null").is_char_device()
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["/bin/cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as cat:
        good("get", store, "a", tmp_path / "pipe")
        assert cat.communicate()[0] == b"content"


def test_get_that_cannot_write_leaves_what_was_there(store: Path, tmp_path: Path) -> None:
    good("put", store, "-", "a", stdin=bytes(100_000))
    assert refused("get", store, "a", "/dev/full") == "/dev/full: No space left on device"
    assert refused("get", store, "a", tmp_path) == f"{tmp_path}: Is a directory"
    assert refused("get", store, "a", tmp_path / "no" / "where") == f"{tmp_path}/no/where: No such file or directory"
    (tmp_path / "file").write_bytes(b"before")
    limited = bash("ulimit -f 10; $0 get $1 a $2", COMMAND, store, tmp_path / "file")
    assert (limited.returncode, limited.stderr) == (2, f"hammer2-cluster: {tmp_path}/file: File too large\n")
    assert (tmp_path / "file").read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "store"]
    closed = bash("$0 get $1 a | head -c 1", COMMAND, store)
    assert closed.stderr == ""


def bash(script: str, command: Path, *arguments: Path) -> "subprocess.CompletedProcess[str]":
    """``$0`` is the command's group of commands."""
    script = script.replace("$0", '"$0" store').replace("$1", '"$1"').replace("$2", '"$2"')
    return subprocess.run(
        ["/bin/bash", "-c", script, command, *arguments], capture_output=True, text=True, errors="replace", check=False
    )


def test_a_disk_that_is_full_below_the_images_is_one_line_and_loses_nothing(store: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: writing behind it fails, and the images are sparse."""
    good("put", store, "-", "a", stdin=b"before" * 1000)
    (tmp_path / "big").write_bytes(random.Random(1).randbytes(2 << 20))
    result = bash("ulimit -f 1024; $0 put $1 $2 a", COMMAND, store, tmp_path / "big")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "not written: " in line
    assert re.search(r"0\.img: block 0x[0-9a-f]+: File too large", line)
    assert good("get", store, "a") == b"before" * 1000
    assert b" 0 problems" in good("fsck", store)
    good("put", store, tmp_path / "big", "a")
    assert good("get", store, "a") == (tmp_path / "big").read_bytes()


def test_a_put_that_is_interrupted_says_so_and_changes_nothing(store: Path, tmp_path: Path) -> None:
    good("put", store, "-", "a", stdin=b"before")
    os.mkfifo(tmp_path / "pipe")
    command: list[str | Path] = [COMMAND, "store", "put", store, tmp_path / "pipe", "a"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process, (tmp_path / "pipe").open("wb") as pipe:
        pipe.write(b"half")
        pipe.flush()
        while process.poll() is None:  # one that comes just before a read begins to wait is not noticed by Python
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(3)
        _, said = process.communicate()
    assert (process.returncode, said) == (3, b"hammer2-cluster: stopped\n")
    assert good("get", store, "a") == b"before"


def test_what_is_interrupted_tells_what_became_of_it(store: Path) -> None:
    with opened(store, REPAIRED, must_write=True) as cluster:
        filesystem = mounted(cluster)
        with pytest.raises(KeyboardInterrupt, match="nothing was changed"), changing(cluster, filesystem):
            raise KeyboardInterrupt


def test_a_terminal_sees_how_far_it_is(store: Path, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(1 << 20))
    commands: list[list[str | Path]] = [
        ["put", store, tmp_path / "big"],
        ["get", store, "big", tmp_path / "copy"],
        ["fsck", store],
    ]
    for arguments in commands:
        ours, theirs = pty.openpty()
        with subprocess.Popen([COMMAND, "store", *arguments], stderr=theirs, stdout=subprocess.DEVNULL) as process:
            os.close(theirs)
            shown = b""
            with suppress(OSError):  # Linux says EIO at the end
                while piece := os.read(ours, 65536):
                    shown += piece
        os.close(ours)
        assert process.returncode == 0
        assert str(arguments[0]).encode() in shown
        assert b"MB" in shown


def test_a_file_that_does_not_fit_is_refused_before_anything_is_changed(store: Path, tmp_path: Path) -> None:
    good("put", store, "-", "a", stdin=b"x" * 100_000)
    before = [path.read_bytes() for path in sorted(store.iterdir())]
    (tmp_path / "big").write_bytes(bytes(4 << 20))
    assert "no room for 4194304 bytes" in refused("put", store, tmp_path / "big", "a")
    assert [path.read_bytes() for path in sorted(store.iterdir())] == before


def test_a_second_process_is_refused(store: Path) -> None:
    device = FileDevice(store / "2.img")
    assert "2.img: in use by another process" in refused("ls", store)
    device.close()
    good("ls", store)


def test_fsck_finds_what_is_wrong(store: Path) -> None:
    good("put", store, "-", "a", stdin=b"find me" * 1000)
    content = bytearray((store / "1.img").read_bytes())
    content[content.index(b"find me") + 50] ^= 1
    (store / "1.img").write_bytes(content)
    result = run("fsck", store, "--json")
    assert result.exit_code == 1
    nodes = json.loads(result.stdout)["nodes"]
    assert [len(node["problems"]) for node in nodes] == [0, 1, 0, 0]
    assert "check code is wrong" in nodes[1]["problems"][0]
    assert run("fsck", store).exit_code == 1


AWKWARD = [b"a b", b"\\", b"\\x41", "\u0100\u2028\u200b\U000e0001".encode(), b"\xc3", b"\xff\n\t", b"'", "ü".encode()]


def name_from(printed: str) -> bytes:
    """As the how-to says."""
    plain = re.sub(r"\\(\\|x([0-9a-f]{2}))", lambda m: chr(0xDC00 + int(m[2], 16)) if m[2] else "\\", printed)
    return b"".join(bytes([ord(c) - 0xDC00]) if 0xDC00 <= ord(c) <= 0xDCFF else c.encode() for c in plain)


def test_ls_prints_each_name_on_one_line_from_which_it_can_be_had_back(store: Path) -> None:
    for name in AWKWARD:
        good("put", store, "-", name)
    lines = good("ls", store).decode().splitlines()
    assert sorted(name_from(line[13:]) for line in lines) == sorted(AWKWARD)
    assert len({*lines}) == len(AWKWARD)
    assert "\\xe2\\x80\\xa8" in good("ls", store).decode()


def test_get_to_a_hyphen_is_standard_output(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good("put", store, "-", "a", stdin=b"content")
    monkeypatch.chdir(tmp_path)
    assert good("get", store, "a", "-") == b"content"
    assert not (tmp_path / "-").exists()


def test_get_never_overwrites_an_image_of_the_store(store: Path, tmp_path: Path) -> None:
    good("put", store, "-", "a", stdin=b"content")
    before = {path.name: path.read_bytes() for path in store.iterdir()}
    (tmp_path / "link").symlink_to(store / "1.img")
    (tmp_path / "hard").hardlink_to(store / "2.img")
    for file in (store / "0.img", tmp_path / "link", tmp_path / "hard", store / "7.img", store / "0.img.unfinished"):
        assert "is an image of the store" in refused("get", store, "a", file)
    assert {path.name: path.read_bytes() for path in store.iterdir()} == before
    good("get", store, "a", store / "beside")
    assert (store / "beside").read_bytes() == b"content"
