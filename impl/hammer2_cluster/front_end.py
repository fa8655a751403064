"""A client's end of the cluster: what it asks goes to all nodes at once, and enough answers are enough (L44-108).

The bodies of the operations run here unchanged. What the rules of ``runner`` come to where nodes answer late:

- slots are registers of their node: a step looks at its slot when its turn comes there, and nobody else writes it;
- a slot whose node owes an answer counts as absent, but further steps are sent to it all the same and queue behind, so
  that what is locked late is unlocked later, by the order of the queue alone;
- when a cluster was decided, its late members are told. One that found something else leaves the cluster: it releases
  what the cluster held of it, and is reported;
- a node that was disconnected answers nothing any more, and its slots are empty.
"""

from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic, TypeVar

from hammer2_cluster.chain_layer import ChainLayer
from hammer2_cluster.locking import resolve, tid_of
from hammer2_cluster.lookups import identity_of
from hammer2_cluster.node import Errand, Fenced, Suspended, suspended
from hammer2_cluster.nodes import Back, Gone, Mail, Nodes
from hammer2_cluster.objects import Chain, Cluster
from hammer2_cluster.outcomes import deref
from hammer2_cluster.patience import WAIT, Cancelled, Patience
from hammer2_cluster.runner import Answer, Step, Until
from hammer2_cluster.standing import SOFT_AND_SUPROOT, release
from hammer2_spec.cluster_rules import is_locked
from hammer2_spec.resolve import majority
from hammer2_spec.semantics import REPAIRED, Semantics
from hammer2_spec.vocabulary import ChainFlag, ClusterFlag, PfsType

Result = TypeVar("Result")

LONGEST_PAUSE: Final = 64
"""Ticks between two attempts of an operation, while nodes come and go and sessions begin all the time."""

_TELLING: Final = ChainFlag.DELETED | ChainFlag.MODIFIED
"""Flags that all members of a locked cluster have in common."""


@dataclass(slots=True, eq=False)
class _Question(Generic[Answer]):
    """One fan-out, and what has come of it."""

    client: "FrontEnd"
    until: Until | None
    outstanding: dict[int, int] = field(default_factory=dict)
    """Slot -> node."""
    answered: list[int] = field(default_factory=list)
    arrived: deque[tuple[int, Answer]] = field(default_factory=deque)

    def __aiter__(self) -> AsyncIterator[tuple[int, Answer]]:
        return self

    async def __anext__(self) -> tuple[int, Answer]:
        while not self.arrived:
            if self._is_over():
                self.client.no_longer_asks(self)
                raise StopAsyncIteration
            late = ", ".join(str(node) for node in sorted(self.outstanding.values()))
            await self.client.wait(lambda: bool(self.arrived) or self._is_over(), f"answers of nodes {late}")
        return self.arrived.popleft()

    def _is_over(self) -> bool:
        if not self.outstanding or (self.until is not None and self.until(self.answered)):
            return True
        return self.client.is_out_of_patience()


