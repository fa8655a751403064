"""The parts that a volume is made of: tables, headers, the freemap, locks, check codes, the shape of the tree."""

import random
from collections.abc import Callable, Hashable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hammer2_cluster.device.device import FullError, WriteError
from hammer2_cluster.device.faults import Fault, FaultyDevice, Kind
from hammer2_cluster.device.file import FileDevice
from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.outcomes import deref
from hammer2_cluster.promises import read_promise
from hammer2_cluster.store.block_table import BlockTable, is_sound
from hammer2_cluster.store.blockref import Entry, pack, unpack
from hammer2_cluster.store.chains import at_once, dirhash
from hammer2_cluster.store.check_codes import check_code, matches
from hammer2_cluster.store.flush import sync
from hammer2_cluster.store.freemap import Freemap, is_an_extent, units_of
from hammer2_cluster.store.inode_data import InodeData
from hammer2_cluster.store.insertion import Range, aligned, range_to_move
from hammer2_cluster.store.layout import HEADER_BYTES, RESERVED_BYTES, ZONE_BYTES
from hammer2_cluster.store.locks import ChainLock
from hammer2_cluster.store.making import format_volume, open_volume
from hammer2_cluster.store.volume_header import (
    NOTHING_CONFIRMED,
    BadVolumeError,
    VolumeHeader,
    confirmed_tid,
    generations,
)
from hammer2_cluster.waiting import NeverWaits
from hammer2_spec.vocabulary import DIRHASH_LOMASK, DIRHASH_VISIBLE, Check, enc_check

SIZE = 1 << 20


def entry(key: int, keybits: int = 0, data_off: int = 0x10000 | 10) -> Entry:
    return Entry(3, 0x20, 0, keybits, 0, 0, key, 5, 0, data_off, b"c" * 24)


def test_check_codes_are_the_published_ones() -> None:
    text = b"123456789"  # the check value that catalogues of CRCs give
    assert check_code(enc_check(Check.ISCSI32), text)[:4] == 0xE3069283.to_bytes(4, "little")
    assert check_code(enc_check(Check.CRC64), text)[:8] == 0x995DC9BBDF1939FA.to_bytes(8, "little")
    assert check_code(enc_check(Check.SHA192), text).hex().startswith("15e2b0d3c33891ebb0f1ef609ec41942")
    assert check_code(enc_check(Check.NONE), text) == bytes(24)


@pytest.mark.parametrize("algorithm", [Check.ISCSI32, Check.CRC64, Check.SHA192, Check.FREEMAP])
def test_every_flipped_bit_is_noticed(algorithm: Check) -> None:
    data = bytearray(random.Random(1).randbytes(1024))
    check = check_code(enc_check(algorithm), data)
    for bit in range(8 * len(data)):
        data[bit // 8] ^= 1 << bit % 8
        assert not matches(enc_check(algorithm), check, data)
        data[bit // 8] ^= 1 << bit % 8
    assert matches(enc_check(algorithm), check, data)


bytes_ = st.integers(0, 255)
longs = st.integers(0, 2**64 - 1)


@given(st.builds(Entry, *[bytes_] * 6, *[longs] * 4, st.binary(min_size=24, max_size=24)))
def test_an_entry_survives_the_medium(some: Entry) -> None:
    assert len(pack(some)) == 64
    assert unpack(pack(some), 0) == some


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), max_size=40), st.integers(0, 50))
def test_a_table_is_a_sorted_list_of_ranges_that_never_overlap(wanted: list[tuple[int, int]], probe: int) -> None:
    table, model = BlockTable(bytearray(64 * 12), 0, 12), dict[int, Entry]()
    for key, keybits in wanted:
        new = entry(key >> keybits << keybits, keybits)
        overlaps = any(new.key <= old.last and old.key <= new.last for old in model.values())
        if overlaps or len(model) == 12:
            with pytest.raises(ValueError, match=r"overlap|full"):
                table.insert(new)
            if len(model) < 12 and new.key in model:
                index = table.find(new.key)
                assert index is not None
                assert table.remove(index) == model.pop(new.key)
        else:
            table.insert(new)
            model[new.key] = new
        assert list(table) == [model[key] for key in sorted(model)]
        assert is_sound(table, 0, 64)
    assert table.first_from(probe) == sum(old.last < probe for old in model.values())


