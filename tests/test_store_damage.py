"""Nothing that was flushed is lost: crashes, corruption, full and failing devices, images that are none."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import pytest
from fastcrc import crc64
from hypothesis import settings
from tests.store_kit import content_of, make, memory, problems, put, read, reopen

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
from hammer2_cluster.device.device import DeviceError
from hammer2_cluster.device.faults import Fault, FaultyDevice, Kind
from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.outcomes import Fatal, deref
from hammer2_cluster.store.block_table import BlockTable
from hammer2_cluster.store.blockref import pack
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.check_codes import check_code
from hammer2_cluster.store.directory import FilesystemError, NoSpaceError, UnavailableError
from hammer2_cluster.store.filesystem import Filesystem
from hammer2_cluster.store.flush import prepare, sync
from hammer2_cluster.store.freemap import Freemap
from hammer2_cluster.store.fsck import Kind as FsckKind
from hammer2_cluster.store.layout import RESERVED_BYTES
from hammer2_cluster.store.local import Store
from hammer2_cluster.store.volume_header import BadVolumeError, generations
from hammer2_spec.vocabulary import ChainFlag, Error, Resolve

SIZE = 1 << 19
THOROUGH = settings.default is not None and settings.default.max_examples > 1000
"""Under the profile ``fuzz``: more of everything."""
SUBSETS_UP_TO = 6 if THOROUGH else 4
"""So many writes after a sync are lost in all combinations, more at random."""
RANDOM_LOSSES = 16 if THOROUGH else 4

Files = dict[bytes, bytes]


class Workload(NamedTuple):
    """A run of a store on one journaled device."""

    before: bytes
    journal: Sequence[Write | Sync]
    flushed: Sequence[tuple[int, Files]]
    """After so many entries of the journal, a flush had returned that made these files durable."""


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
    for n in range(flushes):
        if n == flushes // 2:
            store.run(filesystem.snapshot(b"halfway"))
        for _ in range(chance.randrange(1, 4)):
            one_change(store, filesystem, files, chance)
        store.run(filesystem.flush())
        flushed.append((len(journaling.journal), dict(files)))
    return Workload(before, journaling.journal, flushed)


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
            for label in store.snapshots():
                content_of(store, store.mount(label))
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
    store.chains.flush_tid = filesystem.tid + 1
    roots = [root for _, root in filesystem._root.members()]  # noqa: SLF001 - a flush that stops half-way
    for root in roots:
        at_once(store.chains.flush(root))
        at_once(store.chains.prepare(root))
    at_once(store.chains.confirm(roots[0]))
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
    store.chains.flush_tid = filesystem.tid + 1
    for _, root in filesystem._root.members():  # noqa: SLF001 - a flush that stops half-way
        at_once(store.chains.flush(root))
        at_once(store.chains.prepare(root))
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
    root = next(chain for _, chain in filesystem._root.members())  # noqa: SLF001 - a flush that stops half-way
    store.chains.flush_tid = 99
    at_once(store.chains.flush(root))
    at_once(prepare(volume, 99))
    while (data_off := volume.freemap.allocate(10)) is not None:
        at_once(device.write(data_off & ~63, b"!" * 1024))
    again = reopen([device])
    assert content_of(again, again.mount()) == files
    assert problems([device]) == []


# ---- corruption


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


def used_blocks(device: MemoryDevice) -> list[int]:
    """Offsets of all KiB that are referred to or reserved."""
    counts = deref(reopen([MemoryDevice(SIZE, device.content)]).volumes[0]).freemap.counts
    return [unit * 1024 for unit, count in enumerate(counts[: SIZE // 1024]) if count]


def all_that_is_read(device: MemoryDevice, labels: dict[bytes, Files]) -> dict[tuple[bytes, bytes], bytes | str]:
    """Every file of every PFS: its content, or the error that is given for it."""
    found: dict[tuple[bytes, bytes], bytes | str] = {}
    for label, files in labels.items():
        try:
            store = reopen([device])
            filesystem = store.mount(label)
        except (UnavailableError, BadVolumeError) as error:
            found |= dict.fromkeys(((label, name) for name in files), str(error))
            continue
        for name in files:
            try:
                found[label, name] = read(store, filesystem, name)
            except UnavailableError as error:
                found[label, name] = str(error)
    return found


def test_a_corrupt_block_gives_the_right_data_or_an_error_that_names_it() -> None:
    """Each block in turn, whatever it holds, and every file is read."""
    devices, files, then = small_cluster(1)
    labels = {b"ROOT": files, b"then": then}
    right = {(label, name): data for label, files in labels.items() for name, data in files.items()}
    chance, noticed = random.Random(8), set[int]()
    blocks = used_blocks(devices[0])
    for at in blocks:
        bit = chance.randrange(8192)
        image = MemoryDevice(SIZE, devices[0].content)
        image.content[at + bit // 8] ^= 1 << bit % 8
        for which, found in all_that_is_read(image, labels).items():
            if found != right[which]:
                assert isinstance(found, str), f"bit {bit} of block {at:#x}: wrong data for {which}"
                assert "CHECK" in found or "check code" in found or "volume header" in found, found
                assert "block" in found or "header" in found, found
                noticed.add(at)
    in_files = [at for at in blocks if at >= RESERVED_BYTES]
    assert noticed >= {*in_files}


def test_fsck_notices_every_corrupt_block() -> None:
    devices, _, _ = small_cluster(1)
    assert problems(devices) == []
    image = MemoryDevice(SIZE, devices[0].content)
    for at in used_blocks(image):
        if at < 4 * 4096:
            continue  # a volume header: it has a second copy
        image.content[at + 77] ^= 16
        found = problems([image])
        owner = next((one for one in found if one.offset <= at < one.offset + 65536 and "check" in str(one)), None)
        stale = not found and at_is_unused(image, at)
        assert owner is not None or stale, f"block {at:#x}: {found}"
        image.content[at + 77] ^= 16


def at_is_unused(image: MemoryDevice, at: int) -> bool:
    """Whether a KiB holds what was there before: nothing refers to it, or it is the older copy of a freemap block."""
    store = reopen([image])
    assert store.volumes[0] is not None
    freemap = store.volumes[0].freemap
    return freemap.counts[at // 1024] in (0, 255)


@pytest.mark.parametrize("node", [0, 1, 2])
def test_one_corrupt_node_of_three_hides_nothing(node: int) -> None:
    devices, files, _ = small_cluster(3)
    chance = random.Random(9)
    for at in used_blocks(devices[node])[:: 1 if THOROUGH else 7]:
        images = [MemoryDevice(SIZE, device.content) for device in devices]
        images[node].content[at + chance.randrange(1024)] ^= 1 << chance.randrange(8)
        store = reopen(images)
        assert content_of(store, store.mount()) == files, f"node {node}, block {at:#x}"


@pytest.mark.parametrize("size", [0, 1024, 65536, SIZE // 2, SIZE - 65536])
def test_a_truncated_image_is_refused(size: int) -> None:
    devices, _, _ = small_cluster(1)
    if size % 65536 or not size:
        with pytest.raises(ValueError, match="multiple of 65536"):
            MemoryDevice(size)
        return
    image = MemoryDevice(size, devices[0].content[:size])
    with pytest.raises(BadVolumeError, match="truncated"):
        reopen([image])


@pytest.mark.parametrize("seed", range(5))
def test_an_image_of_garbage_is_refused(seed: int) -> None:
    chance = random.Random(seed)
    with pytest.raises(BadVolumeError, match="not a volume"):
        reopen([MemoryDevice(SIZE, chance.randbytes(SIZE))])
    devices, _, _ = small_cluster(1)
    content = bytearray(chance.randbytes(SIZE))
    content[: 4 * 4096] = devices[0].content[: 4 * 4096]
    with pytest.raises(BadVolumeError, match="freemap block"):
        reopen([MemoryDevice(SIZE, content)])


# ---- what is full, and what fails


def test_a_full_store_says_so_and_loses_nothing() -> None:
    devices = memory(2, SIZE)
    store = make(devices, radixes=[10, 12])
    filesystem, chance, files = store.mount(), random.Random(10), Files()
    refused: list[str] = []
    for n in range(400):
        name, data = b"f%d" % chance.randrange(60), chance.randbytes(chance.choice([10, 700, 9000, 60_000]))
        try:
            put(store, filesystem, name, data)
        except NoSpaceError as error:
            refused.append(str(error))
            if files and n % 3 == 0:
                gone = chance.choice(sorted(files))
                store.run(filesystem.remove(gone))
                del files[gone]
        else:
            files[name] = data
        if n % 5 == 0:
            store.run(filesystem.flush())
            assert [volume.failed for volume in store.volumes if volume is not None] == [None, None]
    store.run(filesystem.flush())
    assert len(refused) > 50
    assert all("no room for" in why for why in refused)
    assert content_of(store, filesystem) == files
    store = reopen(devices)
    assert content_of(store, store.mount()) == files
    assert problems(devices) == []


def test_a_store_that_was_full_can_be_emptied_and_filled_again() -> None:
    devices = memory(1, SIZE)
    store = make(devices)
    filesystem = store.mount()
    counts = []
    for _ in range(3):
        count = 0
        while True:
            try:
                put(store, filesystem, b"f%d" % count, bytes(3000))
            except NoSpaceError:
                break
            count += 1
        store.run(filesystem.flush())
        counts.append(count)
        for n in range(count):
            store.run(filesystem.remove(b"f%d" % n))
        store.run(filesystem.flush())
    assert counts[0] > 40
    assert counts == [counts[0]] * 3
    assert problems(devices) == []


def test_a_snapshot_holds_its_blocks_until_it_goes() -> None:
    devices = memory(1, SIZE)
    store = make(devices)
    filesystem = store.mount()
    assert store.volumes[0] is not None
    freemap = store.volumes[0].freemap
    store.run(filesystem.flush())
    put(store, filesystem, b"a", bytes(range(256)) * 256)
    store.run(filesystem.snapshot(b"s"))
    with_both = freemap.free_bytes
    store.run(filesystem.remove(b"a"))
    store.run(filesystem.flush())
    assert with_both - 4096 <= freemap.free_bytes <= with_both + 4096
    assert read(store, store.mount(b"s"), b"a") == bytes(range(256)) * 256
    store.run(store.remove_snapshot(b"s"))
    assert freemap.free_bytes >= with_both + 65536
    assert problems(devices) == []


@pytest.mark.parametrize("kind", [Kind.WRITE_ERROR, Kind.FULL])
def test_a_write_that_fails_at_any_moment_leaves_the_last_flush(kind: Kind) -> None:
    for after in range(0, 40, 1 if THOROUGH else 3):
        device = memory(1, SIZE)[0]
        make([device], radixes=[10]).close()
        faulty = FaultyDevice(device)
        store = reopen([faulty])
        filesystem = store.mount()
        put(store, filesystem, b"old", b"o" * 2000)
        store.run(filesystem.flush())
        faulty.faults.append(Fault(kind, after=after))
        failed = False
        try:
            for n in range(12):
                put(store, filesystem, b"new%d" % n, b"n" * 3000)
            store.run(filesystem.flush())
        except FilesystemError:
            failed = True
        faulty.faults.clear()
        found = content_of(again := reopen([device]), again.mount())
        assert found[b"old"] == b"o" * 2000
        assert len(found) in ((1, 13) if failed else (13,))  # it may fail after the header is durable
        assert problems([device]) == []


def test_a_read_that_fails_is_an_error_that_names_the_block_and_passes() -> None:
    device = memory(1, SIZE)[0]
    store = make([device], radixes=[10])
    put(store, filesystem := store.mount(), b"a", b"x" * 3000)
    store.run(filesystem.flush())
    errors = []
    for after in range(12):
        faulty = FaultyDevice(device)
        store = reopen([faulty])
        filesystem = store.mount()
        faulty.faults.append(Fault(Kind.READ_ERROR, times=1, after=after))
        try:
            assert read(store, filesystem, b"a") == b"x" * 3000
        except UnavailableError as error:
            errors.append(str(error))
        faulty.faults.clear()
        store = reopen([device])
        assert read(store, store.mount(), b"a") == b"x" * 3000
    assert len(errors) >= 3
    assert all("block" in error for error in errors)


def test_a_chain_that_cannot_be_read_or_copied_write_disables_its_node() -> None:
    """L1395-1401: what is MODIFIED without content cannot be flushed, so nothing is."""
    below = memory(1, SIZE)[0]
    put(store := make([below], radixes=[10]), filesystem := store.mount(), b"a", b"x" * 3000)
    store.run(filesystem.flush())
    device = FaultyDevice(below)
    store = reopen([device])
    volume = deref(store.volumes[0])
    root = deref(volume.super_root)
    device.faults.append(Fault(Kind.READ_ERROR, times=1))
    at_once(volume.lock(root, Resolve.NEVER))
    at_once(store.chains.modify(root, 0))
    assert (root.error, root.data, bool(root.flags & ChainFlag.MODIFIED)) == (Error.IO, None, True)
    assert "cannot be read" in str(volume.failed)
    volume.unlock(root)
    writes = device.count.writes
    at_once(sync(volume, 99))
    assert device.count.writes == writes
    store = reopen([below])
    assert content_of(store, store.mount()) == {b"a": b"x" * 3000}


def test_a_node_that_goes_away_in_the_middle_takes_nothing_with_it() -> None:
    devices = [FaultyDevice(device) for device in memory(3, SIZE)]
    store = make(devices, radixes=[10, 11, 12])
    filesystem = store.mount()
    put(store, filesystem, b"before", b"b" * 5000)
    store.run(filesystem.flush())
    devices[1].connected = False
    try:
        put(store, filesystem, b"after", b"a" * 5000)
        store.run(filesystem.flush())
    except (FilesystemError, DeviceError, Fatal) as error:
        pytest.fail(f"two of three nodes are enough, but: {error}")
    assert content_of(store, filesystem) == {b"before": b"b" * 5000, b"after": b"a" * 5000}
    devices[1].connected = True
    store = reopen(devices)
    filesystem = store.mount()
    assert [bool(why) for why in filesystem.left_out] == [False, True, False]
    assert content_of(store, filesystem) == {b"before": b"b" * 5000, b"after": b"a" * 5000}


# ---- what fsck must see


def with_other_counts(device: MemoryDevice, change: Callable[[Freemap], None]) -> MemoryDevice:
    """The same volume, whose freemap says something else."""
    image = MemoryDevice(SIZE, device.content)
    header = at_once(generations(image)).newest
    freemap = Freemap(SIZE)
    at_once(freemap.load(image, header))
    change(freemap)
    at_once(freemap.write(image, header))
    for offset in header.offsets():
        at_once(image.write(offset, header.pack()))
    return image


def kinds(device: MemoryDevice) -> set[FsckKind]:
    return {problem.kind for problem in problems([device])}


def test_fsck_sees_leaks_double_use_and_wrong_counts() -> None:
    (device,), _, _ = small_cluster(1)

    def used(freemap: Freemap) -> int:
        """A KiB that is referred to once."""
        return freemap.counts.index(1) * 1024 | 10

    def leak(freemap: Freemap) -> None:
        free = freemap.allocate(12)
        assert free is not None
        freemap.hold(free)

    def forget(freemap: Freemap) -> None:
        freemap.release(used(freemap))

    def miscount(freemap: Freemap) -> None:
        freemap.hold(used(freemap))

    def unreserve(freemap: Freemap) -> None:
        freemap._set(0 | 10, 0)  # noqa: SLF001 - what no operation does

    assert kinds(with_other_counts(device, lambda _: None)) == set()
    assert kinds(with_other_counts(device, leak)) == {FsckKind.LEAK}
    assert kinds(with_other_counts(device, miscount)) == {FsckKind.COUNT}
    assert kinds(with_other_counts(device, unreserve)) == {FsckKind.COUNT}
    assert kinds(with_other_counts(device, forget)) == {FsckKind.DOUBLE_USE}


def test_fsck_sees_tables_in_disorder_and_blocks_that_overlap() -> None:
    """The super-root's entries are changed, and all check codes up to the header made right again."""
    (device,), _, _ = small_cluster(1)

    def forged(change: Callable[[BlockTable], None]) -> MemoryDevice:
        image = MemoryDevice(SIZE, device.content)
        header = at_once(generations(image)).newest
        top = BlockTable(header.sroot, 0, 8)
        entry = top.remove(0)
        block = bytearray(at_once(image.read(entry.offset, entry.length)))
        change(BlockTable(block, 0x200, 8))
        at_once(image.write(entry.offset, block))
        top.insert(entry._replace(check=check_code(entry.methods, block)))
        for offset in header.offsets():
            at_once(image.write(offset, header.pack()))
        return image

    def swap(table: BlockTable) -> None:
        first, second = table.remove(0), table.remove(0)
        table.insert(first._replace(key=second.key))
        at = table._at(1)  # noqa: SLF001 - what no operation does
        table._writable()[at : at + 64] = pack(first)  # noqa: SLF001 - what no operation does

    def overlap(table: BlockTable) -> None:
        entry = table.remove(0)
        table.insert(entry._replace(data_off=table[0].offset & ~0x7FF | 11))

    def nowhere(table: BlockTable) -> None:
        table.insert(table.remove(0)._replace(data_off=SIZE | 10))

    assert kinds(forged(lambda _: None)) == set()
    assert FsckKind.BAD_TABLE in kinds(forged(swap))
    assert FsckKind.DOUBLE_USE in kinds(forged(overlap))
    assert FsckKind.BAD_ENTRY in kinds(forged(nowhere))
