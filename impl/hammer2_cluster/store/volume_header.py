"""The volume header: where everything on a volume begins.

Four places hold a header each, generation g in places 2g mod 4 and 2g + 1 mod 4. The first copy prepares a generation.
The second copy confirms it: all nodes of the cluster have prepared theirs, and all that it leads to is durable. Writing
one generation leaves both copies of the one before alone, and one bad block never hides the newest.

After a crash the newest generation counts if it was confirmed here or, for the same tid, on another node; else it is
undone by going on from the one before. Either way this is made plain, by the second copy or by wiping out the first,
before anything else is written. A second place that holds no valid header was being written, or has gone bad since;
either way the generation was confirmed.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

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
from hammer2_spec.vocabulary import BLOCKREF_BYTES, SET_COUNT, Check

_FIELDS: Final = struct.Struct("<8sIHBBQQQ16s16s")
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
            0,
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
        _, version, _, radix, check, size, generation, tid, volume_id, clid = _FIELDS.unpack_from(block)
        if version != FORMAT_VERSION:
            raise BadVolumeError(f"format version {version}, expected {FORMAT_VERSION}")
        sets = (bytearray(block[at : at + _SET_BYTES]) for at in (SROOT_AT, FREEMAP_AT))
        return cls(size, generation, tid, radix, check, volume_id, clid, *sets)

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


def check_geometry(size: int, indirect_radix: int) -> None:
    """Raises ValueError unless a volume may be like this."""
    if not MIN_VOLUME_BYTES <= size <= MAX_VOLUME_BYTES:
        raise ValueError(f"a volume has {MIN_VOLUME_BYTES} to {MAX_VOLUME_BYTES} bytes, not {size}")
    if not MIN_RADIX <= indirect_radix <= MAX_RADIX:
        raise ValueError(f"an indirect block has 2^{MIN_RADIX} to 2^{MAX_RADIX} bytes, not 2^{indirect_radix}")


async def read_headers(device: Device) -> list[VolumeHeader | None]:
    """The four headers; None for one that is not there, damaged or unreadable."""
    headers: list[VolumeHeader | None] = []
    for slot in range(HEADER_COUNT):
        try:
            block = await device.read(header_offset(slot), HEADER_BYTES)
        except ReadError:
            headers.append(None)
        else:
            headers.append(VolumeHeader.unpack(block))
    return headers


SECOND_COPIES: Final = (1, 3)
"""The places of copies that confirm."""


class Generations:
    """What the four places of a volume say. Raises BadVolumeError if they say nothing, or what cannot be."""

    def __init__(self, headers: Sequence[VolumeHeader | None], size: int) -> None:
        valid = sorted({header.generation: header for header in headers if header is not None}.items())
        if not valid:
            raise BadVolumeError("none of the four volume headers is valid: not a volume, or destroyed")
        self.newest: Final = valid[-1][1]
        self.before: Final = valid[-2][1] if len(valid) > 1 else None
        """The generation before, unless it is gone."""
        second = headers[(2 * self.newest.generation + 1) % HEADER_COUNT]
        self.is_confirmed: Final = second is None or second.generation == self.newest.generation
        self.bad: Final = [slot for slot, header in enumerate(headers) if header is None]
        """Places that hold no valid header."""
        self.highest_tid: Final = max(header.mirror_tid for _, header in valid)
        if self.newest.size != size:
            raise BadVolumeError(f"the volume has {self.newest.size} bytes, the device {size}: truncated?")
        try:
            check_geometry(self.newest.size, self.newest.indirect_radix)
        except ValueError as error:
            raise BadVolumeError(str(error)) from None

    def current(self, confirmed_tid: int) -> VolumeHeader:
        """The header that counts, if some node of the cluster has confirmed this tid."""
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