def test_a_table_in_disorder_is_not_sound() -> None:
    good = pack(entry(4, 2)) + pack(entry(8, 2)) + bytes(64)
    assert is_sound(BlockTable(good, 0, 3), 0, 4)
    assert not is_sound(BlockTable(good, 0, 3), 0, 3)  # beyond the range
    assert not is_sound(BlockTable(good, 0, 3), 8, 4)  # before it
    swapped = pack(entry(8, 2)) + pack(entry(4, 2)) + bytes(64)
    assert not is_sound(BlockTable(swapped, 0, 3), 0, 4)
    assert not is_sound(BlockTable(pack(entry(5, 2)) + bytes(128), 0, 3), 0, 4)  # not aligned
    hole = pack(entry(4, 2)) + bytes(64) + pack(entry(8, 2))
    assert not is_sound(BlockTable(hole, 0, 3), 0, 4)


@given(st.binary(max_size=255), st.integers(0, 255), st.integers(0, 2**64 - 1), st.binary(min_size=16, max_size=16))
def test_an_inode_survives_the_medium(name: bytes, small: int, size: int, uuid: bytes) -> None:
    inode = InodeData(small, small, small, size, small, small, uuid, uuid[::-1], name)
    data = bytearray(b"x" * 1024)
    inode.write(data)
    assert InodeData.read(data) == inode
    assert data[0x200:] == b"x" * 512
    assert (data[0x003], data[0x051], data[0x087]) == (small, small, small)
    assert data[0x090:0x0B0] == uuid + uuid[::-1]


@given(st.binary(min_size=1, max_size=255))
def test_names_hash_to_the_visible_half_and_leave_room_for_collisions(name: bytes) -> None:
    assert dirhash(name) & DIRHASH_VISIBLE
    assert dirhash(name) & DIRHASH_LOMASK == 0


# ---- volume headers


def written(*headers: VolumeHeader) -> MemoryDevice:
    device = MemoryDevice(SIZE)
    for header in headers:
        for offset in header.offsets():
            at_once(device.write(offset, header.pack()))
    return device


def current(device: MemoryDevice, tid: int = NOTHING_CONFIRMED) -> VolumeHeader:
    return at_once(generations(device)).current(tid)


def test_the_newest_header_wins() -> None:
    device = written(*(VolumeHeader(SIZE, generation=n, mirror_tid=10 * n) for n in (1, 2, 3)))
    assert current(device) == VolumeHeader(SIZE, generation=3, mirror_tid=30)


@pytest.mark.parametrize("copy", [0, 1])
def test_one_bad_block_never_hides_the_newest_header(copy: int) -> None:
    newest = VolumeHeader(SIZE, generation=2)
    device = written(VolumeHeader(SIZE, generation=1), newest)
    device.content[newest.offsets()[copy] + 100] ^= 1
    assert current(device).generation == 2


def test_a_header_torn_while_it_was_written_is_as_if_never_written() -> None:
    device = written(VolumeHeader(SIZE, generation=0), VolumeHeader(SIZE, generation=1))
    offset, _ = VolumeHeader(SIZE, generation=2).offsets()
    at_once(device.write(offset, VolumeHeader(SIZE, generation=2).pack()[:512] + bytes(HEADER_BYTES - 512)))
    assert current(device).generation == 1


@pytest.mark.parametrize("generation", [1, 2])
def test_where_both_copies_of_a_header_are_bad_the_other_one_wins_and_nothing_is_written(generation: int) -> None:
    device = MemoryDevice(SIZE)
    at_once(format_volume(device, b"v" * 16, b"c" * 16))
    at_once(sync(volume := at_once(open_volume(device)), 1))
    volume.freemap.hold(deref(volume.freemap.allocate(10)))
    at_once(sync(volume, 2))
    assert volume.header.generation == 2
    places = VolumeHeader(SIZE, generation=generation).offsets()
    for offset in places:
        device.content[offset + 600] ^= 1
    before = bytes(device.content)
    doubt = "both copies of a volume header are bad, perhaps of the newest one"
    with pytest.raises(BadVolumeError, match=doubt):
        at_once(open_volume(device))
    volume = at_once(open_volume(device, must_settle=False))
    assert volume.header.generation == 3 - generation
    assert volume.unreadable == doubt
    assert device.content == before
    device.content[places[0] + 600] ^= 1
    unreadable = FaultyDevice(device, faults=[Fault(Kind.READ_ERROR, where=range(places[0], places[0] + 1))])
    assert at_once(generations(unreadable)).doubt == f"{doubt}, 1 cannot be read: block {places[0]:#x}: read error"


