"""Nothing wrong is read and nothing is lost: corruption, images that are none, full and failing devices."""

import random
from collections.abc import Callable

import pytest
from hypothesis import settings
from tests.store_kit import SIZE, Files, content_of, make, memory, problems, put, read, reopen, small_cluster, tree_of

from hammer2_cluster.device.device import DeviceError
from hammer2_cluster.device.faults import Fault, FaultyDevice, Kind
from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.outcomes import Fatal, deref
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.directory import FilesystemError, NoSpaceError, UnavailableError
from hammer2_cluster.store.filesystem import Filesystem
from hammer2_cluster.store.flush import sync
from hammer2_cluster.store.layout import RESERVED_BYTES
from hammer2_cluster.store.local import Store
from hammer2_cluster.store.making import open_volume
from hammer2_cluster.store.pfs import roots_of
from hammer2_cluster.store.volume_header import BadVolumeError
from hammer2_spec.vocabulary import ChainFlag, Error, Resolve

THOROUGH = settings.default is not None and settings.default.max_examples > 1000
"""Under the profile ``fuzz``: more of everything."""


def used_blocks(device: MemoryDevice) -> list[int]:
    """Offsets of all KiB that are referred to or reserved."""
    counts = at_once(open_volume(MemoryDevice(SIZE, device.content))).freemap.counts
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
        where = f"node {node}, block {at:#x}"
        store = reopen(images)
        status = store.status()
        assert [bool(one.root) for n, one in enumerate(status) if n != node] == [True, True], where
        assert status[node].root or status[node].trouble, where
        assert store.snapshots() == [b"then"], where
        assert content_of(store, store.mount()) == files, where


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
    store.run(filesystem.remove_snapshot(b"s"))
    assert freemap.free_bytes >= with_both + 65536
    assert problems(devices) == []


def test_a_snapshot_is_removed_from_a_node_that_is_behind_too() -> None:
    devices, _, then = small_cluster(3)
    put(store := reopen([*devices[:2], None]), filesystem := store.mount(), b"new", b"without node 2")
    store.run(filesystem.flush())
    store = reopen(devices)
    filesystem = store.mount()
    assert filesystem.left_out == ["", "", f"at tid {filesystem.tid - 1}, not {filesystem.tid}"]
    assert content_of(store, store.mount(b"then")) == then
    store.run(filesystem.remove_snapshot(b"then"))
    store = reopen(devices)
    for volume in store.volumes:
        assert [root.inode.name for root in store.run(roots_of(store.on, store.chains, deref(volume)))] == [b"ROOT"]
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


@pytest.mark.parametrize("kind", [Kind.READ_ERROR, Kind.CORRUPTION])
def test_a_node_that_missed_a_part_of_a_write_is_not_in_step(kind: Kind) -> None:
    """It could not read what it had to change, once. The others go on; its tid must not say that it did the same."""
    below, files, _ = small_cluster(3)
    left_out = 0
    for after in range(0, 30, 1 if THOROUGH else 2):
        devices = [FaultyDevice(MemoryDevice(SIZE, device.content)) for device in below]
        store = reopen(devices)
        filesystem = store.mount()
        devices[1].faults.append(Fault(kind, times=1, after=after, bit=700))
        for name in (b"f1", b"f7", b"new"):
            put(store, filesystem, name, b"other content" * 300)
        store.run(filesystem.flush())
        struck = not devices[1].faults[0].times
        devices[1].faults.clear()
        store = reopen(devices)
        filesystem = store.mount()
        assert content_of(store, filesystem) == files | dict.fromkeys((b"f1", b"f7", b"new"), b"other content" * 300)
        assert (filesystem.left_out[0], filesystem.left_out[2]) == ("", ""), after
        trees = [tree_of(deref(volume)) for volume in store.volumes]
        assert trees[0] == trees[2], after
        assert filesystem.left_out[1] or trees[0] == trees[1], after
        left_out += bool(filesystem.left_out[1])
        assert struck or not filesystem.left_out[1], after
    assert left_out >= 3


def put_and_flush(store: Store, filesystem: Filesystem) -> None:
    put(store, filesystem, b"new", b"n" * 3000)
    store.run(filesystem.flush())


CHANGES: dict[str, Callable[[Store, Filesystem], None]] = {
    "put": put_and_flush,
    "snapshot": lambda store, filesystem: store.run(filesystem.snapshot(b"s")),
    "remove a snapshot": lambda store, filesystem: store.run(filesystem.remove_snapshot(b"then")),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("failing", "after"), [(1, 0), (2, 0), (3, 0), (2, 1), (2, 3), (2, 5)])
def test_what_fewer_than_a_majority_can_write_is_refused_and_undone(change: str, failing: int, after: int) -> None:
    below, _, _ = small_cluster(3)

    def seen(devices: list[FaultyDevice]) -> object:
        """By the last node, which never fails but with all others."""
        store = reopen(devices)
        volume = deref(store.volumes[2])
        return tree_of(volume), [root.inode.name for root in store.run(roots_of(store.on, store.chains, volume))]

    done = [FaultyDevice(MemoryDevice(SIZE, device.content)) for device in below]
    before = seen(done)
    CHANGES[change](store := reopen(done), store.mount())
    devices = [FaultyDevice(MemoryDevice(SIZE, device.content)) for device in below]
    store = reopen(devices)
    filesystem = store.mount()
    for device in devices[:failing]:
        device.faults.append(Fault(Kind.WRITE_ERROR, after=after))
    refusal = ""
    try:
        CHANGES[change](store, filesystem)
    except UnavailableError as error:
        refusal = str(error)
    assert ("not written" in refusal) == (failing > 1), refusal
    is_done = failing == 1 or "perhaps" in refusal  # it was confirmed by the last node, after all had prepared
    assert [bool(deref(volume).failed) for volume in store.volumes][:failing] == [True] * failing
    for device in devices:
        device.faults.clear()
    assert seen(devices) == (seen(done) if is_done else before)
    if not is_done:
        CHANGES[change](store := reopen(devices), store.mount())
        assert seen(devices) == seen(done)
        assert problems(devices) == []
