"""A block table: the entries of an inode, an indirect block or a volume, ascending by key, then empty ones.

The table is a view: it reads and writes the bytes of the block that it is part of, so there is nothing to keep in step.
"""

import struct
from collections.abc import Iterator

from hammer2_cluster.store.blockref import KEY_AT, KEYBITS_AT, Entry, last_key, pack, unpack
from hammer2_spec.vocabulary import BLOCKREF_BYTES

_KEY = struct.Struct("<Q")


class BlockTable:
    """Entries at ``data[start:start + 64 * capacity]``; ranges of keys never overlap."""

    __slots__ = ("_data", "_start", "capacity")

    def __init__(self, data: bytes | bytearray, start: int, capacity: int) -> None:
        self._data = data
        self._start = start
        self.capacity = capacity

    def _at(self, index: int) -> int:
        return self._start + index * BLOCKREF_BYTES

    def __len__(self) -> int:
        """How many entries are not empty."""
        low, high = 0, self.capacity
        while low < high:
            middle = (low + high) // 2
            if self._data[self._at(middle)]:
                low = middle + 1
            else:
                high = middle
        return low

    def __getitem__(self, index: int) -> Entry:
        return unpack(self._data, self._at(index))

    def __iter__(self) -> Iterator[Entry]:
        for index in range(len(self)):
            yield self[index]

    def first_from(self, key: int) -> int:
        """The index of the first entry that ends at ``key`` or behind it; len(self) if there is none."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            at = self._at(middle)
            begin = _KEY.unpack_from(self._data, at + KEY_AT)[0]
            if last_key(begin, self._data[at + KEYBITS_AT]) < key:
                low = middle + 1
            else:
                high = middle
        return low

    def find(self, key: int) -> int | None:
        """The index of the entry that begins at exactly this key."""
        index = self.first_from(key)
        return index if index < len(self) and self[index].key == key else None

    def _writable(self) -> bytearray:
        if not isinstance(self._data, bytearray):
            raise TypeError("this table is read-only")
        return self._data

    def insert(self, entry: Entry) -> None:
        """Put an entry in its place. Raises ValueError if the table is full or the entry overlaps another one."""
        count, index = len(self), self.first_from(entry.key)
        if count == self.capacity:
            raise ValueError(f"a block table of {count} entries is full")
        if index < count and self[index].key <= entry.last:
            raise ValueError(
                f"keys {entry.key:#x}..{entry.last:#x} overlap {self[index].key:#x}..{self[index].last:#x}"
            )
        data = self._writable()
        at, end = self._at(index), self._at(count)
        data[at : end + BLOCKREF_BYTES] = pack(entry) + data[at:end]

    def remove(self, index: int) -> Entry:
        """Take an entry out; returns it."""
        entry = self[index]
        data = self._writable()
        at, end = self._at(index), self._at(len(self))
        data[at:end] = data[at + BLOCKREF_BYTES : end] + bytes(BLOCKREF_BYTES)
        return entry


def is_sound(table: BlockTable, key: int, keybits: int) -> bool:
    """Whether entries ascend, do not overlap, lie within the keys of their block, and only empty ones follow them."""
    previous = key - 1
    for entry in table:
        if entry.key <= previous or entry.key & ((1 << entry.keybits) - 1):
            return False
        previous = entry.last
    empty = range(len(table), table.capacity)
    return previous <= last_key(key, keybits) and not any(table[index].type for index in empty)
