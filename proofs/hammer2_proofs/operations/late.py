"""A client whose nodes answer by themselves, one of them later than all others: what it is told, and the judgement.

The bodies of the operations are those that the straight runner performs. Here they go on when enough nodes have
answered, and the node that is late does what it was asked when the operation has ended. Then everything has to be as
it would be otherwise, but that the late member had no part in what was decided.
"""

from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hammer2_cluster.model import Chooser, NodeSpec
from hammer2_cluster.objects import Cluster
from hammer2_cluster.simulated import Event, Simulation
from hammer2_cluster.standing import SOFT_AND_SUPROOT
from hammer2_proofs.operations.client import Client
from hammer2_proofs.operations.judge import is_cluster
from hammer2_spec.cluster_rules import is_locked
from hammer2_spec.configuration import Verdict
from hammer2_spec.semantics import Semantics
from hammer2_spec.vocabulary import PfsType

ME = "client"
ONE_BY_ONE = "snapshot"
"""The operation that goes from node to node, and waits for each: it waits until a node that hangs is disconnected."""
CLIMBING = "parent"
"""The one that may come to super-roots, which decide alone."""


def last(events: Sequence[Event]) -> Event:
    """The nodes in the reverse of the slots' order."""
    return events[-1]


class LateClient(Client):
    """A client of a cluster in which one node is late in every operation."""

    slot_by_slot = False  # but in the order in which everybody's questions came (hammer2_cluster.node)
    unread_leave = True

    def __init__(
        self, specs: Sequence[NodeSpec], nmasters: int | None, semantics: Semantics, chooser: Chooser, late: int
    ) -> None:
        """late: which node; where there is none of that number, another one in each operation."""
        super().__init__(specs, nmasters, semantics, chooser)
        self._sim = Simulation(len(specs), instant_answers=True)
        self.on = on = self._sim.client(ME, self.model, semantics)
        self._sim.shared.report = lambda _, chain: self.model.notes.append(("left", chain))
        self._late = late
        self._begun = 0
        self._is_behind = False
        self._given: list[Cluster] = []
        """The clusters that the operation is about."""
        self._verdicts: dict[int, Verdict] = {}
        """Of the clusters that the last operation has decided, by id: what the specification said of them then."""
        self._were_late: dict[int, list[int]] = {}
        tell_the_late = on.decided

        def decided(cluster: Cluster) -> None:
            self._verdicts[cluster.id] = super(LateClient, self).verdict_on(cluster)
            self._were_late[cluster.id] = cluster.late()
            tell_the_late(cluster)

        on.decided = decided  # type: ignore[method-assign]  # what a decision does is watched

    def perform(self, operation: Callable[..., Any], *args: object) -> Any:  # noqa: ANN401 - whatever it returns
        """As Judge.perform."""
        self._verdicts.clear()
        self._were_late.clear()
        return super().perform(operation, *args)

    def do(self, operation: Callable[..., Any], *args: object) -> Any:  # noqa: ANN401 - whatever it returns
        """As Judge.do."""
        self._given = [arg for arg in args if is_cluster(arg)]
        return super().do(operation, *args)

    def run(self, operation: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever it returns
        """The operation, while one node does nothing unless it is waited for; then that node catches up."""
        sim = self._sim
        count = len(self.model.nodes)
        sim.stalled = {self._late if self._late < count else (self._late + self._begun) % count}
        self._begun += 1
        sim.start(ME, operation)
        while not sim.has_ended(ME):
            if not sim.events():
                self.demand(not self._can_be_spared(), "Nobody waits for a node that the others can do without")
                sim.stalled.clear()
            sim.happen(last)
        if not self._is_behind:
            self._catch_up()
        return sim.result(ME)

    def _can_be_spared(self) -> bool:
        """Whether all is well, and of each cluster of this operation a quorum of like masters is not late."""
        nodes, stalled = self.model.nodes, self._sim.stalled
        if self.doing == ONE_BY_ONE or self.bad_answers() or not SOFT_AND_SUPROOT.isdisjoint(self.model.types):
            return False
        for cluster in self._given:
            if self.doing == CLIMBING and any(self.is_out_of_the_pfs(c.parent) for _, c in cluster.members()):
                return False
            prompt = [(nodes[i].spec, chain) for i, chain in cluster.members() if i not in stalled]
            if is_locked(cluster):
                prompt = [(spec, chain) for spec, chain in prompt if chain.data is not None]
            alike = Counter((spec, chain.bytes) for spec, chain in prompt if spec.type == PfsType.MASTER)
            if max(alike.values(), default=0) < self.needed():
                return False
        return bool(self._given)

    def _catch_up(self) -> None:
        self._sim.stalled.clear()
        self._sim.settle(last)

    @contextmanager
    def behind(self) -> Iterator[None]:
        """As Judge.behind."""
        self._is_behind = True
        yield
        self._is_behind = False
        self._catch_up()
        self.judge()

    def verdict_on(self, cluster: Cluster) -> Verdict:
        """What the specification said of a cluster when it was decided, or says now if it was not."""
        return self._verdicts.get(cluster.id) or super().verdict_on(cluster)

    def had_answered(self, cluster: Cluster, i: int) -> bool:
        """As Judge.had_answered."""
        return i not in self._were_late.get(cluster.id, ())

    def was_late(self, i: int) -> bool:
        """As Judge.was_late."""
        return any(i in late for late in self._were_late.values())
