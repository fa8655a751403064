"""A filesystem on 1 to 8 nodes, as hammer2_vnops and hammer2_inode would build it: by cluster operations alone.

It does what a reference needs: one directory, files of any size and names of any bytes, snapshots. Every method is a
coroutine that any runner can run. Who fails, and how it comes back, is not decided here: a node that is out of step
when the filesystem is mounted takes no part in it.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from hammer2_cluster.device.device import ReadError, WriteError
from hammer2_cluster.journal import NOTHING, Journal
from hammer2_cluster.lock_order import to_be_flushed
from hammer2_cluster.locking import unlock
from hammer2_cluster.lookups import lookup, lookup_done, next  # noqa: A004 - the original's name
from hammer2_cluster.objects import Cluster, Pfs
from hammer2_cluster.outcomes import deref
from hammer2_cluster.runner import Runner
from hammer2_cluster.snapshot import snapshot
from hammer2_cluster.standing import WRITABLE_TYPES, writable
from hammer2_cluster.store import file_data
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.chains import StoredChains, own
from hammer2_cluster.store.directory import (
    ExistsError,
    FilesystemError,
    NoSpaceError,
    NotFoundError,
    UnavailableError,
    about,
    check,
    check_name,
    create_inode,
    edit_inode,
    find,
    inode_of,
    lock_again,
    must_have_answered,
    shown,
    stand_at,
)
from hammer2_cluster.store.freemap import MOST_REFERENCES
from hammer2_cluster.store.inode_data import REGULAR_FILE, InodeData
from hammer2_cluster.store.pfs import assemble, remove_pfs, roots_of, super_root
from hammer2_cluster.store.volume import Volume
from hammer2_cluster.topology import delete, rename
from hammer2_spec.vocabulary import DIRHASH_VISIBLE, EMBEDDED_BYTES, KEY_MAX, Lookup, OpFlag, PfsType


class Listed(NamedTuple):
    """A directory entry."""

    name: bytes
    size: int
    """In bytes."""


class Filesystem:
    """A PFS that is mounted. Made by ``mount``."""

    def __init__(
        self,
        on: Runner,
        chains: StoredChains,
        label: bytes,
        root: Cluster,
        why: list[str],
        journal: Journal | None = None,
    ) -> None:
        """journal: the layer that ``on`` works on, if it is for a flush to see who has missed something."""
        self._on: Final = on
        self._journal: Final = journal
        self._chains: Final = chains
        self.label: Final = label
        self.pmp: Final[Pfs] = deref(root.pmp)
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

    async def _opened(self, name: bytes) -> Cluster:
        """The inode of a file, locked, and nothing else. Raises NotFoundError, UnavailableError."""
        cparent = await self._lock_root()
        try:
            return await self._open(cparent, name)
        finally:
            await lookup_done(self._on, cparent)

    async def names(self) -> AsyncIterator[Listed]:
        """All entries, in order of their keys. Raises UnavailableError."""
        cparent = await self._lock_root()
        cluster, _ = await lookup(self._on, cparent, 0, DIRHASH_VISIBLE, KEY_MAX, Lookup.ALWAYS)
        while cluster is not None:
            inode = inode_of(cluster)
            yield Listed(inode.name, inode.size)
            cluster, _ = await next(self._on, cparent, cluster, 0, DIRHASH_VISIBLE, KEY_MAX, Lookup.ALWAYS)
        must_have_answered(cparent)
        await lookup_done(self._on, cparent)

    async def size_of(self, name: bytes) -> int:
        """The size of a file in bytes. Raises NotFoundError, UnavailableError."""
        cluster = await self._opened(name)
        size = inode_of(cluster).size
        await unlock(self._on, cluster)
        return size

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
            inode = inode_of(cluster)
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
        FilesystemError, UnavailableError. What the content raises ends it half-way: then nothing should be flushed.
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
            inode.op_flags = OpFlag.DIRECTDATA if size <= EMBEDDED_BYTES else 0
            cluster = await create_inode(self._on, cparent, self.pmp, key, inode)
        finally:
            await lookup_done(self._on, cparent)
        await file_data.fill(self._on, cluster, inode, content)
        await unlock(self._on, cluster)

    async def write(self, name: bytes, offset: int, piece: bytes) -> None:
        """Replace bytes of a file, which may make it longer. Raises NotFoundError, NoSpaceError, UnavailableError."""
        cluster = await self._opened(name)
        size = max(inode_of(cluster).size, offset + len(piece))
        try:
            self._must_have_room(file_data.space_to_write(offset, len(piece), size))
        except NoSpaceError:
            await unlock(self._on, cluster)
            raise
        await file_data.overwrite(self._on, cluster, offset, piece)
        await unlock(self._on, cluster)

    async def read(self, name: bytes) -> AsyncIterator[bytes]:
        """The content of a file, block by block. Raises NotFoundError, UnavailableError."""
        cluster = await self._opened(name)
        async for piece in file_data.content_of(self._on, cluster):
            yield piece
        await unlock(self._on, cluster)

    # ---- the whole

    def _members(self) -> list[StoredChain]:
        return [own(chain) for _, chain in self._root.members()]

    def _must_have_room(self, size: int) -> None:
        """Raises NoSpaceError, naming the node, unless a file of so many bytes fits on every node that takes part."""
        for chain in self._members():
            file_data.must_fit(chain.volume, size)

    def _begin(self) -> None:
        """All members are in step, and nothing has been changed yet."""
        if self._journal is not None:
            for i, _ in self._root.members():
                self._journal.begin(i, 0)

    def _fail_who_missed_something(self) -> None:
        """A member that has not done what most of the masters did is not written: its tid would be a lie.

        Raises UnavailableError if those are no majority.
        """
        if self._journal is None:
            return
        did = {i: self._journal.digest(i) for i, chain in self._root.members() if own(chain).volume.failed is None}
        votes = Counter(digest for i, digest in did.items() if self.pmp.pfs_types[i] == PfsType.MASTER)
        decided = max(votes, key=votes.__getitem__, default=NOTHING)
        for i, digest in did.items():
            waits = digest == NOTHING and self.pmp.pfs_types[i] not in WRITABLE_TYPES  # to be resynchronized
            if digest != decided and not waits:
                volume = own(deref(self._root.array[i].chain)).volume
                volume.fail(ReadError(volume.unreadable or "it has not done the same as the other nodes"))
        self._must_be_written(self._root)

    def _needed(self) -> int:
        """Masters that make a majority."""
        return self.pmp.pfs_nmasters // 2 + 1

    async def flush(self) -> None:
        """Make all changes durable on all nodes, under one new tid. Raises UnavailableError if too few nodes did it."""
        self._fail_who_missed_something()
        items = self._root.array

        async def flush_member(i: int) -> None:
            chain = own(deref(items[i].chain))
            async with to_be_flushed(chain):
                await self._chains.flush(chain)

        await self._make_durable(self._root, flush_member)

    async def _make_durable(self, cluster: Cluster, write: Callable[[int], Awaitable[None]] | None = None) -> None:
        """Under a new tid, what was written at the nodes of a cluster, or is to be. Raises UnavailableError.

        In two steps, so that a crash undoes it on all nodes or on none: all prepare, then all confirm.
        """
        self.tid += 1
        self._chains.flush_tid = self.tid
        items = cluster.array

        async def prepare_member(i: int) -> bool:
            chain = own(deref(items[i].chain))
            if write is not None:
                await write(i)
            await self._chains.prepare(chain)
            return chain.volume.failed is None

        async def confirm_member(i: int) -> bool:
            chain = own(deref(items[i].chain))
            await self._chains.confirm(chain)
            return chain.volume.failed is None

        for step in (prepare_member, confirm_member):
            failed: list[int] = []
            async for i, wrote in self._on.ask(cluster, step, until=self._on.quorum_of(cluster, failed)):
                if not wrote:
                    failed.append(i)
            self._must_be_written(cluster, prepared=step is confirm_member)
        self._begin()

    def _must_be_written(self, cluster: Cluster, *, prepared: bool = False) -> None:
        """Raises UnavailableError, and lets nothing more be written, unless enough masters could write.

        prepared: enough of them have prepared it; then it is not certain that it will be undone.
        """
        volumes = {i: own(chain).volume for i, chain in cluster.members()}
        wrote = [i for i, volume in volumes.items() if volume.failed is None]
        if sum(self.pmp.pfs_types[i] == PfsType.MASTER for i in wrote) >= self._needed():
            return
        failed = "; ".join(str(volume.failed) for volume in volumes.values() if volume.failed)
        for volume in volumes.values():
            volume.fail(WriteError("too few nodes could be written"))
        what = "perhaps not written (on all nodes or on none)" if prepared else "not written"
        raise UnavailableError(f"{what}: {failed}")

    # ---- snapshots

    async def snapshot(self, label: bytes) -> None:
        """Freeze the contents, which are flushed first, as a PFS of its own on every node that is written.

        Durable on all of them when this returns; a crash undoes it on all or on none. Raises ExistsError,
        NoSpaceError, UnavailableError.
        """
        check_name(label)
        self._must_have_room(file_data.BLOCK_BYTES)
        for chain in self._members():
            async with self._or_fails(chain.volume):
                roots = await roots_of(self._on, self._chains, chain.volume)
                if any(root.inode.name == label for root in roots):
                    raise ExistsError(f"{chain.volume.name} has a PFS {shown(label)}")
                if len(roots) >= MOST_REFERENCES - 1:
                    raise NoSpaceError(f"{chain.volume.name} has {len(roots)} PFSs, the most there can be")
        await self.flush()
        ocluster = await self._lock_root()
        check(await snapshot(self._on, ocluster, label.decode("utf-8", "surrogateescape")), ocluster)
        asked = writable(self._on, ocluster)
        taken = [own(chain) for i, chain in ocluster.members() if i in asked and own(chain).volume.failed is None]
        await lookup_done(self._on, ocluster)
        for chain in taken:
            async with self._or_fails(chain.volume):
                await self._count_as_masters(chain.volume, label, len(taken))
        await self._make_durable(self._root)

    @asynccontextmanager
    async def _or_fails(self, volume: Volume) -> AsyncIterator[None]:
        """A node whose super-root cannot be read in here is not written any more; the others go on."""
        try:
            yield
        except UnavailableError as error:
            volume.fail(ReadError(about(volume, error)))

    async def _count_as_masters(self, volume: Volume, label: bytes, nmasters: int) -> None:
        """The copies of a snapshot are the masters of a PFS of their own, which has so many of them."""
        on = self._on
        cparent = await super_root(on, self._chains, volume)
        cluster, _ = await find(on, cparent, label)
        if cluster is not None:
            inode = inode_of(cluster)
            inode.pfs_nmasters = nmasters
            await edit_inode(on, cluster, inode)
            await unlock(on, cluster)
        await unlock(on, cparent)

    async def remove_snapshot(self, label: bytes) -> None:
        """Take a snapshot away on all nodes that have it and can be read, those out of step included, durably.

        A crash undoes it on all or on none. Raises FilesystemError, NotFoundError, UnavailableError.
        """
        if label == self.label:
            raise FilesystemError(f"{shown(label)} is no snapshot")
        await self.flush()
        roots = self._on.chains.kmalloc()
        roots.pmp, roots.nchains = self.pmp, len(self._chains.volumes)
        found, wrong = False, ""
        for i, volume in enumerate(self._chains.volumes):
            if volume is None or volume.failed:
                continue
            try:
                found |= await remove_pfs(self._on, self._chains, volume, label)
                roots.array[i].chain = volume.super_root
            except UnavailableError as error:
                wrong = str(error)
        if not found:
            raise UnavailableError(wrong) if wrong else NotFoundError(f"there is no snapshot {shown(label)}")
        await self._make_durable(roots)

    async def unmount(self) -> None:
        """Let go of the root. What was not flushed is lost."""
        self._on.chains.kfree(self._root)
        for i, chain in list(self._root.members()):
            self._chains.drop(chain)
            self._root.array[i].chain = None


async def mount(on: Runner, chains: StoredChains, label: bytes, journal: Journal | None = None) -> Filesystem:
    """The PFS of that label, on the nodes that have it and are in step. Raises NotFoundError, UnavailableError.

    journal: as for Filesystem.
    """
    return Filesystem(on, chains, label, *await assemble(on, chains, label), journal)
