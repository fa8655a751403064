"""The chain layer that answers what a recorded trace says, and checks each call that it receives."""
# ruff: noqa: D102 - the methods of a chain layer are described in ChainLayer

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from hammer2_cluster.objects import Blockref, Chain, Cluster, ClusterItem, Inode, Iocb, Pfs
from hammer2_oracle.trace_record import (
    Adjreadcounter,
    AnyCall,
    BlockrefRecord,
    Callback,
    ChainCreate,
    ChainDelete,
    ChainDrop,
    ChainLock,
    ChainLookup,
    ChainModify,
    ChainNext,
    ChainRecord,
    ChainRef,
    ChainRename,
    ChainResize,
    ChainSetflush,
    ChainUnlock,
    Changes,
    ClusterRecord,
    Created,
    Dirhash,
    Filled,
    Flush,
    Found,
    InodeCreate,
    InodeCreated,
    InodeRepoint,
    InodeUnlockEx,
    IoGetblk,
    Kfree,
    Kmalloc,
    Kprintf,
    Renamed,
    Runs,
    State,
    Tsleep,
    Uuidgen,
    Vsetisdirty,
    World,
)
from hammer2_spec.vocabulary import Lookup, Resolve

VDIR = 2
T = TypeVar("T")

_IN_BREF = {name: "flags" if name == "bflags" else name for name in BlockrefRecord.__struct_fields__}
fields_of_bref = attrgetter(*_IN_BREF.values())
"""The ten fields of a blockref, in the order in which records have them."""


class Diverged(Exception):
    """The first difference: in which field, what the reference does, what the record says."""

    def __init__(self, field: str, expected: object, got: object) -> None:
        super().__init__(field, expected, got)
        self.field = field
        self.expected = expected
        self.got = got


def unpack(runs: Runs | None) -> bytearray | None:
    """The bytes that a run-length list stands for."""
    return None if runs is None else bytearray(b"".join([bytes((byte,)) * count for count, byte in runs]))


def pack(data: bytes | bytearray) -> Runs:
    """Maximal runs."""
    runs: Runs = []
    start = 0
    while start < len(data):
        byte = data[start]
        rest = data[start:]
        count = len(rest) - len(rest.lstrip(bytes((byte,))))
        runs.append((count, byte))
        start += count
    return runs


def number(thing: Chain | Cluster | Pfs | Inode | None) -> int | None:
    """An object as records write it."""
    return None if thing is None else thing.id


def blockref_record(bref: Blockref) -> BlockrefRecord:
    """A blockref as records write it."""
    return BlockrefRecord(*fields_of_bref(bref))


