"""Is an image what it should be? Walks every block from the volume header, by the format alone: no chain is involved.

It verifies every check code, every table's order and bounds, and counts the references of every block anew: a block
with a count and no reference is a leak, one with references and no count would be used twice.
"""

from collections.abc import AsyncIterator
from enum import Enum
from typing import Final, NamedTuple

from hammer2_cluster.device.device import Device, DeviceError, ReadError
from hammer2_cluster.promises import read_promise
from hammer2_cluster.store.block_table import BlockTable, is_sound
from hammer2_cluster.store.blockref import Entry
from hammer2_cluster.store.chain import table_in
from hammer2_cluster.store.check_codes import matches
from hammer2_cluster.store.directory import printable
from hammer2_cluster.store.freemap import RESERVED, BadFreemapError, empty_leaf, is_an_extent, leaves, units_of
from hammer2_cluster.store.inode_data import NAME_MAX, InodeData, is_direct
from hammer2_cluster.store.layout import LEAF_BYTES, PROMISE_OFFSET, UNIT_BYTES, header_offset, zones
from hammer2_cluster.store.volume import entries_in
from hammer2_cluster.store.volume_header import (
    NOTHING_CONFIRMED,
    BadVolumeError,
    VolumeHeader,
    generations,
    read_headers,
)
from hammer2_spec.vocabulary import INODE_BYTES, OFF_MASK, SET_COUNT, BrefType

KEY_SPACE_BITS: Final = 64
_NAME_LEN_AT: Final = 0x080


class Kind(Enum):
    """What can be wrong."""

    NO_VOLUME = "no volume"
    LOST = "lost"
    UNREADABLE = "unreadable"
    CHECK = "check code is wrong"
    BAD_ENTRY = "bad entry"
    BAD_TABLE = "bad table"
    DOUBLE_USE = "used twice"
    LEAK = "leak"
    COUNT = "wrong count"


class Problem(NamedTuple):
    """Something wrong, and where."""

    kind: Kind
    offset: int
    """Of the block, in bytes."""
    text: str

    def __str__(self) -> str:
        return f"block {self.offset:#x}: {self.kind.value}: {self.text}"


class Progress(NamedTuple):
    """After each block: how many were read so far, and what is wrong with this one."""

    blocks: int
    bytes: int
    problems: list[Problem]


class _Use(NamedTuple):
    entry: Entry
    path: str
    """The names of the inodes above it, from the label of the PFS on."""

    def __str__(self) -> str:
        """What the entry stands for."""
        if self.entry.type == BrefType.DATA:
            return f"{self.path} from byte {self.entry.key} on"
        what = "the entry with key" if self.entry.type == BrefType.INODE else "entries with keys from"
        return f"{what} {self.entry.key:#x} in {self.path or '/'}"

    def path_below(self, data: bytes) -> str:
        """The path of what the block refers to."""
        name = InodeData.read(data).name if self.entry.type == BrefType.INODE else b""
        return f"{self.path}/{printable(name)}" if name else self.path


class _Walk:
    """What is known so far of who refers to what."""

    def __init__(self, header: VolumeHeader) -> None:
        self.header = header
        self.references: dict[int, int] = {}
        """By data_off."""
        self.owner: dict[int, int] = {}
        """By unit: the data_off of the extent."""

    def refer(self, use: _Use) -> tuple[bool, list[Problem]]:
        """An entry refers to a block: whether it is the first one, and what is wrong with that."""
        entry, _ = use
        if not is_an_extent(entry.data_off, self.header.size):
            text = f"{use}: of type {entry.type}, in block {entry.data_off:#x}, which is none"
            return False, [Problem(Kind.BAD_ENTRY, entry.offset, text)]
        first = entry.data_off not in self.references
        self.references[entry.data_off] = self.references.get(entry.data_off, 0) + 1
        if not first:
            return False, []
        units = units_of(entry.data_off)
        other = next((self.owner[unit] for unit in range(units.start, units.stop) if unit in self.owner), None)
        if other is not None:
            return False, [Problem(Kind.DOUBLE_USE, entry.offset, f"{use}: it overlaps block {other & OFF_MASK:#x}")]
        self.owner.update(dict.fromkeys(range(units.start, units.stop), entry.data_off))
        return True, []


def _what_is_wrong(use: _Use, data: bytes) -> list[Problem]:
    """A block's content against the entry that refers to it."""
    entry, _ = use

    def problem(kind: Kind, text: str) -> list[Problem]:
        return [Problem(kind, entry.offset, f"{use}: {text}")]

    if not matches(entry.methods, entry.check, data):
        return problem(Kind.CHECK, "the content is not what was written")
    if entry.type == BrefType.INODE:
        if len(data) != INODE_BYTES:
            return problem(Kind.BAD_ENTRY, f"an inode of {len(data)} bytes")
        if int.from_bytes(data[_NAME_LEN_AT : _NAME_LEN_AT + 2], "little") > NAME_MAX:
            return problem(Kind.BAD_TABLE, "an inode with a name that is too long")
        if not is_direct(data) and not is_sound(table_in(BrefType.INODE, data), 0, KEY_SPACE_BITS):
            return problem(Kind.BAD_TABLE, "entries out of order")
    elif entry.type == BrefType.INDIRECT:
        if not is_sound(table_in(BrefType.INDIRECT, data), entry.key, entry.keybits):
            return problem(Kind.BAD_TABLE, "entries out of order, or out of its range")
    elif entry.type != BrefType.DATA:
        return problem(Kind.BAD_ENTRY, f"type {entry.type}")
    return []


