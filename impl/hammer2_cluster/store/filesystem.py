"""A filesystem on 1 to 8 nodes, as hammer2_vnops and hammer2_inode would build it: by cluster operations alone.

It does what a reference needs: one directory, files of any size and names of any bytes, snapshots. Every method is a
coroutine that any runner can run. Who fails, and how it comes back, is not decided here: a node that is out of step
when the filesystem is mounted takes no part in it.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final, NamedTuple

from hammer2_cluster import standing
from hammer2_cluster.accessors import need_resize
from hammer2_cluster.data import rdata, wdata
from hammer2_cluster.device.device import WriteError
from hammer2_cluster.life_cycle import from_chain
from hammer2_cluster.locking import lock, resolve, slots_of, unlock
from hammer2_cluster.lookups import lookup, lookup_done, lookup_init, next  # noqa: A004 - the original's name
from hammer2_cluster.modifying import modify, modsync, resize
from hammer2_cluster.objects import Cluster, Pfs
from hammer2_cluster.outcomes import deref
from hammer2_cluster.runner import Runner
from hammer2_cluster.snapshot import snapshot
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.chains import StoredChains, dirhash, own
from hammer2_cluster.store.freemap import MOST_REFERENCES
from hammer2_cluster.store.inode_data import DIRECTORY, NAME_MAX, REGULAR_FILE, TABLE_AT, InodeData, is_direct
from hammer2_cluster.store.insertion import NO_SPACE
from hammer2_cluster.store.volume import Volume
from hammer2_cluster.topology import create, delete, rename
from hammer2_spec.vocabulary import (
    DIRHASH_LOMASK,
    DIRHASH_VISIBLE,
    EMBEDDED_BYTES,
    INODE_BYTES,
    KEY_MAX,
    MAXCLUSTER,
    BrefType,
    Error,
    Insert,
    Lookup,
    OpFlag,
    PfsType,
    Resolve,
)

BLOCK_RADIX: Final = 16
BLOCK_BYTES: Final = 1 << BLOCK_RADIX
MIN_BLOCK_RADIX: Final = 10
RESERVE_FRACTION: Final = 32
"""This part of a volume is kept for deleting, which needs space before it gives some back."""


class FilesystemError(Exception):
    """Something cannot be done; the text says what and why. Nothing was changed."""


class NotFoundError(FilesystemError):
    """There is no such name."""


class ExistsError(FilesystemError):
    """The name is taken."""


class NoSpaceError(FilesystemError):
    """It does not fit, on this or that node."""


class UnavailableError(FilesystemError):
    """No quorum, or no readable copy: which blocks of which nodes."""


class Listed(NamedTuple):
    """A directory entry."""

    name: bytes
    size: int
    """In bytes."""


class Root(NamedTuple):
    """What a node's super-root says of a PFS."""

    key: int
    inode: InodeData
    mirror_tid: int


def check_name(name: bytes) -> None:
    """Raises FilesystemError unless an entry may be called so."""
    if not 0 < len(name) <= NAME_MAX:
        raise FilesystemError(f"a name has 1 to {NAME_MAX} bytes, this one {len(name)}")
    if b"\0" in name:
        raise FilesystemError("a name cannot contain a zero byte")


def shown(name: bytes) -> str:
    """A name for messages."""
    return repr(name.decode("utf-8", "backslashreplace"))


def trusted(cluster: Cluster) -> Cluster:
    """The cluster, if it has a focus that may be read. Raises UnavailableError, naming what is wrong with it."""
    if cluster.focus is None or cluster.focus.error:
        raise UnavailableError(wrong_with(cluster))
    return cluster


def wrong_with(cluster: Cluster) -> str:
    """Why a cluster cannot be read or written, as far as its members say."""
    wrong = [f"{own(chain).name}: {Error(chain.error).name} error" for _, chain in cluster.members() if chain.error]
    return "; ".join(wrong) or "no quorum"


def check(error: int | None, cluster: Cluster) -> None:
    """Raises NoSpaceError or UnavailableError, for the cluster, unless an operation returned no error."""
    if error == NO_SPACE:
        raise NoSpaceError("no room on too many nodes")
    if error:
        raise UnavailableError(wrong_with(cluster))


