"""What a device may hold after a crash.

A ``JournalingDevice`` remembers every write and sync. A crash keeps what was synced; of the writes after the last sync
each 512-byte sector may or may not have reached the medium, in any order. ``Cut`` is one place to crash,
``Loss`` one way to lose what may be lost there.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final, NamedTuple

from hammer2_cluster.device.device import Device

SECTOR_BYTES: Final = 512


class Write(NamedTuple):
    """A write that the device accepted."""

    offset: int
    data: bytes


class Sync(NamedTuple):
    """A sync that returned."""


@dataclass(slots=True, eq=False)
class JournalingDevice:
    """A device that remembers what was written to it, in order, and when it was synced."""

    below: Device
    before: bytes
    """The content when the journal began."""
    journal: list[Write | Sync] = field(default_factory=list)

    @property
    def size(self) -> int:
        """In bytes."""
        return self.below.size

    async def read(self, offset: int, length: int) -> bytes:
        """As Device.read."""
        return await self.below.read(offset, length)

    async def write(self, offset: int, data: bytes | bytearray) -> None:
        """As Device.write."""
        await self.below.write(offset, data)
        self.journal.append(Write(offset, bytes(data)))

    async def sync(self) -> None:
        """As Device.sync."""
        await self.below.sync()
        self.journal.append(Sync())

    def close(self) -> None:
        """As Device.close."""
        self.below.close()


class Torn(NamedTuple):
    """The sectors of one write that reach the medium."""

    kept: int
    """Bit i stands for sector i of the write."""


Loss = Sequence[Torn]
"""For each write after the last sync, in order, what of it reaches the medium."""


def whole(write: Write) -> Torn:
    """All of a write."""
    return Torn((1 << len(write.data) // SECTOR_BYTES) - 1)


LOST: Final = Torn(0)


class Cut(NamedTuple):
    """A crash after so many entries of a journal."""

    durable: Sequence[Write]
    """Written before the last sync."""
    exposed: Sequence[Write]
    """Written after it."""


def cut(journal: Sequence[Write | Sync], entries: int) -> Cut:
    """A crash when ``entries`` of the journal had happened."""
    happened = journal[:entries]
    synced = max((n + 1 for n, entry in enumerate(happened) if isinstance(entry, Sync)), default=0)
    writes = [[entry for entry in part if isinstance(entry, Write)] for part in (happened[:synced], happened[synced:])]
    return Cut(*writes)


def apply(content: bytearray, writes: Sequence[Write], loss: Loss) -> None:
    """Put what is kept of the writes into the content."""
    for write, torn in zip(writes, loss, strict=True):
        for sector in range(len(write.data) // SECTOR_BYTES):
            if torn.kept >> sector & 1:
                start = sector * SECTOR_BYTES
                at = write.offset + start
                content[at : at + SECTOR_BYTES] = write.data[start : start + SECTOR_BYTES]


def all_losses(exposed: Sequence[Write]) -> Iterator[Loss]:
    """Every subset of the writes, each lost or kept whole: 2^n. Two writes to one place in wrong order are one, too."""
    return product(*((LOST, whole(write)) for write in exposed))


def random_losses(exposed: Sequence[Write], seed: int, count: int) -> Iterator[Loss]:
    """So many ways to lose, each write lost, kept or torn at random; the same seed gives the same ways."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    for _ in range(count):
        yield [
            chance.choice((LOST, whole(write), Torn(chance.getrandbits(len(write.data) // SECTOR_BYTES))))
            for write in exposed
        ]