def test_what_cannot_be_read_is_not_said_to_be_destroyed() -> None:
    device = written(VolumeHeader(SIZE, generation=1), VolumeHeader(SIZE, generation=2))
    unreadable = FaultyDevice(device, faults=[Fault(Kind.READ_ERROR)])
    with pytest.raises(BadVolumeError, match="none of the four volume headers is valid, 4 cannot be read: block 0x0: "):
        at_once(generations(unreadable))


@pytest.mark.parametrize(("slot", "nodes"), [(3, 3), (0, 9), (8, 8)])
def test_a_header_that_says_what_cannot_be_is_refused(slot: int, nodes: int) -> None:
    with pytest.raises(BadVolumeError, match=f"1 to 8 volumes are made together, this one as {slot} of {nodes}"):
        current(written(*(VolumeHeader(SIZE, generation=n, slot=slot, nodes=nodes) for n in (1, 2))))
    with pytest.raises(ValueError, match="made together"):
        at_once(format_volume(MemoryDevice(SIZE), b"v" * 16, b"c" * 16, slot=slot, nodes=nodes))


def test_a_generation_counts_when_it_is_confirmed_here_or_elsewhere() -> None:
    before, last = VolumeHeader(SIZE, generation=4, mirror_tid=8), VolumeHeader(SIZE, generation=5, mirror_tid=9)
    device = written(VolumeHeader(SIZE, generation=3, mirror_tid=7), before)
    at_once(device.write(last.offsets()[0], last.pack()))
    assert confirmed_tid([at_once(generations(device))]) == 8  # this one was begun upon it
    assert current(device) == before
    assert current(device, 8) == before
    assert current(device, 9) == last
    torn = MemoryDevice(SIZE, device.content)
    torn.content[last.offsets()[1] : last.offsets()[1] + 512] = last.pack()[:512]
    assert current(torn) == last
    at_once(device.write(last.offsets()[1], last.pack()))
    assert current(device) == last
    assert confirmed_tid([at_once(generations(device))]) == 9


@pytest.mark.parametrize("slot", [1, 3])
def test_a_bad_second_copy_is_mended_when_the_volume_is_opened(slot: int) -> None:
    """Else the generation that is prepared beside it would look confirmed."""
    device = MemoryDevice(SIZE)
    at_once(format_volume(device, b"v" * 16, b"c" * 16))
    device.content[slot * HEADER_BYTES + 9] ^= 1
    assert slot in at_once(generations(device)).bad
    volume = at_once(open_volume(device))
    assert at_once(generations(device)).bad == []
    at_once(sync(volume, 1))
    assert at_once(generations(device)).is_confirmed
    assert at_once(generations(device)).newest.generation == 1


def test_a_volume_that_has_to_be_settled_and_cannot_is_only_read() -> None:
    below = MemoryDevice(SIZE)
    at_once(format_volume(below, b"v" * 16, b"c" * 16))
    below.content[HEADER_BYTES + 9] ^= 1
    device = FaultyDevice(below, faults=[Fault(Kind.WRITE_ERROR)])
    with pytest.raises(WriteError, match="block 0x1000: write error"):
        at_once(open_volume(device))
    volume = at_once(open_volume(device, must_settle=False))
    assert (volume.header.generation, volume.unreadable) == (1, "")


def test_a_new_volume_has_promised_nothing() -> None:
    device = MemoryDevice(SIZE, b"\xff" * SIZE)
    at_once(format_volume(device, b"v" * 16, b"c" * 16))
    assert at_once(read_promise(device)) == 0


def test_an_opened_volume_has_nothing_locked_or_loaded() -> None:
    device = MemoryDevice(SIZE)
    at_once(format_volume(device, b"v" * 16, b"c" * 16))
    volume = at_once(open_volume(device))
    root = deref(volume.super_root)
    assert (volume.vchain.locks, volume.vchain.refs) == (0, 1)
    assert (root.locks, root.refs, root.data) == (0, 1, None)
    assert not volume.vchain.lock.is_exclusive