def _inode_of(cluster: Cluster) -> InodeData:
    return InodeData.read(deref(rdata(trusted(cluster)).data))


def _radix_for(length: int) -> int:
    """The smallest block that holds so many bytes."""
    return max(MIN_BLOCK_RADIX, (length - 1).bit_length())


async def lock_again(on: Runner, cluster: Cluster, flags: int) -> Cluster:
    """Another cluster over the same chains, locked. Raises UnavailableError."""
    again = await lookup_init(on, cluster, flags)
    if again is None:
        raise UnavailableError(wrong_with(cluster))
    return trusted(again)


# ---- names under a directory, or under the super-root of one node


async def find(on: Runner, cparent: Cluster, name: bytes) -> tuple[Cluster | None, int]:
    """The locked inode of that name below a locked directory, or None, and the first key that is free for the name.

    Raises UnavailableError, FilesystemError if all keys of its hash are taken.
    """
    first = key = dirhash(name)
    free: int | None = None
    cluster, _ = await lookup(on, cparent, 0, first, first | DIRHASH_LOMASK, Lookup.ALWAYS)
    while cluster is not None:
        if _inode_of(cluster).name == name:
            return cluster, deref(cluster.focus).bref.key
        if free is None and deref(cluster.focus).bref.key != key:
            free = key
        key = deref(cluster.focus).bref.key + 1
        cluster, _ = await next(on, cparent, cluster, 0, first, first | DIRHASH_LOMASK, Lookup.ALWAYS)
    _must_have_answered(cparent)
    if free is None and key > first | DIRHASH_LOMASK:
        raise FilesystemError(f"too many names have the hash of {shown(name)}")
    return None, key if free is None else free


def _must_have_answered(cparent: Cluster) -> None:
    """Nothing was found: at least one member must have been able to look."""
    if all(chain.error for _, chain in cparent.members()):
        raise UnavailableError(wrong_with(cparent))


async def stand_at(on: Runner, cparent: Cluster, key: int) -> None:
    """Let each parent be the one below which a free key belongs."""
    found, _ = await lookup(on, cparent, 0, key, key, Lookup.NODATA)
    if found is not None:
        await unlock(on, found)
        raise ExistsError(f"key {key:#x} is taken")
    _must_have_answered(cparent)


async def create_inode(
    on: Runner, cparent: Cluster, pmp: Pfs | None, key: int, inode: InodeData, flags: int = 0
) -> Cluster:
    """A new locked inode below a directory, at a free key."""
    await stand_at(on, cparent, key)
    error, cluster = await create(on, pmp, cparent, None, key, 0, BrefType.INODE, INODE_BYTES, flags)
    check(error, cparent)
    await edit_inode(on, deref(cluster), inode)
    return deref(cluster)


async def edit_inode(on: Runner, cluster: Cluster, inode: InodeData, embedded: bytes | None = None) -> None:
    """Write an inode's fields, and its embedded data if any is given, and carry that to all members."""
    check(await modify(on, cluster, 0), cluster)
    data = deref(wdata(trusted(cluster)).data)
    inode.write(data)
    if embedded is not None:
        data[TABLE_AT : TABLE_AT + EMBEDDED_BYTES] = embedded.ljust(EMBEDDED_BYTES, b"\0")
    check(await modsync(on, cluster), cluster)


# ---- PFSs


async def super_root(on: Runner, chains: StoredChains, volume: Volume) -> Cluster:
    """The super-root of one node, locked."""
    root = deref(volume.super_root)
    await chains.lock(root, Resolve.ALWAYS)
    cluster = from_chain(on, root)
    resolve(on, cluster)
    return cluster


async def find_root(on: Runner, chains: StoredChains, volume: Volume, label: bytes) -> Root | None:
    """A PFS of a node, by its label. Raises UnavailableError."""
    cparent = await super_root(on, chains, volume)
    try:
        cluster, key = await find(on, cparent, label)
        if cluster is None:
            return None
        root = Root(key, _inode_of(cluster), deref(cluster.focus).bref.mirror_tid)
        await unlock(on, cluster)
        return root
    finally:
        await unlock(on, cparent)


