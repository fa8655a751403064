"""Resynchronization (L1421-1447): one task per node copies a virtual snapshot of the good nodes to it.

A pass is incremental: what has the mirror_tid of the source is as it is there, with all below it, and is not visited.
An element gets the source's mirror_tid when everything below it has been copied, and not before, and has none until
then; so a pass that is interrupted is taken up where it was, as long as the target keeps its memory. On the media the
old version stays until the last flush makes the new one out of it as a whole.

A target that is full gives up a snapshot, the oldest that it need not keep, before the next pass begins.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from hammer2_cluster import difference, room
from hammer2_cluster.control import Control
from hammer2_cluster.device.device import DeviceError, FullError
from hammer2_cluster.difference import Found, Path
from hammer2_cluster.failures import Cause, Failures, common
from hammer2_cluster.front_end import FrontEnd
from hammer2_cluster.lock_order import to_be_flushed
from hammer2_cluster.objects import Pfs
from hammer2_cluster.store import flush
from hammer2_cluster.store.blockref import Entry
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.chains import StoredChains
from hammer2_cluster.store.directory import UnavailableError
from hammer2_cluster.store.modification import modify
from hammer2_cluster.store.pfs import Root
from hammer2_spec.protocol.resynchronization import needs_sync
from hammer2_spec.protocol.state import Phase, State
from hammer2_spec.vocabulary import BrefType, ChainFlag, Resolve

Result = TypeVar("Result")


@dataclass(slots=True)
class Progress:
    """What a resynchronization has done so far."""

    passes: int = 0
    copied: int = 0
    """Blocks."""
    removed: int = 0
    """Elements that the good nodes do not have."""
    skipped: int = 0
    """Elements that were not visited, because they have the source's mirror_tid."""


def sessions_by_epoch(control: Control) -> list[int]:
    """The clients that serve or recover, the latest session first."""
    clients = control.state.clients
    active = [c for c, client in enumerate(clients) if client.phase in (Phase.RECOVER, Phase.READY, Phase.WRITE)]
    return sorted(active, key=lambda c: -clients[c].epoch)


def is_out_of_step(control: Control, n: int) -> bool:
    """Whether a node has to be resynchronized: it takes no writes, or has missed some of the latest session."""
    node, latest = control.state.nodes[n], sessions_by_epoch(control)[:1]
    return not node.eligible or any(needs_sync(control.state.clients[c], node) for c in latest)


class Interrupted(UnavailableError):
    """A pass ended before its end: its source, its target or its session is gone. It can be begun again."""


class _Overtaken(Interrupted):
    """The session wrote on, and what was copied is not what is wanted; the next pass has less to do."""


class _Refused(Interrupted):
    """The node has promised to a session that is yet to come, or waits for that one's stamp."""


