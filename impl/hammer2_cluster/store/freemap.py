"""Who uses which block: for each KiB of the volume, how many table entries on the medium refer to it.

There is one rule. An extent's count is the number of entries, in tables that are written, that refer to it. A snapshot
copies entries, so what it shares has a count above one; a table whose own count falls to zero is gone, and so are
the entries in it. Nothing is ever overwritten that the durable volume header leads to: an extent that comes free stays
taken until the next header is durable.
"""

from collections.abc import AsyncIterator, Iterable
from typing import Final

from hammer2_cluster import confirmed
from hammer2_cluster.device.device import Device, FullError
from hammer2_cluster.store.block_table import BlockTable
from hammer2_cluster.store.blockref import NO_CHECK, Entry, offset_of, size_of
from hammer2_cluster.store.check_codes import check_code, matches
from hammer2_cluster.store.layout import (
    LEAF_BYTES,
    MAX_RADIX,
    MIN_RADIX,
    NODE_BYTES,
    RESERVED_BYTES,
    UNIT_BYTES,
    ZONE_BYTES,
    ZONES_PER_NODE,
    leaf_offset,
    node_offset,
    zones,
)
from hammer2_cluster.store.volume_header import BadVolumeError, VolumeHeader
from hammer2_spec.vocabulary import BLOCKREF_BYTES, OFF_MASK_RADIX, SET_COUNT, BrefType, Check, enc_check

RESERVED: Final = 255
"""The count of a unit that has a fixed use, or is not on the volume."""
MOST_REFERENCES: Final = 254
_ZONE_KEYBITS: Final = 24
_NODE_KEYBITS: Final = 30
_RADIX_OF_UNIT: Final = 10


