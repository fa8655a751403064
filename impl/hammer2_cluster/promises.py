"""The highest epoch that a node has promised itself to, on its medium: a block of one sector that changes as a whole.

It stands in the reserved part of the first zone, behind the freemap nodes. It is no part of any generation: a promise
is kept whatever becomes of what the node has in memory.
"""

from collections.abc import Sequence
from typing import Final

from fastcrc import crc32

from hammer2_cluster.device.device import MIN_BLOCK_BYTES, Device, ReadError, WriteError
from hammer2_cluster.store.layout import PROMISE_OFFSET
from hammer2_cluster.store.volume import Volume

_MAGIC: Final = b"H2PROMIS"
_EPOCH_BYTES: Final = 8
EPOCH_BITS: Final = 32
"""A tid on media is its session's epoch, and so many bits of sequence number."""


async def read_promise(device: Device) -> int:
    """The epoch, or 0 if none was ever promised. Raises ReadError if that cannot be known."""
    block = await device.read(PROMISE_OFFSET, MIN_BLOCK_BYTES)
    said, check = block[: len(_MAGIC) + _EPOCH_BYTES], block[len(_MAGIC) + _EPOCH_BYTES :][:4]
    if not any(said):
        return 0
    if said[: len(_MAGIC)] != _MAGIC or crc32.iscsi(said).to_bytes(4, "little") != check:
        raise ReadError(f"block {PROMISE_OFFSET:#x}: what was promised cannot be read")
    return int.from_bytes(said[len(_MAGIC) :], "little")


async def write_promise(device: Device, epoch: int) -> None:
    """Durable when this returns. Raises WriteError."""
    said = _MAGIC + epoch.to_bytes(_EPOCH_BYTES, "little")
    await device.write(PROMISE_OFFSET, (said + crc32.iscsi(said).to_bytes(4, "little")).ljust(MIN_BLOCK_BYTES, b"\0"))
    await device.sync()


async def begin_epoch(volumes: Sequence[Volume | None]) -> int:
    """Let all volumes that are there promise an epoch that none of them has heard of; the tid that it begins with.

    So whoever is not there may have any tid of an earlier session, and none of it is used again. A volume whose promise
    cannot be read or written has failed.
    """
    there = [volume for volume in volumes if volume is not None and volume.failed is None]
    highest = 0
    for volume in there:
        try:
            highest = max(highest, await read_promise(volume.device), volume.highest_tid >> EPOCH_BITS)
        except ReadError as error:
            volume.fail(error)
    for volume in there:
        try:
            if volume.failed is None:
                await write_promise(volume.device, highest + 1)
        except WriteError as error:
            volume.fail(error)
    return highest + 1 << EPOCH_BITS