async def roots_of(on: Runner, chains: StoredChains, volume: Volume) -> list[Root]:
    """All PFSs of a node. Raises UnavailableError."""
    cparent = await super_root(on, chains, volume)
    roots = []
    cluster, _ = await lookup(on, cparent, 0, DIRHASH_VISIBLE, KEY_MAX, Lookup.ALWAYS)
    while cluster is not None:
        focus = deref(trusted(cluster).focus)
        roots.append(Root(focus.bref.key, _inode_of(cluster), focus.bref.mirror_tid))
        cluster, _ = await next(on, cparent, cluster, 0, DIRHASH_VISIBLE, KEY_MAX, Lookup.ALWAYS)
    _must_have_answered(cparent)
    await unlock(on, cparent)
    return roots


async def create_pfs(on: Runner, chains: StoredChains, label: bytes, types: Sequence[int], clid: bytes) -> None:
    """A new, empty PFS: node i of it is of types[i] (MASTER, SLAVE, ...). Durable when this returns.

    Raises ExistsError, FilesystemError.
    """
    check_name(label)
    nmasters = sum(kind == PfsType.MASTER for kind in types)
    for volume, kind in zip(chains.volumes, types, strict=True):
        if volume is None:
            continue
        cparent = await super_root(on, chains, volume)
        cluster, key = await find(on, cparent, label)
        if cluster is not None:
            raise ExistsError(f"{volume.name} has a PFS {shown(label)}")
        inode = InodeData(
            type=DIRECTORY,
            op_flags=OpFlag.PFSROOT,
            pfs_type=kind,
            pfs_nmasters=nmasters,
            pfs_clid=clid,
            pfs_fsid=chains.uuids(volume.hmp, 0xA0),
            name=label,
        )
        await unlock(on, await create_inode(on, cparent, None, key, inode, Insert.PFSROOT))
        await unlock(on, cparent)
        await chains.sync(deref(volume.super_root))
        if volume.failed:
            raise FilesystemError(str(volume.failed))


async def remove_pfs(on: Runner, chains: StoredChains, volume: Volume, label: bytes) -> bool:
    """Take a PFS of one node away, durably; False if it has none of that label. Raises UnavailableError."""
    cparent = await super_root(on, chains, volume)
    try:
        cluster, _ = await find(on, cparent, label)
        if cluster is None:
            return False
        check(await delete(on, cparent, cluster, 0), cluster)
        await unlock(on, cluster)
    finally:
        await unlock(on, cparent)
    await chains.sync(deref(volume.super_root))
    if volume.failed:
        raise UnavailableError(f"not written: {volume.failed}")
    return True


