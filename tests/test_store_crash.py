"""Nothing that was flushed is lost in a crash: any write after the last sync lost, kept or torn, on any node."""

import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import pytest
from fastcrc import crc64
from hypothesis import settings
from tests.store_kit import SIZE, Files, content_of, flush_half_way, make, memory, problems, put, reopen

from hammer2_cluster.device.crash import (
    JournalingDevice,
    Loss,
    Sync,
    Write,
    all_losses,
    apply,
    cut,
    random_losses,
    whole,
)
from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.outcomes import deref
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.directory import NoSpaceError
from hammer2_cluster.store.filesystem import Filesystem
from hammer2_cluster.store.local import Store
from hammer2_cluster.store.pfs import roots_of

THOROUGH = settings.default is not None and settings.default.max_examples > 1000
"""Under the profile ``fuzz``: more of everything."""
SUBSETS_UP_TO = 6 if THOROUGH else 4
"""So many writes after a sync are lost in all combinations, more at random."""
RANDOM_LOSSES = 16 if THOROUGH else 4


class Workload(NamedTuple):
    """A run of a store on one journaled device."""

    before: bytes
    journal: Sequence[Write | Sync]
    flushed: Sequence[tuple[int, Files]]
    """After so many entries of the journal, a flush had returned that made these files durable."""
    frozen: tuple[int, Files]
    """After so many entries, a snapshot of these files had been taken."""


def work(seed: int, flushes: int) -> Workload:
    """Files are put, changed, removed and renamed, a snapshot is taken; every step is flushed."""
    device = memory(1, SIZE)[0]
    store = make([device], radixes=[10])
    store.close()
    before = bytes(device.content)
    journaling = JournalingDevice(device, before)
    store = reopen([journaling])
    filesystem = store.mount()
    chance, files = random.Random(seed), Files()
    flushed: list[tuple[int, Files]] = [(0, {})]
    frozen = 0, Files()
    for n in range(flushes):
        if n == flushes // 2:
            store.run(filesystem.snapshot(b"halfway"))
            frozen = len(journaling.journal), dict(files)
        for _ in range(chance.randrange(1, 4)):
            one_change(store, filesystem, files, chance)
        store.run(filesystem.flush())
        flushed.append((len(journaling.journal), dict(files)))
    return Workload(before, journaling.journal, flushed, frozen)


def one_change(store: Store, filesystem: Filesystem, files: Files, chance: random.Random) -> None:
    """Changes the store and ``files`` alike, or neither, if the store is full."""
    what, name, old = chance.choice("ppwdr"), b"f%d" % chance.randrange(24), chance.choice(sorted(files) or [b""])
    data = chance.randbytes(chance.choice([0, 40, 512, 513, 3000, 12_000]))
    with suppress(NoSpaceError):
        if what == "p" or not files:
            put(store, filesystem, name, data)
            files[name] = data
        elif what == "w":
            at = chance.randrange(2000)
            store.run(filesystem.write(old, at, data))
            files[old] = files[old].ljust(at, b"\0")[:at] + data + files[old][at + len(data) :]
        elif what == "d":
            store.run(filesystem.remove(old))
            del files[old]
        elif name not in files:
            store.run(filesystem.rename(old, name))
            files[name] = files.pop(old)


def losses_of(exposed: Sequence[Write], seed: int) -> Iterator[Loss]:
    if len(exposed) <= SUBSETS_UP_TO:
        yield from all_losses(exposed)
    yield from random_losses(exposed, seed, RANDOM_LOSSES)