def test_what_is_no_volume_is_refused() -> None:
    with pytest.raises(BadVolumeError, match="not a volume"):
        current(MemoryDevice(SIZE))
    garbage = MemoryDevice(SIZE, random.Random(2).randbytes(SIZE))
    with pytest.raises(BadVolumeError, match="not a volume"):
        current(garbage)
    with pytest.raises(BadVolumeError, match=r"2097152 bytes, the device 1048576: truncated\?"):
        current(written(*(VolumeHeader(2 * SIZE, generation=n) for n in (1, 2))))


# ---- the freemap


def test_extents_are_aligned_disjoint_and_never_in_a_reserved_place() -> None:
    freemap = Freemap(3 * ZONE_BYTES)
    chance, taken = random.Random(3), set[int]()
    while (data_off := freemap.allocate(chance.randrange(10, 17))) is not None:
        assert is_an_extent(data_off, freemap.size)
        units = set(range(*units_of(data_off).indices(10**9)))
        assert not units & taken
        taken |= units
    assert len(taken) * 1024 + freemap.free_bytes == 3 * (ZONE_BYTES - RESERVED_BYTES)
    assert freemap.free_bytes < ZONE_BYTES // 100


def test_a_volume_is_used_to_the_last_unit() -> None:
    freemap = Freemap(SIZE)
    count = sum(1 for _ in iter(lambda: freemap.allocate(10), None))
    assert count == (SIZE - RESERVED_BYTES) // 1024
    assert freemap.free_bytes == 0


def test_what_comes_free_can_be_used_again_only_after_a_commit() -> None:
    freemap, last = Freemap(1 << 19), 0
    while (data_off := freemap.allocate(16)) is not None:
        freemap.hold(data_off)
        last = data_off
    assert freemap.release(last)
    assert freemap.allocate(16) is None
    free = freemap.free_bytes
    freemap.commit()
    assert freemap.free_bytes == free + 65536
    assert freemap.allocate(16) == last


def test_a_zone_that_is_emptied_after_loading_is_written() -> None:
    device, header, freemap = MemoryDevice(SIZE), VolumeHeader(SIZE), Freemap(SIZE)
    data_off = freemap.allocate(12) or 0
    freemap.hold(data_off)
    at_once(freemap.write(device, header))
    again = Freemap(SIZE)
    at_once(again.load(device, header))
    again.release(data_off)
    at_once(again.write(device, header))
    third = Freemap(SIZE)
    at_once(third.load(device, header))
    assert third.count(data_off) == 0


def test_a_reserved_place_is_no_extent() -> None:
    size = 2 * ZONE_BYTES
    assert is_an_extent(RESERVED_BYTES | 10, size)
    assert is_an_extent(ZONE_BYTES + RESERVED_BYTES | 10, size)
    for data_off in (10, (RESERVED_BYTES - 1024) | 10, ZONE_BYTES | 10, size | 10, RESERVED_BYTES | 9, 65536 * 3 | 17):
        assert not is_an_extent(data_off, size)


def test_a_shared_extent_is_free_when_the_last_entry_goes() -> None:
    freemap = Freemap(SIZE)
    data_off = freemap.allocate(12)
    assert data_off is not None
    for _ in range(3):
        freemap.hold(data_off)
    assert [freemap.release(data_off) for _ in range(3)] == [False, False, True]
    with pytest.raises(ValueError, match="0 references"):
        freemap.release(data_off)


def test_too_many_references_are_refused() -> None:
    freemap = Freemap(SIZE)
    data_off = freemap.allocate(10)
    assert data_off is not None
    for _ in range(254):
        freemap.hold(data_off)
    with pytest.raises(FullError, match="the most there can be"):
        freemap.hold(data_off)


