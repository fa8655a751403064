"""How the numbers in a state are written for people."""

from collections.abc import Callable, Mapping

from hammer2_spec.protocol.state import Setup, epoch_of, mixture, replacement, sequence_of
from hammer2_spec.protocol.tree import MIXED, TreeSetup


def tid(_m: Setup, number: int) -> str:
    """A tid: epoch, a dot, sequence number."""
    return f"{epoch_of(number)}.{sequence_of(number)}"


def writes(m: Setup, content: int) -> str:
    """A set of writes: a letter each, + for each recorded replacement, ! for a mixture of versions; - if empty."""
    letters = "".join(chr(ord("a") + write) for write in range(m.writes) if content >> write & 1)
    recorded = sum(1 for loss in range(1, m.losses + 1) if content & replacement(m, loss))
    return letters + "+" * recorded + ("!" if content & mixture(m) else "") or "-"


def clients(m: Setup, mask: int) -> str:
    """A set of clients, by their numbers: client 0, clients 0 and 1, nobody."""
    members = [str(c) for c in range(len(m.views)) if mask >> c & 1]
    return f"client{'s' * (len(members) > 1)} {' and '.join(members)}" if members else "nobody"


def to_clients(m: Setup, mask: int) -> str:
    """To whom."""
    return f"to {clients(m, mask)}"


def from_clients(m: Setup, mask: int) -> str:
    """From whom."""
    return f"from {clients(m, mask)}"


SHOWN: Mapping[str, Callable[[Setup, int], str]] = {
    **dict.fromkeys(("nodes.durable_tid", "nodes.volatile_tid", "nodes.snapshot_tid"), tid),
    **dict.fromkeys(("clients.tid", "clients.prior_tid", "read_tid"), tid),
    **dict.fromkeys(("nodes.durable_content", "nodes.volatile_content", "nodes.snapshot_content"), writes),
    **dict.fromkeys(("clients.content", "clients.prior_content", "known", "read_content", "read_since"), writes),
    "nodes.replies": to_clients,
    "nodes.cut": from_clients,
}
"""For each field that holds such a number, by its path."""


def data(_m: TreeSetup, write: int) -> str:
    """The content of a leaf: the number of the write that made it, or that it is half copied."""
    return "mixed" if write == MIXED else str(write)


SHOWN_OF_TREES: Mapping[str, Callable[[TreeSetup, int], str]] = {
    "elements.content": data,
    "elements.durable_content": data,
}
"""The same below the root."""
