"""The chain layer that answers what a recorded trace says, and checks each call that it receives."""
# ruff: noqa: D102 - the methods of a chain layer are described in ChainLayer

from collections.abc import Sequence
from typing import TypeVar

from msgspec import UNSET, UnsetType

from hammer2_cluster.objects import Blockref, Chain, Cluster, ClusterItem, Inode, Iocb, Pfs
from hammer2_oracle.trace_record import (
    Adjreadcounter,
    AnyCall,
    BadTraceError,
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
    PfsRecord,
    Renamed,
    Runs,
    Tsleep,
    Uuidgen,
    Vsetisdirty,
    World,
)
from hammer2_spec.vocabulary import INODE_BYTES, Lookup, Resolve

VDIR = 2
MOST_DATA = 2**20
"""Bytes of one chain; HAMMER2's largest block has 2^16."""
T = TypeVar("T")

_IN_BREF = {name: "flags" if name == "bflags" else name for name in BlockrefRecord.__struct_fields__}


class Diverged(Exception):
    """The first difference: in which field, what the record holds, what came instead."""

    def __init__(self, field: str, expected: object, got: object) -> None:
        super().__init__(field, expected, got)
        self.field = field
        self.expected = expected
        self.got = got


def unpack(runs: Runs | None, where: str, size: int) -> bytearray | None:
    """The bytes that a run-length list stands for. Raises BadTraceError if they are fewer than max(1024, size)."""
    if runs is None:
        return None
    least = max(INODE_BYTES, size)
    total = sum(count for count, _ in runs)
    if not least <= total <= MOST_DATA:
        raise BadTraceError(f"{where}: the counts sum to {total}, expected {least}..{MOST_DATA}")
    return bytearray(b"".join([bytes((byte,)) * count for count, byte in runs]))


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
    return BlockrefRecord(*(getattr(bref, name) for name in _IN_BREF.values()))


