"""Whether the proofs have teeth: every wrong version of resolve is refuted, or proved to be no wrong version at all.

    for fate in Teeth().judge(mutate(resolve).mutants):
        print(fate)

A version is refuted by one call that CPython answers differently from the specification, under whichever semantics; of
a sample of those, the lifter and z3 must find such a call by themselves. A version that no call refutes must be proved
equivalent by the lifter and z3, for every configuration of up to 8 slots and all 256 semantics. There is no third
outcome that passes.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from types import ModuleType
from typing import Final, NamedTuple, Protocol

from hammer2_cluster import resolve as original
from hammer2_proofs.killers import Bank, Kill, asked, bank, disagreement
from hammer2_proofs.lift import Refused
from hammer2_proofs.mutant_proof import Undecided, difference, same_function, unproved_lemmas
from hammer2_proofs.mutants import Mutant, Mutation, load, mutate
from hammer2_spec.configuration import Configuration, Verdict
from hammer2_spec.properties import PROPERTIES, Property
from hammer2_spec.semantics import REPAIRED, Semantics, describe

LEAST_MUTANTS: Final = 900
"""Fewer than that, and the mutator has lost an operator or resolve has moved away from it."""
SEED_OF_CALLS: Final = 20150330
SAMPLE: Final = 45
"""The prover is asked about every so many-th mutant that a call refutes."""
LEAST_ASKED: Final = 10
"""The prover must have found so many of them by itself."""
FEW_SLOTS: Final = 3
"""z3 looks for a refutation with at most so many slots before all of them are tried."""


class Outcome(Enum):
    """What became of a mutant."""

    REFUTED = "refuted"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"


class Fate(NamedTuple):
    """What became of a mutant, and why."""

    mutant: Mutant
    outcome: Outcome
    obligation: str
    """What refutes it, or what was proved, or why neither could be done."""
    kill: Kill | None
    properties: tuple[str, ...]
    """Properties of one configuration that the refuting answer breaks, where the semantics is REPAIRED."""
    cpu_seconds: float


class Prover(Protocol):
    """Who is asked about a mutant that no known call refutes. Both raise Undecided or Refused where they give up."""

    def equivalent(self, mutant: Mutant, module: ModuleType) -> bool:
        """Whether the mutant is proved to be no other function than the original."""

    def difference(self, module: ModuleType) -> tuple[Configuration, Semantics] | None:
        """A call on which it seems to differ from the original."""


class Z3:
    """The lifter and z3."""

    def equivalent(self, mutant: Mutant, module: ModuleType) -> bool:
        """By comparing the one function that was changed."""
        if unproved_lemmas():
            raise Undecided(f"a lemma does not hold: {', '.join(unproved_lemmas())}")
        return same_function(mutant.function, module)

    def difference(self, module: ModuleType) -> tuple[Configuration, Semantics] | None:
        """With few slots."""
        return difference(module, FEW_SLOTS)


@dataclass
class Teeth:
    """The judge: calls that are tried in CPython, to which every call that z3 finds is added, and a prover."""

    calls: Bank = field(default_factory=lambda: bank(SEED_OF_CALLS))
    prover: Prover = field(default_factory=Z3)
    asked_too: Counter[str] = field(default_factory=Counter)
    """How often the prover was asked about a mutant that a call refutes, and what it said."""
    refuted: int = 0

    def judge(self, mutants: Iterable[Mutant]) -> Iterator[Fate]:
        """The fate of each, in the given order, as soon as it is known."""
        for mutant in mutants:
            start = time.process_time()
            outcome, obligation, kill = self._judge(mutant)
            yield Fate(mutant, outcome, obligation, kill, broken_by(kill), time.process_time() - start)

    def _judge(self, mutant: Mutant) -> tuple[Outcome, str, Kill | None]:
        module = load(mutant)
        kill = self.calls.kill(module.resolve)
        if kill:
            self.refuted += 1
            if self.refuted % SAMPLE == 0 and not self._refutes(module, kill):
                return Outcome.UNDECIDED, f"a call refutes it ({obligation_of(kill)}), the prover does not", kill
            return Outcome.REFUTED, obligation_of(kill), kill
        why = f"{mutant.function} is another function, yet no call refutes it"
        found = None
        try:
            if self.prover.equivalent(mutant, module):
                return Outcome.EQUIVALENT, f"{mutant.function} is the same function", None
        except (Undecided, Refused) as reason:
            why = f"no call refutes it, and: {reason}"
        try:
            found = self.prover.difference(module)
        except (Undecided, Refused) as reason:
            why = f"no call refutes it, and: {reason}"
        if found is None:
            return Outcome.UNDECIDED, why, None
        call = asked(*found)
        kill = disagreement(module.resolve, call)
        if kill is None:
            return Outcome.UNDECIDED, f"CPython does not reproduce the counterexample {found}", None
        self.calls.calls.append(call)
        return Outcome.REFUTED, obligation_of(kill), kill

    def _refutes(self, module: ModuleType, kill: Kill) -> bool:
        """Whether the prover finds a call of its own; it may refuse to lift, and looks at few slots."""
        try:
            found = self.prover.difference(module)
        except Refused:
            self.asked_too["refused"] += 1
            return True
        except Undecided:
            self.asked_too["undecided"] += 1
            return False
        self.asked_too["missed" if found is None else "refuted"] += 1
        if found is None:
            return len(kill.call.configuration.slots) > FEW_SLOTS
        return disagreement(module.resolve, asked(*found)) is not None


def obligation_of(kill: Kill) -> str:
    """The obligation that a wrong answer breaks: semantics, and the first field that is not the specification's."""
    semantics = describe(kill.call.semantics)
    if kill.raised:
        return f"{semantics}: definedness"
    if not isinstance(kill.got, Verdict):
        return f"{semantics}: a verdict"
    pairs = zip(Verdict._fields, kill.got, kill.call.expected, strict=True)
    return f"{semantics}: {next(name for name, got, expected in pairs if got != expected)}"


