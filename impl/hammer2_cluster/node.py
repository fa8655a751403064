"""A node as those see it who send it work: a machine that performs steps in the order in which they come.

One queue for all clients. A step that has to wait (for a lock, for the medium) stands aside, and the later steps of its
client with it; what may go on again goes on before anything new begins, the one first that has waited longest. So the
order in which fan-outs reach the queues is the order in which locks are granted, on every node: that, and parent before
child on each node, is the lock order which keeps clients from waiting for each other in a circle.

Nothing here knows of threads or of chance: whoever owns a node says when it carries on, and takes its answers.
"""

import threading
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Hashable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

from hammer2_cluster.objects import Cluster
from hammer2_cluster.runner import Step

Result = TypeVar("Result")

QUEUE_LIMIT: Final = 1024
"""Steps that a node may owe. One that owes more does not answer, and is treated as disconnected."""


class Fenced(Exception):
    """A node does not do a step, because its client's session is over: who waits for the step ends."""


class Suspended(NamedTuple):
    """Why something does not go on, and when it may."""

    ready: Callable[[], bool]
    why: str
    """What is waited for, as a person would say it."""
    wakes: int | None = None
    """The tick from which on ``ready`` holds in any case."""


@types.coroutine
def suspended(why: Suspended) -> Generator[Suspended, None, None]:
    """Give up control until somebody finds that it is ready."""
    yield why


class TooLate(Exception):
    """Something was waited for as long as it may take."""


@types.coroutine
def within(
    clock: Callable[[], int], ticks: int, operation: Coroutine[Suspended, None, Result]
) -> Generator[Suspended, None, Result]:
    """The operation's result. Raises TooLate, and abandons it where it waits, when so many ticks have passed."""
    end = clock() + ticks
    while True:
        try:
            why = operation.send(None)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        while not why.ready() and (why.wakes is None or clock() < why.wakes):
            if clock() >= end:
                operation.close()
                raise TooLate(f"no end of {why.why}")
            yield Suspended(why.ready, why.why, end if why.wakes is None else min(end, why.wakes))


@dataclass(slots=True, eq=False)
class Errand:
    """A step on its way to a node, there, or on its way back."""

    client: Hashable
    """Who sent it. Locks that it takes are this client's."""
    node: int
    slot: int
    step: Step[Any]
    asked: Cluster
    even_empty: bool
    uncertain: tuple[Cluster, ...]
    """The clusters whose slot owes an answer until this one is there."""
    question: object | None
    """What it helps to answer; None if it is told, and nobody waits."""
    times_lost: int = 0
    """How often the node was disconnected as far as its client knows: slots hold chains of the memory it has since."""
    performed: bool = False
    """Its slot held a chain when its turn came."""
    answer: Any = None
    raised: BaseException | None = None

    @property
    def is_silent(self) -> bool:
        """Whether its client need not hear of its end."""
        return self.question is None and not self.uncertain and self.raised is None


@dataclass(slots=True, eq=False)
class _Begun:
    """A step that has begun, and what it waits for."""

    errand: Errand
    coroutine: Coroutine[Suspended, None, object]
    waits: Suspended