@pytest.mark.parametrize("seed", [1, 2] if THOROUGH else [1])
def test_after_any_crash_the_content_is_that_of_the_last_flush_or_the_one_in_progress(seed: int) -> None:
    workload = work(seed, flushes=48)
    writes = sum(isinstance(entry, Write) for entry in workload.journal)
    assert writes >= 300
    tried, seen = 0, set[tuple[int, int]]()
    for entries in range(len(workload.journal) + 1):
        durable, exposed = cut(workload.journal, entries)
        content = bytearray(workload.before)
        apply(content, durable, [whole(write) for write in durable])
        done = max(n for n, (at, _) in enumerate(workload.flushed) if at <= entries)
        allowed = [files for _, files in workload.flushed[done : done + 2]]
        for loss in losses_of(exposed, seed * 10**6 + entries):
            image = MemoryDevice(SIZE, content)
            apply(image.content, exposed, loss)
            tried += 1
            if (done, crc64.xz(image.content)) in seen:
                continue
            seen.add((done, crc64.xz(image.content)))
            store = reopen([image])
            found = content_of(store, store.mount())
            where = f"workload {seed}, cut after {entries} of {len(workload.journal)}, kept {loss}"
            assert found in allowed, where
            assert problems([image]) == [], where
            labels = store.snapshots()
            assert labels == [b"halfway"] or (labels == [] and entries < workload.frozen[0]), where
            for label in labels:
                assert content_of(store, store.mount(label)) == workload.frozen[1], where
    assert tried > 2 * writes


class SharedJournal:
    """Devices whose writes and syncs are remembered in one order."""

    def __init__(self, devices: Sequence[MemoryDevice]) -> None:
        self.before = [bytes(device.content) for device in devices]
        self.order: list[int] = []
        self.devices = [self._journaling(node, device) for node, device in enumerate(devices)]

    def _journaling(self, node: int, device: MemoryDevice) -> JournalingDevice:
        order = self.order

        class Ordered(list[Write | Sync]):
            def append(self, entry: Write | Sync, /) -> None:
                super().append(entry)
                order.append(node)

        return JournalingDevice(device, bytes(device.content), Ordered())

    def images(self, happened: int, chance: random.Random) -> list[MemoryDevice]:
        """What the devices hold after a crash when so many entries had happened, each with losses of its own."""
        images = []
        for node, device in enumerate(self.devices):
            durable, exposed = cut(device.journal, self.order[:happened].count(node))
            image = MemoryDevice(SIZE, self.before[node])
            apply(image.content, durable, [whole(write) for write in durable])
            apply(image.content, exposed, next(iter(random_losses(exposed, chance.getrandbits(32), 1))))
            images.append(image)
        return images


@pytest.mark.parametrize("nodes", [2, 3])
def test_a_crash_of_all_nodes_undoes_a_flush_on_all_or_on_none(nodes: int) -> None:
    devices = memory(nodes, SIZE)
    make(devices, radixes=[10, 11, 12][:nodes]).close()
    journal = SharedJournal(devices)
    store = reopen(journal.devices)
    filesystem, chance, files = store.mount(), random.Random(nodes), Files()
    flushed: list[tuple[int, Files]] = [(0, {})]
    for _ in range(10):
        one_change(store, filesystem, files, chance)
        store.run(filesystem.flush())
        flushed.append((len(journal.order), dict(files)))
    for happened in range(0, len(journal.order) + 1, 1 if THOROUGH else 5):
        done = max(n for n, (at, _) in enumerate(flushed) if at <= happened)
        images = journal.images(happened, chance)
        where = f"{nodes} nodes, cut after {happened} of {len(journal.order)}"
        found = checked(images, [then for _, then in flushed[done : done + 2]], where)
        for name in (b"again", b"and again", b"and once more"):
            second = SharedJournal(images)
            again = reopen(second.devices)
            mounted = again.mount()
            put(again, mounted, name, name * 200)
            again.run(mounted.flush())
            allowed = [found, found | {name: name * 200}]
            images = second.images(chance.randrange(len(second.order) + 1), chance)
            found = checked(images, allowed, f"{where}, and cut again while {name!r} was put")


def labels_on_each(images: Sequence[MemoryDevice]) -> list[set[bytes]]:
    store = reopen(images)
    roots = [store.run(roots_of(store.on, store.chains, deref(volume))) for volume in store.volumes]
    return [{root.inode.name for root in found} for found in roots]


