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
from collections.abc import AsyncIterator, Callable, Collection, Hashable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic, NamedTuple

from hammer2_cluster.chain_layer import ChainLayer
from hammer2_cluster.locking import resolve, tid_of
from hammer2_cluster.lookups import element
from hammer2_cluster.node import Errand, Node, Suspended, suspended
from hammer2_cluster.objects import Chain, Cluster
from hammer2_cluster.outcomes import deref
from hammer2_cluster.runner import Answer, Step, Until
from hammer2_cluster.standing import SOFT_AND_SUPROOT, release
from hammer2_spec.resolve import majority
from hammer2_spec.semantics import REPAIRED, Semantics
from hammer2_spec.vocabulary import BrefFlag, BrefType, ChainFlag, ClusterFlag, PfsType

_TELLING: Final = ChainFlag.DELETED | ChainFlag.MODIFIED
"""Flags that all members of a locked cluster have in common."""


class Cancelled(Exception):
    """Somebody else wants the operation to end; all that it held is released."""


class Gone(NamedTuple):
    """A node was disconnected: nothing that was sent to it before will be answered."""

    node: int


Mail = Errand | Gone


@dataclass(slots=True)
class Nodes:
    """What all clients of a cluster share."""

    nodes: Sequence[Node]
    disconnect: Callable[[int], None]
    """Disconnect a node, and post ``Gone`` to every client behind all answers that are on their way from it."""
    clock: Callable[[], int] = lambda: 0
    mutex: AbstractContextManager[Any] = field(default_factory=nullcontext)
    """Held while one question goes to all nodes, so that all nodes see all clients' questions in one order."""
    report: Callable[[int, Chain], None] = lambda _node, _chain: None
    """A node has something else, at this chain, than what a quorum decided (L1388-1393)."""


@dataclass(slots=True, eq=False)
class _Question(Generic[Answer]):
    """One fan-out, and what has come of it."""

    client: "FrontEnd"
    until: Until | None
    deadline: int | None
    outstanding: dict[int, int] = field(default_factory=dict)
    """Slot -> node."""
    answered: list[int] = field(default_factory=list)
    arrived: deque[tuple[int, Answer]] = field(default_factory=deque)

    def __aiter__(self) -> AsyncIterator[tuple[int, Answer]]:
        return self

    async def __anext__(self) -> tuple[int, Answer]:
        while not self.arrived:
            if self._is_over():
                raise StopAsyncIteration
            late = ", ".join(str(node) for node in sorted(self.outstanding.values()))
            await self.client.wait(
                Suspended(lambda: bool(self.arrived) or self._is_over(), f"answers of nodes {late}", self.deadline)
            )
        return self.arrived.popleft()

    def _is_over(self) -> bool:
        if not self.outstanding or (self.until is not None and self.until(self.answered)):
            return True
        return self.deadline is not None and self.client.now() >= self.deadline


