"""The fields of an inode's block (hammer2_inode_data, 1024 bytes), as far as they mean something here.

Where the original's place of a field is known from the cluster layer, it is the same here.
"""

import struct
from dataclasses import dataclass
from typing import Final

from hammer2_spec.vocabulary import EMBEDDED_BYTES, INODE_BYTES, OpFlag

VERSION: Final = 1
NAME_MAX: Final = 255

OP_FLAGS_AT: Final = 0x051
TABLE_AT: Final = 0x200
"""The block table, or embedded data: the union u."""

DIRECTORY: Final = 1
REGULAR_FILE: Final = 2

_FIELDS: Final = struct.Struct(
    "<H"  # 0x000 version
    "x"
    "B"  # 0x003 pfs_subtype
    "76x"
    "B"  # 0x050 type
    "B"  # 0x051 op_flags
    "14x"
    "Q"  # 0x060 size
    "24x"
    "H"  # 0x080 name_len
    "4x"
    "B"  # 0x086 pfs_nmasters
    "B"  # 0x087 pfs_type
    "8x"
    "16s"  # 0x090 pfs_clid
    "16s"  # 0x0A0 pfs_fsid
    "80x"
    "256s"  # 0x100 filename
)
assert _FIELDS.size == TABLE_AT == INODE_BYTES - EMBEDDED_BYTES  # noqa: S101 - two descriptions of one thing


@dataclass(slots=True)
class InodeData:
    """What stands before the union."""

    pfs_subtype: int = 0
    type: int = 0
    """DIRECTORY or REGULAR_FILE."""
    op_flags: int = 0
    size: int = 0
    """Of a file, in bytes."""
    pfs_nmasters: int = 0
    pfs_type: int = 0
    pfs_clid: bytes = bytes(16)
    """The cluster that the PFS belongs to."""
    pfs_fsid: bytes = bytes(16)
    """The filesystem, unique to this PFS on this node."""
    name: bytes = b""
    """As in the directory; a PFS root's is its label."""

    @classmethod
    def read(cls, data: bytes | bytearray) -> "InodeData":
        """From an inode's block."""
        _, subtype, kind, flags, size, name_len, nmasters, pfs_type, clid, fsid, name = _FIELDS.unpack_from(data)
        return cls(subtype, kind, flags, size, nmasters, pfs_type, clid, fsid, name[:name_len])

    def write(self, data: bytearray) -> None:
        """Into an inode's block; the union stays as it is."""
        _FIELDS.pack_into(
            data,
            0,
            VERSION,
            self.pfs_subtype,
            self.type,
            self.op_flags,
            self.size,
            len(self.name),
            self.pfs_nmasters,
            self.pfs_type,
            self.pfs_clid,
            self.pfs_fsid,
            self.name,
        )


def is_direct(data: bytes | bytearray) -> bool:
    """Whether the union holds the file's data instead of a block table."""
    return bool(data[OP_FLAGS_AT] & OpFlag.DIRECTDATA)
