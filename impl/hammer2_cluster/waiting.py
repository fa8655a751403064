"""How code at a node waits: for a lock, for a slow medium, for one that never answers.

The layers below the operations never read the clock and never suspend by themselves; whoever runs them decides what
waiting means. ``NeverWaits`` is for the straight runner: time is a counter, and what would really wait is refused.
"""

from collections.abc import Callable, Hashable
from typing import Protocol


class WouldWaitError(RuntimeError):
    """Something has to wait, under a runner that never does. The text says for what."""


class Waiting(Protocol):
    """What a runner offers to the layers below."""

    def caller(self) -> Hashable:
        """Who runs at this moment: a client. Locks belong to a caller, and the same caller may lock again."""

    async def until(self, ready: Callable[[], bool], why: str) -> None:
        """Return once ``ready()`` holds. why: what is waited for, as a person would say it."""

    async def ticks(self, count: int) -> None:
        """Return after so many clock ticks."""

    async def for_ever(self, why: str) -> None:
        """Do not return."""


class NeverWaits:
    """One caller; sleeping advances a counter; anything else that waits is refused."""

    def __init__(self) -> None:
        self.now = 0
        """Clock ticks slept so far."""

    def caller(self) -> Hashable:
        """Always the same."""
        return None

    async def until(self, ready: Callable[[], bool], why: str) -> None:
        """Raises WouldWaitError unless it is so already."""
        if not ready():
            raise WouldWaitError(f"the straight runner cannot wait for {why}")

    async def ticks(self, count: int) -> None:
        """Advance the clock."""
        self.now += count

    async def for_ever(self, why: str) -> None:
        """Raises WouldWaitError."""
        raise WouldWaitError(f"the straight runner cannot wait for {why}")