class FrontEnd:
    """One client's runner: one flow of control, the owner of the locks that it takes."""

    def __init__(
        self,
        me: Hashable,
        nodes: Nodes,
        chains: ChainLayer,
        semantics: Semantics = REPAIRED,
        patience: int | None = None,
    ) -> None:
        """One more client.

        Args:
            me: whom locks belong to; no two clients of the same nodes are equal.
            nodes: what the clients share.
            chains: the layer below.
            semantics: which repairs are in force. Those of lookups and writes must be.
            patience: the ticks after which a question goes without the answers that are missing, and its operation
                fails if those were needed; None to wait for as long as it takes.
        """
        self.me: Final = me
        self.semantics: Final = semantics
        self.chains: Final = chains
        self.patience = patience
        self.owed: Final[Counter[int]] = Counter()
        """Answers that each node owes to this client."""
        self._nodes: Final = nodes
        self._question: _Question[Any] | None = None
        self._known: dict[int, Cluster] = {}
        """The clusters that something was sent for, by id; those without references are forgotten now and then."""
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
        deadline = None if self.patience is None else self.now() + self.patience
        question: _Question[Answer] = _Question(self, until, deadline)
        self._question = question
        uncertain = (cluster,) if fills is None else (cluster, fills)
        self._send(cluster, step, range(cluster.nchains) if slots is None else slots, even_empty, uncertain, question)
        return question

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
        """As Runner.known, but no longer than the client's patience."""
        for cluster in clusters:
            enough = self.quorum_of(cluster)
            deadline = None if self.patience is None else self.now() + self.patience
            if enough is not None and not enough(()):
                late = ", ".join(str(i) for i in cluster.late())
                await self.wait(Suspended(partial(enough, ()), f"answers of nodes {late}", deadline))
            if cluster.focus is None:
                resolve(self, cluster)

    def decided(self, cluster: Cluster) -> None:
        """As Runner.decided: members that are late compare themselves with the focus when their turn comes."""
        late, focus = cluster.late(), cluster.focus
        if not late or focus is None or focus.error:
            return
        what, tid, flags, alone = element(focus), tid_of(self, focus), focus.flags & _TELLING, _has_no_twins(focus)
        locked, refs = cluster.flags & ClusterFlag.LOCKED != 0, cluster.refs

        async def compare(i: int) -> None:
            item = cluster.array[i]
            chain = deref(item.chain)
            in_step = chain.error == 0 and tid_of(self, chain) == tid and chain.flags & _TELLING == flags
            if not in_step or not (alone or _has_no_twins(chain) or element(chain) == what):
                release(self, item, locked, refs)
                self._nodes.report(i, chain)

        self._send(cluster, compare, late, False, (cluster,), None)

    # ---- sending and receiving

    def now(self) -> int:
        """The ticks that have passed."""
        return self._nodes.clock()

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
                errand = Errand(self.me, _node_of(cluster, i), i, step, cluster, even_empty, uncertain, question)
                for owing in uncertain:
                    owing.array[i].owes += 1
                node = self._nodes.nodes[errand.node]
                if not node.accept(errand):
                    if node.connected:
                        overrun.append(errand.node)
                    continue  # it owes this answer until it is known to be gone
                if not errand.is_silent:
                    self.owed[errand.node] += 1
                if question is not None:
                    question.outstanding[i] = errand.node
        for n in overrun:
            self._nodes.disconnect(n)

    def _remember(self, *clusters: Cluster) -> None:
        if len(self._known) > 256:
            self._known = {n: known for n, known in self._known.items() if known.refs > 0 or known.late()}
        for cluster in clusters:
            self._known[cluster.id] = cluster

    async def wait(self, why: Suspended) -> None:
        """Suspend. Raises Cancelled, or what a step has raised."""
        await suspended(why._replace(ready=lambda: self._cancelled or self._raised is not None or why.ready()))
        if self._raised is not None:
            raised, self._raised = self._raised, None
            raise raised
        if self._cancelled:
            raise Cancelled

    def cancel(self) -> None:
        """Let the operation that runs end where it waits."""
        self._cancelled = True

    def receive(self, mail: Mail) -> None:
        """Take an answer, or the news that a node is gone. To be called where the operations run, between two steps."""
        if isinstance(mail, Gone):
            self._forget_node(mail.node)
            return
        self.owed[mail.node] -= not mail.is_silent
        for cluster in mail.uncertain:
            cluster.array[mail.slot].owes -= 1
        self._raised = self._raised or mail.raised
        question = mail.question
        if isinstance(question, _Question) and question is self._question:
            del question.outstanding[mail.slot]
            if mail.performed and mail.raised is None:
                question.answered.append(mail.slot)
                question.arrived.append((mail.slot, mail.answer))

    def _forget_node(self, n: int) -> None:
        """Its chains are gone. What had one of them as its focus has none until it is decided again."""
        self.owed[n] = 0
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


def _has_no_twins(chain: Chain) -> bool:
    """Whether other nodes may legitimately have something else in its place: block tables, roots of PFSs."""
    return chain.bref.type == BrefType.INDIRECT or chain.bref.flags & BrefFlag.PFSROOT != 0
