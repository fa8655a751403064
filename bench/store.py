"""Nodes that store: blocks touched as the tree grows, space, and speed beside SQLite as a blob store."""

import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from bench import ROOT, Figure
from hammer2_cluster.device.device import Device
from hammer2_cluster.device.faults import FaultyDevice
from hammer2_cluster.device.file import FileDevice
from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.objects import Blockref, ClusterItem
from hammer2_cluster.outcomes import deref
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.deletion import delete
from hammer2_cluster.store.flush import sync
from hammer2_cluster.store.insertion import create
from hammer2_cluster.store.local import Store
from hammer2_cluster.store.lookup import lookup, stored
from hammer2_cluster.store.making import format_volume, open_volume
from hammer2_cluster.store.volume import Volume
from hammer2_spec.vocabulary import INODE_BYTES, BrefType, Lookup, PfsType, Resolve

SEED = 20150330
SIZES = (100, 1_000, 10_000, 100_000)
SAMPLES = 20
VOLUME_BYTES = 1 << 28
MIB = 1 << 20


MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""A small process in between: a child is born with its parent's memory."""


class Tree:
    """Inodes at random keys below one super-root."""

    def __init__(self) -> None:
        self.device = FaultyDevice(MemoryDevice(VOLUME_BYTES))
        at_once(format_volume(self.device, bytes(16), bytes(16)))
        self.volume: Volume = at_once(open_volume(self.device))
        self.chance = random.Random(SEED)  # noqa: S311 - to be repeated, not to be secret
        self.keys: list[int] = []

    async def _parent(self) -> ClusterItem:
        root = deref(self.volume.super_root)
        await self.volume.lock(root, Resolve.ALWAYS)
        return ClusterItem(root)

    async def add(self) -> None:
        """One more inode."""
        key, item = self.chance.getrandbits(63), await self._parent()
        await lookup(item, 0, key, key, 0)
        _, chain = await create(item, None, None, Blockref(BrefType.INODE, key=key), INODE_BYTES, 0)
        self.volume.unlock(deref(chain))
        self.volume.unlock(stored(item))
        self.keys.append(key)

    async def find(self) -> None:
        """Read one."""
        key, item = self.chance.choice(self.keys), await self._parent()
        chain, _ = await lookup(item, 0, key, key, Lookup.ALWAYS)
        self.volume.unlock(deref(chain))
        self.volume.unlock(stored(item))

    async def remove(self) -> None:
        """One less."""
        key, item = self.keys.pop(self.chance.randrange(len(self.keys))), await self._parent()
        chain, _ = await lookup(item, 0, key, key, Lookup.ALWAYS)
        await delete(stored(item), deref(chain), 0)
        self.volume.unlock(deref(chain))
        self.volume.unlock(stored(item))

    def grow(self, size: int) -> None:
        """Add inodes until there are so many, with a sync now and then."""
        while len(self.keys) < size:
            at_once(self.add())
            if len(self.keys) % 2_000 == 0:
                at_once(sync(self.volume, 0))
        at_once(sync(self.volume, 0))

    def blocks(self, operation: Callable[[], Coroutine[Any, Any, None]]) -> tuple[float, float]:
        """Blocks read and written by an operation and the sync after it, on average."""
        use = self.device.count
        reads, writes = use.reads, use.writes
        for _ in range(SAMPLES):
            at_once(operation())
            at_once(sync(self.volume, 0))
        return (use.reads - reads) / SAMPLES, (use.writes - writes) / SAMPLES


def growth() -> list[Figure]:
    """How many blocks an operation touches as the tree grows; a sync writes 2 to 4 for freemap and header."""
    tree, figures = Tree(), []
    for size in SIZES:
        tree.grow(size)
        for name, operation in (("look up", tree.find), ("create", tree.add), ("delete", tree.remove)):
            read, written = tree.blocks(operation)
            figures.append(Figure(f"store: blocks read to {name}, {size} entries", read, "blocks", at_most=12))
            if operation != tree.find:
                figures.append(
                    Figure(f"store: blocks written to {name}, {size} entries", written, "blocks", at_most=16)
                )
    return figures


class Files(NamedTuple):
    """What is written through either store."""

    contents: dict[str, bytes]

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(map(len, self.contents.values()))


