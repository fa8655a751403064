"""Pruning loses nothing: on small bounds, every schedule to its end meets what the pruned search meets, and no more.

A fingerprint that leaves something out must be caught by the same comparison; else it would show nothing. Nor does it
lose anything to take silent steps at once.
"""

# ruff: noqa: SLF001 - what waits at a node is private to it

import types
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from hammer2_cluster.store.chain import StoredChain
from hammer2_proofs.schedules.fingerprint import Canon, Form, digest, fingerprint, form_of
from hammer2_proofs.schedules.search import Fingerprint, Found, search
from hammer2_proofs.schedules.world import Scenario, World

SMALL: Final = (
    Scenario("a client that locks twice", (("lock twice",),)),
    Scenario("two clients that lock", (("lock",), ("lock",)), masters=2),
    Scenario("a client that reads", (("read",),)),
    Scenario("a node goes away from a client that locks", (("lock",),), faults=1, kinds=("gone",)),
    Scenario("a client that writes", (("write",),), masters=2),
)
LARGER: Final = (
    Scenario("silent steps in any order", (("lock",),), reduced=False),
    Scenario("any fault", (("lock",),), faults=1),
    Scenario("two clients that read", (("read",), ("read",)), masters=2),
)
REDUCED: Final = (
    Scenario("a client that locks, and any fault", (("lock",),), faults=1),
    Scenario("a client that writes, and any fault", (("write",),), faults=1, masters=2),
)
REDUCED_LARGER: Final = (
    Scenario("one that writes, one that reads, and any fault", (("write",), ("read",)), faults=1, masters=2),
    Scenario("a client that writes to three nodes", (("write",),)),
    Scenario("a client that writes, and synchronization threads", (("write",),), faults=1, watched=True, delays=0),
)
"""To be explored with silent steps in any order as well."""


def observed(world: World) -> Hashable:
    """What is seen of a world from outside, by nothing that the fingerprint is made of."""
    nodes = [
        (
            node.connected,
            tuple((errand.client, _name(errand.step)) for errand in node._queue),
            tuple((client, why.why) for client, why in node.waits()),
            medium.digest,
            tuple(_memory(volume.vchain)) if volume is not None and node.connected else (),
        )
        for node, medium, volume in zip(world.sim.nodes, world.media, world.chains.volumes, strict=True)
    ]
    return world.judge.state, tuple(world.judge.outcomes), tuple(nodes), world.sim.who_waits(), world.left_faults


def _name(step: Any) -> str:  # noqa: ANN401 - a function, or a partial one
    return str(getattr(step, "func", step).__qualname__)


def _memory(chain: StoredChain) -> Iterator[Hashable]:
    yield chain.bref.key, chain.flags, chain.locks, chain.refs, bytes(chain.content or b"")
    for below in chain.children.all():
        yield from _memory(below)


@dataclass(frozen=True)
class Comparison:
    """A scenario, pruned and unpruned."""

    pruned: Found
    unpruned: Found
    missed: int
    """States, as they are observed, that the pruned search did not meet."""
    missed_ends: int
    invented: int
    """States that only the pruned search met: there can be none."""

    @property
    def agree(self) -> bool:
        """Whether both met the same."""
        return not (self.missed or self.missed_ends or self.invented)


def met(scenario: Scenario, prune: Fingerprint | None) -> tuple[Found, set[Hashable]]:
    """All that a search meets."""
    seen: set[Hashable] = set()
    return search(scenario, prune=prune, note=lambda world: seen.add(observed(world))), seen


def outside(scenario: Scenario) -> tuple[set[Hashable], set[Hashable], set[tuple[str, ...]]]:
    """What a search meets but for when each step was taken: media and control states, what is left, what is heard."""
    durable: set[Hashable] = set()
    ends: set[Hashable] = set()

    def note(world: World) -> None:
        media = tuple(medium.digest for medium in world.media)
        durable.add((world.judge.state, tuple(world.judge.outcomes), media))
        if not world.moves():
            ends.add(observed(world))

    found = search(scenario, note=note)
    return durable, ends, set(found.ends)


def reduction_agrees(scenario: Scenario) -> bool:
    """Whether the same is met, durably and in the end, if silent steps are taken in any order."""
    return outside(scenario) == outside(replace(scenario, reduced=False))


def compare(scenario: Scenario, prune: Fingerprint = fingerprint) -> Comparison:
    """A scenario with this fingerprint, and without any."""
    unpruned, everything = met(scenario, None)
    return against(unpruned, everything, scenario, prune)


def against(
    unpruned: Found, everything: set[Hashable], scenario: Scenario, prune: Fingerprint = fingerprint
) -> Comparison:
    """As compare, where the unpruned search was made before."""
    pruned, found = met(scenario, prune)
    missed_ends = len(unpruned.ends.keys() - pruned.ends.keys())
    return Comparison(pruned, unpruned, len(everything - found), missed_ends, len(found - everything))


class _Positions(Canon):
    """Where coroutines stand, and nothing of what they hold."""

    def frame(self, it: Any, code: types.CodeType, frame: types.FrameType | None) -> Form:  # noqa: ANN401 - as there
        inner = getattr(it, "cr_await", None)
        return (code.co_qualname, frame and frame.f_lasti, self(inner) if isinstance(inner, types.CoroutineType) else 0)


def _without(part: str, world: World) -> bytes:
    return digest({name: form for name, form in form_of(world).items() if name != part})


PLANTED: Final[dict[str, Fingerprint]] = {
    "what coroutines hold": lambda world: digest(form_of(world, _Positions())),
    **{part: partial(_without, part) for part in ("queues and media of the nodes", "clients")},
}
"""Fingerprints that leave out what they are called by."""
