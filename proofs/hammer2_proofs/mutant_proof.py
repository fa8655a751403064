"""Proof that a wrong version of resolve is none: that no configuration under any semantics tells the two apart.

One function has been changed. It is compared with the original, both lifted from the text that runs, on every number
of slots from 0 to 8 with all switches of Semantics open. What it calls has not been changed, so that a callee may be
any function at all as long as it is the same one on both sides; where more must be known of it, that is a lemma here,
proved as well.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import ModuleType
from typing import Final, TypeAlias, get_type_hints

import z3

from hammer2_cluster import resolve as original
from hammer2_proofs.inputs import Inputs, any_configuration, any_quorum, any_semantics
from hammer2_proofs.lift import Lifter
from hammer2_proofs.values import Bits, Optional, Truth, Value, concrete, conjunction, equal, negation
from hammer2_spec.configuration import ABSENT, Configuration, Quorum, Slot, Verdict
from hammer2_spec.resolve import members
from hammer2_spec.semantics import Semantics
from hammer2_spec.vocabulary import MAXCLUSTER, PfsType

RESOURCES: Final = 100_000_000
"""Where the solver gives up, in its own deterministic unit (about half a minute)."""
CUT: Final[Mapping[str, tuple[str, ...]]] = {
    "quorum": ("votes_for",),
    "choose": ("outranks",),
    "resolve": ("quorum", "choose"),
}
"""Which calls may be of any function. The other functions of resolve are small enough to be followed."""

Named: TypeAlias = Mapping[str, Value]


class Undecided(Exception):
    """Nothing was proved, and nothing refuted; the text says why."""


# ---------------------------------------------------------------- what must be known of functions that are called


def votes_are_cast_by_masters(slots: Sequence[Slot], pfs_nmasters: int | None, result: int) -> bool:
    """What votes_for answers is between 0 and the number of masters."""
    return result >= 0 and result <= len(members(slots, pfs_nmasters, PfsType.MASTER))


def voters_are_among_the_masters(result: Quorum) -> bool:
    """Of the masters that are there, at least none and at most all agree."""
    return result.nmasters >= 0 and result.nmasters <= result.ttlmasters


LEMMAS: Final[Mapping[str, Callable[..., bool]]] = {
    "votes_for": votes_are_cast_by_masters,
    "quorum": voters_are_among_the_masters,
}
"""About the results of calls: a function of the result and of arguments by their names."""


def pass_2_cannot_tell(one: Quorum, other: Quorum, pfs_nmasters: int | None) -> bool:
    """Two results of quorum that choose must treat alike: the tid counts only where a quorum is reached in a PFS."""
    return ((one.nmasters == one.ttlmasters) == (other.nmasters == other.ttlmasters)) and (
        pfs_nmasters is None or (one.reached == other.reached and (not one.reached or one.tid == other.tid))
    )


# ---------------------------------------------------------------- lifting with some calls cut off


@dataclass
class Calls:
    """Calls that may be of any function: the same arguments give the same result, of which a lemma may be known."""

    known: list[Truth] = field(default_factory=list)
    """What the lemmas say about the calls that were lifted."""

    def standing_in(
        self, module: ModuleType, names: Sequence[str]
    ) -> Mapping[Callable[..., object], Callable[..., Value]]:
        """For Lifter: functions of a module, and what builds the values of their calls."""
        return {getattr(module, name): self._stand(name) for name in names}

    def _stand(self, name: str) -> Callable[..., Value]:
        answer = get_type_hints(getattr(original, name))["return"]

        def value(**arguments: Value) -> Value:
            result = _result(name, answer, [term for argument in arguments.values() for term in _terms(argument)])
            if name in LEMMAS:
                self.known.append(_said(LEMMAS[name], {**arguments, "result": result}))
            return result

        return value


def _terms(x: Value) -> list[z3.ExprRef]:
    """A value as z3 terms, so that two values of one kind with equal terms are equal."""
    match x:
        case None:
            return [z3.BoolVal(True), z3.IntVal(0)]
        case Optional(none=none, value=value):
            return [*_terms(none), *_terms(value)]
        case Bits(bit=bit):
            return [z3.IntVal(sum(2**k for k in bit)), *(term for _, c in sorted(bit.items()) for term in _terms(c))]
        case tuple():
            return [term for y in x for term in _terms(y)]
        case bool():
            return [z3.BoolVal(x)]
        case int():
            return [z3.IntVal(x)]
        case z3.ExprRef():
            return [x]
    raise Undecided(f"no terms for an argument {x!r}")


def _result(name: str, answer: object, terms: list[z3.ExprRef]) -> Value:
    """Any function of these terms whose result is what the annotation says."""
    if isinstance(answer, type) and issubclass(answer, Quorum | Verdict):
        return answer._make(_result(f"{name}.{part}", hint, terms) for part, hint in get_type_hints(answer).items())
    if answer == int | None:
        return Optional(_truth(f"{name} is None", terms), _number(name, terms))
    return _truth(name, terms) if answer is bool else _number(name, terms)


def _truth(name: str, terms: list[z3.ExprRef]) -> z3.BoolRef:
    return z3.Function(name, *(term.sort() for term in terms), z3.BoolSort())(*terms)


def _number(name: str, terms: list[z3.ExprRef]) -> z3.ArithRef:
    return z3.Function(name, *(term.sort() for term in terms), z3.IntSort())(*terms)


def _said(sentence: Callable[..., bool], named: Named) -> Truth:
    """A sentence of this module about values given by its parameters' names; it is defined for all that they can be."""
    lifter = Lifter()
    truth = lifter.lift(sentence, *(named[name] for name in inspect.signature(sentence).parameters))
    if lifter.demanded or not (isinstance(truth, bool) or z3.is_bool(truth)):
        raise Undecided(f"{sentence.__name__} is not always defined")
    return truth


