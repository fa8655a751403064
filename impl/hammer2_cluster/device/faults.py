"""A device that fails as it is told.

A fault is data: what goes wrong, where, from which operation on, and how often. The same faults give the same failures,
so that any test or explorer can script and replay them.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from hammer2_cluster import confirmed
from hammer2_cluster.device.device import (
    Device,
    DisconnectedError,
    FullError,
    ReadError,
    WriteError,
)
from hammer2_cluster.waiting import NeverWaits, Waiting

FOR_EVER: Final = 2**63
"""A number of times that nobody lives to see the end of."""
EVERYWHERE: Final = range(2**64)


class Operation(Enum):
    """What a device is asked to do."""

    READ = "read"
    WRITE = "write"
    SYNC = "sync"


class Kind(Enum):
    """What goes wrong."""

    READ_ERROR = "read error"
    WRITE_ERROR = "write error"
    """A write or a sync fails; nothing is written."""
    FULL = "full"
    """A write fails for want of room; nothing is written."""
    CORRUPTION = "corruption"
    """One bit of what is read is flipped, in silence."""
    LOST_WRITE = "lost write"
    """A write reports success and writes nothing."""
    HANG = "hang"
    """The call never returns."""
    SLOW = "slow"
    """The call takes ``ticks`` clock ticks longer."""


_APPLIES: Final = {
    Kind.READ_ERROR: {Operation.READ},
    Kind.WRITE_ERROR: {Operation.WRITE, Operation.SYNC},
    Kind.FULL: {Operation.WRITE},
    Kind.CORRUPTION: {Operation.READ},
    Kind.LOST_WRITE: {Operation.WRITE},
    Kind.HANG: set(Operation),
    Kind.SLOW: set(Operation),
}


@dataclass(slots=True)
class Fault:
    """One thing that goes wrong, while it lasts."""

    kind: Kind
    where: range = EVERYWHERE
    """Byte offsets; a block that overlaps them is affected. A sync is everywhere."""
    times: int = FOR_EVER
    """How many operations it affects; it counts down."""
    after: int = 0
    """How many operations that it would affect go well first; it counts down."""
    bit: int = 0
    """CORRUPTION: which bit of the block is flipped, modulo the size of the block."""
    ticks: int = 1
    """SLOW: how much longer."""

    @confirmed.snapshot(lambda self: (self.times, self.after), name="left")
    @confirmed.ensure(lambda self, result, OLD: self.times == OLD.left[0] - result, "it strikes so many times")
    @confirmed.ensure(
        lambda self, result, OLD: self.after == OLD.left[1] or (not result and self.after == OLD.left[1] - 1 >= 0),
        "so many operations go well first",
    )
    @confirmed.ensure(
        lambda self, operation, offset, length, OLD: (
            (self.times, self.after) != OLD.left
            or OLD.left[0] <= 0
            or operation not in _APPLIES[self.kind]
            or (operation is not Operation.SYNC and (offset + length <= self.where.start or self.where.stop <= offset))
        ),
        "what it applies to, where and while it lasts, counts",
    )
    @confirmed.ensure(lambda OLD, result: not result or (OLD.left[0] > 0 and OLD.left[1] <= 0))
    @confirmed.ensure(
        lambda self, operation, offset, length, result: (
            not result
            or operation is Operation.SYNC
            or (offset < self.where.stop and self.where.start < offset + length)
        ),
        "it strikes only what overlaps it",
    )
    @confirmed.ensure(lambda self, operation, result: not result or operation in _APPLIES[self.kind])
    def strikes(self, operation: Operation, offset: int, length: int) -> bool:
        """Whether it affects this operation; counts."""
        if self.times <= 0 or operation not in _APPLIES[self.kind]:
            return False
        if operation is not Operation.SYNC and not (offset < self.where.stop and self.where.start < offset + length):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.times -= 1
        return True


@dataclass(slots=True)
class Count:
    """How much a device was used."""

    reads: int = 0
    writes: int = 0
    syncs: int = 0
    bytes_read: int = 0
    bytes_written: int = 0


@dataclass(slots=True, eq=False)
class FaultyDevice:
    """A device between its user and another device; with no faults it only counts."""

    below: Device
    waiting: Waiting = field(default_factory=NeverWaits)
    faults: list[Fault] = field(default_factory=list)
    connected: bool = True
    """While it is not, every call but close fails; set it back and the content is as it was."""
    count: Count = field(default_factory=Count)

    @property
    def size(self) -> int:
        """In bytes."""
        return self.below.size

    async def _suffer(self, operation: Operation, offset: int, length: int) -> list[Fault]:
        """Let the faults that strike happen; returns those that the caller has to carry out."""
        if not self.connected:
            raise DisconnectedError(f"{operation.value} of block {offset:#x}: disconnected")
        rest = []
        struck = [fault for fault in self.faults if fault.strikes(operation, offset, length)]  # now, not after a wait
        for fault in struck:
            match fault.kind:
                case Kind.READ_ERROR:
                    raise ReadError(f"block {offset:#x}: read error")
                case Kind.WRITE_ERROR:
                    raise WriteError(f"{operation.value} of block {offset:#x}: write error")
                case Kind.FULL:
                    raise FullError(f"block {offset:#x}: the device is full")
                case Kind.HANG:
                    await self.waiting.for_ever(f"the {operation.value} of block {offset:#x}")
                case Kind.SLOW:
                    await self.waiting.ticks(fault.ticks)
                case Kind.CORRUPTION | Kind.LOST_WRITE:
                    rest.append(fault)
        if not self.connected:  # it may have gone while this call was slow
            raise DisconnectedError(f"{operation.value} of block {offset:#x}: disconnected")
        return rest

    async def read(self, offset: int, length: int) -> bytes:
        """As Device.read."""
        corruptions = await self._suffer(Operation.READ, offset, length)
        data = bytearray(await self.below.read(offset, length))
        self.count.reads += 1
        self.count.bytes_read += length
        for fault in corruptions:
            bit = fault.bit % (8 * length)
            data[bit // 8] ^= 1 << bit % 8
        return bytes(data)

    async def write(self, offset: int, data: bytes | bytearray) -> None:
        """As Device.write."""
        lost = await self._suffer(Operation.WRITE, offset, len(data))
        self.count.writes += 1
        self.count.bytes_written += len(data)
        if not lost:
            await self.below.write(offset, data)

    async def sync(self) -> None:
        """As Device.sync."""
        await self._suffer(Operation.SYNC, 0, 0)
        self.count.syncs += 1
        await self.below.sync()

    def close(self) -> None:
        """As Device.close."""
        self.below.close()
