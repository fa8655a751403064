"""What fsck must see: wrong counts, tables in disorder, blocks that overlap, and what is no fault."""

from collections.abc import Callable

from tests.store_kit import SIZE, make, memory, problems, put, small_cluster

from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.promises import write_promise
from hammer2_cluster.store.block_table import BlockTable
from hammer2_cluster.store.blockref import pack
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.check_codes import check_code
from hammer2_cluster.store.freemap import Freemap
from hammer2_cluster.store.fsck import Kind as FsckKind
from hammer2_cluster.store.layout import PROMISE_OFFSET
from hammer2_cluster.store.making import open_volume
from hammer2_cluster.store.volume_header import generations


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


def test_fsck_knows_zones_in_which_nothing_was_ever_written() -> None:
    devices = memory(1, 3 << 24)
    put(store := make(devices), filesystem := store.mount(), b"a", b"x" * 3000)
    store.run(filesystem.flush())
    assert problems(devices) == []
    counts = at_once(open_volume(devices[0])).freemap.counts
    assert len(counts) == 3 << 14
    assert counts[1 << 14 :].count(255) == 2 * 64  # what is reserved at the start of two more zones


def test_fsck_sees_a_promise_that_cannot_be_believed() -> None:
    (device,), _, _ = small_cluster(1)
    at_once(write_promise(device, 7))
    assert problems([device]) == []
    device.content[PROMISE_OFFSET + 9] ^= 1
    assert [(one.kind, one.offset) for one in problems([device])] == [(FsckKind.UNREADABLE, PROMISE_OFFSET)]


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


def test_fsck_names_the_block_of_the_freemap_that_is_bad() -> None:
    (device,), _, _ = small_cluster(1)
    header = at_once(generations(device)).newest
    (node,) = BlockTable(header.freemap, 0, 4)
    device.content[node.offset + 100] ^= 1
    assert [(problem.kind, problem.offset) for problem in problems([device])] == [(FsckKind.CHECK, node.offset)]
