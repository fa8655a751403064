"""Who performs the steps of an operation.

Each operation that calls the layer below has one body, a coroutine: a prologue, one fan-out over the members,

    async for i, answer in on.ask(cluster, step): fold the answer

and an epilogue that decides. ``step(i)`` happens at node i and may make several calls there. What nobody waits for is
told: ``await on.tell(cluster, step)``. The rules that let one body serve every runner:

- a step is performed for slot i if the slot holds a chain when its turn comes, at the node; one that does not is not
  folded;
- the straight runner performs step i when the loop asks for the i-th answer, so that an assertion in the fold stops
  the later calls as it does in C; a body never leaves its loop early;
- ``until`` is a licence to go on without the answers that are missing, never an order;
- a member that owes an answer counts as absent when something is decided; steps are sent to it all the same;
- ``decided`` follows every decision, so that members that are late can be told;
- a step may outlive the operation that sent it: a name that it captures is assigned once, and it reads of another
  node's chains only what was taken when it was sent.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from typing import Protocol, TypeVar

from hammer2_cluster.chain_layer import ChainLayer
from hammer2_cluster.objects import Chain, Cluster
from hammer2_spec.semantics import Semantics

Answer = TypeVar("Answer")
Step = Callable[[int], Awaitable[Answer]]
Until = Callable[[Collection[int]], bool]
"""Given the slots that have answered: whether that is enough."""


class Runner(Protocol):
    """What an operation is given to run on."""

    @property
    def chains(self) -> ChainLayer:
        """The layer below."""

    @property
    def semantics(self) -> Semantics:
        """Which repairs are in force."""

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
        """Perform the step at slots of the cluster; yield (slot, answer) as answers come.

        slots: which ones, in ascending order; all of the cluster's if None. even_empty: at empty ones too. fills:
        another cluster whose slots the step writes. until: the fold may stop asking once this holds of what answered.
        """

    async def tell(
        self,
        cluster: Cluster,
        step: Step[None],
        *,
        slots: Iterable[int] | None = None,
        fills: Cluster | None = None,
    ) -> None:
        """Perform the step at those slots, all if None, that hold a chain; nobody waits for it."""

    def quorum_of(self, cluster: Cluster, without: Collection[int] = ()) -> Until | None:
        """The licence to go on once a quorum of this cluster's members has answered alike, or none can any more.

        without: the members whose answer was that they failed; it may grow meanwhile.
        """

    async def known(self, *clusters: Cluster) -> None:
        """Wait until enough members of these locked clusters are there to decide, or nobody is late any more.

        Where the focus was lost meanwhile, it is decided anew.
        """

    def left(self, chain: Chain) -> None:
        """At the node: a member that failed leaves its cluster (L1388-1391)."""

    def decided(self, cluster: Cluster) -> None:
        """Who may be believed was decided for this cluster; its references and LOCKED are what was asked for so far."""
