"""The simulated runner: one thread, a virtual clock, and a choice wherever several things could happen next.

What happens is a sequence of events. The same choices give the same run, so that a run is its seed, or its list of
choices, and every run can be had by choosing differently.
"""

from collections import deque
from collections.abc import Callable, Coroutine, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hammer2_cluster.chain_layer import ChainLayer
from hammer2_cluster.front_end import FrontEnd
from hammer2_cluster.node import QUEUE_LIMIT, Errand, Node, Suspended
from hammer2_cluster.nodes import Back, Gone, Mail, Nodes
from hammer2_spec.semantics import REPAIRED, Semantics


class Event(NamedTuple):
    """Something that can happen next."""

    what: str
    """step: a node carries on with one step; answer: what a node sent reaches a client; client: what it waited for,
    besides answers, is there; tick: time passes."""
    node: int = 0
    client: Hashable = None
    is_silent: bool = False
    """Nobody waits for this step, and only its node sees it: to take it at once, before all others, loses no end."""


Pick = Callable[[Sequence[Event]], Event]
"""Who chooses among the events that can happen next."""


def first(events: Sequence[Event]) -> Event:
    """The plainest choice."""
    return events[0]


class Stuck(RuntimeError):
    """Somebody waits, and nothing will ever happen. The text says who waits for what."""


@dataclass(slots=True, eq=False)
class _Client:
    on: FrontEnd
    mail: list[deque[Mail]]
    """From each node, in the order in which it was sent."""
    operation: Coroutine[Suspended, None, Any] | None = None
    waits: Suspended | None = None
    result: Any = None
    raised: BaseException | None = None
    serves: bool = False
    """It waits for work, and nobody for its end."""


