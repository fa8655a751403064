"""What was acknowledged is there after any kill -9: of a process that writes, and of the command."""

import json
import multiprocessing
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings
from tests.store_command_kit import COMMAND, good
from tests.store_kit import content_of, problems, reopen
from tests.store_writer import NAMES, file_of, write_files

from hammer2_cluster.device.file import FileDevice

THOROUGH = settings.default is not None and settings.default.max_examples > 1000
KILLS = 1000 if THOROUGH else 200
COMMANDS_KILLED = 60 if THOROUGH else 6
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([write_files.__module__])
"""Each process begins with everything imported, where this is run from the root of the project."""


@pytest.mark.timeout(KILLS * 5)
def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    """A process puts files one by one and says so on a pipe around each flush; SIGKILL comes at a random moment."""
    chance = random.Random(20150330)
    directory = tmp_path / "store"
    good("init", directory, "--masters", "3", "--size", "4M")
    files: dict[bytes, bytes] = {}
    interrupted = flushes = 0
    for kill in range(KILLS):
        begun, done = write_until_killed(directory, kill, chance.uniform(0.0, 0.1))
        assert begun - done in (0, 1)
        acknowledged = files | dict(file_of(kill, n) for n in range(done))
        in_progress = dict(file_of(kill, n) for n in range(done, begun))
        flushes, interrupted = flushes + done, interrupted + len(in_progress)
        devices = [FileDevice(directory / f"{n}.img") for n in range(3)]
        where = f"kill {kill}, after {done} flushes"
        assert problems(devices) == [], where
        store = reopen(devices)
        filesystem = store.mount()
        files = content_of(store, filesystem)
        assert files in [acknowledged, acknowledged | in_progress], where
        assert not any(filesystem.left_out), where
        for device in devices:
            device.close()
    assert len(files) >= NAMES // 2
    assert interrupted >= KILLS // 4
    assert flushes >= KILLS // 4


def write_until_killed(directory: Path, run_: int, seconds: float) -> tuple[int, int]:
    """How many files were begun, and how many of them were durable."""
    ours, theirs = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=write_files, args=(directory, run_, theirs))
    process.start()
    theirs.close()
    told = [ours.recv()]
    time.sleep(seconds)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with ours, suppress(EOFError):
        while True:
            told.append(ours.recv())
    return told[-1], (len(told) - 1) // 2


def test_nothing_acknowledged_is_lost_when_the_command_is_killed(tmp_path: Path) -> None:
    """The same with the real command: what it returned for is there, the last one wholly or not at all."""
    chance = random.Random(20150330)
    directory, acknowledged = tmp_path / "store", dict[bytes, bytes]()
    good("init", directory, "--masters", "3", "--slaves", "1", "--size", "8M")
    (tmp_path / "file").write_bytes(chance.randbytes(3 << 20))
    command: list[str | Path] = [COMMAND, "store", "put", directory, tmp_path / "file"]
    started = time.monotonic()
    subprocess.run([*command, "first"], check=True)
    acknowledged[b"first"] = (tmp_path / "file").read_bytes()
    whole = time.monotonic() - started
    for kill in range(COMMANDS_KILLED):
        content = chance.randbytes(chance.choice([100, 5000, 1 << 20]))
        (tmp_path / "file").write_bytes(content)
        with subprocess.Popen([*command, f"f{kill % 3}"], stderr=subprocess.DEVNULL) as process:
            with suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0.3, 1.1) * whole)
            process.kill()
        name, before = b"f%d" % (kill % 3), dict(acknowledged)
        after = before | {name: content}
        listed = [row["name"].encode() for row in json.loads(good("ls", directory, "--json"))["files"]]
        acknowledged = {one: good("get", directory, one) for one in listed}
        assert acknowledged in ([after] if process.returncode == 0 else [before, after]), f"kill {kill}"
        good("fsck", directory)