@confirmed.require(lambda data_off: data_off >= 0 and MIN_RADIX <= data_off % 64 <= MAX_RADIX)
@confirmed.ensure(lambda data_off, result: result.start == data_off // UNIT_BYTES)
@confirmed.ensure(lambda data_off, result: (result.stop - result.start) * UNIT_BYTES == 2 ** (data_off % 64))
def units_of(data_off: int) -> slice:
    """The units of an extent."""
    first = offset_of(data_off) // UNIT_BYTES
    return slice(first, first + (1 << (data_off & OFF_MASK_RADIX) - _RADIX_OF_UNIT))


@confirmed.require(lambda data_off, size: data_off >= 0 and size >= 0)
@confirmed.ensure(lambda data_off, result: not result or MIN_RADIX <= data_off % 64 <= MAX_RADIX)
@confirmed.ensure(lambda data_off, result: not result or offset_of(data_off) % size_of(data_off) == 0, "it is aligned")
@confirmed.ensure(
    lambda data_off, size, result: not result or offset_of(data_off) + size_of(data_off) <= size, "it is on the volume"
)
@confirmed.ensure(
    lambda data_off, result: not result or offset_of(data_off) % ZONE_BYTES >= RESERVED_BYTES, "it is not reserved"
)
@confirmed.ensure(
    lambda data_off, size, result: (
        result
        or not MIN_RADIX <= data_off % 64 <= MAX_RADIX
        or offset_of(data_off) % size_of(data_off) > 0
        or offset_of(data_off) + size_of(data_off) > size
        or offset_of(data_off) % ZONE_BYTES < RESERVED_BYTES
    ),
    "whatever is neither of these is one",
)
def is_an_extent(data_off: int, size: int) -> bool:
    """Whether a media offset means an extent that a volume of so many bytes can have allocated."""
    offset, radix = offset_of(data_off), data_off & OFF_MASK_RADIX
    if not MIN_RADIX <= radix <= MAX_RADIX or offset % (1 << radix) or offset + (1 << radix) > size:
        return False
    return offset % ZONE_BYTES >= RESERVED_BYTES


def empty_leaf(zone: int, size: int) -> bytearray:
    """The counts of a zone in which nothing is allocated."""
    units = (size - zone * ZONE_BYTES) // UNIT_BYTES
    reserved = RESERVED_BYTES // UNIT_BYTES
    counts = bytes((RESERVED,)) * reserved + bytes(max(0, min(units, LEAF_BYTES) - reserved))
    return bytearray(counts.ljust(LEAF_BYTES, bytes((RESERVED,))))


def _in(zone: int) -> slice:
    """The units of a zone."""
    return slice(zone * LEAF_BYTES, (zone + 1) * LEAF_BYTES)


class BadFreemapError(BadVolumeError):
    """A block of the freemap is not what was written."""

    def __init__(self, offset: int) -> None:
        """offset: of the block on the medium."""
        super().__init__(f"freemap block {offset:#x}: check code is wrong")
        self.offset: Final = offset


class Freemap:
    """The counts of a whole volume, in memory; the zones that changed are written with each volume header."""

    def __init__(self, size: int) -> None:
        self.size: Final = size
        self.counts: Final = bytearray(b"".join(empty_leaf(zone, size) for zone in range(zones(size))))
        self._taken: Final = bytearray()
        self._come_free: list[int] = []
        self._rotors = dict.fromkeys(range(MIN_RADIX, MAX_RADIX + 1), 0)
        self._on_medium: Final = bytearray(self.counts)
        self._touched: set[int] = set()
        """Zones in which a count was changed; it may be what it was before by now."""
        self.free_bytes = 0
        self._survey()

    def _survey(self) -> None:
        """Take what is counted, and nothing else."""
        self._taken[:] = self.counts.translate(bytes((0,)) + bytes((1,)) * 255)
        self.free_bytes = self._taken.count(0) * UNIT_BYTES

    # ---- memory

    def allocate(self, radix: int) -> int | None:
        """The media offset of a free extent of 2^radix bytes, now taken; None if there is none."""
        units = 1 << radix - _RADIX_OF_UNIT
        start = self._rotors[radix]
        first = self._find(units, start, len(self._taken))
        if first is None:
            first = self._find(units, 0, min(start + units, len(self._taken)))
        if first is None:
            return None
        self._taken[first : first + units] = bytes((1,)) * units
        self._rotors[radix] = first + units
        self.free_bytes -= units * UNIT_BYTES
        return first * UNIT_BYTES | radix

    def _find(self, units: int, start: int, end: int) -> int | None:
        """The first aligned run of so many free units."""
        wanted = bytes(units)
        at = -(-start // units) * units
        while (at := self._taken.find(wanted, at, end)) >= 0:
            aligned = -(-at // units) * units
            if aligned == at:
                return at
            at = aligned
        return None

    def count(self, data_off: int) -> int:
        """How many entries refer to an extent."""
        return self.counts[offset_of(data_off) // UNIT_BYTES]

    def _set(self, data_off: int, count: int) -> None:
        units = units_of(data_off)
        self.counts[units] = bytes((count,)) * (units.stop - units.start)
        self._touched.add(offset_of(data_off) // ZONE_BYTES)

    def hold(self, data_off: int) -> None:
        """One more entry refers to an extent. Raises FullError at MOST_REFERENCES: so many snapshots cannot be."""
        count = self.count(data_off)
        if count >= MOST_REFERENCES:
            raise FullError(f"block {offset_of(data_off):#x} has {count} references, the most there can be")
        self._set(data_off, count + 1)

    def release(self, data_off: int) -> bool:
        """One entry less; True if that was the last one, and the extent will be free after the next commit."""
        count = self.count(data_off)
        if not 0 < count <= MOST_REFERENCES:
            raise ValueError(f"block {offset_of(data_off):#x} has {count} references, one cannot be released")
        self._set(data_off, count - 1)
        if count == 1:
            self._come_free.append(data_off)
        return count == 1

    def give_back(self, data_off: int) -> None:
        """An extent that no entry refers to will be free after the next commit."""
        if self.count(data_off):
            raise ValueError(f"block {offset_of(data_off):#x} is referred to")
        self._come_free.append(data_off)

    def give_back_unwritten(self, data_off: int) -> None:
        """An extent that was allocated and never written is free at once."""
        self._free(data_off)

    def _free(self, data_off: int) -> None:
        units = units_of(data_off)
        self._taken[units] = bytes(units.stop - units.start)
        self.free_bytes += (units.stop - units.start) * UNIT_BYTES

    def commit(self) -> None:
        """The header is durable: what has come free can be used again."""
        for data_off in self._come_free:
            self._free(data_off)
        self._come_free.clear()

    def has_extents(self, radix: int, count: int) -> bool:
        """Whether so many extents of 2^radix bytes could be allocated, if nothing else were."""
        units = 1 << radix - _RADIX_OF_UNIT
        at = 0
        for _ in range(count):
            first = self._find(units, at, len(self._taken))
            if first is None:
                return False
            at = first + units
        return True

    def dirty(self) -> list[int]:
        """The zones whose counts differ from what is on the medium."""
        return sorted(zone for zone in self._touched if self.counts[_in(zone)] != self._on_medium[_in(zone)])

    # ---- medium

    async def load(self, device: Device, header: VolumeHeader) -> None:
        """Read the counts that a header leads to. Raises ReadError, BadVolumeError if they cannot be believed."""
        async for zone, leaf in leaves(device, header):
            self.counts[_in(zone)] = leaf
        self._on_medium[:] = self.counts
        self._touched.clear()
        self._survey()

    async def write(self, device: Device, header: VolumeHeader) -> None:
        """Write the zones that changed beside their old copies, and make the header lead to them.

        Raises DeviceError, BadVolumeError if the freemap on the medium cannot be believed.
        """
        dirty = self.dirty()
        for number in sorted({zone // ZONES_PER_NODE for zone in dirty}):
            top = BlockTable(header.freemap, 0, SET_COUNT)
            node = await self._node(device, top, number)
            table = BlockTable(node, 0, NODE_BYTES // BLOCKREF_BYTES)
            for zone in (zone for zone in dirty if zone // ZONES_PER_NODE == number):
                leaf = bytes(self.counts[_in(zone)])
                self._on_medium[_in(zone)] = leaf
                places = [leaf_offset(zone, copy) for copy in (0, 1)]
                await _replace(device, table, BrefType.FREEMAP_LEAF, zone * ZONE_BYTES, _ZONE_KEYBITS, leaf, places)
            places = [node_offset(number, copy) for copy in (0, 1)]
            key = number << _NODE_KEYBITS
            await _replace(device, top, BrefType.FREEMAP_NODE, key, _NODE_KEYBITS, bytes(node), places)
        self._touched.clear()

    async def _node(self, device: Device, top: BlockTable, number: int) -> bytearray:
        index = top.find(number << _NODE_KEYBITS)
        return bytearray(NODE_BYTES) if index is None else bytearray(await _believed(device, top[index]))


async def _replace(
    device: Device, table: BlockTable, kind: BrefType, key: int, keybits: int, data: bytes, places: Iterable[int]
) -> None:
    """Write a freemap block to the place that the table does not lead to, and let it lead there."""
    index = table.find(key)
    old = None if index is None else table.remove(index).offset
    place = next(place for place in places if place != old)
    methods = enc_check(Check.FREEMAP)
    data_off = place | len(data).bit_length() - 1
    await device.write(place, data)
    table.insert(Entry(kind, methods, 0, keybits, 0, 0, key, 0, 0, data_off, check_code(methods, data)))


async def _believed(device: Device, entry: Entry) -> bytes:
    """A freemap block. Raises ReadError, BadFreemapError."""
    data = await device.read(entry.offset, entry.length)
    if not matches(entry.methods, entry.check, data) or entry.check == NO_CHECK:
        raise BadFreemapError(entry.offset)
    return data


def _is_sound(entry: Entry, kind: BrefType, length: int, places: Iterable[int]) -> bool:
    return entry.type == kind and entry.length == length and entry.offset in places


async def leaves(device: Device, header: VolumeHeader) -> AsyncIterator[tuple[int, bytes]]:
    """Each zone whose leaf was ever written, with its counts. Raises ReadError, BadVolumeError."""
    for top in BlockTable(header.freemap, 0, SET_COUNT):
        number = top.key >> _NODE_KEYBITS
        if not _is_sound(top, BrefType.FREEMAP_NODE, NODE_BYTES, (node_offset(number, 0), node_offset(number, 1))):
            raise BadVolumeError(f"freemap node {number} is said to be at {top.offset:#x}")
        for entry in BlockTable(await _believed(device, top), 0, NODE_BYTES // BLOCKREF_BYTES):
            zone = entry.key // ZONE_BYTES
            places = (leaf_offset(zone, 0), leaf_offset(zone, 1))
            if zone >= zones(header.size) or not _is_sound(entry, BrefType.FREEMAP_LEAF, LEAF_BYTES, places):
                raise BadVolumeError(f"freemap leaf {zone} is said to be at {entry.offset:#x}")
            yield zone, await _believed(device, entry)
