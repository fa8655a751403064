"""A client's session: it recovers the last version, and writes new ones that a majority makes durable (L79-91).

The order of things is the protocol's. What a session adds is where they happen: a promise, a delivery or a flush is a
step at its node, behind all that the session has sent there before. So a node delivers a write when it has performed
all of it; whether it has, its journal tells, compared with what a majority of the masters did.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

from hammer2_cluster import replacements
from hammer2_cluster.control import Control
from hammer2_cluster.device.device import WriteError
from hammer2_cluster.failures import Cause, Failures
from hammer2_cluster.front_end import FrontEnd
from hammer2_cluster.journal import NOTHING, SPOILED, Journal
from hammer2_cluster.lock_order import to_be_flushed
from hammer2_cluster.node import Fenced
from hammer2_cluster.objects import Cluster
from hammer2_cluster.outcomes import deref
from hammer2_cluster.patience import Cancelled
from hammer2_cluster.promises import write_promise
from hammer2_cluster.store import flush
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.chains import own
from hammer2_cluster.store.directory import FilesystemError, UnavailableError
from hammer2_cluster.store.modification import modify
from hammer2_cluster.store.volume import Volume
from hammer2_spec.protocol.state import Client, Node, Phase, epoch_of
from hammer2_spec.vocabulary import CHAIN_FLUSH_MASK

Result = TypeVar("Result")


RECOVERIES: Final = 10
"""How many times the grace of one step a session has for its recovery, which may have to copy."""


class Unwritten(FilesystemError):
    """A write ended without being acknowledged: perhaps it will be seen, perhaps not. Nobody repeats it unasked."""


class Session:
    """One client's sessions, one after the other."""

    def __init__(
        self, on: FrontEnd, c: int, root: Cluster, journal: Journal, control: Control, failures: Failures, grace: int
    ) -> None:
        """A client that has no session yet.

        Args:
            on: its runner, on the journal.
            c: its number in the control state.
            root: the PFS's root, which the runner keeps.
            journal: the chain layer that the runner's operations change.
            control: the cluster's control state.
            failures: where nodes that fail are reported.
            grace: the ticks that a node may owe a write after which it is done without.
        """
        self._on: Final = on
        self._c: Final = c
        self._root: Final = root
        self._journal: Final = journal
        self._control: Final = control
        self._failures: Final = failures
        self._grace: Final = grace
        self._patience: Final = RECOVERIES * grace
        journal.may_change = self._may_change

    @property
    def client(self) -> Client:
        """The control state of the client."""
        return self._control.state.clients[self._c]

    def _node(self, i: int) -> Node:
        return self._control.state.nodes[i]

    def _may_change(self, n: int, epoch: int) -> bool:
        """Whether a write that was begun in an epoch may change a node: its session lasts, for that node too."""
        is_open = self.client.phase in (Phase.READY, Phase.WRITE) and self.client.epoch == epoch
        return is_open and self._node(n).promised <= epoch

    def _may(self, action: str) -> Callable[[Collection[int]], bool]:
        return lambda _answered: self._control.may(action, self._c)

    # ---- opening

    async def open(self) -> None:
        """Be promised an epoch by a majority, and bring the last version into it. Raises UnavailableError."""
        control, c, on, root = self._control, self._c, self._on, self._root
        on.join(range(root.nchains))
        with on.at_most(self._grace):
            await on.wait(self._nobody_else_is_busy, "another session")
        with on.at_most(self._grace):
            await on.wait(self._enough_are_there, "a quorum")
        if control.take_first(("Elect", c), ("Preempt", c)) is None:
            raise UnavailableError("too few masters are connected")

        async def promise(i: int) -> None:
            if i < control.setup.masters and control.may("Promise", c, i):
                device = own(deref(root.array[i].chain)).volume.device
                try:
                    await write_promise(device, control.media_epoch(self.client.epoch))
                except WriteError:  # it has not promised, and what it could write is not known
                    self._failures.disconnected(i, Cause.WRITE)
                else:
                    control.attempt("Promise", c, i)

        with on.at_most(self._grace):
            async for _ in on.ask(root, promise, until=self._may("Win")):
                pass
        if not control.may("Win", c):
            for i in root.late():
                self._failures.disconnected(i, Cause.STALL)  # it may answer when it has been mounted anew
        self._go_on_with("Win", "too few masters promise")

        async def restamp(i: int) -> None:
            if not control.may("Restamp", c, i):
                return
            chain = own(deref(root.array[i].chain))
            async with to_be_flushed(chain):  # nobody is in the middle of a change then
                if chain.flags & CHAIN_FLUSH_MASK:
                    self._failures.disconnected(i, Cause.STALL)  # it never heard the end of a write
                if not control.attempt("Restamp", c, i):
                    return
                tid = await self._flush(i, chain)
            await self._sync(i, chain.volume, tid)

        # Who is not stamped before the session serves needs a resynchronization, if only of length zero.
        with on.at_most(self._grace):
            async for _ in on.ask(root, restamp):
                pass
        # Where too few have the last version, it is copied to others meanwhile.
        with on.at_most(self._patience):
            await on.wait(lambda: control.may("Ready", c) or control.may("GiveUp", c), "a resynchronization")
        self._go_on_with("Ready", "too few masters have the last version")

    def _nobody_else_is_busy(self) -> bool:
        """Whether no session would be cut off in the middle of something; this one has ended."""
        return all(client.phase in (Phase.IDLE, Phase.READY) for client in self._control.state.clients)

    def _enough_are_there(self) -> bool:
        masters = self._control.setup.masters
        there = [i for i, item in enumerate(self._root.array[:masters]) if item.chain is not None]
        return sum(not self._node(i).blank for i in there) > masters // 2  # new media promise nothing

    def _go_on_with(self, action: str, otherwise: str) -> None:
        if not self._control.attempt(action, self._c):
            self.end()
            raise UnavailableError(otherwise)

    def end(self) -> None:
        """The session ends; what it was writing may appear later, or not."""
        self._control.take_first(("GiveUp", self._c), ("CrashClient", self._c))

    # ---- writing

    async def write(self, change: Callable[[], Awaitable[Result]]) -> Result:
        """Perform a change, and make it durable on a majority of the masters. Returns what the change returns.

        change: operations on the root and below. Raises what it raises, and nothing of it will be seen then; Unwritten
        if the change was made and may appear later, or not; UnavailableError if it was not begun.
        """
        with self._over_if_cancelled():
            await self._recorded()
            return await self._written(change, "Begin", "BeginAgain")

    async def record_replacements(self) -> None:
        """Record that media of nodes that are there are new, if that is so. Raises UnavailableError, Cancelled."""
        with self._over_if_cancelled():
            await self._recorded()

    @contextmanager
    def _over_if_cancelled(self) -> Iterator[None]:
        try:
            yield
        except Cancelled:
            if self.client.phase is not Phase.READY:
                self.end()  # others would wait for the end of what nobody goes on with
            raise

    async def _recorded(self) -> None:
        self._control.attempt("GiveUp", self._c)
        if self.client.phase == Phase.IDLE:
            await self.open()
        while replacements.is_pending(self._control, self._c):
            try:
                media = await self._written(self._record, "BeginReplacement", or_nothing=False)
            except Unwritten as error:
                raise UnavailableError(f"that a medium is new could not be recorded: {error}") from None
            self._failures.successors.learn(self._control.media_tid(self.client.tid), media)

    async def _record(self) -> dict[int, bytes]:
        """Record the media that were new when the write began; one that has been replaced since is for the next one."""
        nodes = replacements.to_record(self.client, self._control)
        media = {n: self._failures.root(n).volume.header.volume_id for n in nodes}
        await replacements.record(self._on, self._root, media)
        return media

    async def _written(self, change: Callable[[], Awaitable[Result]], *begins: str, or_nothing: bool = True) -> Result:
        """Write what a change changes.

        or_nothing: one that fails, and has changed nothing, is a write of nothing; otherwise the session ends there.
        """
        await self._begin(begins)
        held = self._on.held()
        try:
            self._on.may_join = False
            result = await change()
        except Cancelled:
            self._take_back()
            raise
        except Fenced as fenced:
            self._take_back()
            raise UnavailableError(str(fenced)) from None
        except Exception:
            self._on.release_since(held)  # a flush locks what is above
            if or_nothing and await self._what_was_done() == NOTHING:
                await self._commit(NOTHING)
            else:
                self._take_back()
            raise
        finally:
            self._on.may_join = True
        await self._commit(await self._what_was_done())
        return result

    async def _commit(self, decided: bytes | None) -> None:
        """Deliver and flush on the nodes that have done what a majority did, and acknowledge. Raises Unwritten."""

        async def commit(i: int) -> None:
            if not self._node(i).eligible:
                return  # mounted meanwhile: this write is not for it
            if decided is None or self._journal.digest(i) != decided:
                self._failures.write_failed(self._c, i)
            elif self._control.attempt("Deliver", self._c, i):
                await self._write_out(i)
            else:  # the session has ended meanwhile: what is dirty here is nobody's
                self._failures.disconnected(i, Cause.STALL)

        async for _ in self._on.ask(self._root, commit, until=self._may("Acknowledge")):
            pass
        if not self._control.attempt("Acknowledge", self._c):
            self.end()
            raise Unwritten("too few masters have written it; it may appear later, or not")

    async def _begin(self, begins: Sequence[str]) -> None:
        """Begin a new version on the nodes that have the last one; the others are left out (L1397-1401).

        begins: by the first of these actions that can be taken.
        """
        await self._wait_for_the_last_write(begins)
        if not self._may_begin(begins):  # too few have it: what they have can be recovered by a new session
            self.end()
            await self.open()
        if self._control.take_first(*((begin, self._c) for begin in begins)) is None:
            raise UnavailableError("too few masters are in step")
        for i in range(self._control.setup.masters, self._root.nchains):
            self._failures.left_behind(self._c, i)
        prior, epoch = self.client.prior_tid, self.client.epoch

        async def begin(i: int) -> None:
            self._journal.begin(i, epoch)
            if not (self._node(i).eligible and self._node(i).volatile_tid == prior):
                self._on.chains.drop(deref(self._root.array[i].chain))
                self._root.array[i].chain = None

        self._on.join(range(self._root.nchains))
        await self._on.tell(self._root, begin, fills=self._root)

    async def _wait_for_the_last_write(self, begins: Sequence[str]) -> None:
        """Let all nodes that are in step take it. One that does not within its grace is done without."""
        with self._on.at_most(self._grace):
            await self._on.wait(partial(self._may_begin, begins), "the last write to reach all nodes")
        if not self._may_begin(begins):
            for i in self._root.late():
                if self._node(i).eligible and self._node(i).volatile_tid != self.client.tid:
                    self._failures.disconnected(i, Cause.STALL)

    def _may_begin(self, begins: Sequence[str]) -> bool:
        return self._control.may(begins[-1], self._c)  # Begin asks for more: a write that is told apart

    def _take_back(self) -> None:
        """Throw away what the nodes have in memory of a write that will not be: each is as its media say then.

        A node that a later session has stamped has nothing of it any more; one that has only promised to it does.
        """
        for i in range(self._root.nchains):
            node = self._node(i)
            was_stamped = epoch_of(node.volatile_tid) > self.client.epoch
            if node.eligible and not was_stamped and self._journal.digest(i) != NOTHING:
                self._failures.write_failed(self._c, i)
        self.end()

    async def _what_was_done(self) -> bytes | None:
        """The digest of what a majority of the masters did; None if there is none."""
        votes: Counter[bytes] = Counter()
        needed = self._control.setup.masters // 2 + 1

        async def digest(i: int) -> bytes:
            return self._journal.digest(i)

        def is_decided(_answered: Collection[int]) -> bool:
            return max(votes.values(), default=0) >= needed

        async for i, said in self._on.ask(self._root, digest, until=is_decided):
            if i < self._control.setup.masters and said != SPOILED:
                votes[said] += 1
        return next((said for said, n in votes.items() if n >= needed), None)

    async def _write_out(self, i: int) -> None:
        """At a node: make durable what it has in memory, as the version of the control state."""
        chain = own(deref(self._root.array[i].chain))
        async with to_be_flushed(chain):
            tid = await self._flush(i, chain)
        await self._sync(i, chain.volume, tid)

    async def _flush(self, i: int, chain: StoredChain) -> int:
        """What is in memory goes to the medium, where it does not count yet. Returns its tid."""
        tid = self._control.media_tid(self._node(i).volatile_tid)
        await modify(chain)
        await flush.flush(chain, tid)
        return tid

    async def _sync(self, i: int, volume: Volume, tid: int) -> None:
        """Now it counts."""
        await flush.sync(volume, tid)
        if volume.failed is not None:
            self._failures.flush_failed(i)
        elif not self._control.attempt("Flush", i):
            self._failures.disconnected(i, Cause.STALL)  # given up meanwhile