class FrontEnd:
    """One client's runner: one flow of control, the owner of the locks that it takes."""

    def __init__(
        self,
        me: Hashable,
        nodes: Nodes,
        chains: ChainLayer,
        semantics: Semantics = REPAIRED,
    ) -> None:
        """One more client.

        Args:
            me: whom locks belong to; no two clients of the same nodes are equal.
            nodes: what the clients share.
            chains: the layer below.
            semantics: which repairs are in force. Those of lookups and writes must be.
        """
        self.me: Final = me
        self.semantics: Final = semantics
        self.chains: Final = chains
        self.owed: Final[Counter[int]] = Counter()
        """Answers that each node owes to this client."""
        self._nodes: Final = nodes
        self._question: _Question[Any] | None = None
        self._known: dict[int, Cluster] = {}
        """The clusters that something was sent for, by id; those without references are forgotten now and then."""
        self.may_join = True
        """Whether nodes that come back take part at once, or only in the next operation."""
        self._deadline: int | None = None
        self._times_lost = [node.times_lost for node in nodes.nodes]
        self._kept: list[Cluster] = []
        self._cancelled = False
        self._raised: BaseException | None = None

    # ---- the runner

    def ask(
        self,
        cluster: Cluster,
        step: Step[Answer],
        *,
        slots: Iterable[int] | None = None,
        even_empty: bool = False,
        fills: Cluster | None = None,
        until: Until | None = None,
    ) -> AsyncIterator[tuple[int, Answer]]:
        """As Runner.ask: sent to all at once, answered in whatever order."""
        self.no_longer_asks(self._question)
        question: _Question[Answer] = _Question(self, until)
        self._question = question
        uncertain = (cluster,) if fills is None else (cluster, fills)
        self._send(cluster, step, range(cluster.nchains) if slots is None else slots, even_empty, uncertain, question)
        return question

    def no_longer_asks(self, question: _Question[Any] | None) -> None:
        """A question is over: what else is heard of it, such as that a node is fenced, is of no interest."""
        if question is self._question:
            self._question = None
            if isinstance(self._raised, Fenced):
                self._raised = None

    async def tell(
        self,
        cluster: Cluster,
        step: Step[None],
        *,
        slots: Iterable[int] | None = None,
        fills: Cluster | None = None,
    ) -> None:
        """As Runner.tell: sent, and that is all."""
        uncertain = () if fills is None else (fills,)
        self._send(cluster, step, range(cluster.nchains) if slots is None else slots, False, uncertain, None)

    def quorum_of(self, cluster: Cluster, without: Collection[int] = ()) -> Until | None:
        """As Runner.quorum_of. A soft master, a soft slave or a super-root decides alone, so it is waited for."""
        pmp = cluster.pmp
        if pmp is None or SOFT_AND_SUPROOT.intersection(pmp.pfs_types):
            return None
        masters = [(i, item) for i, item in enumerate(cluster.array) if pmp.pfs_types[i] == PfsType.MASTER]
        needed = majority(pmp.pfs_nmasters)

        def enough(_answered: Collection[int]) -> bool:
            chains = [item.chain for i, item in masters if not item.owes and i not in without]
            tids = Counter(tid_of(self, chain) for chain in chains if chain is not None and not chain.error)
            most = max(tids.values(), default=0)
            return most >= needed or most + sum(item.owes > 0 for _, item in masters) < needed

        return enough

    async def known(self, *clusters: Cluster) -> None:
        """As Runner.known, but no longer than the client has patience."""
        for cluster in clusters:
            enough = self.quorum_of(cluster)
            if enough is not None and not enough(()) and not self.is_out_of_patience():
                late = ", ".join(str(i) for i in cluster.late())
                await self.wait(partial(enough, ()), f"answers of nodes {late}")
            if cluster.focus is None:
                resolve(self, cluster)

    def decided(self, cluster: Cluster) -> None:
        """As Runner.decided: members that are late compare themselves with the focus when their turn comes.

        One that cannot be read leaves (L1388-1391), as one that found something else.
        """
        focus = cluster.focus
        doubtful = sorted({*cluster.late(), *(i for i, chain in cluster.members() if chain.error)})
        if not doubtful or focus is None or focus.error:
            return
        what, tid, flags = identity_of(focus), tid_of(self, focus), focus.flags & _TELLING
        locked, refs = cluster.flags & ClusterFlag.LOCKED != 0, cluster.refs

        async def compare(i: int) -> None:
            item = cluster.array[i]
            chain = deref(item.chain)
            in_step = chain.error == 0 and tid_of(self, chain) == tid and chain.flags & _TELLING == flags
            if not in_step or identity_of(chain) != what:
                release(self, item, locked, refs)

        self._send(cluster, compare, doubtful, False, (cluster,), None)

    # ---- operations from beginning to end

    def keep(self, cluster: Cluster) -> None:
        """A PFS's root, that the client holds between operations; nodes that come back join it again."""
        self._kept.append(cluster)
        self._remember(cluster)

    async def perform(
        self,
        operation: Callable[[], Coroutine[Any, Any, Result]],
        lost: type[Exception],
        patience: Patience = WAIT,
    ) -> Result:
        """An operation, and what the client's patience says if the quorum is lost under it.

        Whatever it raises, nothing that it locked or referenced stays so, on any node that ever answers. What it had
        written stays, on some nodes: only a write that ends well may be flushed.

        Args:
            operation: begins it; again, if it has to be performed again.
            lost: what it raises without a quorum.
            patience: when to give up.

        Raises:
            Cancelled: somebody has called ``cancel``.
            Exception: what the operation raises; of type ``lost`` only if it is not performed again.
        """
        self._deadline = None if patience.ticks is None else self._nodes.clock() + patience.ticks
        pause = 1
        try:
            while True:
                self.join(range(len(self._nodes.nodes)))
                before, seen = self.held(), self._nodes.seen()
                try:
                    return await operation()
                except lost:
                    self.release_since(before)
                    if not patience.again or self.is_out_of_patience():
                        raise
                except BaseException:
                    self.release_since(before)
                    raise
                await self.wait(partial(self._nodes.differ_from, seen), "a quorum")
                with self.at_most(pause):
                    await self.wait(bool, "its turn")
                pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            self._deadline, self._cancelled = None, False

    def held(self) -> dict[int, tuple[int, bool]]:
        """What the client holds: for each cluster its references, and whether it is locked."""
        return {n: (known.refs, is_locked(known)) for n, known in self._known.items() if known.refs > 0}

    def release_since(self, before: dict[int, tuple[int, bool]]) -> None:
        """Release what was not held before. It queues behind all that was sent, so it meets what that has locked."""
        self.no_longer_asks(self._question)
        for cluster in list(self._known.values()):
            refs, was_locked = before.get(cluster.id, (0, False))
            unlocks = int(is_locked(cluster) and not was_locked)
            drops = cluster.refs - refs - unlocks
            if unlocks or drops > 0:
                self._let_go(cluster, unlocks, drops)

    def _let_go(self, cluster: Cluster, unlocks: int, drops: int) -> None:
        cluster.refs -= unlocks + drops
        last = cluster.refs == 0

        async def let_go(i: int) -> None:
            chain = deref(cluster.array[i].chain)
            for _ in range(unlocks):
                self.chains.unlock(chain)
            for _ in range(drops):
                self.chains.drop(chain)
            if last:
                cluster.array[i].chain = None

        self._send(cluster, let_go, range(len(cluster.array)), False, (), None)
        if unlocks:
            cluster.flags &= ~ClusterFlag.LOCKED
            cluster.focus = None
        if last:
            self.chains.kfree(cluster)

    # ---- sending and receiving

    def clock(self) -> int:
        """The ticks that have passed."""
        return self._nodes.clock()

    def is_out_of_patience(self) -> bool:
        """Whether the operation has taken as long as it may."""
        return self._deadline is not None and self._nodes.clock() >= self._deadline

    def _send(
        self,
        cluster: Cluster,
        step: Step[Any],
        slots: Iterable[int],
        even_empty: bool,
        uncertain: tuple[Cluster, ...],
        question: _Question[Any] | None,
    ) -> None:
        self._remember(cluster, *uncertain)
        overrun = []
        with self._nodes.mutex:
            for i in slots:
                item = cluster.array[i]
                if item.chain is None and not item.owes and not even_empty:
                    continue
                n = _node_of(cluster, i)
                errand = Errand(self.me, n, i, step, cluster, even_empty, uncertain, question, self._times_lost[n])
                node = self._nodes.nodes[n]
                accepted, is_news = node.accept(errand), node.times_lost != self._times_lost[n]
                if not accepted and not node.connected and not is_news:
                    continue
                for owing in uncertain:  # where it was not accepted: until the node is known to be gone
                    owing.array[i].owes += 1
                if not accepted:
                    overrun += [] if is_news else [n]
                    continue
                if not errand.is_silent:
                    self.owed[n] += 1
                if question is not None:
                    question.outstanding[i] = n
        for n in overrun:
            self._nodes.disconnect(n)

    def _remember(self, *clusters: Cluster) -> None:
        if len(self._known) > 256:
            self._known = {n: known for n, known in self._known.items() if known.refs > 0 or known.late()}
        for cluster in clusters:
            self._known[cluster.id] = cluster

    async def wait(self, ready: Callable[[], bool], why: str) -> None:
        """Suspend until it is ready, or patience is at its end. Raises Cancelled, or what a step has raised."""

        def go_on() -> bool:
            return self._cancelled or self._raised is not None or ready()

        await suspended(Suspended(go_on, why, self._deadline))
        if self._raised is not None:
            raised, self._raised = self._raised, None
            raise raised
        if self._cancelled:
            raise Cancelled

    @contextmanager
    def at_most(self, ticks: int) -> Iterator[None]:
        """Whatever is waited for meanwhile is waited for no longer than so many ticks in all."""
        before, end = self._deadline, self._nodes.clock() + ticks
        self._deadline = end if before is None else min(before, end)
        try:
            yield
        finally:
            self._deadline = before

    def cancel(self) -> None:
        """Let the operation that runs end where it waits."""
        self._cancelled = True

    def receive(self, mail: Mail) -> None:
        """Take an answer, or the news that a node is gone. To be called where the operations run, between two steps."""
        if isinstance(mail, Gone):
            self._forget_node(mail.node)
            return
        if isinstance(mail, Back):
            if self.may_join:
                self.join([mail.node])
            return
        self.owed[mail.node] -= not mail.is_silent
        for cluster in mail.uncertain:
            cluster.array[mail.slot].owes -= 1
        question = mail.question
        is_awaited = isinstance(question, _Question) and question is self._question
        if is_awaited or not isinstance(mail.raised, Fenced):
            self._raised = self._raised or mail.raised
        if isinstance(question, _Question) and is_awaited:
            del question.outstanding[mail.slot]
            if mail.performed and mail.raised is None:
                question.answered.append(mail.slot)
                question.arrived.append((mail.slot, mail.answer))

    def ignores(self, errand: Errand) -> bool:
        """Whether the moment at which a step ends makes no difference here, nor to anybody but its node.

        Nobody waits for it, and the slots that owe its end owe more, or nobody looks at them any more. Steps on what is
        kept between operations are another matter: sessions send them, and they see what the clients share.
        """
        awaited = errand.question is not None and errand.question is self._question
        return not awaited and all(
            cluster not in self._kept and (cluster.refs == 0 or cluster.array[errand.slot].owes > 1)
            for cluster in errand.uncertain
        )

    def has_news_of(self, n: int) -> bool:
        """Whether a node was disconnected, and this client has not taken note of it yet: it would not listen now."""
        return self._times_lost[n] != self._nodes.nodes[n].times_lost

    def join(self, nodes: Iterable[int]) -> None:
        """Let these nodes' roots be members again of the clusters that are kept, where they are not."""
        for root in self._kept:
            missing = [n for n in nodes if root.array[n].chain is None and not root.array[n].owes]
            self._send(root, partial(self._take_root, root), missing, True, (root,), None)

    async def _take_root(self, root: Cluster, i: int) -> None:
        chain = self._nodes.root_of(i)
        if root.array[i].chain is None and chain is not None:
            for _ in range(root.refs):
                self.chains.ref(chain)
            root.array[i].chain = chain

    def left(self, chain: Chain) -> None:
        """As Runner.left."""
        self._nodes.report(self.me, chain)

    def _forget_node(self, n: int) -> None:
        """Its chains are gone. What had one of them as its focus has none until it is decided again."""
        self.owed[n] = 0
        self._times_lost[n] += 1
        if self._question is not None:
            outstanding = self._question.outstanding
            self._question.outstanding = {slot: node for slot, node in outstanding.items() if node != n}
        for cluster in list(self._known.values()):
            for i, item in enumerate(cluster.array):
                if _node_of(cluster, i) == n and (item.chain is not None or item.owes):
                    if cluster.focus is item.chain:
                        cluster.focus = None
                    item.chain, item.owes = None, 0


def _node_of(cluster: Cluster, i: int) -> int:
    """The node that serves a slot. Clusters of the super-root topology have one member, of any node."""
    chain = cluster.array[i].chain
    return i if cluster.pmp is not None or chain is None or chain.hmp is None else chain.hmp
