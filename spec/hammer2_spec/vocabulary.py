"""The original's constants: names and numbers as in hammer2.h and hammer2_disk.h of 2015-03-30.

A member is named without its prefix: ``HAMMER2_PFSTYPE_MASTER`` is ``PfsType.MASTER``. Flag words are
plain integers built from the members of one enum; ``names_of`` reads them back.
"""

from enum import IntEnum
from typing import Final

MAXCLUSTER: Final = 8
"""Members of one cluster at the most."""

TID_MIN: Final = 1
TID_MAX: Final = 2**64 - 1
KEY_MIN: Final = 0
KEY_MAX: Final = 2**64 - 1
NMASTERS_MAX: Final = 255
"""``pfs_nmasters`` is an unsigned 8-bit field."""

INODE_BYTES: Final = 1024
EMBEDDED_BYTES: Final = 512
BLOCKREF_BYTES: Final = 64
SET_COUNT: Final = 8
"""Blockrefs in an inode's or a volume's block set."""

OFF_MASK_RADIX: Final = 0x3F
OFF_MASK: Final = 0xFFFFFFFFFFFFFFC0

DIRHASH_VISIBLE: Final = 0x8000000000000000
DIRHASH_USERMSK: Final = 0x7FFFFFFFFFFFFFFF
DIRHASH_LOMASK: Final = 0x7FFF
DIRHASH_HIMASK: Final = 0xFFFFFFFFFFFF0000
DIRHASH_FORCED: Final = 0x8000


class PfsType(IntEnum):
    """HAMMER2_PFSTYPE_*: the part that a node plays in its PFS."""

    NONE = 0
    CACHE = 1
    COPY = 2
    SLAVE = 3
    SOFT_SLAVE = 4
    SOFT_MASTER = 5
    MASTER = 6
    UNUSED07 = 7
    SUPROOT = 8
    DUMMY = 9


PFSTYPE_MAX: Final = 16


class PfsSubtype(IntEnum):
    """HAMMER2_PFSSUBTYPE_*."""

    NONE = 0
    SNAPSHOT = 1


class PfsMode(IntEnum):
    """HAMMER2_PFSMODE_*."""

    QUORUM = 1
    RW = 2


class BrefType(IntEnum):
    """HAMMER2_BREF_TYPE_*: what a blockref points to."""

    EMPTY = 0
    INODE = 1
    INDIRECT = 2
    DATA = 3
    UNUSED04 = 4
    FREEMAP_NODE = 5
    FREEMAP_LEAF = 6
    FREEMAP = 254
    VOLUME = 255


class BrefFlag(IntEnum):
    """HAMMER2_BREF_FLAG_*."""

    PFSROOT = 0x01
    ZERO = 0x02


class ClusterFlag(IntEnum):
    """HAMMER2_CLUSTER_*: the flag word of a cluster."""

    INODE = 0x0001
    NOSYNC = 0x0002
    LOCKED = 0x0004
    WRHARD = 0x0100
    RDHARD = 0x0200
    WRSOFT = 0x0400
    RDSOFT = 0x0800
    MSYNCED = 0x1000
    SSYNCED = 0x2000


CLUSTER_RDOK: Final = 0x0A00
"""RDHARD or RDSOFT: hammer2_cluster_rdok() tests for any of them."""
CLUSTER_WROK: Final = 0x0500
"""WRHARD or WRSOFT: hammer2_cluster_wrok() tests for any of them."""
CLUSTER_ZFLAGS: Final = 0x3F00
"""The six flags that resolve sets or clears: WRHARD to SSYNCED."""


class ChainFlag(IntEnum):
    """HAMMER2_CHAIN_*: the flag word of a chain."""

    MODIFIED = 0x00000001
    ALLOCATED = 0x00000002
    DESTROY = 0x00000004
    UNLINKED = 0x00000008
    DELETED = 0x00000010
    INITIAL = 0x00000020
    UPDATE = 0x00000040
    DEFERRED = 0x00000080
    IOFLUSH = 0x00000100
    ONFLUSH = 0x00000200
    VOLUMESYNC = 0x00000800
    ONRBTREE = 0x00004000
    EMBEDDED = 0x00010000
    RELEASE = 0x00020000
    BMAPPED = 0x00040000
    BMAPUPD = 0x00080000
    PFSBOUNDARY = 0x00400000


CHAIN_FLUSH_MASK: Final = 0x241
"""MODIFIED, UPDATE and ONFLUSH."""


class Error(IntEnum):
    """HAMMER2_ERROR_*: of a chain, and of the cluster whose focus it is."""

    NONE = 0
    IO = 1
    CHECK = 2
    INCOMPLETE = 3


class Lookup(IntEnum):
    """HAMMER2_LOOKUP_*."""

    NOLOCK = 0x0001
    NODATA = 0x0002
    SHARED = 0x0100
    MATCHIND = 0x0200
    ALWAYS = 0x0800


class Modify(IntEnum):
    """HAMMER2_MODIFY_*."""

    OPTDATA = 0x02
    NO_MODIFY_TID = 0x04
    NOREALLOC = 0x10


class Resolve(IntEnum):
    """HAMMER2_RESOLVE_*: how a chain is locked. The low four bits are a number, the rest flags."""

    NEVER = 1
    MAYBE = 2
    ALWAYS = 3
    MASK = 0x0F
    SHARED = 0x10
    NOREF = 0x20
    RDONLY = 0x40


class Delete(IntEnum):
    """HAMMER2_DELETE_*."""

    PERMANENT = 0x1
    NOSTATS = 0x2


class Insert(IntEnum):
    """HAMMER2_INSERT_*."""

    NOSTATS = 0x2
    PFSROOT = 0x4


class OpFlag(IntEnum):
    """HAMMER2_OPFLAG_*: in the inode's metadata."""

    DIRECTDATA = 0x01
    PFSROOT = 0x02
    COPYIDS = 0x04


class InodeFlag(IntEnum):
    """HAMMER2_INODE_*: of the inode in memory."""

    MODIFIED = 0x01
    SROOT = 0x02
    RENAME_INPROG = 0x04
    ONRBTREE = 0x08
    RESIZED = 0x10
    MTIME = 0x20


class Check(IntEnum):
    """HAMMER2_CHECK_*: check code algorithms, the upper nibble of the methods byte."""

    NONE = 0
    DISABLED = 1
    ISCSI32 = 2
    CRC64 = 3
    SHA192 = 4
    FREEMAP = 5


def enc_check(algorithm: int) -> int:
    """HAMMER2_ENC_CHECK: the check algorithm's nibble in the methods byte; -1 gives the mask 0xF0."""
    return (algorithm & 0x0F) << 4


class IocbFlag(IntEnum):
    """HAMMER2_IOCB_*."""

    INTERLOCK = 0x00001
    ONQ = 0x00002
    DONE = 0x00004
    INPROG = 0x00008
    QUICK = 0x10000
    ZERO = 0x20000
    READ = 0x40000
    WAKEUP = 0x80000


class TransFlag(IntEnum):
    """HAMMER2_TRANS_*."""

    ISFLUSH = 0x01
    CONCURRENT = 0x02
    BUFCACHE = 0x04
    NEWINODE = 0x08
    PREFLUSH = 0x20


def names_of(flags: int, vocabulary: type[IntEnum]) -> list[str]:
    """The names of the flags that are set, lowest bit first; bits without a name as one hexadecimal number."""
    named = [flag for flag in vocabulary if flag & flags]
    rest = flags & ~sum(named)
    return [flag.name for flag in named] + ([hex(rest)] if rest else [])
