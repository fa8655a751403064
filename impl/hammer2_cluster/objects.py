"""What the operations work on: chains, clusters, the inodes and PFSs around them, with the original's field names."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from hammer2_spec.vocabulary import MAXCLUSTER


@dataclass(slots=True)
class Blockref:
    """hammer2_blockref: what a parent's block table says of a chain. Keys, tids and offsets are unsigned 64-bit."""

    type: int = 0
    methods: int = 0
    """Check algorithm in the upper nibble, compression in the lower."""
    copyid: int = 0
    keybits: int = 0
    """The chain covers key .. key + 2^keybits - 1."""
    vradix: int = 0
    flags: int = 0
    key: int = 0
    mirror_tid: int = 0
    modify_tid: int = 0
    data_off: int = 0
    """Media offset; the low six bits are the size radix."""


@dataclass(slots=True, eq=False)
class Pfs:
    """hammer2_pfs: the nodes that a filesystem is made of."""

    id: int
    pfs_types: Sequence[int]
    """The type of each node; entry i belongs to member i of every cluster."""
    pfs_nmasters: int
    """Masters that the PFS has, reachable or not, 0..255."""


@dataclass(slots=True, eq=False)
class Chain:
    """hammer2_chain: one blockref of one node, in memory. Two are equal if they are the same object."""

    id: int
    bref: Blockref
    bytes: int = 0
    """Size of the block in bytes."""
    flags: int = 0
    """ChainFlag bits, unsigned 32-bit."""
    error: int = 0
    parent: "Chain | None" = None
    hmp: int | None = None
    """The device that it is on, by number; None is NULL."""
    pmp: Pfs | None = None
    """None for the super-root topology."""
    refs: int = 0
    locks: int = 0
    data: bytearray | None = None
    """None is NULL: not loaded."""


@dataclass(slots=True, eq=False)
class Inode:
    """hammer2_inode, as far as the cluster layer knows it."""

    id: int
    vp: bool
    """It has a vnode."""
    flags: int = 0


@dataclass(slots=True, eq=False)
class ClusterItem:
    """hammer2_cluster_item: one member slot."""

    chain: Chain | None = None
    cache_index: int = 0
    owes: int = 0
    """Answers that this member's node still owes; while there are any, decisions count the slot as absent."""


@dataclass(slots=True)
class Iocb:
    """hammer2_iocb: what load_async hands to the I/O layer, and the I/O layer to the callback."""

    callback: Callable[["Iocb"], None]
    cluster: "Cluster"
    chain: Chain | None
    ptr: object
    lbase: int = 0
    """The member that is read."""
    flags: int = 0
    error: int = 0
    dio: object = None


def _items() -> list[ClusterItem]:
    return [ClusterItem() for _ in range(MAXCLUSTER)]


@dataclass(slots=True, eq=False)
class Cluster:
    """hammer2_cluster: the chains that represent one object on the nodes of a PFS."""

    id: int
    pmp: Pfs | None = None
    """None for the super-root topology."""
    refs: int = 0
    flags: int = 0
    """ClusterFlag bits."""
    nchains: int = 0
    focus: Chain | None = None
    """The chain that is believed, and read and edited first; none while the cluster is not locked."""
    error: int = 0
    ddflag: int = 0
    """The elements found are inodes."""
    array: list[ClusterItem] = field(default_factory=_items)
    iocb: Iocb | None = None

    def members(self) -> Iterator[tuple[int, Chain]]:
        """The slots that hold a chain and owe no answer, in slot order."""
        for i in range(self.nchains):
            item = self.array[i]
            if item.chain is not None and not item.owes:
                yield i, item.chain

    def late(self) -> list[int]:
        """The slots that owe an answer."""
        return [i for i, item in enumerate(self.array) if item.owes]

    def slot_of(self, chain: Chain | None) -> int | None:
        """The first member slot that holds this chain."""
        return next((i for i, member in self.members() if member is chain), None)
