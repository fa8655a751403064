"""The volume header: where everything on a volume begins.

Four places hold a header each, generation g in places 2g mod 4 and 2g + 1 mod 4. The first copy prepares a generation.
The second copy confirms it: all nodes of the cluster have prepared theirs, and all that it leads to is durable. Writing
one generation leaves both copies of the one before alone, and one bad block never hides the newest.

After a crash the newest generation counts if it was confirmed here or, for the same tid, on another node; else it is
undone by going on from the one before. Either way this is made plain, by the second copy or by wiping out the first,
before anything else is written. A second place that holds no valid header was being written, or has gone bad since;
either way the generation was confirmed.

No crash leaves both copies of a generation bad. Where they are, the newest valid one still wins, but it may be an old
one: the volume is only read, unless another node is known to have a later one.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from fastcrc import crc32

from hammer2_cluster import confirmed
from hammer2_cluster.device.device import Device, ReadError
from hammer2_cluster.store.layout import (
    FORMAT_VERSION,
    HEADER_BYTES,
    HEADER_COUNT,
    INDIRECT_RADIX,
    MAGIC,
    MAX_RADIX,
    MAX_VOLUME_BYTES,
    MIN_RADIX,
    MIN_VOLUME_BYTES,
    header_offset,
)
from hammer2_spec.vocabulary import BLOCKREF_BYTES, MAXCLUSTER, SET_COUNT, Check

_FIELDS: Final = struct.Struct("<8sIBBBBQQQ16s16s")
SROOT_AT: Final = 0x200
"""The block set of the super-root."""
FREEMAP_AT: Final = 0x400
"""The block set of the freemap."""
_SET_BYTES: Final = SET_COUNT * BLOCKREF_BYTES
_CRC_AT: Final = HEADER_BYTES - 4


class BadVolumeError(Exception):
    """What is on a device is no volume of this format, or not one that can be believed. The text says why."""


@dataclass(slots=True)
class VolumeHeader:
    """One generation of a volume."""

    size: int
    """Of the volume, in bytes."""
    generation: int = 0
    """How many flushes led here, from 1."""
    mirror_tid: int = 0
    """The tid of the last flush."""
    indirect_radix: int = INDIRECT_RADIX
    """New indirect blocks have 2^indirect_radix bytes."""
    check: int = Check.ISCSI32
    """The check algorithm that the super-root hands down."""
    volume_id: bytes = bytes(16)
    """Unique to this volume."""
    clid: bytes = bytes(16)
    """The set of volumes that it was made with."""
    slot: int = 0
    """Which one of them it is, from 0."""
    nodes: int = 1
    """How many they are."""
    sroot: bytearray = field(default_factory=lambda: bytearray(_SET_BYTES))
    """Block set: the super-root inode."""
    freemap: bytearray = field(default_factory=lambda: bytearray(_SET_BYTES))
    """Block set: the freemap nodes."""

    def pack(self) -> bytes:
        """To a block of HEADER_BYTES."""
        block = bytearray(HEADER_BYTES)
        _FIELDS.pack_into(
            block,
            0,
            MAGIC,
            FORMAT_VERSION,
            self.slot,
            self.nodes,
            self.indirect_radix,
            self.check,
            self.size,
            self.generation,
            self.mirror_tid,
            self.volume_id,
            self.clid,
        )
        block[SROOT_AT : SROOT_AT + _SET_BYTES] = self.sroot
        block[FREEMAP_AT : FREEMAP_AT + _SET_BYTES] = self.freemap
        block[_CRC_AT:] = crc32.iscsi(block[:_CRC_AT]).to_bytes(4, "little")
        return bytes(block)

    @classmethod
    def unpack(cls, block: bytes) -> "VolumeHeader | None":
        """From a block of HEADER_BYTES; None if it holds no header, or a damaged one."""
        if block[: len(MAGIC)] != MAGIC or crc32.iscsi(block[:_CRC_AT]) != int.from_bytes(block[_CRC_AT:], "little"):
            return None
        _, version, slot, nodes, radix, check, size, generation, tid, volume_id, clid = _FIELDS.unpack_from(block)
        if version != FORMAT_VERSION:
            raise BadVolumeError(f"format version {version}, expected {FORMAT_VERSION}: made by another release")
        sets = (bytearray(block[at : at + _SET_BYTES]) for at in (SROOT_AT, FREEMAP_AT))
        return cls(size, generation, tid, radix, check, volume_id, clid, slot, nodes, *sets)

    @confirmed.require(lambda self: self.generation >= 0)
    @confirmed.ensure(lambda result: result[1] == result[0] + HEADER_BYTES)
    @confirmed.ensure(
        lambda self, result: result[0] == (0 if self.generation % 2 == 0 else 2 * HEADER_BYTES),
        "two generations that follow each other share no place",
    )
    def offsets(self) -> tuple[int, int]:
        """Where the copy that prepares this generation stands, and the one that confirms it."""
        first = 2 * self.generation % HEADER_COUNT
        return header_offset(first), header_offset(first + 1)


def check_geometry(size: int, indirect_radix: int, slot: int, nodes: int) -> None:
    """Raises ValueError unless a volume may be like this."""
    if not 0 <= slot < nodes <= MAXCLUSTER:
        raise ValueError(f"1 to {MAXCLUSTER} volumes are made together, this one as {slot} of {nodes}")
    if not MIN_VOLUME_BYTES <= size <= MAX_VOLUME_BYTES:
        raise ValueError(f"a volume has {MIN_VOLUME_BYTES} to {MAX_VOLUME_BYTES} bytes, not {size}")
    if not MIN_RADIX <= indirect_radix <= MAX_RADIX:
        raise ValueError(f"an indirect block has 2^{MIN_RADIX} to 2^{MAX_RADIX} bytes, not 2^{indirect_radix}")


class Places(NamedTuple):
    """What stands where headers belong."""

    headers: list[VolumeHeader | None]
    """The four of them; None for one that is not there, damaged or unreadable."""
    errors: list[ReadError]
    """Of those that are unreadable."""


async def read_headers(device: Device) -> Places:
    """The four headers."""
    places = Places([], [])
    for place in range(HEADER_COUNT):
        try:
            block = await device.read(header_offset(place), HEADER_BYTES)
        except ReadError as error:
            places.headers.append(None)
            places.errors.append(error)
        else:
            places.headers.append(VolumeHeader.unpack(block))
    return places


ANY_TID: Final = 2**64
SECOND_COPIES: Final = (1, 3)
"""The places of copies that confirm."""


class Generations:
    """What the four places of a volume say. Raises BadVolumeError if they say nothing, or what cannot be."""

    def __init__(self, places: Places, size: int) -> None:
        headers, errors = places
        self.bad: Final = [place for place, header in enumerate(headers) if header is None]
        """Places that hold no valid header."""
        why = f", {len(errors)} cannot be read: {errors[0]}" if errors else ""
        valid = sorted({header.generation: header for header in headers if header is not None}.items())
        if not valid:
            raise BadVolumeError(f"none of the four volume headers is valid{why or ': not a volume, or destroyed'}")
        self.newest: Final = valid[-1][1]
        self.before: Final = valid[-2][1] if len(valid) > 1 else None
        """The generation before, unless it is gone."""
        second = headers[(2 * self.newest.generation + 1) % HEADER_COUNT]
        self.is_confirmed: Final = second is None or second.generation == self.newest.generation
        lost = {0, 1} <= {*self.bad} or {2, 3} <= {*self.bad}
        self.doubt: Final = f"both copies of a volume header are bad, perhaps of the newest one{why}" if lost else ""
        """Why a newer generation may have been here, or nothing."""
        self.highest_tid: Final = max(header.mirror_tid for _, header in valid)
        if self.newest.size != size:
            raise BadVolumeError(f"the volume has {self.newest.size} bytes, the device {size}: truncated?")
        try:
            check_geometry(self.newest.size, self.newest.indirect_radix, self.newest.slot, self.newest.nodes)
        except ValueError as error:
            raise BadVolumeError(str(error)) from None

    def current(self, confirmed_tid: int, latest_tid: int = ANY_TID) -> VolumeHeader:
        """The header that counts, if some node of the cluster has confirmed this tid, and nothing later is known of."""
        if self.newest.mirror_tid > latest_tid and self.before is not None:
            return self.before
        if self.is_confirmed or self.newest.mirror_tid <= confirmed_tid or self.before is None:
            return self.newest
        return self.before


NOTHING_CONFIRMED: Final = -1


async def generations(device: Device) -> Generations:
    """The generations on a device. Raises BadVolumeError."""
    return Generations(await read_headers(device), device.size)


def confirmed_tid(nodes: Iterable[Generations]) -> int:
    """The highest tid that some node has confirmed. What another generation was begun upon had been confirmed."""
    headers = (node.newest if node.is_confirmed else node.before for node in nodes)
    return max((header.mirror_tid for header in headers if header is not None), default=NOTHING_CONFIRMED)