@dataclass(slots=True, eq=False)
class Node:
    """The queue of one node. It is also the ``Waiting`` of whatever happens at the node."""

    number: int
    """Which one: that of its device, and of its slot in the clusters of the PFS."""
    reply: Callable[[Errand], None]
    """Takes an errand that has ended and is not silent."""
    clock: Callable[[], int] = lambda: 0
    """The ticks that have passed."""
    limit: int = QUEUE_LIMIT
    """Steps that it may owe, 1 or more."""
    mutex: AbstractContextManager[Any] = field(default_factory=nullcontext)
    """Whoever accepts and whoever carries on may be different threads."""
    wake: Callable[[], None] = lambda: None
    """Called when there is something new to do."""
    connected: bool = True
    times_lost: int = 0
    """How often it was disconnected."""
    _queue: deque[Errand] = field(default_factory=deque)
    _waiting: list[_Begun] = field(default_factory=list)
    _running: Errand | None = None
    _ending: threading.local = field(default_factory=threading.local)
    """The step that the present thread ends."""

    # ---- for those who send it work

    def accept(self, errand: Errand) -> bool:
        """Take a step; False if it is disconnected, or was without the client's knowing, or owes too much."""
        with self.mutex:
            if not self.connected or errand.times_lost != self.times_lost or self.owes >= self.limit:
                return False
            self._queue.append(errand)
        self.wake()
        return True

    @property
    def owes(self) -> int:
        """Steps that have not ended."""
        return len(self._queue) + len(self._waiting) + (self._running is not None)

    @property
    def is_busy(self) -> bool:
        """Whether it is in the middle of something at this moment, and could not be stopped."""
        return self._running is not None

    # ---- for its owner

    def disconnect(self) -> None:
        """Forget all steps: none of them will be answered (L1383-1385)."""
        with self.mutex:
            self.connected = False
            self.times_lost += 1
            self._queue.clear()
            waiting, self._waiting = self._waiting, []
        for begun in waiting:
            self._abandon(begun)

    def _abandon(self, begun: _Begun) -> None:
        """Let a step end where it stands; what it held is the node's memory, which is lost with the node.

        Its node may be at another step at this moment, in another thread.
        """
        self._ending.errand = begun.errand
        try:
            begun.coroutine.close()
        except RuntimeError:  # in the middle of a lookup it holds less than it would give back: nobody misses that
            pass
        finally:
            self._ending.errand = None

    def reconnect(self) -> None:
        """Take steps again. What the node had in memory is gone; its owner sees to that."""
        self.connected = True

    def carry_on(self) -> bool:
        """Carry on with one step until it waits or ends. False if there is none that can go on."""
        with self.mutex:
            begun = self._next()
            if begun is None:
                return False
            self._running, times_lost = begun.errand, self.times_lost
        errand = begun.errand
        try:
            begun.waits = begun.coroutine.send(None)
        except StopIteration as stop:
            errand.answer = stop.value
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is to hear of it
            errand.raised = error
        else:
            with self.mutex:
                lost = times_lost != self.times_lost
                if not lost:
                    self._waiting.append(begun)
            if lost:
                self._abandon(begun)
            self._running = None
            return True
        self._running = None
        if times_lost == self.times_lost and not errand.is_silent:
            self.reply(errand)
        return True

    def can_carry_on(self) -> bool:
        """Whether there is a step that can go on."""
        return self.next_errand() is not None

    def next_errand(self) -> Errand | None:
        """What it would carry on with."""
        return next((begun.errand for begun in self._waiting if begun.waits.ready()), None) or self._first_in_queue()

    def _first_in_queue(self) -> Errand | None:
        """The first step of a client that does not wait here already."""
        held_up = {begun.errand.client for begun in self._waiting}
        return next((errand for errand in self._queue if errand.client not in held_up), None)

    def _next(self) -> _Begun | None:
        for begun in self._waiting:
            if begun.waits.ready():
                self._waiting.remove(begun)
                return begun
        errand = self._first_in_queue()
        if errand is None:
            return None
        self._queue.remove(errand)
        return _Begun(errand, _perform(errand), Suspended(bool, ""))

    def waits(self) -> Iterator[tuple[Hashable, Suspended]]:
        """Which clients' steps wait here, and for what; the one that has waited longest first."""
        return ((begun.errand.client, begun.waits) for begun in self._waiting)

    # ---- Waiting, for what happens at the node

    def caller(self) -> Hashable:
        """The client whose step runs at this moment; None outside of any step."""
        errand: Errand | None = getattr(self._ending, "errand", None) or self._running
        return None if errand is None else errand.client

    async def until(self, ready: Callable[[], bool], why: str) -> None:
        """As Waiting.until."""
        while not ready():
            await suspended(Suspended(ready, why))

    async def ticks(self, count: int) -> None:
        """As Waiting.ticks."""
        wakes = self.clock() + count
        await suspended(Suspended(lambda: self.clock() >= wakes, f"tick {wakes}", wakes))

    async def for_ever(self, why: str) -> None:
        """As Waiting.for_ever."""
        while True:
            await suspended(Suspended(bool, why))


async def _perform(errand: Errand) -> object:
    """The step, if there is something in its slot when its turn comes."""
    errand.performed = errand.even_empty or errand.asked.array[errand.slot].chain is not None
    return await errand.step(errand.slot) if errand.performed else None