async def _walk(device: Device, walk: _Walk) -> AsyncIterator[Progress]:
    """Every block once, with what is wrong with it."""
    waiting = [_Use(entry, "") for entry in BlockTable(walk.header.sroot, 0, SET_COUNT)]
    blocks = size = 0
    while waiting:
        use = waiting.pop()
        first, problems = walk.refer(use)
        if first:
            blocks += 1
            size += use.entry.length
            try:
                data = await device.read(use.entry.offset, use.entry.length)
            except ReadError as error:
                problems.append(Problem(Kind.UNREADABLE, use.entry.offset, f"{use}: {error}"))
            else:
                problems += _what_is_wrong(use, data)
                if not problems:
                    path = use.path_below(data)
                    waiting.extend(_Use(entry, path) for entry in entries_in(use.entry.type, data))
        yield Progress(blocks, size, problems)


def _empty_counts(header: VolumeHeader) -> bytearray:
    """What the freemap of an empty volume says."""
    return bytearray(b"".join(empty_leaf(zone, header.size) for zone in range(zones(header.size))))


async def _counts(device: Device, header: VolumeHeader) -> bytearray:
    """What the freemap says. Raises ReadError, BadVolumeError."""
    counts = _empty_counts(header)
    async for zone, leaf in leaves(device, header):
        counts[zone * LEAF_BYTES : (zone + 1) * LEAF_BYTES] = leaf
    return counts


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Ascending numbers as (first, how many) of each run without a gap."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and sum(runs[-1]) == number:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((number, 1))
    return runs


def _compare(walk: _Walk, counts: bytearray) -> list[Problem]:
    """The freemap against the references found."""
    problems = []
    expected = _empty_counts(walk.header)
    for data_off, references in sorted(walk.references.items()):
        units = units_of(data_off)
        expected[units] = bytes((min(references, RESERVED),)) * (units.stop - units.start)
        said = set(counts[units])
        if said != {references}:
            kind = Kind.DOUBLE_USE if 0 in said else Kind.COUNT
            text = f"{references} references, but the freemap says {' and '.join(map(str, sorted(said)))}"
            problems.append(Problem(kind, data_off & OFF_MASK, text))
    wrong = [
        unit
        for zone in range(0, len(counts), LEAF_BYTES)
        if counts[zone : zone + LEAF_BYTES] != expected[zone : zone + LEAF_BYTES]
        for unit in range(zone, zone + LEAF_BYTES)
        if counts[unit] != expected[unit] and unit not in walk.owner
    ]
    for first, length in _runs([unit for unit in wrong if 0 < counts[unit] < RESERVED and not expected[unit]]):
        text = f"{length} KiB are counted and nothing refers to them"
        problems.append(Problem(Kind.LEAK, first * UNIT_BYTES, text))
    for unit in wrong:
        if RESERVED in (counts[unit], expected[unit]):
            text = f"the freemap says {counts[unit]} where {expected[unit]} is right"
            problems.append(Problem(Kind.COUNT, unit * UNIT_BYTES, text))
    return problems


async def fsck(device: Device, confirmed: int = NOTHING_CONFIRMED) -> AsyncIterator[Progress]:
    """Every problem of the volume on a device, as they are found. Nothing is written.

    confirmed: the highest tid that some node of the cluster has confirmed.
    """
    try:
        found = await generations(device)
    except (BadVolumeError, DeviceError) as error:
        yield Progress(0, 0, [Problem(Kind.NO_VOLUME, 0, str(error))])
        return
    header = found.current(confirmed)
    walk = _Walk(header)
    progress = Progress(0, 0, [Problem(Kind.LOST, header_offset(found.bad[0]), found.doubt)] if found.doubt else [])
    yield progress
    async for progress in _walk(device, walk):
        yield progress
    try:
        problems = _compare(walk, await _counts(device, header))
    except BadFreemapError as error:
        problems = [Problem(Kind.CHECK, error.offset, "a block of the freemap is not what was written")]
    except (BadVolumeError, ReadError) as error:
        problems = [Problem(Kind.UNREADABLE, 0, str(error))]
    try:
        await read_promise(device)
    except ReadError as error:
        problems.append(Problem(Kind.UNREADABLE, PROMISE_OFFSET, f"the promise to a session: {error}"))
    yield Progress(progress.blocks, progress.bytes, problems)


async def used_bytes(device: Device, confirmed: int = NOTHING_CONFIRMED) -> int | None:
    """How many bytes there are to walk, as the freemap says; None if it says nothing."""
    try:
        counts = await _counts(device, (await generations(device)).current(confirmed))
    except (BadVolumeError, DeviceError):
        return None
    return UNIT_BYTES * (len(counts) - counts.count(0) - counts.count(RESERVED))


async def problems_of(device: Device, confirmed: int = NOTHING_CONFIRMED) -> list[Problem]:
    """All of them at once."""
    return [problem async for progress in fsck(device, confirmed) for problem in progress.problems]


async def damaged_headers(device: Device) -> list[int]:
    """Which of the four header places hold none that is valid: no fault where the other copy is there."""
    headers = (await read_headers(device)).headers
    return [place for place, header in enumerate(headers) if header is None and headers[place ^ 1] is not None]
