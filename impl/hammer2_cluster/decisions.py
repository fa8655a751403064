"""The decisions that this project knows. Whatever judges, proves or explains one is told which."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from hammer2_cluster import resolve
from hammer2_spec import resolve as specification
from hammer2_spec.configuration import Slot, Verdict
from hammer2_spec.semantics import Semantics

Decide = Callable[[Sequence[Slot], int | None, int | None, int, Semantics], Verdict]


class Decision(NamedTuple):
    """A function of the original that decides about a cluster."""

    name: str
    function: str
    """The original's name."""
    lines: str
    """Where the original is."""
    implementation: Decide
    specification: Decide


SEED_DECISION: Final = "resolve"
"""The one that records mean which name none."""

DECISIONS: Final = {
    "resolve": Decision("resolve", "hammer2_cluster_resolve", "L379-554", resolve.resolve, specification.resolve)
}
