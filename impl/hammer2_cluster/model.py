"""The chain layer as adversary and judge: nodes of few elements, a chooser for all that the contract leaves open.

Every answer that ChainLayer permits is one of a question's answers, and each is counted when it is given. What a caller
may not assume or do is a Misuse, named by a sentence.
"""
# ruff: noqa: D102 - the methods are described in ChainLayer, and a model needs less than they are given

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from hammer2_cluster.objects import Blockref, Chain, Cluster, ClusterItem, Inode, Iocb, Pfs
from hammer2_spec.vocabulary import (
    INODE_BYTES,
    KEY_MAX,
    BrefFlag,
    BrefType,
    ChainFlag,
    ClusterFlag,
    Delete,
    Error,
    Insert,
    Lookup,
    Modify,
    PfsType,
    Resolve,
)

NO_SPACE: Final = 28
"""ENOSPC."""
MOST_MOVES: Final = 3
"""Chains that others move or modify while somebody waits for a lock, in one run: parent() may else try for ever."""
NEW_DIRECTORY: Final = 0x80
"""A flag of what inode_create makes, in its blockref and its op_flags, of no meaning: it stays beside others."""
WRITTEN_BY_OTHERS: Final = 0x060
"""The offset of the byte that they modify."""

QUESTIONS: Final[dict[str, tuple[str, ...]]] = {
    "load": ("good", "read error", "wrong check code"),
    "wait for a lock": (
        "unchanged",
        "moved below a new indirect block",
        "modified",
        "deleted",
        "moved to another directory",
    ),
    "block on the way": ("none", "one that cannot be read"),
    "key_next when found": ("end of the entry", "start of the next entry"),
    "key_next when nothing is found": ("unchanged", "behind the range"),
    "parent when nothing is found": ("unchanged", "the inode"),
    "create": ("done", "done below a new indirect block", "no space"),
    "rename": ("done", "done below a new indirect block", "not done"),
    "delete": ("done", "not done", "write error on the parent"),
    "modify": ("done", "write error"),
    "data that is optional": ("read", "left out"),
    "flush": ("done", "not done"),
    "inode_create": ("done", "no space"),
    "getblk": ("data", "read error", "data, later", "read error, later"),
}
"""Every question that the contract leaves open, with the answers that it permits. The first one is the good day's."""


class Chooser(Protocol):
    """Who decides what the contract leaves open."""

    def choose(self, question: str, answers: Sequence[str]) -> str:
        """One of the answers."""


class Misuse(Exception):
    """A call that assumes what the contract does not promise. The text: the rule that it breaks, and for what chain."""


@dataclass(frozen=True)
class NodeSpec:
    """A node as a world begins."""

    type: int = PfsType.MASTER
    tid: int = 5
    keys: tuple[int, ...] = (1, 2)
    keybits: int = 0
    bytes: int = INODE_BYTES
    """Size of its elements."""
    element: int = BrefType.INODE
    """The BrefType of its elements."""
    element_tid: int | None = None
    """The tid of its elements, if it is another one than the node's."""
    indirect: bool = False
    """Its elements stand below an indirect block, which has an older tid."""
    embedded: bool = False
    """Its elements have embedded data."""
    root_error: int = 0
    """The root cannot be read."""


@dataclass(eq=False)
class Node:
    """A node: its root inode, and every chain on it in the order in which they came to be."""

    number: int
    spec: NodeSpec
    root: Chain
    super_root: Chain
    """Where its PFSs are, snapshots among them. Each device's has tids of its own."""
    elsewhere: Chain
    """Another directory of the PFS, of which nobody here knows."""
    chains: list[Chain] = field(default_factory=list)

    def elements(self, inode: Chain | None = None) -> list[Chain]:
        """What a directory holds, by key; the root unless another one is given."""
        above = self.root if inode is None else inode
        held = [c for c in self.chains if c.parent is not None and c.bref.type != BrefType.INDIRECT]
        return sorted((c for c in held if inode_above(c) is above), key=lambda chain: chain.bref.key)


