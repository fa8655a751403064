"""Where things are on the medium; docs/reference/media-layout.md tells the same in prose.

A volume is divided into zones of 16 MiB. The first 64 KiB of each zone are reserved for what has a fixed place, the
rest is allocated in extents: powers of two from 1 KiB to 64 KiB, aligned to their size. Integers are little-endian.
"""

from typing import Final

from hammer2_cluster import confirmed

MAGIC: Final = b"H2CLUST1"
FORMAT_VERSION: Final = 2

UNIT_BYTES: Final = 1024
"""The freemap's grain: the smallest extent."""
MIN_RADIX: Final = 10
MAX_RADIX: Final = 16
"""An extent has 2^MIN_RADIX to 2^MAX_RADIX bytes."""

ZONE_BYTES: Final = 1 << 24
RESERVED_BYTES: Final = 1 << 16
"""At the start of each zone."""

MIN_VOLUME_BYTES: Final = 1 << 19
MAX_VOLUME_BYTES: Final = 1 << 33
"""8 freemap nodes of 64 leaves, one leaf per zone."""

# Within the reserved part of a zone:
HEADER_BYTES: Final = 4096
HEADER_COUNT: Final = 4
"""Volume headers stand at 0, 4, 8 and 12 KiB of the first zone."""
NODE_OFFSET: Final = 1 << 14
NODE_BYTES: Final = 4096
ZONES_PER_NODE: Final = 64
"""Two copies of a freemap node, in every 64th zone."""
PROMISE_OFFSET: Final = NODE_OFFSET + 2 * NODE_BYTES
"""What the node has promised to a session, a block of 1 KiB in the first zone."""
LEAF_OFFSET: Final = 1 << 15
LEAF_BYTES: Final = ZONE_BYTES // UNIT_BYTES
"""Two copies of a freemap leaf, in every zone: one byte per unit."""

INDIRECT_RADIX: Final = 12
"""An indirect block has 4 KiB, 64 entries, unless the volume was made otherwise."""


@confirmed.require(lambda size: size > 0)
@confirmed.ensure(lambda size, result: (result - 1) * ZONE_BYTES < size <= result * ZONE_BYTES)
def zones(size: int) -> int:
    """How many zones a volume of so many bytes has; the last one may be incomplete."""
    return -(-size // ZONE_BYTES)


@confirmed.require(lambda slot: 0 <= slot < HEADER_COUNT)
@confirmed.ensure(lambda slot, result: result // HEADER_BYTES == slot and result % HEADER_BYTES == 0)
@confirmed.ensure(lambda result: 0 <= result <= NODE_OFFSET - HEADER_BYTES, "headers end where freemap nodes begin")
def header_offset(slot: int) -> int:
    """Where volume header 0..3 stands."""
    return slot * HEADER_BYTES


@confirmed.require(lambda zone, copy: zone >= 0 and copy in (0, 1))
@confirmed.ensure(
    lambda copy, result: result % (2 * LEAF_BYTES) == copy * LEAF_BYTES, "the copies are beside each other"
)
@confirmed.ensure(
    lambda zone, result: LEAF_OFFSET <= result - zone * ZONE_BYTES <= RESERVED_BYTES - LEAF_BYTES,
    "a leaf lies in the reserved part of its zone, behind the nodes",
)
def leaf_offset(zone: int, copy: int) -> int:
    """Where copy 0 or 1 of a zone's freemap leaf stands."""
    return zone * ZONE_BYTES + LEAF_OFFSET + copy * LEAF_BYTES


@confirmed.require(lambda node, copy: node >= 0 and copy in (0, 1))
@confirmed.ensure(
    lambda copy, result: result % (2 * NODE_BYTES) == copy * NODE_BYTES, "the copies are beside each other"
)
@confirmed.ensure(
    lambda node, result: NODE_OFFSET <= result - node * ZONES_PER_NODE * ZONE_BYTES <= LEAF_OFFSET - NODE_BYTES,
    "a node lies in the reserved part of its first zone, between the headers and the leaves",
)
def node_offset(node: int, copy: int) -> int:
    """Where copy 0 or 1 of a freemap node stands."""
    return node * ZONES_PER_NODE * ZONE_BYTES + NODE_OFFSET + copy * NODE_BYTES
