"""Devices of small worlds: they begin with one image, keep what is written over it, and know what they hold."""

from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import blake2b
from itertools import count, pairwise
from typing import Final, NamedTuple

from hammer2_cluster.device.device import check_block
from hammer2_cluster.device.memory import MemoryDevice
from hammer2_cluster.store.blockref import Entry
from hammer2_cluster.store.chain import table_in
from hammer2_cluster.store.chains import at_once
from hammer2_cluster.store.check_codes import matches
from hammer2_cluster.store.inode_data import TABLE_AT, InodeData
from hammer2_cluster.store.local import Store
from hammer2_cluster.store.making import format_volume
from hammer2_cluster.store.volume import entries_in
from hammer2_cluster.store.volume_header import VolumeHeader, confirmed_tid, generations
from hammer2_spec.vocabulary import BrefType, PfsType

SIZE: Final = 1 << 19
PAGE: Final = 1 << 10
FILE: Final = b"a"
"""The one file there is. Byte k of it is 1 once write k has been made."""
WRITES: Final = 8
"""Its size: so many writes are told apart."""


class Version(NamedTuple):
    """What one generation on a medium holds."""

    tid: int
    content: int
    """The writes, one bit each."""


class Medium:
    """A device in memory that shares its image with others: only the pages that were written are its own."""

    size: Final = SIZE

    def __init__(self, image: bytes) -> None:
        self.replace(image)

    def replace(self, image: bytes) -> None:
        """Another medium in its place, with this image."""
        self._image = image
        self._pages: dict[int, bytes] = {}
        self._digest: bytes | None = None

    def _page(self, n: int) -> bytes:
        return self._pages.get(n) or self._image[n * PAGE : (n + 1) * PAGE]

    async def read(self, offset: int, length: int) -> bytes:
        """As Device.read."""
        check_block(SIZE, offset, length)
        return b"".join(self._page(n) for n in range(offset // PAGE, (offset + length) // PAGE))

    async def write(self, offset: int, data: bytes | bytearray) -> None:
        """As Device.write."""
        check_block(SIZE, offset, len(data))
        self._digest = None
        for start, end in pairwise(range(0, len(data) + 1, PAGE)):
            self._pages[(offset + start) // PAGE] = bytes(data[start:end])

    async def sync(self) -> None:
        """What is written is there."""

    def close(self) -> None:
        """Nothing to release."""

    @property
    def digest(self) -> bytes:
        """Of all that it holds."""
        if self._digest is None:
            found = blake2b(_name_of(self._image), digest_size=16)
            for n, page in sorted(self._pages.items()):
                found.update(n.to_bytes(4, "big") + page)
            self._digest = found.digest()
        return self._digest


@cache
def images(masters: int) -> tuple[bytes, ...]:
    """What new nodes have on their media: the file, and no write in it."""
    memories = [MemoryDevice(SIZE) for _ in range(masters)]
    numbers = count(1)
    store = Store.make(memories, [PfsType.MASTER] * masters, lambda: next(numbers).to_bytes(16, "big"))
    filesystem = store.mount()
    store.run(filesystem.put(FILE, [bytes(WRITES)], WRITES))
    store.run(filesystem.flush())
    return tuple(bytes(memory.content) for memory in memories)


@cache
def _name_of(image: bytes) -> bytes:
    return blake2b(image, digest_size=16).digest()


@cache
def new_image(n: int, masters: int, number: int) -> bytes:
    """What a medium holds that replaces that of a node: it is formatted, for this cluster. number: to tell it apart."""
    old = at_once(generations(Medium(images(masters)[n]))).current(0)
    memory, name = MemoryDevice(SIZE), ((number + 1) << 8 | n).to_bytes(16, "big")
    at_once(format_volume(memory, name, old.clid, slot=n, nodes=masters))
    return bytes(memory.content)


_VERSIONS: Final[dict[tuple[bytes, bytes], int | None]] = {}


def version_at(medium: Medium, header: VolumeHeader) -> Version | None:
    """What a header leads to; nothing on a medium that is new. Raises LookupError if that cannot be believed."""
    key = medium.digest, bytes(header.sroot)
    if key not in _VERSIONS:
        found = (
            content_in(inode[TABLE_AT : TABLE_AT + WRITES])
            for inode in _inodes(medium, BrefType.VOLUME, bytes(header.sroot))
            if InodeData.read(inode).name == FILE
        )
        _VERSIONS[key] = next(found, None)
    content = _VERSIONS[key]
    return None if content is None else Version(header.mirror_tid, content)


_NAMES: Final[dict[tuple[bytes, bytes], frozenset[bytes]]] = {}


def names_at(medium: Medium, header: VolumeHeader) -> frozenset[bytes]:
    """The names of the inodes that a header leads to. Raises LookupError if that cannot be believed."""
    key = medium.digest, bytes(header.sroot)
    if key not in _NAMES:
        _NAMES[key] = frozenset(InodeData.read(inode).name for inode in _inodes(medium, BrefType.VOLUME, key[1]))
    return _NAMES[key]


def _inodes(medium: Medium, kind: int, content: bytes) -> Iterator[bytes]:
    for entry in _entries(kind, content):
        data = at_once(medium.read(entry.offset, entry.length))
        if not matches(entry.methods, entry.check, data):
            raise LookupError(f"check code of block {entry.offset:#x} is wrong")
        if entry.type == BrefType.INODE:
            yield data
        yield from _inodes(medium, entry.type, data)


def _entries(kind: int, content: bytes) -> Sequence[Entry]:
    if kind == BrefType.VOLUME:
        return list(table_in(kind, content))
    return entries_in(kind, content)


def content_in(data: bytes | bytearray) -> int:
    """The writes that the file's bytes contain, one bit each."""
    return sum(1 << k for k, byte in enumerate(data) if byte)


_FOUND: Final[dict[tuple[bytes, ...], Version | None]] = {}


def after_power_loss(media: Sequence[Medium]) -> Version | None:
    """What a session would find if these were all that is left: the highest version among them that counts.

    Nothing if all of them are new.
    """
    key = tuple(medium.digest for medium in media)
    if key not in _FOUND:
        places = [at_once(generations(medium)) for medium in media]
        known = confirmed_tid(places)
        headers = [one.current(known) for one in places]
        versions = (version_at(medium, header) for medium, header in zip(media, headers, strict=True))
        _FOUND[key] = max((version for version in versions if version is not None), default=None)
    return _FOUND[key]