def test_the_freemap_survives_the_medium_and_leaves_its_older_copy_alone(tmp_path: Path) -> None:
    size = 65 * ZONE_BYTES  # two nodes
    device = FaultyDevice(FileDevice.make(tmp_path / "sparse", size))
    header, freemap = VolumeHeader(size), Freemap(size)
    chance = random.Random(4)
    held: list[int] = []
    older: tuple[VolumeHeader, bytes] | None = None
    for _ in range(4):
        for n in range(30):
            unit = chance.randrange(size // 4096) * 4 if n else 64 * ZONE_BYTES // 1024  # the last zone, then anywhere
            freemap._rotors[12] = unit  # noqa: SLF001 - not only in the first zone
            data_off = freemap.allocate(12)
            assert data_off is not None
            freemap.hold(data_off)
            held.append(data_off)
        freemap.release(held.pop(chance.randrange(len(held))))
        at_once(freemap.write(device, header))
        freemap.commit()
        for known in filter(None, (older, (header, bytes(freemap.counts)))):
            again = Freemap(size)
            at_once(again.load(device, known[0]))
            assert again.counts == known[1]
            assert again.free_bytes == 1024 * known[1].count(0)
        older = (VolumeHeader.unpack(header.pack()) or header, bytes(freemap.counts))
    device.faults.append(Fault(Kind.WRITE_ERROR))
    freemap.release(held.pop())
    with pytest.raises(WriteError):
        at_once(freemap.write(device, header))
    device.close()


def test_a_damaged_freemap_is_refused() -> None:
    device, header, freemap = MemoryDevice(SIZE), VolumeHeader(SIZE), Freemap(SIZE)
    freemap.hold(freemap.allocate(10) or 0)
    at_once(freemap.write(device, header))
    for offset in (1 << 14, 1 << 15):  # the node, the leaf
        device.content[offset + 70] ^= 4
        with pytest.raises(BadVolumeError, match="check code is wrong"):
            at_once(Freemap(SIZE).load(device, header))
        device.content[offset + 70] ^= 4
    at_once(Freemap(SIZE).load(device, header))


# ---- locks


class Clients(NeverWaits):
    """Several callers; who has to wait is noted and goes on at once."""

    def __init__(self) -> None:
        super().__init__()
        self.who = "a"
        self.waited: list[str] = []

    def caller(self) -> Hashable:
        return self.who

    async def until(self, ready: Callable[[], bool], why: str) -> None:
        del why
        if not ready():
            self.waited.append(self.who)


def waits(*steps: str) -> str:
    """Callers who had to wait. A step is a caller and S (shared), X (exclusive) or U (unlock)."""
    lock, clients = ChainLock(), Clients()
    for step in steps:
        who, what = step[0], step[1]
        clients.who = who
        if what == "U":
            lock.release(clients)
        else:
            at_once(lock.acquire(clients, what == "S", "a chain"))
    return "".join(clients.waited)


def test_an_exclusive_lock_excludes_everybody_else() -> None:
    assert waits("aX", "bX") == "b"
    assert waits("aX", "bS") == "b"
    assert waits("aS", "bX") == "b"
    assert waits("aX", "aU", "bX") == ""


def test_a_shared_lock_is_shared() -> None:
    assert waits("aS", "bS") == ""


def test_who_holds_a_lock_can_lock_again() -> None:
    assert waits("aX", "aX", "aS") == ""
    assert waits("aX", "aX", "aU", "bX") == "b"
    assert waits("aX", "aX", "aU", "aU", "bX") == ""


def test_a_shared_lock_becomes_exclusive_when_it_is_the_only_one() -> None:
    assert waits("aS", "aX") == ""
    assert waits("aS", "bS", "aX") == "a"


def test_a_lock_that_is_not_held_cannot_be_released() -> None:
    with pytest.raises(RuntimeError, match="does not hold it"):
        waits("aX", "bU")


# ---- the shape of the tree

KEYS: dict[str, tuple[Callable[[random.Random], Range], int]] = {
    "names": (lambda chance: Range(chance.getrandbits(64), 0), 4),
    "blocks": (lambda chance: Range(chance.randrange(10**6) << 16, 16), 4),
    "neighbours": (lambda chance: Range(chance.randrange(600), 0), 2),
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize(("room", "capacity"), [(8, 16), (8, 64), (16, 16), (64, 64), (64, 1024)])
def test_a_new_indirect_block_makes_room_and_has_room(kind: str, room: int, capacity: int) -> None:
    draw, rounds = KEYS[kind]
    for seed in range(rounds * 20):
        chance = random.Random(seed)
        ranges = list({draw(chance) for _ in range(room + 9)})[: room + 1]
        new = ranges.pop()
        chosen = range_to_move(ranges, new, capacity, room, 64)
        moved = [one for one in ranges if one.key in chosen]
        assert len(moved) >= 2
        assert len(moved) + (new.key in chosen) <= capacity
        assert all(one.key + (1 << one.keybits) <= chosen.key + (1 << chosen.keybits) for one in moved)
        assert chosen == aligned(chosen.key, chosen.keybits)


def test_blocks_in_a_row_fill_an_indirect_block() -> None:
    blocks = [Range(n << 16, 16) for n in range(8)]
    assert range_to_move(blocks, Range(8 << 16, 16), 64, 8, 64) == Range(0, 22)
