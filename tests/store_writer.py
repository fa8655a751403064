"""A process that writes to a store for ever, and says how far it has come: it is there to be killed."""

import itertools
import random
from multiprocessing.connection import Connection
from pathlib import Path

from tests.store_kit import reopen

from hammer2_cluster.device.file import FileDevice

NAMES = 12


def file_of(run: int, n: int) -> tuple[bytes, bytes]:
    """What a run puts as its n-th file: name and content."""
    chance = random.Random(f"{run} {n}")
    return b"f%d" % chance.randrange(NAMES), chance.randbytes(chance.choice([0, 100, 600, 5000, 70_000]))


def write_files(directory: Path, run: int, tell: "Connection[int, None]") -> None:
    """Put files for ever; tell before and after each how many were begun or done: 0, 1, 1, 2, 2, ..."""
    store = reopen([FileDevice(directory / f"{n}.img") for n in range(3)])
    filesystem = store.mount()
    for n in itertools.count():
        tell.send(n)
        name, data = file_of(run, n)
        tell.send(n + 1)
        store.run(filesystem.put(name, [data], len(data)))
        store.run(filesystem.flush())
