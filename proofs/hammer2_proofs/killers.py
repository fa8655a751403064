"""Concrete calls of resolve that tell a wrong version from the right one: all of the smallest, many larger ones."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hammer2_spec import resolve as specification
from hammer2_spec.configuration import ABSENT, FOREIGN, Configuration, Slot, Verdict
from hammer2_spec.semantics import REPAIRED, RESOLVE_REPAIRS, SEED, Semantics
from hammer2_spec.vocabulary import MAXCLUSTER, TID_MAX, PfsType

TYPES = (
    PfsType.MASTER,
    PfsType.SLAVE,
    PfsType.SOFT_MASTER,
    PfsType.SOFT_SLAVE,
    PfsType.SUPROOT,
    PfsType.NONE,
)


class Call(NamedTuple):
    """What one call of resolve is given, and what the specification says that it answers."""

    configuration: Configuration
    semantics: Semantics
    expected: Verdict


class Kill(NamedTuple):
    """A call that a wrong version answers wrongly."""

    call: Call
    got: object
    """Its answer; None is one too."""
    raised: str
    """What CPython raised instead of an answer, or nothing."""


Decide = Callable[[Sequence[Slot], int | None, int | None, int, Semantics], object]


def asked(configuration: Configuration, semantics: Semantics) -> Call:
    """A call, with the answer of the specification."""
    return Call(configuration, semantics, specification.resolve(*configuration, semantics))


def disagreement(decide: Decide, call: Call) -> Kill | None:
    """What CPython shows to be wrong with one call, if anything is: another answer, or an exception."""
    try:
        got = decide(*call.configuration, call.semantics)
    except Exception as raised:  # noqa: BLE001 - whatever a wrong version raises
        return Kill(call, None, f"{type(raised).__name__}: {raised}")
    return None if got == call.expected else Kill(call, got, "")


@dataclass
class Bank:
    """Calls to try, the smallest first; first all under SEED and REPAIRED, then under semantics between the two."""

    calls: list[Call] = field(default_factory=list)

    def kill(self, decide: Decide) -> Kill | None:
        """The first call that shows a version to be wrong."""
        found = (disagreement(decide, call) for call in self.calls)
        return next((kill for kill in found if kill), None)


def bank(seed: int, larger: int = 3000) -> Bank:
    """Every configuration of at most one slot over a few tids and errors, and so many larger ones drawn from a seed."""
    draw = random.Random(seed)  # noqa: S311 - reproducible, not secret
    configurations = [*_smallest(), *sorted((_larger(draw) for _ in range(larger)), key=_size)]
    ends = [asked(c, semantics) for c in configurations for semantics in (REPAIRED, SEED)]
    between = [asked(c, _between(draw)) for c in configurations for _ in range(2)]
    return Bank(ends + between)


def _smallest() -> Iterator[Configuration]:
    slots = [ABSENT, *(Slot(True, int(t), tid, error) for t in TYPES for tid in (0, 1) for error in (0, 1))]
    for pfs_nmasters in (None, 0, 1, 2):
        for prior in (None, FOREIGN):
            yield Configuration((), pfs_nmasters, prior, 0)
        for slot in slots:
            for prior in (None, FOREIGN, 0):
                if slot.present or prior != 0:
                    yield Configuration((slot,), pfs_nmasters, prior, 0)


def _larger(draw: random.Random) -> Configuration:
    """2 to 8 slots of few types, tids and errors, so that like members meet and quorums come about."""
    types = draw.sample(TYPES, draw.choice((1, 2, 2, 3)))
    if draw.random() < 0.1:
        types.append(draw.choice(tuple(PfsType)))
    tids = draw.choice(((1,), (1, 2), (0, 1, 2, 3), (0, 1, TID_MAX)))
    errors = draw.choice(((0,), (0, 0, 0, 1), (0, 1, 2, -1)))
    slots = tuple(
        Slot(draw.random() < 0.9, int(draw.choice(types)), draw.choice(tids), draw.choice(errors))
        for _ in range(draw.choice((2, 2, 3, 3, 4, 5, 6, MAXCLUSTER)))
    )
    masters = sum(slot.type == PfsType.MASTER for slot in slots)
    pfs_nmasters = draw.choice((None, 0, max(masters, 1), max(masters, 1), masters + 1, 2 * masters))
    prior = draw.choice((None, None, FOREIGN, *(i for i, slot in enumerate(slots) if slot.present)))
    return Configuration(slots, pfs_nmasters, prior, draw.choice((0, 2**32 - 1, draw.getrandbits(32))))


def _size(configuration: Configuration) -> tuple[int, int]:
    nmasters = configuration.pfs_nmasters
    return len(configuration.slots), -1 if nmasters is None else nmasters


def _between(draw: random.Random) -> Semantics:
    """Half of the time one repair alone or all but one, half of the time any set of them."""
    if draw.random() < 0.5:
        base = draw.choice((SEED, REPAIRED))
        name = draw.choice(RESOLVE_REPAIRS)
        return base._replace(**{name: not getattr(base, name)})
    return SEED._replace(**{name: draw.random() < 0.5 for name in RESOLVE_REPAIRS})
