"""The properties of the decision: proved for all configurations, or refuted by the smallest one.

A property is proved under one Semantics for configurations of 8 slots and of none; the sizes between are covered,
because an absent slot at the end changes nothing (``sizes``). Counting is cut out where it can be (``counting``).
That the order of slots plays no part is proved by ``exchange``, too, for any number of them.

A refutation is a concrete example, smallest first in slots, then in pfs_nmasters, the prior focus, and type, tid and
error from left to right, then in flags. CPython has run it before anybody sees it.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, NamedTuple, cast

import z3

from hammer2_cluster import resolve
from hammer2_proofs import counting, exchange
from hammer2_proofs.counting import Counts
from hammer2_proofs.examples import Example, drawn, judge
from hammer2_proofs.inputs import Inputs, any_configuration, any_semantics
from hammer2_proofs.lift import Lifter
from hammer2_proofs.obligations import (
    TIMEOUT_SECONDS,
    NotReproduced,
    Obligation,
    Read,
    Status,
    Wanted,
    anything,
    discharge,
)
from hammer2_proofs.values import Bits, Optional, Truth, Value, concrete, conjunction, negation
from hammer2_spec import resolve as specification
from hammer2_spec.configuration import FOREIGN, Configuration
from hammer2_spec.properties import (
    PROPERTIES,
    AnyProperty,
    Property,
    msynced_means_that_all_masters_are_at_the_quorum,
    the_order_of_slots_decides_only_between_equals,
)
from hammer2_spec.semantics import Semantics, describe
from hammer2_spec.vocabulary import MAXCLUSTER

RESOURCES: Final = 60_000_000
"""Where z3 gives up while it looks for an example, in its own deterministic unit (some twenty seconds)."""


def cases(prop: AnyProperty, count: int) -> Sequence[int]:
    """The case numbers that mean something for so many slots."""
    return (0,) if isinstance(prop, Property) else [case for case in prop.cases if case < max(count, 1)]


# ---------------------------------------------------------------- what is asked


class Question(NamedTuple):
    """A property as conditions over arbitrary configurations."""

    inputs: Inputs
    other: Inputs | None
    given: tuple[Truth, ...]
    holds: Truth


def question(prop: AnyProperty, semantics: Semantics, count: int, case: int, counts: Counts | None = None) -> Question:
    """Lift a property, and the decision that it speaks of; with ``counts``, without looking into counting."""
    lifter = Lifter(_without_counting(counts) if counts else None)
    inputs = any_configuration(count)
    first = inputs.configuration
    verdict = _lifted(lifter, resolve.resolve, *first, semantics)
    other = None
    if isinstance(prop, Property):
        given = lifter.lift(prop.given, first, verdict)
        holds = lifter.lift(prop.holds, first, verdict)
    else:
        other = any_configuration(count, "other_")
        second = _lifted(lifter, prop.second, first, verdict, other.configuration, case)
        then = _lifted(lifter, resolve.resolve, *second, semantics)
        given = lifter.lift(prop.given, first, verdict, second, then)
        holds = lifter.lift(prop.holds, first, verdict, second, then)
    defined = [negation(demand.when) for demand in lifter.demanded]
    domain = (*inputs.domain, *(other.domain if other else ()))
    known = (*domain, *(counts.facts() if counts else ()), _truth(given))
    return Question(inputs, other, known, conjunction(_truth(holds), *defined))


def _without_counting(counts: Counts) -> dict[Callable[..., object], Callable[..., Value]]:
    """Pass 1 as it is specified (``equivalence`` proves that it is the one that runs), counting apart."""
    specified = Lifter({specification.votes_at: counts.votes_at})

    def quorum(**arguments: Value) -> Value:
        return specified.lift(specification.quorum, **arguments)

    return {resolve.quorum: quorum, specification.votes_at: counts.votes_at}


def _lifted(lifter: Lifter, function: Callable[..., object], *arguments: object) -> tuple[Value, ...]:
    """A lifted record."""
    record = lifter.lift(function, *arguments)
    if not isinstance(record, tuple):
        raise TypeError(f"{function.__name__} returns no record")
    return record


def _truth(x: Value) -> Truth:
    if isinstance(x, bool) or z3.is_bool(x):
        return x
    raise TypeError(f"{x} is no condition")


# ---------------------------------------------------------------- proofs

COUNTED: Final = (msynced_means_that_all_masters_are_at_the_quorum,)
"""MSYNCED compares two counts: counting cannot be cut out of what is said of it."""


def obligations(prop: AnyProperty, semantics: Semantics, wanted: Wanted = anything) -> Iterator[Obligation]:
    """What must be proved for a property to hold under these semantics: of it, what is wanted by its name."""

    def reproduce(_: Read) -> str:
        example = Search(prop, semantics).smallest()
        if example is None:
            raise NotReproduced(f"no example refutes {prop.name}, {describe(semantics)}")
        return "\n".join(drawn(prop, example, semantics))

    return _obligations(prop, semantics, f"{prop.name}, {describe(semantics)}", reproduce, wanted)


def with_at_least(
    prop: AnyProperty, repairs: Collection[str], refuted: Callable[[Semantics], object]
) -> Iterator[Obligation]:
    """What must be proved for a property to hold with these repairs, whichever others there are.

    Where it cannot be, ``refuted`` is told of semantics under which the solver thinks that it does not hold.
    """
    semantics = any_semantics(repairs)

    def reproduce(read: Read) -> str:
        found = Semantics(*(bool(read(switch)) for switch in semantics))
        refuted(found)
        return describe(found)

    name = f"{prop.name}, with at least {' + '.join(repairs) or 'nothing'}"
    return _obligations(prop, semantics, name, reproduce, lambda _: True)


def _obligations(
    prop: AnyProperty,
    semantics: Semantics,
    name: str,
    reproduce: Callable[[Read], str],
    wanted: Wanted,
) -> Iterator[Obligation]:
    if prop.holds is the_order_of_slots_decides_only_between_equals:
        try:
            exchanged = list(exchange.obligations(semantics))
        except exchange.NotAFold:
            pass  # where an answer depends on the first that comes, the property is put to the test slot by slot
        else:
            for obligation in exchanged:
                yield replace(obligation, name=f"{name}: {obligation.name}", reproduce=reproduce)
            return
    for count in (0, MAXCLUSTER):
        for case in cases(prop, count):
            which = f"{name}: {count} slots" + (f", case {case}" if len(cases(prop, count)) > 1 else "")
            if not wanted(which):
                continue
            asked = question(prop, semantics, count, case, None if prop.holds in COUNTED else Counts())
            if count == 0 and _impossible(asked.given):
                continue  # nothing is said of a cluster without slots
            yield Obligation(which, asked.given, asked.holds, reproduce)


def all_properties(semantics: Semantics, wanted: Wanted) -> Iterator[Obligation]:
    """That every property holds under these semantics: of it, what is wanted by its name."""
    for prop in PROPERTIES:
        yield from obligations(prop, semantics, wanted)


def _impossible(conditions: Sequence[Truth]) -> bool:
    solver = z3.SimpleSolver()
    solver.add(*map(counting.formula, conditions))
    return bool(solver.check() == z3.unsat)


# ---------------------------------------------------------------- examples


@dataclass
class Search:
    """Looks for the smallest example against a property under some semantics."""

    prop: AnyProperty
    semantics: Semantics
    undecided: bool = False
    """Whether z3 has given up somewhere."""

    def smallest(self, up_to: int = MAXCLUSTER) -> Example | None:
        """The smallest example of at most so many slots, reproduced by CPython; None if there is none.

        Raises NotReproduced where CPython does not agree.
        """
        for count in range(up_to + 1):
            for case in cases(self.prop, count):
                asked = question(self.prop, self.semantics, count, case)
                solver = z3.SimpleSolver()
                solver.set("rlimit", RESOURCES)
                solver.add(*map(counting.formula, asked.given), counting.formula(negation(asked.holds)))
                answer = solver.check()
                self.undecided |= answer == z3.unknown
                if answer == z3.sat:
                    return self._reproduced(self._minimal(solver, asked, case))
        return None

    def _minimal(self, solver: z3.Solver, asked: Question, case: int) -> Example:
        """The smallest model, number by number."""
        for inputs in (asked.inputs, asked.other):
            if inputs is not None:
                for x in _ordered(inputs.configuration):
                    self.undecided |= not _least(solver, x)
        model = solver.model()

        def evaluate(term: z3.ExprRef) -> z3.ExprRef:
            return model.eval(term, model_completion=True)

        def read(inputs: Inputs | None) -> Any:  # noqa: ANN401 - the lifted configuration, in Python's own values
            return concrete(inputs.configuration, evaluate) if inputs else None

        return Example(read(asked.inputs), read(asked.other), case)

    def _reproduced(self, example: Example) -> Example:
        judged = judge(self.prop, example, self.semantics)
        if judged.holds:
            raise NotReproduced(f"{self.prop.name} should not hold of {example}")
        return example


def _ordered(configuration: Configuration) -> Iterator[z3.ArithRef]:
    """The numbers of a configuration, most important first, such that smaller is simpler."""
    slots, pfs_nmasters, prior, flags = cast("Any", configuration)
    if isinstance(pfs_nmasters, Optional):  # no PFS after all others
        yield z3.If(counting.formula(pfs_nmasters.none), 256, pfs_nmasters.value)
    if isinstance(prior, Optional):  # none, a slot, foreign
        place = prior.value
        yield z3.If(counting.formula(prior.none), -1, z3.If(place == FOREIGN, MAXCLUSTER, place))
    for slot in slots:
        yield z3.If(counting.formula(slot.present), 1, 0)
        yield slot.type
        yield slot.tid
        yield z3.If(slot.error > 0, 2 * slot.error - 1, -2 * slot.error)  # 0, 1, -1, 2, -2, ...
    if isinstance(flags, Bits):
        for _, bit in sorted(flags.bit.items(), reverse=True):
            yield z3.If(counting.formula(bit), 1, 0)


def _least(solver: z3.Solver, x: z3.ArithRef) -> bool:
    """Hold a number at the least value that it can have. False where the solver gave up: a smaller one may exist."""
    best = solver.model().eval(x, model_completion=True).as_long()
    for guess in (-1, 0, 1, 2, 3):
        if guess >= best:
            break
        if solver.check(x == guess) == z3.sat and solver.check(x < guess) == z3.unsat:
            best = guess
            break
    while (answer := solver.check(x < best)) == z3.sat:
        best = solver.model().eval(x, model_completion=True).as_long()
    solver.add(x == best)
    return bool(solver.check() == z3.sat and answer == z3.unsat)


# ---------------------------------------------------------------- judgements


class Standing(Enum):
    """What is known of a property under some semantics."""

    HOLDS = "holds"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


class Judgement(NamedTuple):
    """A property under some semantics."""

    standing: Standing
    example: Example | None = None
    detail: str = ""


def proved(prop: AnyProperty, semantics: Semantics, timeout: float = TIMEOUT_SECONDS) -> Judgement:
    """Try to prove a property, so many seconds for each question.

    Where that fails nothing is known: REFUTED is never the answer.
    """
    for obligation in obligations(prop, semantics):
        result = discharge(replace(obligation, reproduce=None), timeout=timeout)
        if result.status is not Status.PROVED:
            return Judgement(Standing.UNDECIDED, detail=f"{result.name}: {result.status.value} {result.detail}")
    return Judgement(Standing.HOLDS)


FEW: Final = 4
"""Slots up to which an example is looked for before a proof is tried: every known one is smaller."""


def judgement(prop: AnyProperty, semantics: Semantics) -> Judgement:
    """Refute a property by its smallest example, or prove it."""
    search = Search(prop, semantics)
    example = search.smallest(FEW)
    if example is not None:
        if search.undecided:
            return Judgement(Standing.UNDECIDED, example, "refuted, but maybe there is a smaller example")
        return Judgement(Standing.REFUTED, example)
    held = proved(prop, semantics)
    if held.standing is Standing.HOLDS:
        return held
    example = search.smallest()
    return Judgement(Standing.REFUTED, example) if example and not search.undecided else held
