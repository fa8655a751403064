"""A blockref of one node in memory, with what the original's hammer2_chain_core holds: children, lock, data."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hammer2_cluster.objects import Chain
from hammer2_cluster.store.block_table import BlockTable
from hammer2_cluster.store.blockref import NO_CHECK, Entry, entry_of, last_key
from hammer2_cluster.store.inode_data import TABLE_AT, is_direct
from hammer2_cluster.store.locks import ChainLock
from hammer2_spec.vocabulary import BLOCKREF_BYTES, SET_COUNT, BrefType, ChainFlag

if TYPE_CHECKING:
    from hammer2_cluster.store.volume import Volume

INODE_CAPACITY: Final = SET_COUNT
HAS_TABLE: Final = frozenset({BrefType.INODE, BrefType.INDIRECT, BrefType.VOLUME})


class Children:
    """The chains in memory below one parent, by key; their ranges never overlap."""

    __slots__ = ("_by_key", "_keys")

    def __init__(self) -> None:
        self._by_key: dict[int, StoredChain] = {}
        self._keys: list[int] = []

    def __len__(self) -> int:
        return len(self._keys)

    def all(self) -> "list[StoredChain]":
        """In order of their keys; a list of its own, that stays as it is."""
        return [self._by_key[key] for key in self._keys]

    def get(self, key: int) -> "StoredChain | None":
        """The one that begins at exactly this key."""
        return self._by_key.get(key)

    def first_from(self, key: int) -> "StoredChain | None":
        """The first one that ends at ``key`` or behind it."""
        at = bisect_left(self._keys, key)
        if at and self._by_key[self._keys[at - 1]].last >= key:
            at -= 1
        return self._by_key[self._keys[at]] if at < len(self._keys) else None

    def add(self, child: "StoredChain") -> None:
        """One more. Raises ValueError if its keys overlap those of another one."""
        key = child.bref.key
        near = self.first_from(key)
        if near is not None and near.bref.key <= child.last:
            raise ValueError(f"a chain at {key:#x} overlaps one at {near.bref.key:#x}")
        self._by_key[key] = child
        insort(self._keys, key)

    def remove(self, child: "StoredChain") -> None:
        """One less."""
        del self._by_key[child.bref.key]
        del self._keys[bisect_left(self._keys, child.bref.key)]


@dataclass(slots=True, eq=False)
class StoredChain(Chain):
    """A chain of a volume."""

    volume: "Volume" = field(kw_only=True, repr=False)
    check: bytes = NO_CHECK
    """The check code of the block, as its parent's table says."""
    children: Children = field(default_factory=Children, repr=False)
    lock: ChainLock = field(default_factory=ChainLock, repr=False)
    buffer: bytearray | None = field(default=None, repr=False)
    """Content that is newer than the medium's, while nobody has the chain locked."""
    written: bool = False
    """MODIFIED, but the content is on the medium already, written behind the caller's back."""
    stamp: int | None = None
    """The mirror_tid that the next flush gives it instead of the flush's own: it was copied from another node."""
    promised: int = 0
    """Bytes that are set aside for the copy that the next flush makes of this chain."""

    @property
    def last(self) -> int:
        """The last key that it covers."""
        return last_key(self.bref.key, self.bref.keybits)

    @property
    def content(self) -> bytearray | None:
        """The content in memory, locked or not."""
        return self.buffer if self.data is None else self.data

    def has_table(self) -> bool:
        """Whether there are blocks below it; its content must be in memory if it is an inode."""
        if self.bref.type == BrefType.INODE:
            content = self.content
            return content is not None and not is_direct(content)
        return self.bref.type in HAS_TABLE

    def table(self) -> BlockTable:
        """The block table within its content, which must be in memory."""
        content = self.content
        if content is None:
            raise RuntimeError(f"{self.name} has no content in memory")
        return table_in(self.bref.type, content)

    def entry(self) -> Entry:
        """What its parent's table should say of it."""
        return entry_of(self.bref, self.check)

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.volume.name}: {self.place}"

    @property
    def place(self) -> str:
        """For messages about its node."""
        kind = BrefType(self.bref.type).name.lower().replace("_", " ")
        return f"{kind} {self.bref.key:#x} at block {self.bref.data_off & ~0x3F:#x}"

    def is_boundary(self) -> bool:
        """Whether it is the root of a PFS that is mounted: a flush from above does not enter."""
        return bool(self.flags & ChainFlag.PFSBOUNDARY) and self.pmp is not None


def table_in(kind: int, content: bytes | bytearray) -> BlockTable:
    """The block table within the content of a block of this type."""
    if kind == BrefType.INODE:
        return BlockTable(content, TABLE_AT, INODE_CAPACITY)
    if kind == BrefType.VOLUME:
        return BlockTable(content, 0, SET_COUNT)
    return BlockTable(content, 0, len(content) // BLOCKREF_BYTES)