@dataclass(slots=True, eq=False)
class Simulation:
    """Nodes, clients, and what is on its way between them."""

    count: int
    """How many nodes."""
    limit: int = QUEUE_LIMIT
    """Steps that a node may owe."""
    instant_answers: bool = False
    """An answer reaches its client when the step ends: the same runs with fewer events, but for who overtakes whom."""
    now: int = 0
    """The tick of the virtual clock."""
    stalled: set[int] = field(default_factory=set)
    """Nodes that do not carry on with anything for the time being."""
    happened: list[Event] = field(default_factory=list)
    nodes: list[Node] = field(init=False)
    shared: Nodes = field(init=False)
    _clients: dict[Hashable, _Client] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nodes = [Node(n, self._reply, self._clock, self.limit) for n in range(self.count)]
        self.shared = Nodes(self.nodes, self.disconnect, self.reconnect, self._clock)

    def _clock(self) -> int:
        return self.now

    def client(self, me: Hashable, chains: ChainLayer, semantics: Semantics = REPAIRED) -> FrontEnd:
        """A new client, on a chain layer whose volumes wait as the nodes of this simulation do."""
        on = FrontEnd(me, self.shared, chains, semantics)
        self._clients[me] = _Client(on, [deque() for _ in self.nodes])
        return on

    # ---- operations

    def start(self, me: Hashable, operation: Coroutine[Any, Any, Any]) -> None:
        """Let a client begin an operation; the last one must have ended."""
        client = self._clients[me]
        if client.operation is not None:
            raise ValueError(f"client {me} is busy")
        client.operation, client.result, client.raised = operation, None, None
        self._go_on(client)

    def serve(self, me: Hashable, operation: Coroutine[Any, Any, None]) -> None:
        """Let a client begin what has no end, as a synchronization thread: it waits when all others are done."""
        self._clients[me].serves = True
        self.start(me, operation)

    def has_ended(self, me: Hashable) -> bool:
        """Whether a client's operation has come to an end."""
        return self._clients[me].operation is None

    def result(self, me: Hashable) -> Any:  # noqa: ANN401 - whatever the operation returns
        """What a client's last operation returned. Raises what it raised."""
        client = self._clients[me]
        if client.raised is not None:
            raise client.raised
        return client.result

    def run(self, me: Hashable, operation: Coroutine[Any, Any, Any], pick: Pick = first) -> Any:  # noqa: ANN401 - as result
        """An operation from beginning to end, while everything else goes on. Raises Stuck, and what it raises."""
        self.start(me, operation)
        while not self.has_ended(me):
            self.happen(pick)
        return self.result(me)

    def settle(self, pick: Pick = first) -> None:
        """Go on until nothing can happen any more. Raises Stuck if somebody waits then, and what has ended a server."""
        while self.events():
            self.happen(pick)
        for client in self._clients.values():
            if client.serves and client.raised is not None:
                raise client.raised
            if client.operation is not None and not client.serves:
                raise Stuck(self.who_waits())

    # ---- events

    def events(self) -> list[Event]:
        """What can happen next. Time passes only if nothing else can happen."""
        steps = [(n, node.next_errand()) for n, node in enumerate(self.nodes) if n not in self.stalled]
        events = [Event("step", n, None, self._is_silent(errand)) for n, errand in steps if errand is not None]
        for me, client in self._clients.items():
            events += [Event("answer", n, me) for n, mail in enumerate(client.mail) if mail]
            if self._can_go_on(client):
                events.append(Event("client", client=me))
        if not events and self._next_tick() is not None:
            events.append(Event("tick"))
        return events

    def is_next_silent(self, n: int) -> bool:
        """Whether what a node would carry on with is seen there only, so that its order among nodes is no matter."""
        errand = self.nodes[n].next_errand()
        return errand is not None and self._is_silent(errand)

    def _is_silent(self, errand: Errand) -> bool:
        client = self._clients[errand.client]  # who can go on would, at any answer
        return client.on.ignores(errand) and not self._can_go_on(client)

    def _can_go_on(self, client: _Client) -> bool:
        return client.operation is not None and client.waits is not None and self._is_ready(client.waits)

    def _next_tick(self) -> int | None:
        """When the first of those wakes up who sleep."""
        waits = [client.waits for client in self._clients.values() if client.waits is not None]
        for n, node in enumerate(self.nodes):
            if n not in self.stalled:
                waits += [why for _, why in node.waits()]
        return min((why.wakes for why in waits if why.wakes is not None and why.wakes > self.now), default=None)

    def happen(self, pick: Pick = first) -> None:
        """One event. Raises Stuck if there is none."""
        events = self.events()
        if not events:
            raise Stuck(self.who_waits())
        self.take(pick(events))

    def take(self, event: Event) -> None:
        """One event that can happen; a tick can whenever somebody sleeps, as if all that happens before came later."""
        self.happened.append(event)
        match event.what:
            case "step":
                self.nodes[event.node].carry_on()
            case "answer":
                client = self._clients[event.client]
                self._deliver(client, client.mail[event.node].popleft())
            case "client":
                self._go_on(self._clients[event.client])
            case _:
                self.now = self._next_tick() or self.now
                for client in self._clients.values():
                    self._go_on(client)

    def _reply(self, errand: Errand) -> None:
        client = self._clients[errand.client]
        client.mail[errand.node].append(errand)
        if self.instant_answers and len(client.mail[errand.node]) == 1:
            self._deliver(client, client.mail[errand.node].popleft())

    def _deliver(self, client: _Client, mail: Mail) -> None:
        client.on.receive(mail)
        self._go_on(client)

    def _go_on(self, client: _Client) -> None:
        """Let a client do what it does until it waits, or ends."""
        while client.operation is not None and (client.waits is None or self._is_ready(client.waits)):
            try:
                client.waits = client.operation.send(None)
            except StopIteration as stop:
                client.operation, client.waits, client.result = None, None, stop.value
            except Exception as error:  # noqa: BLE001 - result() raises it
                client.operation, client.waits, client.raised = None, None, error

    def _is_ready(self, why: Suspended) -> bool:
        return why.ready() or (why.wakes is not None and why.wakes <= self.now)

    @property
    def somebody_sleeps(self) -> bool:
        """Whether there is a tick that somebody waits for."""
        return self._next_tick() is not None

    def died(self) -> Iterator[tuple[Hashable, BaseException]]:
        """Clients whose operations have raised, and what."""
        return ((me, client.raised) for me, client in self._clients.items() if client.raised is not None)

    def waits_of_clients(self) -> tuple[Suspended | None, ...]:
        """What each client waits for: another one when it has gone on meanwhile."""
        return tuple(client.waits for client in self._clients.values())

    def who_waits(self) -> str:
        """Who waits for what, in words."""
        waits = [
            f"client {me} waits for {client.waits.why}"
            for me, client in self._clients.items()
            if client.operation is not None and client.waits is not None
        ]
        for n, node in enumerate(self.nodes):
            waits += [f"client {me} waits at node {n} for {why.why}" for me, why in node.waits()]
        return "; ".join(waits) or "nobody waits"

    def close(self) -> None:
        """Abandon what the clients do, where it waits."""
        for client in self._clients.values():
            if client.operation is not None:
                client.operation.close()

    # ---- failures

    def disconnect(self, n: int) -> None:
        """A node goes away, with all that was sent to it."""
        self.nodes[n].disconnect()
        for client in self._clients.values():
            client.mail[n].append(Gone(n))

    def reconnect(self, n: int) -> None:
        """A node takes steps again: every client is told."""
        self.nodes[n].reconnect()
        for client in self._clients.values():
            client.mail[n].append(Back(n))

    def cancel(self, me: Hashable) -> None:
        """End what a client does, where it waits."""
        client = self._clients[me]
        client.on.cancel()
        self._go_on(client)