def some_files() -> Files:
    """Small and large ones, 48 MiB or so."""
    chance = random.Random(SEED)  # noqa: S311 - to be repeated, not to be secret
    sizes = [chance.choice([200, 3_000, 40_000, 300_000, 1_000_000]) for _ in range(180)]
    return Files({f"file {n}": chance.randbytes(size) for n, size in enumerate(sizes)})


class Speed(NamedTuple):
    """One run."""

    put_seconds: float
    get_seconds: float
    bytes_used: int


def through_the_store(files: Files, directory: Path, nodes: int) -> Speed:
    """All files put, flushed, and got again from newly opened images."""
    ids = count(1)
    devices: list[Device] = [FileDevice.make(directory / f"{nodes}.{n}.img", 4 * 2**25) for n in range(nodes)]

    def new_id() -> bytes:
        return next(ids).to_bytes(16, "big")

    store = Store.make(devices, [PfsType.MASTER] * nodes, new_id)
    filesystem, started = store.mount(), time.monotonic()
    for name, content in files.contents.items():
        store.run(filesystem.put(name.encode(), [content], len(content)))
    store.run(filesystem.flush())
    put_seconds = time.monotonic() - started
    store = Store.open(devices, new_id)
    filesystem, started = store.mount(), time.monotonic()
    for name, content in files.contents.items():
        if store.run(_all_of(filesystem.read(name.encode()))) != content:
            raise AssertionError(name)
    get_seconds = time.monotonic() - started
    freemap = deref(store.volumes[0]).freemap
    used = 1024 * sum(0 < units < 255 for units in freemap.counts)
    store.close()
    return Speed(put_seconds, get_seconds, used)


async def _all_of(pieces: Any) -> bytes:  # noqa: ANN401 - an asynchronous generator
    return b"".join([piece async for piece in pieces])


def through_sqlite(files: Files, directory: Path) -> Speed:
    """The same with a table of blobs, in one transaction."""
    path = directory / "blobs.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("create table files (name text primary key, content blob)")
        started = time.monotonic()
        with database:
            database.executemany("insert into files values (?, ?)", files.contents.items())
        put_seconds = time.monotonic() - started
    with closing(sqlite3.connect(path)) as database:
        started = time.monotonic()
        for name, content in files.contents.items():
            if database.execute("select content from files where name = ?", (name,)).fetchone()[0] != content:
                raise AssertionError(name)
        get_seconds = time.monotonic() - started
    return Speed(put_seconds, get_seconds, path.stat().st_size)


def speed() -> list[Figure]:
    """Put and get in MB/s, and the ratio to SQLite: one run, the same files."""
    files, figures = some_files(), []
    with tempfile.TemporaryDirectory() as directory:
        one = through_the_store(files, Path(directory), 1)
        three = through_the_store(files, Path(directory), 3)
        sqlite = through_sqlite(files, Path(directory))
    megabytes = files.size / 1e6
    for what, run in (("store, 1 node", one), ("store, 3 nodes", three), ("SQLite blobs", sqlite)):
        figures.append(Figure(f"{what}: put", megabytes / run.put_seconds, "MB/s"))
        figures.append(Figure(f"{what}: get", megabytes / run.get_seconds, "MB/s"))
    figures.append(Figure("store, 1 node: put, times SQLite's time", one.put_seconds / sqlite.put_seconds, "x"))
    figures.append(Figure("store, 1 node: get, times SQLite's time", one.get_seconds / sqlite.get_seconds, "x"))
    figures.append(Figure("store: space used, of the content's size", one.bytes_used / files.size, "x", at_most=1.5))
    figures.append(Figure("SQLite blobs: space used, of the content's size", sqlite.bytes_used / files.size, "x"))
    return figures


def memory() -> list[Figure]:
    """What `store put` needs for a file of 96 MiB: its data is written as it comes."""
    with tempfile.TemporaryDirectory() as directory:
        command = [str(Path(sys.executable).with_name("hammer2-cluster")), "store"]
        big, store = Path(directory) / "big", Path(directory) / "store"
        big.write_bytes(b"h2" * (48 * MIB))
        subprocess.run([*command, "init", store, "--size", "160M"], check=True, cwd=ROOT)
        result = subprocess.run(
            [sys.executable, "-c", MEASURE, *command, "put", store, big], check=True, cwd=ROOT, capture_output=True
        )
    return [Figure("store: memory to put 96 MiB on 3 nodes", int(result.stdout) / 1024, "MiB", at_most=160)]


def figures() -> list[Figure]:
    """All of them."""
    return [*growth(), *speed(), *memory()]
