"""One entry of a block table, as bytes: 64 of them, with the original's fields (hammer2_blockref)."""

import struct
from typing import Final, NamedTuple

from hammer2_cluster import confirmed
from hammer2_cluster.objects import Blockref
from hammer2_spec.vocabulary import BLOCKREF_BYTES, OFF_MASK_RADIX

_FIELDS: Final = struct.Struct("<6B2x4Q24s")
assert _FIELDS.size == BLOCKREF_BYTES  # noqa: S101 - two descriptions of one thing

KEYBITS_AT: Final = 3
KEY_AT: Final = 8

NO_CHECK: Final = bytes(24)


class Entry(NamedTuple):
    """What a table says of a block."""

    type: int
    methods: int
    copyid: int
    keybits: int
    vradix: int
    flags: int
    key: int
    mirror_tid: int
    modify_tid: int
    data_off: int
    check: bytes

    @property
    def last(self) -> int:
        """The last key that it covers."""
        return last_key(self.key, self.keybits)

    @property
    def offset(self) -> int:
        """Where the block begins, in bytes."""
        return offset_of(self.data_off)

    @property
    def length(self) -> int:
        """The size of the block in bytes."""
        return size_of(self.data_off)


@confirmed.require(lambda key, keybits: key >= 0 and 0 <= keybits <= 64)
@confirmed.ensure(lambda key, keybits, result: result >= key and result - key + 1 == 2**keybits)
def last_key(key: int, keybits: int) -> int:
    """The last key of the range that begins at ``key`` and has 2^keybits keys."""
    return key + (1 << keybits) - 1


@confirmed.require(lambda data_off: data_off >= 0)
@confirmed.ensure(lambda data_off, result: result == (2 ** (data_off % 64) if data_off % 64 else 0))
def size_of(data_off: int) -> int:
    """The size in bytes that a media offset's radix says; 0 for no block."""
    radix = data_off & OFF_MASK_RADIX
    return 1 << radix if radix else 0


@confirmed.require(lambda data_off: data_off >= 0)
@confirmed.ensure(lambda data_off, result: result % 64 == 0 and 0 <= data_off - result < 64)
def offset_of(data_off: int) -> int:
    """Where a block begins, in bytes: its media offset without the radix."""
    return data_off - (data_off & OFF_MASK_RADIX)


def entry_of(bref: Blockref, check: bytes) -> Entry:
    """A chain's blockref and check code as a table entry."""
    return Entry(
        bref.type,
        bref.methods,
        bref.copyid,
        bref.keybits,
        bref.vradix,
        bref.flags,
        bref.key,
        bref.mirror_tid,
        bref.modify_tid,
        bref.data_off,
        check,
    )


def bref_of(entry: Entry) -> Blockref:
    """A table entry as a chain's blockref."""
    return Blockref(*entry[:-1])


def pack(entry: Entry) -> bytes:
    """To bytes."""
    return _FIELDS.pack(*entry)


def unpack(table: bytes | bytearray, offset: int) -> Entry:
    """From 64 bytes at an offset."""
    return Entry(*_FIELDS.unpack_from(table, offset))
