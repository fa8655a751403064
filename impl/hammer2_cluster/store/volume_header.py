"""The volume header: where everything on a volume begins.

Four places hold a header each, generation g in places 2g mod 4 and 2g + 1 mod 4: writing one leaves both copies of the
one before alone, and one bad block never hides the newest. The valid header with the highest generation wins.
"""

import struct
from dataclasses import dataclass, field
from typing import Final

from fastcrc import crc32

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

    def offsets(self) -> tuple[int, int]:
        """Where the two copies of this generation stand."""
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


async def newest_header(device: Device) -> VolumeHeader:
    """The valid header with the highest generation. Raises BadVolumeError if there is none, or it does not fit."""
    headers = [header for header in await read_headers(device) if header is not None]
    if not headers:
        raise BadVolumeError("none of the four volume headers is valid: not a volume, or destroyed")
    newest = max(headers, key=lambda header: header.generation)
    if newest.size != device.size:
        raise BadVolumeError(f"the volume has {newest.size} bytes, the device {device.size}: truncated?")
    try:
        check_geometry(newest.size, newest.indirect_radix)
    except ValueError as error:
        raise BadVolumeError(str(error)) from None
    return newest