class RecordedWorld:
    """Objects by number, as a whole trace describes them."""

    def __init__(self, world: World) -> None:
        self.pmps = [Pfs(n, tuple(pfs.types), pfs.nmasters) for n, pfs in enumerate(world.pmps)]
        self.inodes = [Inode(n, inode.vp, inode.flags) for n, inode in enumerate(world.inodes)]
        self.chains: list[Chain] = []
        self.add_chains(world.chains)
        self.clusters: dict[int, Cluster] = {}
        self.freed: list[int] = []
        self.next_cluster = 0
        for record in world.clusters:
            self.add_cluster(record)

    def chain(self, number: int | None) -> Chain | None:
        """Chain of that number."""
        return None if number is None else self.chains[number]

    def pfs(self, number: int | None) -> Pfs | None:
        """PFS of that number."""
        return None if number is None else self.pmps[number]

    def inode(self, number: int | None) -> Inode | None:
        """Inode of that number."""
        return None if number is None else self.inodes[number]

    def set_field(self, number: int, name: str, value: int | None) -> None:
        """Assign one field of a chain."""
        chain = self.chains[number]
        if name == "parent":
            chain.parent = self.chain(value)
        elif name == "pmp":
            chain.pmp = self.pfs(value)
        elif name in _IN_BREF:
            setattr(chain.bref, _IN_BREF[name], value)
        else:
            setattr(chain, name, value)

    def add_chains(self, records: Sequence[ChainRecord]) -> None:
        """New chains, numbered on; their parents may be among them."""
        first = len(self.chains)
        for n, record in enumerate(records):
            bref = Blockref(*(getattr(record, name) for name in _IN_BREF))
            chain = Chain(first + n, bref, record.bytes, record.flags, record.error, hmp=record.hmp)
            chain.pmp = self.pfs(record.pmp)
            chain.refs, chain.locks = record.refs, record.locks
            chain.data = unpack(record.data)
            self.chains.append(chain)
        for n, record in enumerate(records):
            self.chains[first + n].parent = self.chain(record.parent)

    def new_cluster(self) -> Cluster:
        """A zeroed cluster with the next number."""
        cluster = Cluster(self.next_cluster)
        self.next_cluster += 1
        self.clusters[cluster.id] = cluster
        return cluster

    def add_cluster(self, record: ClusterRecord) -> Cluster:
        """A cluster as recorded, with the next number."""
        cluster = self.new_cluster()
        self.set_cluster(cluster, record)
        return cluster

    def set_cluster(self, cluster: Cluster, record: ClusterRecord) -> None:
        """Make a cluster what the record says."""
        cluster.pmp = self.pfs(record.pmp)
        cluster.refs, cluster.flags, cluster.nchains = record.refs, record.flags, record.nchains
        cluster.focus = self.chain(record.focus)
        cluster.error, cluster.ddflag = record.error, record.ddflag
        for i, item in enumerate(cluster.array):
            item.chain = self.chain(record.slots[i])
            item.cache_index = record.cache[i]

    def replace_pfss(self, args: Any) -> None:  # noqa: ANN401 - a record whose class depends on the operation
        """What the environment's arguments say of PFSs; no other operation's do."""
        changes = getattr(args, "pmp", None)
        for change in changes if isinstance(changes, list) else ():
            pfs = self.pmps[change.pmp]
            pfs.pfs_types, pfs.pfs_nmasters = tuple(change.types), change.nmasters

    def become(self, state: State) -> None:
        """Take over what a step changed, as it is recorded."""
        for number, change in sorted((state.chains or {}).items()):
            fields = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not UNSET}
            if number == len(self.chains):
                self.add_chains([ChainRecord(**fields)])
            data = fields.pop("data", UNSET)
            if data is not UNSET:
                self.chains[number].data = unpack(data)
            for name, value in fields.items():
                self.set_field(number, name, value)
        for number, record in sorted((state.clusters or {}).items()):
            self.set_cluster(self.clusters.get(number) or self.clusters.setdefault(number, Cluster(number)), record)
        for number in state.freed or ():
            self.clusters.pop(number, None)

    def apply(self, fx: Changes) -> None:
        """What a call changes besides its own bookkeeping."""
        if fx.new is not UNSET:
            self.add_chains(fx.new)
        if fx.set is not UNSET:
            for number, name, value in fx.set:
                self.set_field(number, name, value)
        if fx.data is not UNSET:
            for number, runs in fx.data:
                self.chains[number].data = unpack(runs)


