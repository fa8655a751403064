"""resolve as it runs is resolve as specified: for every valid configuration, under every semantics of the decision.

For each number of slots up to MAXCLUSTER, with 64-bit tids, 8-bit types and nmasters (or no PFS), 32-bit errors, any
prior focus, any flags, and all switches of Semantics open. Both sides are lifted from their texts.

The decision is cut where its functions call each other: each function is proved equal to its half of the
specification, and then its callers are lifted with that half in its place. The fields of a result are compared one
after another, where the ones before it agree. That nothing is lost by cutting is shown by not cutting, where this is
cheap.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple, TypeAlias

import hammer2_cluster.resolve
import hammer2_spec.resolve
from hammer2_proofs.inputs import any_configuration, any_quorum, any_semantics
from hammer2_proofs.lift import Demanded, Lifter, Stand
from hammer2_proofs.obligations import NotReproduced, Obligation, Read, Solver
from hammer2_proofs.values import Truth, Value, bit_and, disjunction, equal, negation
from hammer2_spec.configuration import Slot, Verdict
from hammer2_spec.notation import draw
from hammer2_spec.resolve import members, votes_at
from hammer2_spec.semantics import Semantics, describe
from hammer2_spec.vocabulary import CLUSTER_ZFLAGS, MAXCLUSTER, ClusterFlag, PfsType

UNCUT: Final = 3
"""Up to so many slots, resolve is also proved equal in one piece."""

CVC5: Final = 2
"""Up to so many slots, cvc5 must prove it as well: beyond, it takes its time."""


def votes_for(tid: int, slots: Sequence[Slot], pfs_nmasters: int | None, semantics: Semantics) -> int:
    """How many masters vote for a tid, as the specification counts them."""
    masters = members(slots, pfs_nmasters, PfsType.MASTER)
    voters = {i for i in masters if slots[i].error == 0} if semantics.sound_votes else masters
    return votes_at(slots, voters, tid)


Cut: TypeAlias = Mapping[Callable[..., Any], Callable[..., Any]]
"""Functions, and for each the one that is lifted where it is called."""


@dataclass(frozen=True)
class Pair:
    """A function that runs, and the one that says what it must return, for the same arguments."""

    name: str
    running: Callable[..., Any]
    specified: Callable[..., Any]
    arguments: Mapping[str, Value]
    fields: Sequence[str]
    """Of the result, in the order in which they are compared; none: it is one number."""
    cut: Cut
    """The functions that it calls, and what is proved equal to each, and never to raise, by a pair of its own."""


def obligations(
    program: ModuleType = hammer2_cluster.resolve, counts: Sequence[int] = range(MAXCLUSTER + 1)
) -> Iterator[Obligation]:
    """All of them for these numbers of slots. ``program`` is a module like hammer2_cluster.resolve."""
    for count in counts:
        configuration, domain = any_configuration(count)
        solvers: tuple[Solver, ...] = ("z3", "cvc5") if count <= CVC5 else ("z3",)
        for pair in _pairs(program, configuration._asdict(), whole=count <= UNCUT):
            for what, hypotheses, goal, reproduce in _questions(pair, domain):
                yield Obligation(f"{pair.name}, {count} slots: {what}", hypotheses, goal, reproduce, solvers)


def _pairs(program: ModuleType, configuration: Mapping[str, Value], *, whole: bool) -> Iterator[Pair]:
    specification = hammer2_spec.resolve
    passes: Cut = {program.quorum: specification.quorum, program.choose: specification.choose}
    every = {**configuration, "semantics": any_semantics()}
    view = {name: every[name] for name in ("slots", "pfs_nmasters", "semantics")}
    agreed = any_quorum()
    quorum_fields = ("ttlmasters", "tid", "nmasters", "reached")
    yield Pair("votes_for", program.votes_for, votes_for, {"tid": agreed.tid, **view}, (), {})
    yield Pair("quorum", program.quorum, specification.quorum, view, quorum_fields, {program.votes_for: votes_for})
    yield Pair("choose", program.choose, specification.choose, {**every, "agreed": agreed}, Verdict._fields, {})
    yield Pair("resolve", program.resolve, specification.resolve, every, Verdict._fields, passes)
    if whole:
        yield Pair("resolve uncut", program.resolve, specification.resolve, every, Verdict._fields, {})


class Question(NamedTuple):
    """What an obligation asks of a pair."""

    what: str
    hypotheses: tuple[Truth, ...]
    goal: Truth
    reproduce: Callable[[Read], str]


def _questions(pair: Pair, domain: tuple[Truth, ...]) -> Iterator[Question]:
    """Neither function raises, and each field of the results is the same where those before it are."""
    running = Lifter(_in_place(pair.cut))
    specified = Lifter(_in_place({function: function for function in pair.cut.values()}))
    result = running.lift(pair.running, **pair.arguments)
    expected = specified.lift(pair.specified, **pair.arguments)
    for function, lifter in ((pair.running, running), (pair.specified, specified)):
        for what, when in _by_place(lifter.demanded).items():
            yield Question(f"never {what}", domain, negation(when), partial(_raises, function, pair.arguments))
    agreeing = domain
    for what, one, other in _parts(pair.fields, result, expected):
        same = equal(one, other)
        yield Question(what, agreeing, same, partial(_differs, pair, what))
        agreeing = (*agreeing, same)


def _in_place(cut: Cut) -> dict[Callable[..., Any], Stand]:
    """What a lifter is given, to lift one function where another is called."""
    return {function: partial(Lifter().lift, specified) for function, specified in cut.items()}


def _by_place(demanded: Sequence[Demanded]) -> dict[str, Truth]:
    """What must not happen, once for each place in the text."""
    found: dict[str, Truth] = {}
    for place, what, when in demanded:
        name = f"{what} ({Path(place.file).parent.name}/{Path(place.file).name}:{place.line}:{place.column})"
        found[name] = disjunction(found.get(name, False), when)
    return found


def _parts(fields: Sequence[str], result: Value, expected: Value) -> Iterator[tuple[str, Value, Value]]:
    """The parts of two results, by name; of flags, the six that resolve decides one by one, and the rest."""
    if not fields:
        yield "result", result, expected
    for field in fields:
        one, other = getattr(result, field), getattr(expected, field)
        if field != "flags":
            yield field, one, other
            continue
        for mask, name in FLAGS.items():
            yield name, bit_and(one, mask, _never), bit_and(other, mask, _never)


FLAGS: Final = {
    **{int(flag): flag.name for flag in ClusterFlag if flag & CLUSTER_ZFLAGS},
    ~CLUSTER_ZFLAGS: "the other flags",
}


def _never(condition: Truth, otherwise: str) -> None:
    raise TypeError(f"the flags are a number, but {otherwise} unless {condition}")


# ---------------------------------------------------------------- counterexamples, run by CPython


def _differs(pair: Pair, what: str, read: Read) -> str:
    """What both functions return where a part of their results was found to differ."""
    arguments = {name: read(x) for name, x in pair.arguments.items()}
    result, expected = _returned(pair.running, arguments), _returned(pair.specified, arguments)
    told = f"{_call(pair.running, arguments)}\nreturns    {result}\nspecified  {expected}"
    if not isinstance(result, Exception) and not isinstance(expected, Exception):
        if all(one == other for name, one, other in _parts(pair.fields, result, expected) if name == what):
            raise NotReproduced(f"{what} should differ:\n{told}")
    return told


def _raises(function: Callable[..., Any], arguments: Mapping[str, Value], read: Read) -> str:
    """What a function raises where it was found to."""
    called: dict[str, Any] = {name: read(x) for name, x in arguments.items()}
    result = _returned(function, {**called, "slots": NotWrapping(called["slots"])})
    told = f"{_call(function, called)}\nreturns    {result}"
    if not isinstance(result, Exception):
        raise NotReproduced(f"should raise:\n{told}")
    return told


class NotWrapping(tuple[Slot, ...]):
    """Slots that take a negative index for what it is to C, and to the dialect: outside."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - as tuple has it
        """The slot at an index, which must not be negative."""
        if index < 0:
            raise IndexError(f"index {index}")
        return super().__getitem__(index)


def _returned(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any result
    """What a function returns, or the exception that it raises."""
    try:
        return function(**arguments)
    except (TypeError, ValueError, IndexError, UnboundLocalError, AttributeError) as error:
        return error


def _call(function: Callable[..., Any], arguments: Mapping[str, Any]) -> str:
    """A call, with its slots drawn in a row."""
    told = {**arguments, "semantics": describe(arguments["semantics"])}
    slots = told.pop("slots")
    lines = [f"{function.__module__}.{function.__name__}({', '.join(f'{name}={x}' for name, x in told.items())})"]
    return "\n".join([*lines, *draw(slots, {"prior": told["prior"]} if "prior" in told else {})])