def _lifted(
    name: str, module: ModuleType, named: Named, calls: Calls, cut: Mapping[str, tuple[str, ...]] = CUT
) -> tuple[Value, Truth]:
    """The value of a function of a module, its callees cut off, and the condition under which CPython gives one."""
    lifter = Lifter(calls.standing_in(module, cut.get(name, ())))
    parameters = inspect.signature(getattr(original, name)).parameters
    value = lifter.lift(getattr(module, name), *(named[parameter] for parameter in parameters))
    return value, conjunction(*(negation(demanded.when) for demanded in lifter.demanded))


def _arguments(inputs: Inputs) -> dict[str, Value]:
    """What may be passed for each parameter in resolve.py. A single slot, tid or error may be any."""
    one = Slot._make([z3.Bool("present"), *z3.Ints("type slot_tid slot_error")])
    tid, error = z3.Ints("tid error")
    return {
        **inputs.configuration._asdict(),
        "semantics": any_semantics(),
        "agreed": any_quorum(),
        "slot": one,
        "tid": tid,
        "error": error,
    }


# ---------------------------------------------------------------- proofs


@lru_cache(maxsize=8)
def absent_slots_at_the_end_change_nothing(name: str, module: ModuleType) -> bool:
    """Whether a function gives literally the same terms with and without an absent slot at the end.

    Then what holds of 8 slots holds of fewer.
    """
    for count in range(MAXCLUSTER):
        named = _arguments(any_configuration(count))
        slots = named["slots"]
        more = {**named, "slots": (*slots, ABSENT)} if isinstance(slots, tuple) else {}
        one, other = (_terms(_lifted(name, module, x, Calls(), cut={})) for x in (named, more))
        if [term.get_id() for term in one] != [term.get_id() for term in other]:
            return False
    return True