class Resync:
    """The task of one node."""

    def __init__(
        self,
        on: FrontEnd,
        target: int,
        pmp: Pfs,
        chains: StoredChains,
        control: Control,
        failures: Failures,
        patience: int,
    ) -> None:
        """A task that has not begun.

        Args:
            on: a client of its own, which takes its locks.
            target: the node.
            pmp: the PFS.
            chains: all nodes' volumes.
            control: the cluster's control state.
            failures: who knows the roots, and is told.
            patience: the ticks that a node may take for one step; a target that takes longer is given up.
        """
        self.progress = Progress()
        """Of the run that goes on, or of the last one."""
        self.removed_snapshots: Final[list[bytes]] = []
        """Labels of those that the target has given up to make room."""
        self._begun: object = None
        """The pass that is under way."""
        self.on: Final = on
        self.target: Final = target
        self._pmp: Final = pmp
        self._chains: Final = chains
        self.control: Final = control
        self.failures: Final = failures
        self.patience: Final = patience

    async def run(self) -> Progress:
        """Passes, as part of whatever session there is, until the node is in step. Raises Interrupted."""
        self.progress = Progress()
        if self.control.state.nodes[self.target].full:
            await self._make_room()
        while is_out_of_step(self.control, self.target):
            before = self.control.state  # what happens while a pass is refused may be what it would wait for
            try:
                await self._pass()
            except _Overtaken:
                pass
            except _Refused:
                await self.on.wait(partial(self._may_try_again, before), "another session")
        self.failures.in_step(self.target)
        return self.progress

    def _may_try_again(self, before: State) -> bool:
        return self.control.state is not before or not is_out_of_step(self.control, self.target)

    async def _at(self, n: int, step: Callable[[], Awaitable[Result]]) -> Result:
        """Something that happens at a node. Raises Interrupted if the node goes away meanwhile, and what the step does.

        A step at a node that does not answer in time may yet happen; on the target it does not, for that is given up.
        """
        await self.on.wait(lambda: not self.on.has_news_of(n), f"news of node {n}")
        handle = self.on.chains.kmalloc()
        handle.pmp = self._pmp

        async def perform(_: int) -> tuple[Result | None, DeviceError | UnavailableError | None]:
            try:
                return await step(), None
            except (DeviceError, UnavailableError) as error:  # an answer, which nobody hears if it is late
                return None, error

        with self.on.at_most(self.patience):
            async for _, (result, error) in self.on.ask(handle, perform, slots=[n], even_empty=True):
                if isinstance(error, DeviceError):
                    raise Interrupted(f"node {n}: {error}") from error
                if error is not None:
                    raise error
                return result  # type: ignore[return-value]  # what the call gave
        if n == self.target:
            self.failures.disconnected(n, Cause.STALL)
        raise Interrupted(f"node {n} does not answer")

    def _sources(self) -> Iterator[tuple[int, int]]:
        """Sessions, and nodes whose media have their version, with nothing newer in memory."""
        state = self.control.state
        for c in sessions_by_epoch(self.control):
            client = state.clients[c]
            if client.phase is not Phase.WRITE:
                for n, node in enumerate(state.nodes):
                    good = node.connected and node.eligible and node.durable_tid == node.volatile_tid == client.tid
                    if good and n != self.target:
                        yield c, n

    async def _pass(self) -> None:
        """Copy one snapshot. Raises Interrupted."""
        self.progress.passes += 1
        await self.on.wait(
            lambda: not self.failures.is_mounted(self.target) or any(self._sources()), "a node to copy from"
        )
        if not self.failures.is_mounted(self.target):
            raise Interrupted(f"node {self.target} is gone")
        if (found := next(self._sources(), None)) is None:
            raise Interrupted("there is no node to copy from")
        c, source = found
        volume = self.failures.root(source).volume
        begun = self._begun = object()
        try:
            top = await self._at(source, partial(self._snapshot, c, source, begun))
            await self._copy_below(source, (), top)
            await self._finish(c)
        except BaseException as error:
            if is_full := self._is_full(error):
                self.control.attempt("NoSpaceForCopy", self.target)
            self.control.take_first(("SyncRefused", self.target), ("SyncInterrupt", self.target))
            if is_full or self._root().volume.failed:  # what it has in memory cannot become durable any more
                self.failures.disconnected(self.target, Cause.FULL if is_full else Cause.WRITE)
            raise
        finally:
            self._begun = None
            volume.pins.discard(self)

    def _is_full(self, error: BaseException) -> bool:
        """Whether an error, or what the target had before, is that it has no space left."""
        return isinstance(self._root().volume.failed or error.__cause__, FullError)

    async def _make_room(self) -> None:
        """Let the target give up a snapshot if it can; what has become free elsewhere will be seen (L1431-1438).

        Raises Interrupted, UnavailableError.
        """
        volume = self._root().volume
        try:
            mine = await self._at(self.target, partial(room.snapshots_on, self._chains, volume))
            elsewhere = [await self._snapshots_on(n) for n in range(len(self._chains.volumes)) if n != self.target]
            if (spare := room.oldest_to_spare(mine, elsewhere)) is not None:
                await self._at(self.target, partial(room.remove_snapshot, self._chains, volume, spare))
                self.removed_snapshots.append(spare.inode.name)
        except BaseException:
            if volume.failed:
                self.failures.disconnected(self.target, Cause.FULL)
            raise
        self.control.attempt("FreeSpace", self.target)

    async def _snapshots_on(self, n: int) -> list[Root]:
        """Those of another node; none if they cannot be known."""
        volume = self._chains.volumes[n]
        if volume is None or not self.failures.is_mounted(n):
            return []
        try:
            return await self._at(n, partial(room.snapshots_on, self._chains, volume))
        except UnavailableError:
            return []

    async def _snapshot(self, c: int, source: int, begun: object) -> Entry:
        """At the source: the version on its media, which stays readable (L1440-1443). begun: for which pass."""
        root = self.failures.root(source)
        await root.volume.lock(root, Resolve.ALWAYS)
        try:
            if begun is not self._begun:
                raise Interrupted("the pass is over")
            if (c, source) not in self._sources() or root.flags & ChainFlag.MODIFIED:
                raise _Overtaken("a write came first")
            if not self.control.attempt("SyncBegin", c, self.target):
                raise _Refused("another session has to do this")
            root.volume.pins.add(self)
            return root.entry()
        finally:
            root.volume.unlock(root)

    async def _copy_below(self, source: int, path: Path, entry: Entry) -> None:
        """Let the target have what the source has below an inode."""
        volume, root = self.failures.root(source).volume, self._root()

        async def read() -> list[Entry]:
            return await difference.entries_below(volume, entry.type, await difference.content_of(volume, entry))

        target = partial(self._at, self.target)
        theirs = await self._at(source, read)
        mine = await target(partial(difference.elements_at, root, path))
        if mine is None:  # made anew, with all below it
            if not path:
                raise Interrupted(f"node {self.target}: its root cannot be read")
            *above, key = path
            await target(partial(difference.remove, root, tuple(above), key))
            await self._copy_one(source, tuple(above), entry, None)
            mine = {}
        for key in mine.keys() - {one.key for one in theirs}:
            await target(partial(difference.remove, root, path, key))
            self.progress.removed += 1
        for one in theirs:
            found = mine.get(one.key)
            is_as_there = found is not None and found == (difference.element_of(one), one.mirror_tid)
            if is_as_there and not self._is_doubtful((*path, one.key)):
                self.progress.skipped += 1
                continue
            if not (is_as_there and await target(partial(difference.is_readable, root, path, one.key))):
                await self._copy_one(source, path, one, found)
            if one.type == BrefType.INODE:
                await self._copy_below(source, (*path, one.key), one)
            await target(partial(difference.declare, root, path, one))

    async def _copy_one(self, source: int, path: Path, entry: Entry, found: Found | None) -> None:
        """Let the target have one element of the source, without what is below it."""
        volume = self.failures.root(source).volume
        content = await self._at(source, partial(difference.content_of, volume, entry))
        await self._at(self.target, partial(difference.replace, self._root(), path, entry, content, found))
        self.progress.copied += 1

    def _is_doubtful(self, path: Path) -> bool:
        """Whether something at a path, or above or below it, could not be read at the target, whatever its tid says."""
        point = self.failures.unreadable.get(self.target)
        return point is not None and common(point, path) in (point, path)

    def _root(self) -> StoredChain:
        return self.failures.root(self.target)

    async def _finish(self, c: int) -> None:
        """At the target: the copy becomes its version, durably and at once, if nobody minds."""
        root = self._root()
        control, n = self.control, self.target

        def is_decided() -> bool:
            """Not while the session writes what follows the snapshot: the node would have to take that write."""
            return control.state.clients[c].phase is not Phase.WRITE

        await self.on.wait(is_decided, "the end of a write")

        async def flush_all() -> None:
            client, node = control.state.clients[c], control.state.nodes[n]
            if not control.may("SyncFinish", n) or node.snapshot_tid == client.prior_tid != client.tid:
                raise _Overtaken("a write came in between")
            tid = control.media_tid(node.snapshot_tid)
            async with to_be_flushed(root):
                await modify(root)
                await flush.flush(root, tid)
            await flush.sync(root.volume, tid)
            if root.volume.failed is not None:
                raise root.volume.failed
            if not control.attempt("SyncFinish", n):
                self.failures.disconnected(n, Cause.STALL)  # what was flushed is undone when it is mounted
                raise _Overtaken("a session came in between")

        await self._at(n, flush_all)