class Filesystem:
    """A PFS that is mounted. Made by ``mount``."""

    def __init__(self, on: Runner, chains: StoredChains, label: bytes, pmp: Pfs, root: Cluster, why: list[str]) -> None:
        self._on: Final = on
        self._chains: Final = chains
        self.label: Final = label
        self.pmp: Final = pmp
        self._root: Final = root
        """Referenced, not locked."""
        self.left_out: Final = why
        """For each node: why it takes no part, or nothing."""
        self.tid = max(volume.highest_tid for volume in chains.volumes if volume is not None)
        """The last one used, on any node, even if it does not count: no two flushes have the same."""

    # ---- directory

    async def _lock_root(self) -> Cluster:
        return await lock_again(self._on, self._root, 0)

    async def _open(self, cparent: Cluster, name: bytes) -> Cluster:
        cluster, _ = await find(self._on, cparent, name)
        if cluster is None:
            raise NotFoundError(f"there is no {shown(name)}")
        return cluster

    async def names(self) -> AsyncIterator[Listed]:
        """All entries, in order of their keys. Raises UnavailableError."""
        cparent = await self._lock_root()
        cluster, _ = await lookup(self._on, cparent, 0, DIRHASH_VISIBLE, KEY_MAX, Lookup.ALWAYS)
        while cluster is not None:
            inode = _inode_of(cluster)
            yield Listed(inode.name, inode.size)
            cluster, _ = await next(self._on, cparent, cluster, 0, DIRHASH_VISIBLE, KEY_MAX, Lookup.ALWAYS)
        _must_have_answered(cparent)
        await lookup_done(self._on, cparent)

    async def remove(self, name: bytes) -> None:
        """Take a file away. Raises NotFoundError, UnavailableError."""
        cparent = await self._lock_root()
        try:
            cluster = await self._open(cparent, name)
            check(await delete(self._on, cparent, cluster, 0), cluster)
            await unlock(self._on, cluster)
        finally:
            await lookup_done(self._on, cparent)

    async def rename(self, old: bytes, new: bytes) -> None:
        """Give a file another name. Raises NotFoundError, ExistsError, NoSpaceError, UnavailableError."""
        check_name(new)
        self._must_have_room(0)
        cparent = await self._lock_root()
        try:
            taken, key = await find(self._on, cparent, new)
            if taken is not None:
                await unlock(self._on, taken)
                raise ExistsError(f"there is a {shown(new)}")
        finally:
            await lookup_done(self._on, cparent)
        cparent = await self._lock_root()
        try:
            cluster = await self._open(cparent, old)
            inode = _inode_of(cluster)
            inode.name = new
            await edit_inode(self._on, cluster, inode)
            check(await delete(self._on, cparent, cluster, 0), cluster)
            await stand_at(self._on, cparent, key)
            check(await rename(self._on, cparent, cluster, 0, (key, 0)), cluster)
            await unlock(self._on, cluster)
        finally:
            await lookup_done(self._on, cparent)

    # ---- files

    async def put(self, name: bytes, content: Iterable[bytes], size: int) -> None:
        """A file of that name with this content, in place of one that is there.

        content: pieces of any length that sum to ``size`` bytes. Raises NoSpaceError before anything is changed,
        FilesystemError, UnavailableError.
        """
        check_name(name)
        self._must_have_room(size)
        cparent = await self._lock_root()
        try:
            cluster, key = await find(self._on, cparent, name)
            if cluster is not None:
                check(await delete(self._on, cparent, cluster, 0), cluster)
                await unlock(self._on, cluster)
            inode = InodeData(type=REGULAR_FILE, size=size, name=name)
            embed = size <= EMBEDDED_BYTES
            inode.op_flags = OpFlag.DIRECTDATA if embed else 0
            cluster = await create_inode(self._on, cparent, self.pmp, key, inode)
        finally:
            await lookup_done(self._on, cparent)
        if embed:
            await edit_inode(self._on, cluster, inode, b"".join(content))
        else:
            await self._append(cluster, content, size)
        await unlock(self._on, cluster)

    async def _append(self, cluster: Cluster, content: Iterable[bytes], size: int) -> None:
        """The data blocks of a new file."""
        fparent = await lock_again(self._on, cluster, 0)
        offset = 0
        for block in blocks_of(content):
            await self._write_block(fparent, offset, 0, block, min(BLOCK_BYTES, size - offset))
            offset += len(block)
        await lookup_done(self._on, fparent)

    async def _write_block(self, fparent: Cluster, offset: int, start: int, piece: bytes, length: int) -> None:
        """Bytes of the block at ``offset`` in a file, from ``start`` on; the block holds ``length`` bytes at least."""
        on, radix = self._on, _radix_for(length)
        found, _ = await lookup(on, fparent, 0, offset, offset, Lookup.ALWAYS)
        block = await self._create_block(fparent, offset, radix) if found is None else trusted(found)
        if need_resize(block, 1 << radix) and rdata(block).bytes < 1 << radix:
            check(await resize(on, None, fparent, block, radix, 0), block)
        else:
            check(await modify(on, block, 0), block)
        data = deref(wdata(trusted(block)).data)
        data[start : start + len(piece)] = piece
        check(await modsync(on, block), block)
        await unlock(on, block)

    async def _create_block(self, fparent: Cluster, offset: int, radix: int) -> Cluster:
        _must_have_answered(fparent)
        size = 1 << radix
        error, block = await create(self._on, self.pmp, fparent, None, offset, BLOCK_RADIX, BrefType.DATA, size, 0)
        check(error, fparent)
        return deref(block)

    async def write(self, name: bytes, offset: int, piece: bytes) -> None:
        """Replace bytes of a file, which may make it longer. Raises NotFoundError, NoSpaceError, UnavailableError."""
        cparent = await self._lock_root()
        try:
            cluster = await self._open(cparent, name)
        finally:
            await lookup_done(self._on, cparent)
        inode = _inode_of(cluster)
        try:
            self._must_have_room(space_to_write(offset, len(piece), max(inode.size, offset + len(piece))))
        except NoSpaceError:
            await unlock(self._on, cluster)
            raise
        old = deref(rdata(cluster).data)[TABLE_AT : TABLE_AT + min(inode.size, EMBEDDED_BYTES)]
        direct, inode.size = bool(inode.op_flags & OpFlag.DIRECTDATA), max(inode.size, offset + len(piece))
        if direct and inode.size <= EMBEDDED_BYTES:
            old = old.ljust(inode.size, b"\0")
            old[offset : offset + len(piece)] = piece
            await edit_inode(self._on, cluster, inode, bytes(old))
        elif direct:
            await self._to_blocks(cluster, inode, bytes(old))
            await self._write_pieces(cluster, inode.size, offset, piece)
        else:
            await edit_inode(self._on, cluster, inode)
            await self._write_pieces(cluster, inode.size, offset, piece)
        await unlock(self._on, cluster)

    async def _to_blocks(self, cluster: Cluster, inode: InodeData, embedded: bytes) -> None:
        """Let an inode with embedded data have a block table instead."""
        await edit_inode(self._on, cluster, inode, b"")  # on all members, while it counts as data
        inode.op_flags &= ~OpFlag.DIRECTDATA
        await edit_inode(self._on, cluster, inode)
        if embedded:
            await self._write_pieces(cluster, inode.size, 0, embedded)

    async def _write_pieces(self, cluster: Cluster, size: int, offset: int, piece: bytes) -> None:
        """Bytes from an offset on, cut at the borders of blocks."""
        fparent = await lock_again(self._on, cluster, 0)
        done = 0
        while done < len(piece):
            at = offset + done
            block, start = at - at % BLOCK_BYTES, at % BLOCK_BYTES
            part = piece[done : done + BLOCK_BYTES - start]
            await self._write_block(fparent, block, start, part, min(BLOCK_BYTES, size - block))
            done += len(part)
        await lookup_done(self._on, fparent)

    async def read(self, name: bytes) -> AsyncIterator[bytes]:
        """The content of a file, block by block. Raises NotFoundError, UnavailableError."""
        cparent = await self._lock_root()
        try:
            cluster = await self._open(cparent, name)
        finally:
            await lookup_done(self._on, cparent)
        inode = _inode_of(cluster)
        data = deref(rdata(cluster).data)
        if is_direct(data):
            yield bytes(data[TABLE_AT : TABLE_AT + inode.size])
        else:
            fparent = await lock_again(self._on, cluster, Lookup.SHARED)
            for offset in range(0, inode.size, BLOCK_BYTES):
                yield await self._read_block(fparent, offset, min(BLOCK_BYTES, inode.size - offset))
            await lookup_done(self._on, fparent)
        await unlock(self._on, cluster)

    async def _read_block(self, fparent: Cluster, offset: int, length: int) -> bytes:
        block, _ = await lookup(self._on, fparent, 0, offset, offset, Lookup.ALWAYS | Lookup.SHARED)
        if block is None:
            _must_have_answered(fparent)
            return bytes(length)
        data = bytes(deref(rdata(trusted(block)).data)[:length])
        await unlock(self._on, block)
        return data.ljust(length, b"\0")

    # ---- the whole

    def _must_have_room(self, size: int) -> None:
        """Raises NoSpaceError, naming the node, unless a file of so many bytes fits on every node that takes part."""
        for _, chain in self._root.members():
            volume = own(chain).volume
            room = room_on(volume)
            radix = _radix_for(min(max(size, 1), BLOCK_BYTES))
            if room < size:
                raise NoSpaceError(f"{volume.name}: no room for {size} bytes, there is room for {max(0, room)}")
            if not volume.freemap.has_extents(radix, -(-size >> radix)):
                raise NoSpaceError(f"{volume.name}: no room for {size} bytes in blocks of {1 << radix}")

    async def flush(self) -> None:
        """Make all changes durable on all nodes, under one new tid. Raises UnavailableError if too few nodes did it.

        In two steps, so that a crash undoes it on all nodes or on none: all prepare, then all confirm.
        """
        self.tid += 1
        self._chains.flush_tid = self.tid
        items = self._root.array

        async def prepare_member(i: int) -> None:
            chain = deref(items[i].chain)
            await self._chains.lock(chain, Resolve.ALWAYS)
            await self._chains.flush(chain)
            self._chains.unlock(chain)
            await self._chains.prepare(chain)

        async def confirm_member(i: int) -> None:
            await self._chains.confirm(deref(items[i].chain))

        for step in (prepare_member, confirm_member):
            async for _ in self._on.ask(self._root, step):
                pass
            self._must_be_written()

    def _must_be_written(self) -> None:
        """Raises UnavailableError, and lets nothing more be written, unless enough nodes could write."""
        volumes = {i: own(chain).volume for i, chain in self._root.members()}
        wrote = [i for i, volume in volumes.items() if volume.failed is None]
        masters = sum(self.pmp.pfs_types[i] == PfsType.MASTER for i in wrote)
        if wrote and masters >= self.pmp.pfs_nmasters // 2 + 1:
            return
        failed = "; ".join(str(volume.failed) for volume in volumes.values() if volume.failed)
        for volume in volumes.values():
            volume.fail(WriteError("too few nodes could be written"))
        raise UnavailableError(f"not written: {failed}")

    async def snapshot(self, label: bytes) -> None:
        """Freeze the contents, which are flushed first, as a PFS of its own on every node. Durable when this returns.

        Raises ExistsError, NoSpaceError, UnavailableError.
        """
        check_name(label)
        self._must_have_room(BLOCK_BYTES)
        members = [own(chain) for _, chain in self._root.members()]
        for chain in members:
            roots = await roots_of(self._on, self._chains, chain.volume)
            if any(root.inode.name == label for root in roots):
                raise ExistsError(f"{chain.volume.name} has a PFS {shown(label)}")
            if len(roots) >= MOST_REFERENCES - 1:
                raise NoSpaceError(f"{chain.volume.name} has {len(roots)} PFSs, the most there can be")
        await self.flush()
        ocluster = await self._lock_root()
        check(await snapshot(self._on, ocluster, label.decode("utf-8", "surrogateescape")), ocluster)
        taken = [own(chain) for _, chain in ocluster.members() if own(chain) in members]
        await lookup_done(self._on, ocluster)
        for chain in taken:
            await self._count_as_masters(chain, label, len(taken))

    async def _count_as_masters(self, chain: StoredChain, label: bytes, nmasters: int) -> None:
        """The copies of a snapshot are the masters of a PFS of their own, which has so many of them."""
        on, volume = self._on, chain.volume
        cparent = await super_root(on, self._chains, volume)
        cluster, _ = await find(on, cparent, label)
        if cluster is not None:
            inode = _inode_of(cluster)
            inode.pfs_nmasters = nmasters
            await edit_inode(on, cluster, inode)
            await unlock(on, cluster)
        await unlock(on, cparent)
        await self._chains.sync(chain)
        if volume.failed:
            raise UnavailableError(f"not written: {volume.failed}")

    async def unmount(self) -> None:
        """Let go of the root. What was not flushed is lost."""
        self._on.chains.kfree(self._root)
        for i, chain in list(self._root.members()):
            self._chains.drop(chain)
            self._root.array[i].chain = None


