"""A filesystem on a single node: no task and no queue, each operation falls through to the chains (L105-107).

Several threads may use it; one at a time is inside, and lets others in while it waits.
"""

import threading
import time
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Final, TypeVar

from hammer2_cluster.chain_layer import ChainLayer
from hammer2_cluster.straight import Straight
from hammer2_spec.semantics import REPAIRED, Semantics

Result = TypeVar("Result")


class FallingThrough:
    """The ``Waiting`` of a single node, and a straight runner for whoever calls."""

    def __init__(self, tick_seconds: float = 0.01) -> None:
        """tick_seconds: how long a clock tick is."""
        self._inside: Final = threading.Condition()
        self._tick_seconds: Final = tick_seconds

    def run(
        self,
        chains: ChainLayer,
        operation: Callable[[Straight], Coroutine[Any, Any, Result]],
        semantics: Semantics = REPAIRED,
    ) -> Result:
        """An operation in the calling thread, from beginning to end. Locks that it takes belong to this thread."""
        on = Straight(chains, semantics)
        with self._inside:
            try:
                return on.run(operation(on))
            finally:
                self._inside.notify_all()

    def caller(self) -> Hashable:
        """As Waiting.caller: the thread."""
        return threading.get_ident()

    async def until(self, ready: Callable[[], bool], why: str) -> None:  # noqa: ARG002 - nobody asks
        """As Waiting.until: others go on meanwhile."""
        self._inside.notify_all()
        self._inside.wait_for(ready)

    async def ticks(self, count: int) -> None:
        """As Waiting.ticks."""
        end = time.monotonic() + count * self._tick_seconds
        while (left := end - time.monotonic()) > 0:
            self._inside.wait(left)

    async def for_ever(self, why: str) -> None:
        """As Waiting.for_ever."""
        await self.until(bool, why)
