"""What a node's store needs of a block device, and how a device fails."""

from typing import Final, Protocol

MIN_BLOCK_BYTES: Final = 1024
MAX_BLOCK_BYTES: Final = 65536


class DeviceError(Exception):
    """A device did not do what it was asked to. The text names the device, and the offset where there is one."""


class ReadError(DeviceError):
    """A block cannot be read."""


class WriteError(DeviceError):
    """A block, or what was written before a sync, cannot be written."""


class FullError(WriteError):
    """There is no room for the block below the device: a thin volume, a file on a full filesystem."""


class DisconnectedError(ReadError, WriteError):
    """The device is not there."""


class BusyError(DeviceError):
    """Someone else has the device open."""


class OutOfBoundsError(ValueError):
    """A mistake of the caller: no such block on this device."""


class Device(Protocol):
    """A row of bytes, read and written in blocks whose size is a power of two from 1 KiB to 64 KiB.

    What was written may be lost in a crash, whole or in sectors of 512 bytes and in any order, until a sync returns.
    A block is aligned to its size. All but ``size`` and ``close`` may wait.
    """

    @property
    def size(self) -> int:
        """In bytes; a multiple of MAX_BLOCK_BYTES that never changes."""

    async def read(self, offset: int, length: int) -> bytes:
        """The block of ``length`` bytes at ``offset``. Raises ReadError, OutOfBoundsError."""

    async def write(self, offset: int, data: bytes | bytearray) -> None:
        """Replace a block. Raises WriteError (then it may hold old, new or mixed content), OutOfBoundsError."""

    async def sync(self) -> None:
        """A barrier: what was written before is durable when this returns. Raises WriteError."""

    def close(self) -> None:
        """Release the device; no call may follow but this one."""


def check_block(size: int, offset: int, length: int) -> None:
    """Raises OutOfBoundsError unless ``length`` bytes at ``offset`` are a block of a device of ``size`` bytes."""
    if not MIN_BLOCK_BYTES <= length <= MAX_BLOCK_BYTES or length & (length - 1):
        raise OutOfBoundsError(f"a block has 2^10 to 2^16 bytes, not {length}")
    if offset % length:
        raise OutOfBoundsError(f"a block of {length} bytes cannot begin at {offset:#x}")
    if not 0 <= offset <= size - length:
        raise OutOfBoundsError(f"{length} bytes at {offset:#x} are not on a device of {size:#x} bytes")


def check_size(size: int) -> None:
    """Raises ValueError unless a device may have so many bytes."""
    if size <= 0 or size % MAX_BLOCK_BYTES:
        raise ValueError(f"a device has a multiple of {MAX_BLOCK_BYTES} bytes, not {size}")