def room_on(volume: Volume) -> int:
    """How large a file surely fits, in bytes, its inode and block tables included."""
    free = volume.freemap.free_bytes - volume.promised
    return free - max(volume.header.size // RESERVE_FRACTION, 2 * BLOCK_BYTES) - free // 16


def space_to_write(offset: int, length: int, size: int) -> int:
    """Bytes that the blocks take which a write touches, in a file that has ``size`` bytes then."""
    first = offset - offset % BLOCK_BYTES
    blocks = range(first, offset + max(length, 1), BLOCK_BYTES)
    return INODE_BYTES + sum(1 << _radix_for(min(BLOCK_BYTES, max(1, size - block))) for block in blocks)


def blocks_of(content: Iterable[bytes]) -> Iterable[bytes]:
    """Pieces of any length as blocks of BLOCK_BYTES; the last one may be shorter."""
    waiting = bytearray()
    for piece in content:
        waiting += piece
        while len(waiting) >= BLOCK_BYTES:
            yield bytes(waiting[:BLOCK_BYTES])
            del waiting[:BLOCK_BYTES]
    if waiting:
        yield bytes(waiting)


async def mount(on: Runner, chains: StoredChains, label: bytes) -> Filesystem:
    """The PFS of that label, on the nodes that have it and are in step. Raises NotFoundError, UnavailableError."""
    roots: list[Root | None] = []
    left_out = [""] * len(chains.volumes)
    unreadable = False
    for i, volume in enumerate(chains.volumes):
        try:
            roots.append(None if volume is None else await find_root(on, chains, volume, label))
            if roots[-1] is None:
                left_out[i] = "not there" if volume is None else f"has no {shown(label)}"
        except UnavailableError as error:
            roots.append(None)
            left_out[i] = str(error)
            unreadable = True
    known = [root for root in roots if root is not None]
    if not known:
        kind = UnavailableError if unreadable else NotFoundError
        raise kind(f"no node has a PFS {shown(label)}: {'; '.join(filter(None, left_out))}")
    newest = max(known, key=lambda root: root.mirror_tid).inode
    types = [PfsType.NONE if root is None else root.inode.pfs_type for root in roots]
    pmp = Pfs(0, types + [0] * (MAXCLUSTER - len(types)), newest.pfs_nmasters)
    cluster = chains.kmalloc()
    cluster.pmp, cluster.refs, cluster.nchains = pmp, 1, len(roots)
    for i, (volume, root) in enumerate(zip(chains.volumes, roots, strict=True)):
        if volume is not None and root is not None:
            cluster.array[i].chain = await _root_chain(chains, volume, root, pmp)
    await _leave_out(on, chains, cluster, left_out)
    return Filesystem(on, chains, label, pmp, cluster, left_out)


async def _root_chain(chains: StoredChains, volume: Volume, root: Root, pmp: Pfs) -> StoredChain:
    """The root of the PFS on one node, referenced."""
    volume.pfs[root.key] = pmp
    sroot = deref(volume.super_root)
    await chains.lock(sroot, Resolve.ALWAYS)
    item = chains.kmalloc().array[0]
    item.chain = sroot
    chain, _ = await chains.lookup(item, 0, root.key, root.key, Lookup.NOLOCK)
    chains.unlock(deref(item.chain))
    return own(deref(chain))


async def _leave_out(on: Runner, chains: StoredChains, cluster: Cluster, left_out: list[str]) -> None:
    """Keep the members that agree with the quorum. Raises UnavailableError without one."""
    if await lock(on, cluster, Resolve.ALWAYS):
        raise UnavailableError(wrong_with(cluster))
    tid = rdata(trusted(cluster)).bref.mirror_tid
    members, slots, good = list(cluster.members()), slots_of(on, cluster), standing.believed(on, cluster)
    await unlock(on, cluster)
    for i, chain in members:
        if i not in good:
            left_out[i] = f"error {slots[i].error}" if slots[i].error else f"at tid {slots[i].tid}, not {tid}"
            cluster.array[i].chain = None
            chains.drop(chain)