def _sizes(name: str, *modules: ModuleType) -> Iterator[tuple[Inputs, dict[str, Value]]]:
    """Inputs of as many sizes as must be looked at."""
    enough = all(absent_slots_at_the_end_change_nothing(name, module) for module in modules)
    for count in [MAXCLUSTER] if enough else range(MAXCLUSTER + 1):
        inputs = any_configuration(count)
        yield inputs, _arguments(inputs)


def counterexample(goal: Truth, known: Sequence[Truth]) -> z3.ModelRef | None:
    """None if the goal follows from what is known, else where it does not. Raises Undecided."""
    if goal is True:
        return None
    solver = z3.SimpleSolver()  # several times faster here than the default, which spends its time on preparing
    solver.set("rlimit", RESOURCES)
    solver.add(conjunction(*known, negation(goal)))
    answer = solver.check()
    if answer == z3.unknown:
        raise Undecided(f"z3 gave up: {solver.reason_unknown()}")
    return solver.model() if answer == z3.sat else None


def same_function(name: str, module: ModuleType) -> bool:
    """Whether a function of a module is proved to be the original's; in the case of quorum, as far as choose can tell.

    Raises Undecided, or Refused for what is outside the dialect.
    """
    for inputs, named in _sizes(name, original, module):
        calls = Calls()
        if name == "choose":
            calls.known.append(_said(LEMMAS["quorum"], {"result": named["agreed"]}))
        one, one_defined = _lifted(name, original, named, calls)
        other, other_defined = _lifted(name, module, named, calls)
        same = (
            _said(pass_2_cannot_tell, {**named, "one": one, "other": other}) if name == "quorum" else equal(one, other)
        )
        if counterexample(conjunction(one_defined, other_defined, same), [*inputs.domain, *calls.known]) is not None:
            return False
    return True


@lru_cache(maxsize=1)
def unproved_lemmas() -> tuple[str, ...]:
    """The sentences above that are not proved for every configuration; none, or same_function means nothing.

    Raises Undecided.
    """
    unproved = []
    for name, lemma in LEMMAS.items():
        for inputs, named in _sizes(name, original):
            calls = Calls()
            result, _ = _lifted(name, original, named, calls)
            if counterexample(_said(lemma, {**named, "result": result}), [*inputs.domain, *calls.known]) is not None:
                unproved.append(lemma.__name__)
    for inputs, named in _sizes("choose", original):
        other = Quorum._make([*z3.Ints("other_tid other_nmasters other_ttlmasters"), z3.Bool("other_reached")])
        verdicts = [_lifted("choose", original, {**named, "agreed": x}, Calls())[0] for x in (named["agreed"], other)]
        alike = _said(pass_2_cannot_tell, {**named, "one": named["agreed"], "other": other})
        if counterexample(equal(*verdicts), [*inputs.domain, alike]) is not None:
            unproved.append(pass_2_cannot_tell.__name__)
    return tuple(unproved)


def difference(module: ModuleType, most: int) -> tuple[Configuration, Semantics] | None:
    """A call with at most so many slots that resolve of a module answers in another way than the original, if any.

    Raises Undecided, or Refused for what is outside the dialect.
    """
    for count in range(most + 1):
        inputs = any_configuration(count)
        named = _arguments(inputs)
        arguments = [named[name] for name in inspect.signature(original.resolve).parameters]
        verdict = Lifter().lift(original.resolve, *arguments)
        lifter = Lifter()
        other = lifter.lift(module.resolve, *arguments)
        defined = conjunction(*(negation(demanded.when) for demanded in lifter.demanded))
        model = counterexample(conjunction(defined, equal(verdict, other)), inputs.domain)
        if model is not None:
            *fields, semantics = (_read(argument, model) for argument in arguments)
            if isinstance(semantics, Semantics):
                return Configuration._make(fields), semantics
    return None


def _read(x: Value, model: z3.ModelRef) -> Value:
    return concrete(x, lambda term: model.eval(term, model_completion=True))
