"""What the clients of a cluster share: its nodes, one order for all that is sent to them, and news of them."""

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hammer2_cluster.node import Errand, Node
from hammer2_cluster.objects import Chain


class Gone(NamedTuple):
    """A node was disconnected: nothing that was sent to it before will be answered."""

    node: int


class Back(NamedTuple):
    """A node takes steps again, with a memory of its own making."""

    node: int


Mail = Errand | Gone | Back


@dataclass(slots=True)
class Nodes:
    """What all clients of a cluster share."""

    nodes: Sequence[Node]
    disconnect: Callable[[int], None]
    """Disconnect a node, and post ``Gone`` to every client behind all answers that are on their way from it."""
    reconnect: Callable[[int], None]
    """Let a node take steps again, and post ``Back`` to every client."""
    clock: Callable[[], int] = lambda: 0
    mutex: AbstractContextManager[Any] = field(default_factory=nullcontext)
    """Held while one question goes to all nodes, so that all nodes see all clients' questions in one order."""
    report: Callable[[Hashable, Chain], None] = lambda _client, _chain: None
    """At its node: a chain has failed a client, and leaves the cluster (L1388-1393)."""
    root_of: Callable[[int], Chain | None] = lambda _node: None
    """The root of the PFS in a node's memory, where it was mounted anew."""
    promises: Callable[[], Hashable] = lambda: None
    """What changes whenever a session begins."""

    def seen(self) -> tuple[list[tuple[bool, int]], Hashable]:
        """What changes whenever a node comes or goes, or a session begins."""
        return [(node.connected, node.times_lost) for node in self.nodes], self.promises()

    def differ_from(self, seen: tuple[list[tuple[bool, int]], Hashable]) -> bool:
        """Whether a node has come or gone since, or a session has begun."""
        return self.seen() != seen