def broken_by(kill: Kill | None) -> tuple[str, ...]:
    """The properties of REPAIRED that a wrong answer breaks all by itself."""
    if kill is None or kill.call.semantics != REPAIRED or not isinstance(kill.got, Verdict):
        return ()
    _, _, *numbers = tuple[object, ...](kill.got)
    if not all(isinstance(x, int) for x in numbers):
        return ()  # two fields have changed places: no sentence speaks of that
    case = kill.call.configuration, kill.got
    return tuple(p.name for p in PROPERTIES if isinstance(p, Property) and p.given(*case) and not p.holds(*case))


@dataclass(frozen=True)
class Summary:
    """All fates together."""

    mutation: Mutation
    fates: tuple[Fate, ...]
    asked_too: Counter[str]
    least: int = LEAST_MUTANTS

    @property
    def counts(self) -> Counter[Outcome]:
        """How many mutants ended in which way."""
        return Counter(fate.outcome for fate in self.fates)

    @property
    def by_obligation(self) -> Counter[str]:
        """How many were refuted by what; semantics between SEED and REPAIRED taken together."""
        found: Counter[str] = Counter()
        for fate in self.fates:
            if fate.outcome is Outcome.REFUTED:
                semantics, _, component = fate.obligation.partition(": ")
                found[f"{semantics if semantics in ('seed', 'repaired') else 'in between'}: {component}"] += 1
        return found

    @property
    def undecided(self) -> tuple[Fate, ...]:
        """Those that passed all checks and were not proved equivalent."""
        return tuple(fate for fate in self.fates if fate.outcome is Outcome.UNDECIDED)

    @property
    def complete(self) -> bool:
        """Whether all mutants have been judged, and there were enough of them."""
        return len(self.fates) == len(self.mutation.mutants) >= self.least

    @property
    def passed(self) -> bool:
        """Whether every mutant was refuted or proved equivalent, and the prover found a sample of them by itself."""
        return self.complete and not self.undecided and self.asked_too["refuted"] >= LEAST_ASKED

    @property
    def sentence(self) -> str:
        """The result in one line."""
        counts = self.counts
        return (
            f"{len(self.fates)} mutants: {counts[Outcome.REFUTED]} refuted, "
            f"{counts[Outcome.EQUIVALENT]} proved equivalent, {counts[Outcome.UNDECIDED]} undecided"
        )


def mutants_of_resolve() -> Mutation:
    """What is judged."""
    return mutate(original)
