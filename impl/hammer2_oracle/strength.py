"""How strong vectors of decisions are: which wrong versions of the specification they tell from the right one."""

import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from types import FrameType
from typing import Any, Final

import hammer2_spec.resolve
from hammer2_oracle.conform.rules import broken
from hammer2_oracle.vector_record import Vector
from hammer2_proofs.mutants import Mutant, load, mutate
from hammer2_spec.configuration import Configuration, Verdict
from hammer2_spec.semantics import Semantics

CPU_SECONDS: Final = 2.0
"""For all vectors; a mutant that takes longer is inconclusive."""
LOOKED_AT: Final = 10
"""Vectors on which a mutant differs that are held against the properties."""


class Late(Exception):
    """A mutant takes too long."""


@dataclass
class Strength:
    """What became of the mutants."""

    mutants: int = 0
    killed: int = 0
    survivors: list[str] = field(default_factory=list)
    """In words."""
    inconclusive: list[str] = field(default_factory=list)
    """Those that took too long."""
    properties: Counter[str] = field(default_factory=Counter)
    """How many mutants each property tells from the right one, on these vectors."""
    functions: Counter[str] = field(default_factory=Counter)
    """How many mutants of each function were killed."""

    @property
    def sentence(self) -> str:
        """The result in one line."""
        survive = f"{len(self.survivors)} survive, {len(self.inconclusive)} inconclusive"
        return f"{self.killed} of {self.mutants} mutants of the specification killed, {survive}"

    def as_json(self) -> dict[str, Any]:
        """The object for machines."""
        return {
            "mutants": self.mutants,
            "killed": self.killed,
            "survivors": self.survivors,
            "inconclusive": self.inconclusive,
            "properties": dict(sorted(self.properties.items())),
            "functions": dict(sorted(self.functions.items())),
        }


def strength(vectors: Sequence[Vector], semantics: Semantics, every: int = 1) -> Strength:
    """Ask every mutant of the specification (or each n-th) all vectors.

    A mutant survives that answers all as they say. It may do so because it is no mistake at all, or none under these
    semantics: what it changes may belong to a repair that they do not have.
    """
    found = Strength()
    asked = [(it.configuration, it.answer) for it in vectors]
    for mutant in mutate(hammer2_spec.resolve).mutants[::every]:
        found.mutants += 1
        try:
            with limited(CPU_SECONDS):
                wrong = list(islice(_differing(mutant, asked, semantics), LOOKED_AT))
        except Late:
            found.inconclusive.append(mutant.description)
            continue
        if not wrong:
            found.survivors.append(mutant.description)
            continue
        found.killed += 1
        found.functions[mutant.function] += 1
        found.properties.update(
            {prop.name for it, right, got in wrong if got is not None for prop in broken(it, right, got)}
        )
    return found


def _differing(
    mutant: Mutant, asked: Sequence[tuple[Configuration, tuple[object, ...]]], semantics: Semantics
) -> Iterator[tuple[Configuration, Verdict, Verdict | None]]:
    """Where a mutant does not answer as the vectors say, with the right answer and its own; None if it has none."""
    right = hammer2_spec.resolve.resolve
    try:
        decide = load(mutant).resolve
    except Exception:  # noqa: BLE001 - whatever a mutant does
        yield asked[0][0], right(*asked[0][0], semantics), None
        return
    for configuration, answer in asked:
        try:
            got = Verdict(*decide(*configuration, semantics))
            same = (got.outcome.text, *got[1:]) == answer
        except Late:
            raise
        except Exception:  # noqa: BLE001 - whatever a mutant does
            yield configuration, right(*configuration, semantics), None
            return
        if not same:
            yield configuration, right(*configuration, semantics), got


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise Late after so many seconds of CPU time."""

    def late(_: int, __: FrameType | None) -> None:
        raise Late

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