@pytest.mark.parametrize("change", ["made", "removed"])
def test_a_crash_leaves_a_snapshot_on_all_nodes_or_on_none_and_it_can_be_done_again(change: str) -> None:
    devices = memory(3, SIZE)
    store = make(devices, radixes=[10, 11, 12])
    filesystem, files = store.mount(), {b"f%d" % n: bytes([n]) * 3000 for n in range(6)}
    for name, data in files.items():
        put(store, filesystem, name, data)
    store.run(filesystem.flush())
    if change == "removed":
        store.run(filesystem.snapshot(b"s"))
    journal = SharedJournal(devices)
    store = reopen(journal.devices)
    filesystem = store.mount()
    store.run(filesystem.snapshot(b"s") if change == "made" else filesystem.remove_snapshot(b"s"))
    chance, outcomes = random.Random(4), set[bool]()
    for happened in range(len(journal.order) + 1):
        for _ in range(8 if THOROUGH else 2):
            where = f"cut after {happened} of {len(journal.order)}"
            images = journal.images(happened, chance)
            labels = labels_on_each(images)
            assert labels in ([{b"ROOT"}] * 3, [{b"ROOT", b"s"}] * 3), where
            outcomes.add(there := b"s" in labels[0])
            store = reopen(images)
            filesystem = store.mount()
            assert not any(filesystem.left_out), where
            assert content_of(store, filesystem) == files, where
            if there:
                assert content_of(store, store.mount(b"s")) == files, where
            assert problems(images) == [], where
            store.run(filesystem.remove_snapshot(b"s") if there else filesystem.snapshot(b"s"))
            assert labels_on_each(images) == [{b"ROOT"} if there else {b"ROOT", b"s"}] * 3, where
            assert problems(images) == [], where
    assert outcomes == {True, False}
    assert labels_on_each(devices) == [{b"ROOT", b"s"} if change == "made" else {b"ROOT"}] * 3


def checked(images: Sequence[MemoryDevice], allowed: Sequence[Files], where: str) -> Files:
    """What is found on devices after a crash: all nodes in step, one of the allowed contents, nothing wrong."""
    before = [MemoryDevice(SIZE, image.content) for image in images]
    assert problems(before) == [], where
    store = reopen(before)
    filesystem = store.mount()
    assert not any(filesystem.left_out), where
    found = content_of(store, filesystem)
    assert found in allowed, where
    assert problems(before) == [], where
    return found


def test_a_flush_that_one_node_confirmed_is_done_on_all_even_if_that_node_goes_away() -> None:
    devices = memory(3, SIZE)
    store = make(devices, radixes=[10, 11, 12])
    filesystem = store.mount()
    put(store, filesystem, b"a", b"old")
    store.run(filesystem.flush())
    put(store, filesystem, b"a", b"new")
    at_once(store.chains.confirm(flush_half_way(store, filesystem)[0]))
    for there in (devices, [None, *devices[1:]]):
        store = reopen(there)
        assert content_of(store, store.mount()) == {b"a": b"new"}


def test_a_node_that_missed_the_undoing_of_a_flush_is_not_believed() -> None:
    devices = memory(3, SIZE)
    store = make(devices, radixes=[10, 11, 12])
    filesystem = store.mount()
    put(store, filesystem, b"a", b"flushed")
    store.run(filesystem.flush())
    put(store, filesystem, b"a", b"undone")
    flush_half_way(store, filesystem)
    store = reopen([*devices[:2], None])
    filesystem = store.mount()
    assert content_of(store, filesystem) == {b"a": b"flushed"}
    put(store, filesystem, b"a", b"instead")
    store.run(filesystem.flush())
    store = reopen(devices)
    filesystem = store.mount()
    assert [bool(why) for why in filesystem.left_out] == [False, False, True]
    assert content_of(store, filesystem) == {b"a": b"instead"}


def test_what_a_prepared_generation_gave_up_is_kept_until_it_is_confirmed() -> None:
    """The blocks of the generation before are not allocated in between: a crash may lead back to them."""
    device = memory(1, SIZE)[0]
    store = make([device], radixes=[10])
    filesystem, files = store.mount(), Files()
    for n in range(8):
        files[b"f%d" % n] = bytes([n]) * 3000
        put(store, filesystem, b"f%d" % n, files[b"f%d" % n])
    store.run(filesystem.flush())
    for n in range(8):
        put(store, filesystem, b"f%d" % n, b"other content")
    volume = store.volumes[0]
    assert volume is not None
    flush_half_way(store, filesystem)
    while (data_off := volume.freemap.allocate(10)) is not None:
        at_once(device.write(data_off & ~63, b"!" * 1024))
    again = reopen([device])
    assert content_of(again, again.mount()) == files
    assert problems([device]) == []
