"""A chain's mutex: shared or exclusive, recursive, granted in the order of arrival."""

from collections import deque
from collections.abc import Hashable

from hammer2_cluster.waiting import Waiting


class ChainLock:
    """Held by callers, each of whom may hold it several times; the last hold taken is the first given back."""

    __slots__ = ("_holders", "_queue")

    def __init__(self) -> None:
        self._holders: dict[Hashable, list[bool]] = {}
        """For each caller its holds, in order; True is shared."""
        self._queue: deque[object] = deque()

    def _is_free_for(self, caller: Hashable, shared: bool) -> bool:
        mine = self._holders.get(caller)
        others_share = all(all(holds) for holder, holds in self._holders.items() if holder != caller)
        alone = not self._holders.keys() - {caller}
        return alone or (shared and others_share and (mine is None or all(mine)))

    async def acquire(self, waiting: Waiting, shared: bool, name: str) -> None:
        """Return once the caller holds the lock, once more. A caller who holds it already does not queue."""
        caller = waiting.caller()
        if caller not in self._holders and (self._queue or not self._is_free_for(caller, shared)):
            ticket = object()
            self._queue.append(ticket)
            try:
                await waiting.until(lambda: self._queue[0] is ticket and self._is_free_for(caller, shared), name)
            finally:
                self._queue.remove(ticket)
        elif not self._is_free_for(caller, shared):
            await waiting.until(lambda: self._is_free_for(caller, shared), name)
        self._holders.setdefault(caller, []).append(shared)

    def release(self, waiting: Waiting) -> None:
        """Give back the caller's last hold. Raises RuntimeError without one."""
        caller = waiting.caller()
        holds = self._holders.get(caller)
        if not holds:
            raise RuntimeError("a lock is released by someone who does not hold it")
        holds.pop()
        if not holds:
            del self._holders[caller]

    def is_held_by(self, caller: Hashable) -> bool:
        """Whether the caller holds it, in whatever way."""
        return caller in self._holders

    @property
    def is_exclusive(self) -> bool:
        """Whether someone holds it exclusively."""
        return any(not all(holds) for holds in self._holders.values())
