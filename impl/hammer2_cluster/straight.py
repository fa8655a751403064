"""The straight runner: slot order, never suspends, each step when its answer is asked for.

That is the original's behaviour, call for call, and the short cut of a single-node filesystem (L105-107).
"""

from collections.abc import AsyncIterator, Collection, Coroutine, Iterable
from typing import Any, Final, Generic, TypeVar

from hammer2_cluster.chain_layer import ChainLayer
from hammer2_cluster.objects import Chain, Cluster
from hammer2_cluster.runner import Answer, Step, Until
from hammer2_spec.semantics import SEED, Semantics

Result = TypeVar("Result")


class _Answers(Generic[Answer]):
    __slots__ = ("_even_empty", "_items", "_slots", "_step")

    def __init__(self, cluster: Cluster, step: Step[Answer], slots: Iterable[int], even_empty: bool) -> None:
        self._items = cluster.array
        self._step = step
        self._slots = iter(slots)
        self._even_empty = even_empty

    def __aiter__(self) -> AsyncIterator[tuple[int, Answer]]:
        return self

    async def __anext__(self) -> tuple[int, Answer]:
        for i in self._slots:
            if self._items[i].chain is not None or self._even_empty:
                return i, await self._step(i)
        raise StopAsyncIteration


class Straight:
    """Runs operations on a chain layer that never waits."""

    def __init__(self, chains: ChainLayer, semantics: Semantics = SEED) -> None:
        self.chains: Final = chains
        self.semantics: Final = semantics

    def ask(
        self,
        cluster: Cluster,
        step: Step[Answer],
        *,
        slots: Iterable[int] | None = None,
        even_empty: bool = False,
        fills: Cluster | None = None,  # noqa: ARG002 - the answer is there when the step returns
        until: Until | None = None,  # noqa: ARG002 - a licence that is not taken
    ) -> AsyncIterator[tuple[int, Answer]]:
        """One step for each answer that is asked for."""
        return _Answers(cluster, step, range(cluster.nchains) if slots is None else slots, even_empty)

    async def tell(
        self,
        cluster: Cluster,
        step: Step[None],
        *,
        slots: Iterable[int] | None = None,
        fills: Cluster | None = None,  # noqa: ARG002 - as in ask
    ) -> None:
        """All steps, at once."""
        for i in range(cluster.nchains) if slots is None else slots:
            if cluster.array[i].chain is not None:
                await step(i)

    def quorum_of(self, cluster: Cluster, without: Collection[int] = ()) -> Until | None:  # noqa: ARG002 - see below
        """No licence is needed: all answers are there."""
        return None

    async def known(self, *clusters: Cluster) -> None:
        """Nobody is late."""

    def left(self, chain: Chain) -> None:
        """Nobody keeps count."""

    def decided(self, cluster: Cluster) -> None:
        """Nobody is late."""

    def run(self, operation: Coroutine[Any, Any, Result]) -> Result:
        """The operation's result. Raises RuntimeError if it waits: this runner is for layers that never do."""
        try:
            operation.send(None)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        operation.close()
        raise RuntimeError("the straight runner met a chain layer that waits")
