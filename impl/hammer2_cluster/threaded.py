"""The threaded runner: a worker thread per node (L93-103), clients in whatever threads call ``run``.

A node's chains are touched by its worker alone, a client's clusters by the thread that runs it; between them go
errands, and nothing else. What cannot be interrupted in a worker (a system call that hangs) holds up its node only.
"""

import queue
import threading
import time
from collections.abc import Coroutine, Hashable
from typing import Any, Final, TypeVar

from hammer2_cluster.chain_layer import ChainLayer
from hammer2_cluster.front_end import FrontEnd
from hammer2_cluster.node import QUEUE_LIMIT, Errand, Node, Suspended
from hammer2_cluster.nodes import Back, Gone, Mail, Nodes
from hammer2_spec.semantics import REPAIRED, Semantics

TICK_SECONDS: Final = 0.01

Result = TypeVar("Result")


class _Worker(threading.Thread):
    """Carries on with what its node has to do."""

    def __init__(self, owner: "Threads", n: int, limit: int) -> None:
        super().__init__(name=f"node {n}", daemon=True)
        self.bell: Final = threading.Condition()
        self.node: Final = Node(n, owner.reply, owner.clock, limit, self.bell, wake=self.wake)
        self._ended: Final = threading.Event()
        self._owner = owner

    def wake(self) -> None:
        """There may be something to do."""
        with self.bell:
            self.bell.notify()

    def end(self) -> None:
        """Do nothing more, once the step that runs has come to a stop."""
        self._ended.set()
        self.wake()

    def run(self) -> None:
        while not self._ended.is_set():
            if not self.node.carry_on():
                with self.bell:
                    if not self._ended.is_set() and not self.node.can_carry_on():
                        self.bell.wait(self._owner.seconds_until([why for _, why in self.node.waits()]))


class Threads:
    """Nodes with a worker each, and the clients' mailboxes. To be closed."""

    def __init__(self, count: int, *, limit: int = QUEUE_LIMIT) -> None:
        """So many nodes. limit: the steps that each may owe."""
        self._start: Final = time.monotonic()
        self._boxes: Final[dict[Hashable, queue.SimpleQueue[Mail | None]]] = {}
        self._ons: Final[dict[Hashable, FrontEnd]] = {}
        self._waits: Final[dict[Hashable, Suspended]] = {}
        """What each client waits for, besides its mail."""
        self._workers: Final = [_Worker(self, n, limit) for n in range(count)]
        self.nodes: Final = [worker.node for worker in self._workers]
        self.shared: Final = Nodes(self.nodes, self.disconnect, self.reconnect, self.clock, threading.Lock())
        for worker in self._workers:
            worker.start()

    def clock(self) -> int:
        """Ticks since the beginning."""
        return int((time.monotonic() - self._start) / TICK_SECONDS)

    def seconds_until(self, waits: list[Suspended]) -> float | None:
        """How long to sleep at most, or None if nobody waits for time to pass."""
        wakes = min((why.wakes for why in waits if why.wakes is not None), default=None)
        return None if wakes is None else max(0.0, wakes * TICK_SECONDS - (time.monotonic() - self._start)) + 0.001

    def client(self, me: Hashable, chains: ChainLayer, semantics: Semantics = REPAIRED) -> FrontEnd:
        """One more client. One thread at a time runs its operations."""
        self._boxes[me] = queue.SimpleQueue()
        self._ons[me] = FrontEnd(me, self.shared, chains, semantics)
        return self._ons[me]

    def run(self, me: Hashable, operation: Coroutine[Any, Any, Result]) -> Result:
        """A client's operation from beginning to end, in this thread. Raises what it raises."""
        box, on = self._boxes[me], self._ons[me]
        while True:
            try:
                why: Suspended = operation.send(None)
            except StopIteration as stop:
                result: Result = stop.value
                return result
            self._waits[me] = why  # before it looks whether it is ready: who changes something looks here afterwards
            while not why.ready() and (why.wakes is None or self.clock() < why.wakes):
                try:
                    mail = box.get(timeout=self.seconds_until([why]))
                except queue.Empty:
                    continue
                if mail is not None:
                    on.receive(mail)
            del self._waits[me]

    def serve(self, me: Hashable, operation: Coroutine[Any, Any, None]) -> threading.Thread:
        """Let a client do what has no end, in a thread of its own."""
        thread = threading.Thread(target=self.run, args=(me, operation), name=str(me), daemon=True)
        thread.start()
        return thread

    def wake(self) -> None:
        """Something has changed that clients may be waiting for: who can go on is told."""
        for me, why in list(self._waits.items()):
            if why.ready():
                self._boxes[me].put(None)

    def drain(self, me: Hashable) -> None:
        """Take the answers that have come since the client's last operation."""
        while not self._boxes[me].empty():
            mail = self._boxes[me].get()
            if mail is not None:
                self._ons[me].receive(mail)

    def reply(self, errand: Errand) -> None:
        """An answer for its client."""
        self._boxes[errand.client].put(errand)

    def disconnect(self, n: int) -> None:
        """A node goes away, with all that was sent to it."""
        self.nodes[n].disconnect()
        self._tell_all(Gone(n))

    def reconnect(self, n: int) -> None:
        """A node takes steps again: every client is told."""
        self.nodes[n].reconnect()
        self._tell_all(Back(n))

    def _tell_all(self, mail: Gone | Back) -> None:
        for box in list(self._boxes.values()):  # another thread may add one
            box.put(mail)

    def cancel(self, me: Hashable) -> None:
        """End what a client does, where it waits."""
        self._ons[me].cancel()
        self._boxes[me].put(None)

    def close(self) -> None:
        """End the workers; one that hangs in a system call is left behind. What they have not done stays undone."""
        for worker in self._workers:
            worker.end()
        for worker in self._workers:
            worker.join(1)
            if not worker.is_alive():
                worker.node.disconnect()  # lets steps that still wait end where they stand
