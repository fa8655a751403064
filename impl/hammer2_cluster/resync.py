"""Resynchronization (L1421-1447): one task per node copies a virtual snapshot of the good nodes to it.

A pass is incremental: what has the mirror_tid of the source is as it is there, with all below it, and is not visited.
An element gets the source's mirror_tid when everything below it has been copied, and not before; so a pass that is
interrupted is taken up where it was, as long as the target keeps its memory. On the media the old version stays until
the last flush makes the new one out of it as a whole.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from hammer2_cluster import difference
from hammer2_cluster.control import Control
from hammer2_cluster.device.device import DeviceError
from hammer2_cluster.difference import Path
from hammer2_cluster.failures import Failures
from hammer2_cluster.front_end import FrontEnd
from hammer2_cluster.objects import Pfs
from hammer2_cluster.store import flush
from hammer2_cluster.store.blockref import Entry
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.chains import StoredChains
from hammer2_cluster.store.directory import UnavailableError
from hammer2_cluster.store.modification import modify
from hammer2_spec.protocol.state import Phase
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


class Interrupted(UnavailableError):
    """A pass ended before its end: its source, its target or its session is gone. It can be begun again."""


class _Overtaken(Interrupted):
    """The session wrote on, and what was copied is not what is wanted; the next pass has less to do."""


class Resync:
    """The task of one node."""

    def __init__(
        self, on: FrontEnd, c: int, target: int, pmp: Pfs, chains: StoredChains, control: Control, failures: Failures
    ) -> None:
        """A task that has not begun.

        Args:
            on: a client of its own, which takes its locks.
            c: the client whose session it is part of.
            target: the node.
            pmp: the PFS.
            chains: all nodes' volumes.
            control: the cluster's control state.
            failures: who knows the roots, and is told.
        """
        self.progress: Final = Progress()
        self._on: Final = on
        self._c: Final = c
        self._target: Final = target
        self._pmp: Final = pmp
        self._chains: Final = chains
        self._control: Final = control
        self._failures: Final = failures

    async def run(self) -> Progress:
        """Passes until the node is in step. Raises Interrupted."""
        while not self._control.state.nodes[self._target].eligible:
            with suppress(_Overtaken):
                await self._pass()
        self._failures.in_step(self._target)
        return self.progress

    async def _at(self, n: int, step: Callable[[], Awaitable[Result]]) -> Result:
        """Something that happens at a node. Raises Interrupted if the node goes away meanwhile."""
        handle = self._on.chains.kmalloc()
        handle.pmp = self._pmp

        async def perform(_: int) -> tuple[Result | None, DeviceError | None]:
            try:
                return await step(), None
            except DeviceError as error:
                return None, error

        async for _, (result, error) in self._on.ask(handle, perform, slots=[n], even_empty=True):
            if error is not None:
                raise Interrupted(f"node {n}: {error}")
            return result  # type: ignore[return-value]
        raise Interrupted(f"node {n} is gone")

    def _client(self) -> tuple[Phase, int]:
        client = self._control.state.clients[self._c]
        return client.phase, client.tid

    def _is_good(self, n: int) -> bool:
        """Whether a node's media have the session's version, with nothing newer in memory."""
        node, (phase, tid) = self._control.state.nodes[n], self._client()
        return (
            phase is Phase.READY and node.connected and node.eligible and node.durable_tid == node.volatile_tid == tid
        )

    async def _pass(self) -> None:
        """Copy one snapshot. Raises Interrupted."""
        self.progress.passes += 1
        await self._on.wait(lambda: self._source() is not None or self._client()[0] is Phase.IDLE, "a good node")
        source = self._source()
        if source is None:
            raise Interrupted("there is no session")
        volume = self._failures.root(source).volume
        top = await self._at(source, partial(self._snapshot, source))
        try:
            await self._copy_below(source, (), top)
            await self._finish()
        except BaseException:
            self._control.take_first(("SyncRefused", self._target), ("SyncInterrupt", self._target))
            raise
        finally:
            volume.pins.discard(self)

    def _source(self) -> int | None:
        nodes = range(len(self._control.state.nodes))
        return next((n for n in nodes if n != self._target and self._is_good(n)), None)

    async def _snapshot(self, source: int) -> Entry:
        """At the source: the version on its media, which stays readable (L1440-1443)."""
        root = self._failures.root(source)
        await root.volume.lock(root, Resolve.ALWAYS)
        try:
            fresh = self._is_good(source) and not root.flags & ChainFlag.MODIFIED
            if not fresh or not self._control.attempt("SyncBegin", self._c, self._target):
                raise _Overtaken("a write came first")
            root.volume.pins.add(self)
            return root.entry()
        finally:
            root.volume.unlock(root)

    async def _copy_below(self, source: int, path: Path, entry: Entry) -> None:
        """Let the target have what the source has below an inode."""
        volume, root = self._failures.root(source).volume, self._root()

        async def read() -> list[Entry]:
            return await difference.entries_below(volume, entry.type, await difference.content_of(volume, entry))

        target = partial(self._at, self._target)
        theirs = await self._at(source, read)
        mine = await target(partial(difference.elements_at, root, path))
        for key in mine.keys() - {one.key for one in theirs}:
            await target(partial(difference.remove, root, path, key))
            self.progress.removed += 1
        for one in theirs:
            found = mine.get(one.key)
            if found is not None and found == (difference.element_of(one), one.mirror_tid):
                self.progress.skipped += 1
                continue
            content = await self._at(source, partial(difference.content_of, volume, one))
            await target(partial(difference.replace, root, path, one, content, found))
            self.progress.copied += 1
            if one.type == BrefType.INODE:
                await self._copy_below(source, (*path, one.key), one)
            await target(partial(difference.declare, root, path, one))

    def _root(self) -> StoredChain:
        return self._failures.root(self._target)

    async def _finish(self) -> None:
        """At the target: the copy becomes its version, durably and at once, if nobody minds."""
        root = self._root()
        control, n = self._control, self._target

        def is_decided() -> bool:
            """Not while the session writes what follows the snapshot: the node would have to take that write."""
            phase, tid = self._client()
            snapshot = control.state.nodes[n].snapshot_tid
            return snapshot == tid or phase is not Phase.WRITE

        await self._on.wait(is_decided, "the end of a write")

        async def flush_all() -> None:
            client, node = control.state.clients[self._c], control.state.nodes[n]
            if not control.may("SyncFinish", n) or node.snapshot_tid == client.prior_tid != client.tid:
                raise _Overtaken("a write came in between")
            tid = control.media_tid(node.snapshot_tid)
            await root.volume.lock(root, Resolve.ALWAYS)
            await modify(root, 0)
            await flush.flush(root, tid)
            root.volume.unlock(root)
            await flush.sync(root.volume, tid)
            if root.volume.failed is not None:
                raise root.volume.failed
            control.take("SyncFinish", n)

        await self._at(n, flush_all)