class RecordedWorld:
    """Objects by number, as a trace describes them."""

    def __init__(self, world: World) -> None:
        self.pmps = [Pfs(n, (), 0) for n in range(len(world.pmps))]
        for n, pfs in enumerate(world.pmps):
            self.set_pfs(n, pfs)
        self.inodes = [Inode(n, inode.vp, inode.flags) for n, inode in enumerate(world.inodes)]
        self.chains: list[Chain] = []
        self.add_chains(world.chains, "world.chains")
        self.clusters: dict[int, Cluster] = {}
        self.freed: list[int] = []
        self.next_cluster = 0
        for n, record in enumerate(world.clusters):
            self.add_cluster(record, f"world.clusters[{n}]")

    def _object(self, objects: Sequence[T], number: int | None, where: str) -> T | None:
        if number is None:
            return None
        if number >= len(objects):
            raise BadTraceError(f"{where}: {number} is not there, expected null or 0..{len(objects) - 1}")
        return objects[number]

    def chain(self, number: int | None, where: str) -> Chain | None:
        """Chain of that number. Raises BadTraceError if there is none."""
        return self._object(self.chains, number, where)

    def pfs(self, number: int | None, where: str) -> Pfs | None:
        """PFS of that number. Raises BadTraceError if there is none."""
        return self._object(self.pmps, number, where)

    def inode(self, number: int | None, where: str) -> Inode | None:
        """Inode of that number. Raises BadTraceError if there is none."""
        return self._object(self.inodes, number, where)

    def set_pfs(self, number: int, record: PfsRecord) -> None:
        """Replace a PFS record."""
        pfs = self.pmps[number]
        pfs.pfs_types = tuple(record.types)
        pfs.pfs_nmasters = record.nmasters

    def set_field(self, number: int, name: str, value: int | None, where: str) -> None:
        """Assign one field of a chain. Raises BadTraceError where it does not fit."""
        chain = self.chain(number, where)
        assert chain is not None  # noqa: S101 - number is not None
        if name == "parent":
            chain.parent = self.chain(value, where)
        elif name == "pmp":
            chain.pmp = self.pfs(value, where)
        elif name == "hmp":
            chain.hmp = value
        elif value is None:
            raise BadTraceError(f"{where}: {name} is null, expected an integer")
        elif name in _IN_BREF:
            setattr(chain.bref, _IN_BREF[name], value)
        else:
            setattr(chain, name, value)

    def add_chains(self, records: Sequence[ChainRecord], where: str) -> None:
        """New chains, numbered on; their parents may be among them."""
        first = len(self.chains)
        for n, record in enumerate(records):
            bref = Blockref(*(getattr(record, name) for name in _IN_BREF))
            chain = Chain(first + n, bref, record.bytes, record.flags, record.error, hmp=record.hmp)
            chain.pmp = self.pfs(record.pmp, f"{where}[{n}].pmp")
            chain.refs, chain.locks = record.refs, record.locks
            chain.data = unpack(record.data, f"{where}[{n}].data", record.bytes)
            self.chains.append(chain)
        for n, record in enumerate(records):
            self.chains[first + n].parent = self.chain(record.parent, f"{where}[{n}].parent")

    def new_cluster(self) -> Cluster:
        """A zeroed cluster with the next number."""
        cluster = Cluster(self.next_cluster)
        self.next_cluster += 1
        self.clusters[cluster.id] = cluster
        return cluster

    def add_cluster(self, record: ClusterRecord, where: str) -> Cluster:
        """A cluster as recorded, with the next number."""
        cluster = self.new_cluster()
        cluster.pmp = self.pfs(record.pmp, f"{where}.pmp")
        cluster.refs, cluster.flags, cluster.nchains = record.refs, record.flags, record.nchains
        cluster.focus = self.chain(record.focus, f"{where}.focus")
        cluster.error, cluster.ddflag = record.error, record.ddflag
        for i, item in enumerate(cluster.array):
            item.chain = self.chain(record.slots[i], f"{where}.slots[{i}]")
            item.cache_index = record.cache[i]
        return cluster

    def apply(self, fx: Changes, where: str) -> None:
        """What a call changes besides its own bookkeeping."""
        if fx.new is not UNSET:
            self.add_chains(fx.new, f"{where}.new")
        if fx.set is not UNSET:
            for n, (chain, name, value) in enumerate(fx.set):
                self.set_field(chain, name, value, f"{where}.set[{n}]")
        if fx.data is not UNSET:
            for n, (owner, runs) in enumerate(fx.data):
                memory = self.chain(owner, f"{where}.data[{n}]")
                assert memory is not None  # noqa: S101 - owner is not None
                memory.data = unpack(runs, f"{where}.data[{n}]", memory.bytes)


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
            raise Diverged(f"calls[{self._at}]", self._script[self._at], None)

    @property
    def _where(self) -> str:
        return f"calls[{self._at - 1}].fx"

    def _next(self, call: AnyCall) -> AnyCall:
        """The recorded call, which must be this one but for its effects."""
        at = self._at
        if at >= len(self._script):
            raise Diverged(f"calls[{at}]", None, call)
        expected = self._script[at]
        self._at += 1
        if type(expected) is type(call):
            for name in call.__struct_fields__:
                want, got = getattr(expected, name), getattr(call, name)
                if want != got and name != "fx":
                    raise Diverged(f"calls[{at}].{name}", want, got)
            return expected
        raise Diverged(f"calls[{at}]", expected, call)

    def _plain(self, call: AnyCall) -> None:
        """A call whose effects, if any, are changes."""
        fx: Changes | UnsetType = getattr(self._next(call), "fx", UNSET)
        if fx is not UNSET:
            self.world.apply(fx, self._where)

    # ---- Kernel

    def kmalloc(self) -> Cluster:
        self._next(Kmalloc(self.world.next_cluster))
        return self.world.new_cluster()

    def kfree(self, cluster: Cluster) -> None:
        self._next(Kfree(cluster.id))
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
            parent.chain = self.world.chain(fx.parent, f"{self._where}.parent")
        if fx.cache is not UNSET:
            parent.cache_index = fx.cache
        chain = self.world.chain(fx.ret, f"{self._where}.ret")
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
        self.world.apply(call.fx, self._where)
        return self._found(parent, call.fx, key_next, flags)

    async def next(
        self, parent: ClusterItem, chain: Chain, key_next: int, key_beg: int, key_end: int, flags: int
    ) -> tuple[Chain | None, int]:
        above = parent.chain
        assert above is not None  # noqa: S101 - the operations ask no empty slot
        fx = Found(ret=None)
        call = self._next(ChainNext(above.id, chain.id, key_next, key_beg, key_end, parent.cache_index, flags, fx))
        assert isinstance(call, ChainNext)  # noqa: S101 - for the type checker
        self.world.apply(call.fx, self._where)
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
        self.world.apply(fx, self._where)
        if fx.parent is not UNSET:
            parent.chain = self.world.chain(fx.parent, f"{self._where}.parent")
        if fx.chain is not UNSET:
            chain = self.world.chain(fx.chain, f"{self._where}.chain")
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
            self.world.apply(fx, self._where)
            if fx.parent is not UNSET:
                parent.chain = self.world.chain(fx.parent, f"{self._where}.parent")

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

    def inode_create(self, hmp: int, name: str, flags: int) -> tuple[Inode | None, Cluster | None, int]:
        fx = InodeCreated(ip=None, error=0, cluster=None)
        call = self._next(InodeCreate(f"iroot:{hmp}", VDIR, 0o755, len(name.encode()), None, flags, fx))
        assert isinstance(call, InodeCreate)  # noqa: S101 - for the type checker
        fx = call.fx
        self.world.apply(fx, self._where)
        cluster = None if fx.cluster is None else self.world.add_cluster(fx.cluster, f"{self._where}.cluster")
        return self.world.inode(fx.ip, f"{self._where}.ip"), cluster, fx.error

    def inode_unlock_ex(self, ip: Inode, cluster: Cluster) -> None:
        self._next(InodeUnlockEx(ip.id, cluster.id))

    def uuidgen(self, chain: Chain, offset: int) -> None:
        call = self._next(Uuidgen(chain.id, offset, 1, Filled(byte=0)))
        assert isinstance(call, Uuidgen)  # noqa: S101 - for the type checker
        self.world.apply(call.fx, self._where)
        if chain.data is not None:
            chain.data[offset : offset + 16] = bytes((call.fx.byte,)) * 16

    def adjreadcounter(self, chain: Chain) -> None:
        self._next(Adjreadcounter(chain.id, chain.bytes))

    def io_getblk(self, iocb: Iocb) -> None:
        chain = iocb.chain
        assert chain is not None  # noqa: S101 - load_async reads no empty slot
        self._next(IoGetblk(chain.hmp, chain.bref.data_off, chain.bytes, iocb.cluster.id))

    def callback(self, iocb: Iocb) -> None:
        chain = iocb.chain
        assert chain is not None  # noqa: S101 - load_async delivers no empty slot
        self._next(Callback(iocb.cluster.id, chain.id, iocb.lbase))
        iocb.callback(iocb)