def inode_above(chain: Chain) -> Chain | None:
    """The inode or volume that a chain's block tables lead up to."""
    above = chain.parent
    while above is not None and above.bref.type == BrefType.INDIRECT:
        above = above.parent
    return above


def wants_data(how: int, chain: Chain) -> bool:
    """Whether a lock loads the data: MAYBE leaves out that of files, and what was never written."""
    match how & Resolve.MASK:
        case Resolve.ALWAYS:
            return True
        case Resolve.MAYBE:
            return chain.bref.type != BrefType.DATA and not chain.flags & ChainFlag.INITIAL
    return False


class Model:
    """ChainLayer over a few nodes of one PFS."""

    def __init__(self, specs: Sequence[NodeSpec], nmasters: int | None, chooser: Chooser) -> None:
        self.chooser = chooser
        self.lenient = False
        """Go on after a misuse, as far as that is possible."""
        self.misuses: list[str] = []
        self.given: Counter[tuple[str, str]] = Counter()
        self.chains: list[Chain] = []
        self.pending: list[Iocb] = []
        """Reads that are answered later."""
        self.clusters: dict[int, Cluster] = {}
        self.made = 0
        self.freed: list[int] = []
        self.uuids = 0
        self.notes: list[tuple[object, ...]] = []
        """What was printed, slept on, repointed, and with which flags calls were made: (what, arguments...)."""
        self.moves = 0
        self.shared: set[Chain] = set()
        """The chains that are locked, and not exclusively."""
        self.flushed: dict[Chain, bytes] = {}
        """What the medium holds of chains that were written."""
        self.types = tuple(PfsType.SUPROOT if nmasters is None else spec.type for spec in specs)
        self.pfs = None if nmasters is None else Pfs(0, self.types + (0,) * (8 - len(specs)), nmasters)
        self.spmp = Pfs(0 if nmasters is None else 1, (PfsType.SUPROOT,) + (0,) * 7, 0)
        self.inodes = [Inode(n, vp=n != 1) for n in range(3)]
        self.nodes = [self._node(n, spec) for n, spec in enumerate(specs)]

    # ---- the world

    def _chain(self, node: int, bref: Blockref, size: int, parent: Chain | None) -> Chain:
        chain = Chain(len(self.chains), bref, size, parent=parent, hmp=node, pmp=self.pfs)
        self.chains.append(chain)
        return chain

    def _node(self, n: int, spec: NodeSpec) -> Node:
        super_root = self._chain(n, Blockref(BrefType.INODE, keybits=63, mirror_tid=100 + n), INODE_BYTES, None)
        super_root.pmp = self.spmp
        flags = BrefFlag.PFSROOT  # and its key is that of the PFS's name on this node
        bref = Blockref(BrefType.INODE, key=n << 33, keybits=63, mirror_tid=spec.tid, flags=flags)
        root = self._chain(n, bref, INODE_BYTES, super_root)
        root.error = spec.root_error
        bref = Blockref(BrefType.INODE, key=1 << 32, mirror_tid=spec.tid, flags=NEW_DIRECTORY)
        elsewhere = self._chain(n, bref, INODE_BYTES, None)
        node = Node(n, spec, root, super_root, elsewhere, [root])
        above = self._indirect(node, root) if spec.indirect else root
        for key in spec.keys:
            tid = spec.tid if spec.element_tid is None else spec.element_tid
            bref = Blockref(spec.element, key=key, keybits=spec.keybits, mirror_tid=tid)
            bref.methods, bref.data_off = 0x25, (64 * key + 10) & KEY_MAX
            node.chains.append(self._chain(n, bref, spec.bytes, above))
        return node

    def _indirect(self, node: Node, parent: Chain) -> Chain:
        tid = max(0, parent.bref.mirror_tid - 1)
        block = self._chain(node.number, Blockref(BrefType.INDIRECT, keybits=62, mirror_tid=tid), INODE_BYTES, parent)
        block.data = bytearray(INODE_BYTES)
        node.chains.append(block)
        return block

    def require(self, condition: object, rule: str, chain: Chain) -> None:
        """Raises Misuse, with the rule as a sentence, unless the condition holds."""
        if not condition:
            self.misuses.append(f"{rule} (chain {chain.id} of node {chain.hmp})")
            if not self.lenient:
                raise Misuse(self.misuses[-1])

    def choose(self, question: str, most: int | None = None) -> str:
        """The chooser's answer, one of the first so many, counted."""
        answer = self.chooser.choose(question, QUESTIONS[question][:most])
        self.given[question, answer] += 1
        return answer

    def node_of(self, chain: Chain) -> Node:
        """The node that a chain is on."""
        assert chain.hmp is not None  # noqa: S101 - every chain of the model is on a node
        return self.nodes[chain.hmp]

    def stored(self, chain: Chain) -> bytes:
        """What the medium holds of a chain: its node's PFS identity, and embedded data where it has some."""
        if chain in self.flushed:
            return self.flushed[chain]
        spec = self.node_of(chain).spec
        data = bytearray(b"\x11" * max(INODE_BYTES, chain.bytes))
        data[0x051] = 1 if spec.embedded else 0
        data[0x087] = spec.type
        data[0x090:0x0A0] = bytes((0x77,)) * 16
        data[0x0A0:0x0B0] = bytes((0xA0 + chain.bref.key % 8 + 8 * self.node_of(chain).number,)) * 16
        if chain is self.node_of(chain).root:
            data[0x051] = 2
        if chain.pmp is self.spmp or chain.bref.type == BrefType.DATA:  # where it means nothing
            data[0x051] = 2
        data[0x200:0x400] = bytes((0xE0 if spec.embedded else 0xB0 + self.node_of(chain).number,)) * 512
        return bytes(data)

    def may_be_written(self, chain: Chain) -> bool:
        """Whether the facts allow a write: a master at the tid of the majority, a soft master, the super-root."""
        node = self.node_of(chain)
        if chain.pmp is self.spmp or self.types[node.number] in (PfsType.SOFT_MASTER, PfsType.SUPROOT):
            return True
        return self.types[node.number] == PfsType.MASTER and node.spec.tid == self.true_tid()

    def true_tid(self) -> int | None:
        """The highest tid that a majority of the masters has."""
        if self.pfs is None:
            return None
        tids = [node.spec.tid for node in self.nodes if node.spec.type == PfsType.MASTER]
        majority = self.pfs.pfs_nmasters // 2 + 1
        return max((tid for tid in tids if tids.count(tid) >= majority), default=None)

    def deliver(self) -> None:
        """Answer the reads that were left for later, and those that follow from them."""
        while self.pending:
            self._answer(self.pending.pop(0))

    def _answer(self, iocb: Iocb) -> None:
        assert iocb.chain is not None  # noqa: S101 - load_async reads no empty slot
        self._touch(iocb.chain)
        iocb.callback(iocb)

    def _touch(self, chain: Chain) -> None:
        self.require(chain.refs > 0, "a chain is used only while it is referenced", chain)

    def _held(self, chain: Chain) -> None:
        self._touch(chain)
        self.require(chain.locks > 0, "a chain is looked into or modified only while it is locked", chain)

    def _held_exclusively(self, chain: Chain) -> None:
        self._held(chain)
        self.require(chain not in self.shared, "a chain is modified only while it is locked exclusively", chain)

    def _written(self, chain: Chain) -> None:
        self._held_exclusively(chain)
        self.require(chain.error == 0, "a member with an error is not written", chain)
        self.require(self.may_be_written(chain), "only members that may be written are written", chain)

    def _load(self, chain: Chain) -> None:
        if chain.data is not None:
            return
        if chain is self.node_of(chain).root and self.node_of(chain).spec.root_error:
            return
        answer = "good" if chain.flags & ChainFlag.INITIAL else self.choose("load")
        match answer:
            case "good":
                chain.data, chain.error = self._contents(chain), Error.NONE
            case "read error":
                chain.error = Error.IO
            case _:
                chain.data, chain.error = self._contents(chain), Error.CHECK

    def _contents(self, chain: Chain) -> bytearray:
        """What a read of a chain gives: zeroes if it was never written."""
        if chain.flags & ChainFlag.INITIAL:
            return bytearray(max(INODE_BYTES, chain.bytes))
        return bytearray(self.stored(chain))

    # ---- Kernel

    def kmalloc(self) -> Cluster:
        cluster = Cluster(self.made)
        self.made += 1
        self.clusters[cluster.id] = cluster
        return cluster

    def kfree(self, cluster: Cluster) -> None:
        del self.clusters[cluster.id]
        self.freed.append(cluster.id)

    def kprintf_already_locked(self, cluster: Cluster) -> None:
        self.notes.append(("already locked", cluster))

    def kprintf_not_locked(self, cluster: Cluster) -> None:
        self.notes.append(("not locked", cluster))

    def kprintf_cparent_null(self) -> None:
        self.notes.append(("no parent",))

    def kprintf_parent_mismatch(self, chain: Chain, against: Chain | None) -> None:
        self.notes.append(("parent mismatch", chain, against))

    def kprintf_snapshot(self, name: str) -> None:
        self.notes.append(("snapshot", name))

    def tsleep(self, ident: Chain | None, ticks: int) -> None:
        self.notes.append(("sleep", ident, ticks))

    # ---- references and locks

    def ref(self, chain: Chain) -> None:
        self.require(chain.refs > 0 or chain.locks or self._reachable(chain), "a freed chain is never touched", chain)
        chain.refs += 1

    def _reachable(self, chain: Chain) -> bool:
        """Memory keeps what has children in memory: the parent of a chain that is referenced."""
        return any(child.parent is chain and child.refs > 0 for child in self.chains)

    def drop(self, chain: Chain) -> None:
        self._touch(chain)
        self.require(chain.refs > chain.locks, "the last reference of a locked chain is not dropped", chain)
        chain.refs -= 1

    async def lock(self, chain: Chain, how: int) -> None:
        self.notes.append(("lock", how))
        self._touch(chain)
        if not chain.locks:
            # Somebody who came from above may have their parents, and wait for them.
            self.notes.append(("waits", *(c for c in self.chains if c.locks and c.parent and not c.parent.locks)))
            parent = chain.parent
            if parent is not None and not parent.locks:
                self._meanwhile(chain, parent)
            for child in [c for c in self.chains if c.parent is chain and c.refs > 0]:
                if not child.locks:
                    self._meanwhile(child, chain)
        self._take(chain, bool(how & Resolve.SHARED))
        if not how & Resolve.NOREF:
            chain.refs += 1
        if wants_data(how, chain):
            self._load(chain)

    def _take(self, chain: Chain, shared: bool) -> None:
        """One more lock."""
        upgrade = chain in self.shared and not shared
        self.require(not upgrade, "what is locked shared is not locked exclusively too, which waits for itself", chain)
        if shared and not chain.locks:
            self.shared.add(chain)
        chain.locks += 1

    def _meanwhile(self, chain: Chain, parent: Chain) -> None:
        """What others may have done, before a lock is granted, to a chain that nobody here had locked."""
        if self.moves >= MOST_MOVES or chain is self.node_of(chain).root:
            return
        # A block that others hold by its children may move, but is not deleted.
        match self.choose("wait for a lock", 3 if chain.bref.type == BrefType.INDIRECT else None):
            case "moved below a new indirect block":
                self.moves += 1
                chain.parent = self._indirect(self.node_of(chain), parent)
            case "modified":
                self.moves += 1
                chain.data = self._contents(chain) if chain.data is None else chain.data
                chain.data[WRITTEN_BY_OTHERS] ^= 0xFF
                chain.error = Error.NONE
                chain.flags = chain.flags & ~ChainFlag.INITIAL | ChainFlag.MODIFIED | ChainFlag.UPDATE
                chain.bref.data_off += 64 << 10  # new storage
            case "moved to another directory":
                self.moves += 1
                chain.parent = self.node_of(chain).elsewhere
            case "deleted":
                chain.parent = None
                chain.flags |= ChainFlag.DELETED
            case _:
                pass

    def unlock(self, chain: Chain) -> None:
        self._touch(chain)
        self.require(chain.locks > 0, "only what is locked is unlocked", chain)
        chain.locks -= 1
        chain.refs -= 1
        if not chain.locks:
            self.shared.discard(chain)
        if not chain.locks and (not chain.flags & ChainFlag.MODIFIED or chain.flags & ChainFlag.INITIAL):
            chain.data = None

    # ---- lookups

    def _note_lookup(self, flags: int, *keys: int) -> None:
        self.notes += [("lookup", flags), ("range", *keys)]

    def _move(self, parent: ClusterItem, to: Chain, flags: int = 0) -> None:
        was = parent.chain
        if was is not None and to is not was:
            self._take(to, bool(flags & Lookup.SHARED))
            to.refs += 1
            if to.data is None:
                to.data = bytearray(self.stored(to))
                to.error = Error.NONE  # whatever it had when it was read before
            self.unlock(was)
            parent.chain = to

    def _search(self, parent: ClusterItem, key_next: int, beg: int, end: int, flags: int) -> tuple[Chain | None, int]:
        above = parent.chain
        assert above is not None  # noqa: S101 - was required by the caller
        node = self.node_of(above)
        inode = above if above.bref.type == BrefType.INODE else inode_above(above)
        assert inode is not None  # noqa: S101 - an indirect block is below an inode
        if inode.data is not None and inode.data[0x051] & 1:
            return self._found(inode, flags), (end + 1) & KEY_MAX
        if self.choose("block on the way") == "one that cannot be read":
            block = self._indirect(node, above)
            self._move(parent, block, flags)
            block.error, block.data = Error.IO, None
            return None, key_next
        behind = [c for c in node.elements(inode) if c.bref.key + 2**c.bref.keybits > beg]
        if not behind or behind[0].bref.key > end:
            if above.bref.type == BrefType.INDIRECT and self.choose("parent when nothing is found") == "the inode":
                self._move(parent, inode, flags)
            if self.choose("key_next when nothing is found") == "behind the range":
                key_next = (end + 1) & KEY_MAX
            return None, key_next
        found = behind[0]
        assert found.parent is not None  # noqa: S101 - elements have parents
        self._move(parent, found.parent, flags)
        key_next = (found.bref.key + 2**found.bref.keybits) & KEY_MAX
        if len(behind) > 1 and self.choose("key_next when found") == "start of the next entry":
            key_next = behind[1].bref.key
        return self._found(found, flags), key_next

    def _found(self, found: Chain, flags: int) -> Chain:
        found.refs += 1
        if not flags & Lookup.NOLOCK:
            self._take(found, bool(flags & Lookup.SHARED))
            how = Resolve.NEVER if flags & Lookup.NODATA else Resolve.MAYBE
            if wants_data(Resolve.ALWAYS if flags & Lookup.ALWAYS else how, found):
                self._load(found)
        return found

    async def lookup(
        self, parent: ClusterItem, key_next: int, key_beg: int, key_end: int, flags: int
    ) -> tuple[Chain | None, int]:
        assert parent.chain is not None  # noqa: S101 - the operations ask no empty slot
        self._note_lookup(flags, key_next, key_beg, key_end)
        self._held(parent.chain)
        self.require(parent.chain.data is not None, "a lookup needs the parent's data", parent.chain)
        return self._search(parent, key_next, key_beg, key_end, flags)

    async def next(
        self, parent: ClusterItem, chain: Chain, key_next: int, key_beg: int, key_end: int, flags: int
    ) -> tuple[Chain | None, int]:
        assert parent.chain is not None  # noqa: S101 - the operations ask no empty slot
        self._note_lookup(flags, key_next, key_beg, key_end)
        self._held(parent.chain)
        self.require(parent.chain.data is not None, "a lookup needs the parent's data", parent.chain)
        beg = KEY_MAX + 1 if chain is parent.chain else chain.bref.key + 2**chain.bref.keybits
        (self.drop if flags & Lookup.NOLOCK else self.unlock)(chain)
        if beg > KEY_MAX or beg > key_end:
            return None, key_next
        return self._search(parent, key_next, beg, key_end, flags)

    # ---- modifying

    def _attach(self, parent: ClusterItem, chain: Chain, answer: str, flags: int) -> None:
        above = parent.chain
        assert above is not None  # noqa: S101 - was required by the caller
        if answer == "done below a new indirect block":
            self._move(parent, self._indirect(self.node_of(above), above))
        chain.parent = parent.chain
        chain.flags &= ~ChainFlag.DELETED
        root = BrefFlag.PFSROOT if flags & Insert.PFSROOT else 0
        chain.bref.flags = chain.bref.flags & ~BrefFlag.PFSROOT | root

    def _insertable(self, parent: ClusterItem, key: int, keybits: int) -> Node:
        above = parent.chain
        if above is None:
            raise Misuse("an element is put only under a parent that is there")
        self._written(above)
        node = self.node_of(above)
        overlap = any(c.bref.key < key + 2**keybits and key < c.bref.key + 2**c.bref.keybits for c in node.elements())
        self.require(not overlap, "elements never overlap", above)
        return node

    async def create(
        self,
        parent: ClusterItem,
        item: ClusterItem,
        pmp: Pfs | None,
        key: int,
        keybits: int,
        type: int,
        bytes: int,
        flags: int,
    ) -> int:
        self.notes.append(("create", flags))
        node = self._insertable(parent, key, keybits)
        answer = self.choose("create")
        if answer == "no space":
            return NO_SPACE
        if item.chain is None:
            chain = self._chain(node.number, Blockref(type, key=key, keybits=keybits), bytes, None)
            node.chains.append(chain)
            chain.pmp = pmp
            chain.refs = chain.locks = 1
            chain.flags = ChainFlag.MODIFIED | ChainFlag.INITIAL
            chain.data = bytearray(max(INODE_BYTES, bytes))
            item.chain = chain
        else:
            chain = item.chain
            self._held(chain)
            self.require(chain.parent is None, "a chain is attached only when it is detached", chain)
            chain.bref = replace(chain.bref, key=key, keybits=keybits)
        self._attach(parent, chain, answer, flags)
        return 0

    async def rename(self, parent: ClusterItem, chain: Chain, bref: Blockref | None, flags: int) -> None:
        self.notes += [("rename", flags), ("new bref", chain, bref)]
        self._held(chain)
        self.require(chain.parent is None, "a chain is attached only when it is detached", chain)
        bref = chain.bref if bref is None else bref
        self._insertable(parent, bref.key, bref.keybits)
        answer = self.choose("rename")
        if answer != "not done":
            chain.bref = replace(chain.bref, key=bref.key, keybits=bref.keybits)
            self._attach(parent, chain, answer, flags)

    async def delete(self, parent: Chain | None, chain: Chain, flags: int) -> None:
        self.notes.append(("delete", flags))
        self.require(parent is not None, "an element is deleted only under a parent that is there", chain)
        self.require(chain.parent is parent, "a chain is deleted under its own parent", chain)
        self._held_exclusively(chain)
        if parent is not None:
            self._written(parent)
        answer = self.choose("delete")
        if answer == "not done":
            self.notes.append(("not deleted", chain))
            return
        if answer == "write error on the parent" and parent is not None:
            parent.error, parent.data = Error.IO, None
        chain.parent = None
        chain.flags |= ChainFlag.DELETED | (ChainFlag.DESTROY if flags & Delete.PERMANENT else 0)

    async def modify(self, chain: Chain, flags: int) -> None:
        self.notes.append(("modify", flags))
        self._written(chain)
        chain.flags |= ChainFlag.MODIFIED
        if self.choose("modify") == "write error":
            chain.error, chain.data = Error.IO, None
            return
        chain.error = Error.NONE
        chain.flags &= ~ChainFlag.INITIAL
        if chain.data is None and (not flags & Modify.OPTDATA or self.choose("data that is optional") == "read"):
            chain.data = bytearray(self.stored(chain))

    async def resize(self, ip: Inode | None, parent: Chain, chain: Chain, nradix: int, flags: int) -> None:
        self.notes.append(("resize", ip))
        self.require(chain.parent is parent, "a chain is resized under its own parent", chain)
        self._held(parent)
        await self.modify(chain, flags)
        if chain.data is not None:
            chain.bytes = 2**nradix
            chain.data = (chain.data + bytearray(chain.bytes))[: max(INODE_BYTES, chain.bytes)]
            if chain.bref.type == BrefType.DATA:  # which only loses its buffer
                self.flushed[chain], chain.data = bytes(chain.data), None

    def setflush(self, chain: Chain) -> None:
        self._touch(chain)
        chain.flags |= ChainFlag.ONFLUSH

    async def flush(self, chain: Chain) -> None:
        self.notes.append(("flush", chain))
        self._touch(chain)
        if self.choose("flush") == "done":
            if chain.data is not None or chain.flags & ChainFlag.INITIAL:
                self.flushed[chain] = bytes(self._contents(chain) if chain.data is None else chain.data)
            chain.flags &= ~(ChainFlag.MODIFIED | ChainFlag.ONFLUSH | ChainFlag.INITIAL)

    # ---- neighbours

    def inode_repoint(self, ip: Inode, cluster: Cluster) -> None:
        self.notes.append(("repoint", ip, cluster))

    def vsetisdirty(self, ip: Inode) -> None:
        self.notes.append(("dirty", ip))

    def dirhash(self, name: str) -> int:
        self.notes.append(("dirhash", name))
        return len(name)

    async def inode_create(self, hmp: int, name: str, flags: int) -> tuple[Inode | None, Cluster | None, int]:
        self.notes.append(("inode_create", hmp, name, flags))
        if self.choose("inode_create") == "no space":
            return None, None, NO_SPACE
        node = self.nodes[hmp]
        if node.root.locks and not node.super_root.locks:
            self.notes.append(("locked above a child", node.super_root))
        node.super_root.error = Error.NONE  # it could be read just now
        key = (1 << 63) + len(node.elements(node.super_root))
        bref = Blockref(BrefType.INODE, key=key, flags=NEW_DIRECTORY)
        chain = self._chain(hmp, bref, INODE_BYTES, node.super_root)
        chain.pmp = self.spmp
        chain.refs = chain.locks = 1
        chain.flags, chain.data = ChainFlag.MODIFIED | ChainFlag.INITIAL, bytearray(INODE_BYTES)
        chain.data[0x051] = NEW_DIRECTORY
        node.chains.append(chain)
        cluster = self.kmalloc()
        cluster.pmp, cluster.refs, cluster.nchains = self.spmp, 1, 1
        cluster.flags = ClusterFlag.LOCKED | ClusterFlag.WRHARD | ClusterFlag.RDHARD
        cluster.array[0].chain = cluster.focus = chain
        return self.inodes[0], cluster, 0

    def inode_unlock_ex(self, ip: Inode, cluster: Cluster) -> None:
        self.notes.append(("inode_unlock_ex", ip, cluster))

    def uuidgen(self, chain: Chain, offset: int) -> None:
        self._held(chain)
        self.uuids += 1
        if chain.data is not None:
            chain.data[offset : offset + 16] = bytes((self.uuids,)) * 16

    def adjreadcounter(self, chain: Chain) -> None:
        self.notes.append(("count a read", chain))
        self._touch(chain)

    def io_getblk(self, iocb: Iocb) -> None:
        chain = iocb.chain
        assert chain is not None  # noqa: S101 - load_async reads no empty slot
        self.notes.append(("read", chain))
        self._touch(chain)
        self.require(not chain.flags & ChainFlag.INITIAL, "what was never written is not read", chain)
        answer = self.choose("getblk")
        if answer.startswith("data"):
            iocb.dio = bytearray(self.stored(chain))
        else:
            iocb.error = Error.IO
        if answer.endswith("later"):
            self.pending.append(iocb)
        else:
            self._answer(iocb)

    def callback(self, iocb: Iocb) -> None:
        iocb.callback(iocb)

    def members_of(self, cluster: Cluster) -> Iterator[Chain]:
        """All chains in a cluster's slots, those beyond nchains too."""
        return (item.chain for item in cluster.array if item.chain is not None)
