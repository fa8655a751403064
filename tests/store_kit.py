"""What the tests of the store share: small clusters in memory, and what can be seen of one."""

import itertools
import random
from collections.abc import Sequence

from hammer2_cluster.device.device import Device
from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.objects import ClusterItem
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.chains import at_once, own
from hammer2_cluster.store.filesystem import Filesystem
from hammer2_cluster.store.fsck import Problem, problems_of
from hammer2_cluster.store.inode_data import TABLE_AT, InodeData, is_direct
from hammer2_cluster.store.local import LABEL, Store
from hammer2_cluster.store.lookup import lookup, next_entry, stored
from hammer2_cluster.store.volume import Volume
from hammer2_cluster.store.volume_header import confirmed_tid, generations
from hammer2_spec.semantics import REPAIRED, Semantics
from hammer2_spec.vocabulary import KEY_MAX, BrefType, Lookup, PfsType, Resolve

Tree = tuple[tuple[int, int, int, bytes, "Tree"], ...]
"""Below a block: key, keybits, type, what is in it but its table, and what is below it, without any indirect block."""


Files = dict[bytes, bytes]
SIZE = 1 << 19
"""Of the devices of a small cluster, in bytes: the smallest there are."""


class Ids:
    """Unique ids, the same ones in every run."""

    def __init__(self) -> None:
        self._count = itertools.count(1)

    def __call__(self) -> bytes:
        return next(self._count).to_bytes(16, "big")


def memory(count: int, size: int = 1 << 21) -> list[MemoryDevice]:
    return [MemoryDevice(size) for _ in range(count)]


def make(
    devices: Sequence[Device],
    types: Sequence[int] | None = None,
    radixes: Sequence[int] | None = None,
    semantics: Semantics = REPAIRED,
) -> Store:
    types = types or [PfsType.MASTER] * len(devices)
    return Store.make(devices, types, Ids(), indirect_radixes=radixes, semantics=semantics)


def reopen(devices: Sequence[Device | None], semantics: Semantics = REPAIRED) -> Store:
    return Store.open(devices, Ids(), semantics)


def problems(devices: Sequence[Device]) -> list[Problem]:
    confirmed = confirmed_tid(at_once(generations(device)) for device in devices)
    return [problem for device in devices for problem in at_once(problems_of(device, confirmed))]


def content_of(store: Store, filesystem: Filesystem) -> dict[bytes, bytes]:
    """Every file by name."""

    async def read_all() -> dict[bytes, bytes]:
        names = [listed async for listed in filesystem.names()]
        files = {name: b"".join([piece async for piece in filesystem.read(name)]) for name, _ in names}
        assert {name: len(data) for name, data in files.items()} == dict(names)
        assert len(files) == len(names)
        return files

    return store.run(read_all())


def read(store: Store, filesystem: Filesystem, name: bytes) -> bytes:
    async def all_of_it() -> bytes:
        return b"".join([piece async for piece in filesystem.read(name)])

    return store.run(all_of_it())


def put(store: Store, filesystem: Filesystem, name: bytes, data: bytes) -> None:
    store.run(filesystem.put(name, [data], len(data)))


def flush_half_way(store: Store, filesystem: Filesystem) -> list[StoredChain]:
    """All nodes prepare a flush, and none confirms it. Returns the roots of the PFS."""
    store.chains.flush_tid = filesystem.tid + 1
    roots = [own(root) for _, root in filesystem._root.members()]  # noqa: SLF001 - what no operation does
    for root in roots:
        at_once(store.chains.flush(root))
        at_once(store.chains.prepare(root))
    return roots


def tree_of(volume: Volume, label: bytes = LABEL) -> Tree:
    """The content of a PFS on one node, by key: what must be equal on all nodes, whatever their layout."""
    assert volume.super_root is not None

    async def below(parent: StoredChain) -> Tree:
        item = ClusterItem(parent)
        await volume.lock(parent, Resolve.ALWAYS)
        rows = []
        chain, _ = await lookup(item, 0, 0, KEY_MAX, Lookup.ALWAYS)
        while chain is not None and chain is not parent:
            assert chain.error == 0
            assert chain.data is not None
            data = bytes(chain.data)
            inode = chain.bref.type == BrefType.INODE
            table = inode and not is_direct(data)
            rows.append(
                (
                    chain.bref.key,
                    chain.bref.keybits,
                    chain.bref.type,
                    data[:TABLE_AT] if table else data,
                    await below(chain) if inode else (),
                )
            )
            chain, _ = await next_entry(item, chain, 0, KEY_MAX, Lookup.ALWAYS)
        if chain is not None:
            volume.unlock(chain)
        volume.unlock(stored(item))
        return tuple(rows)

    tops = at_once(below(volume.super_root))
    return next(rows for _, _, _, data, rows in tops if InodeData.read(data.ljust(1024, b"\0")).name == label)


def small_cluster(nodes: int) -> tuple[list[MemoryDevice], Files, Files]:
    """Devices with a few files of every kind and a snapshot: what is in the filesystem, and in the snapshot."""
    devices = memory(nodes, SIZE)
    store = make(devices, radixes=[10] * nodes)
    filesystem, chance, files = store.mount(), random.Random(7), Files()
    for n in range(14):
        files[b"f%d" % n] = chance.randbytes(chance.choice([5, 513, 3000, 20_000]))
        put(store, filesystem, b"f%d" % n, files[b"f%d" % n])
    store.run(filesystem.snapshot(b"then"))
    then = dict(files)
    for n in range(0, 14, 3):
        files[b"f%d" % n] = chance.randbytes(1000)
        put(store, filesystem, b"f%d" % n, files[b"f%d" % n])
    store.run(filesystem.flush())
    store.close()
    return devices, files, then