class Recorded:
    """ChainLayer for one trace: ``expect`` gives it the calls of a step, in order."""

    def __init__(self, world: RecordedWorld) -> None:
        self.world = world
        self._script: Sequence[AnyCall] = ()
        self._at = 0

    def expect(self, calls: Sequence[AnyCall]) -> None:
        """The calls of the next step."""
        self._script, self._at = calls, 0

    def finish(self) -> None:
        """Raises Diverged if a call was not made."""
        if self._at < len(self._script):
            raise Diverged(f"calls[{self._at}]", None, self._script[self._at])

    def _next(self, call: AnyCall) -> AnyCall:
        """The recorded call, which must be this one but for its effects."""
        at = self._at
        if at >= len(self._script):
            raise Diverged(f"calls[{at}]", call, None)
        recorded = self._script[at]
        self._at += 1
        if type(recorded) is type(call):
            for name in call.__struct_fields__:
                expected, got = getattr(call, name), getattr(recorded, name)
                if expected != got and name != "fx":
                    raise Diverged(f"calls[{at}].{name}", expected, got)
            return recorded
        raise Diverged(f"calls[{at}]", call, recorded)

    def _plain(self, call: AnyCall) -> None:
        """A call whose effects, if any, are changes."""
        fx: Changes | UnsetType = getattr(self._next(call), "fx", UNSET)
        if fx is not UNSET:
            self.world.apply(fx)

    # ---- Kernel

    def kmalloc(self) -> Cluster:
        self._next(Kmalloc(self.world.next_cluster))
        return self.world.new_cluster()

    def kfree(self, cluster: Cluster) -> None:
        at = self._at
        self._next(Kfree(cluster.id))
        left = [number(item.chain) for item in cluster.array[: cluster.nchains] if item.chain is not None]
        if cluster.refs or cluster.focus or left:  # the original has cleared them by then (L312, L314-316, L609)
            raise Diverged(f"calls[{at}] of a cluster that refers to chains", left, [])
        del self.world.clusters[cluster.id]
        self.world.freed.append(cluster.id)

    def kprintf_already_locked(self, cluster: Cluster) -> None:
        self._next(Kprintf("already_locked", cluster=cluster.id))

    def kprintf_not_locked(self, cluster: Cluster) -> None:
        self._next(Kprintf("not_locked", cluster=cluster.id))

    def kprintf_cparent_null(self) -> None:
        self._next(Kprintf("cparent_null"))

    def kprintf_parent_mismatch(self, chain: Chain, against: Chain | None) -> None:
        self._next(Kprintf("parent_mismatch", chain=chain.id, parent=number(chain.parent), against=number(against)))

    def kprintf_snapshot(self, name: str) -> None:
        del name
        self._next(Kprintf("snapshot"))

    def tsleep(self, ident: Chain | None, ticks: int) -> None:
        self._next(Tsleep(number(ident), ticks))

    # ---- references and locks: the bookkeeping comes before the effects

    def ref(self, chain: Chain) -> None:
        chain.refs += 1
        self._plain(ChainRef(chain.id))

    def drop(self, chain: Chain) -> None:
        chain.refs -= 1
        self._plain(ChainDrop(chain.id))

    async def lock(self, chain: Chain, how: int) -> None:
        chain.locks += 1
        if not how & Resolve.NOREF:
            chain.refs += 1
        self._plain(ChainLock(chain.id, how))

    def unlock(self, chain: Chain) -> None:
        chain.refs -= 1
        chain.locks -= 1
        self._plain(ChainUnlock(chain.id))

    # ---- lookups: the bookkeeping comes after the effects

    def _found(self, parent: ClusterItem, fx: Found, key_next: int, flags: int) -> tuple[Chain | None, int]:
        if fx.parent is not UNSET:
            parent.chain = self.world.chain(fx.parent)
        if fx.cache is not UNSET:
            parent.cache_index = fx.cache
        chain = self.world.chain(fx.ret)
        if chain is not None:
            chain.refs += 1
            if not flags & Lookup.NOLOCK:
                chain.locks += 1
        return chain, key_next if fx.key_next is UNSET else fx.key_next

    async def lookup(
        self, parent: ClusterItem, key_next: int, key_beg: int, key_end: int, flags: int
    ) -> tuple[Chain | None, int]:
        above = parent.chain
        assert above is not None  # noqa: S101 - the operations ask no empty slot
        fx = Found(ret=None)
        call = self._next(ChainLookup(above.id, key_next, key_beg, key_end, parent.cache_index, flags, fx))
        assert isinstance(call, ChainLookup)  # noqa: S101 - for the type checker
        self.world.apply(call.fx)
        return self._found(parent, call.fx, key_next, flags)

    async def next(
        self, parent: ClusterItem, chain: Chain, key_next: int, key_beg: int, key_end: int, flags: int
    ) -> tuple[Chain | None, int]:
        above = parent.chain
        assert above is not None  # noqa: S101 - the operations ask no empty slot
        fx = Found(ret=None)
        call = self._next(ChainNext(above.id, chain.id, key_next, key_beg, key_end, parent.cache_index, flags, fx))
        assert isinstance(call, ChainNext)  # noqa: S101 - for the type checker
        self.world.apply(call.fx)
        chain.refs -= 1
        if not flags & Lookup.NOLOCK:
            chain.locks -= 1
        return self._found(parent, call.fx, key_next, flags)

    # ---- modifying

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
        above, held = number(parent.chain), number(item.chain)
        fx = Created(ret=0)
        call = self._next(ChainCreate(above, held, number(pmp), key, keybits, type, bytes, flags, fx))
        assert isinstance(call, ChainCreate)  # noqa: S101 - for the type checker
        fx = call.fx
        self.world.apply(fx)
        if fx.parent is not UNSET:
            parent.chain = self.world.chain(fx.parent)
        if fx.chain is not UNSET:
            chain = self.world.chain(fx.chain)
            assert chain is not None  # noqa: S101 - the number is not None
            chain.refs += 1
            chain.locks += 1
            item.chain = chain
        return fx.ret

    async def rename(self, parent: ClusterItem, chain: Chain, bref: Blockref | None, flags: int) -> None:
        passed = None if bref is None else blockref_record(bref)
        call = self._next(ChainRename(number(parent.chain), chain.id, flags, passed))
        assert isinstance(call, ChainRename)  # noqa: S101 - for the type checker
        fx: Renamed | UnsetType = call.fx
        if fx is not UNSET:
            self.world.apply(fx)
            if fx.parent is not UNSET:
                parent.chain = self.world.chain(fx.parent)

    async def delete(self, parent: Chain | None, chain: Chain, flags: int) -> None:
        self._plain(ChainDelete(number(parent), chain.id, flags))

    async def modify(self, chain: Chain, flags: int) -> None:
        self._plain(ChainModify(chain.id, flags))

    async def resize(self, ip: Inode | None, parent: Chain, chain: Chain, nradix: int, flags: int) -> None:
        self._plain(ChainResize(number(ip), parent.id, chain.id, nradix, flags))

    def setflush(self, chain: Chain) -> None:
        self._plain(ChainSetflush(chain.id))

    async def flush(self, chain: Chain) -> None:
        self._plain(Flush(chain.id))

    # ---- neighbours

    def inode_repoint(self, ip: Inode, cluster: Cluster) -> None:
        self._next(InodeRepoint(ip.id, None, cluster.id))

    def vsetisdirty(self, ip: Inode) -> None:
        self._next(Vsetisdirty(ip.id))

    def dirhash(self, name: str) -> int:
        self._next(Dirhash(len(name.encode())))
        return 0  # the original does not use it

    async def inode_create(self, hmp: int, name: str, flags: int) -> tuple[Inode | None, Cluster | None, int]:
        fx = InodeCreated(ip=None, error=0, cluster=None)
        call = self._next(InodeCreate(f"iroot:{hmp}", VDIR, 0o755, len(name.encode()), None, flags, fx))
        assert isinstance(call, InodeCreate)  # noqa: S101 - for the type checker
        fx = call.fx
        self.world.apply(fx)
        cluster = None if fx.cluster is None else self.world.add_cluster(fx.cluster)
        return self.world.inode(fx.ip), cluster, fx.error

    def inode_unlock_ex(self, ip: Inode, cluster: Cluster) -> None:
        self._next(InodeUnlockEx(ip.id, cluster.id))

    def uuidgen(self, chain: Chain, offset: int) -> None:
        call = self._next(Uuidgen(chain.id, offset, 1, Filled(byte=0)))
        assert isinstance(call, Uuidgen)  # noqa: S101 - for the type checker
        self.world.apply(call.fx)
        if chain.data is not None:
            chain.data[offset : offset + 16] = bytes((call.fx.byte,)) * 16

    def adjreadcounter(self, chain: Chain) -> None:
        self._next(Adjreadcounter(chain.id, chain.bytes))

    def io_getblk(self, iocb: Iocb) -> None:
        chain = iocb.chain
        assert chain is not None  # noqa: S101 - load_async reads no empty slot
        self._next(IoGetblk(chain.hmp, chain.bref.data_off, chain.bytes, iocb.cluster.id))

    def callback(self, iocb: Iocb) -> None:
        self._next(Callback(iocb.cluster.id, number(iocb.chain), iocb.lbase))
        iocb.callback(iocb)
