"""That the order of the slots decides only between equals, for any number of slots.

Each loop of the decision is a fold over the slots. A fold does not depend on their order if two neighbours may be
folded in either order with states that are alike afterwards, if states that are alike stay so when the same slot is
folded into both, and if what follows the loop treats them alike. Each of these is asked here of the lifted loop
bodies, for arbitrary slots and states. Every order is reached by exchanges of neighbours.

States are alike when all variables are equal, but for the focus: there or not there in both, on members that have the
same type, tid and error. What the focus is on is remembered beside the state.
"""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Final, NamedTuple

import z3

from hammer2_cluster import resolve
from hammer2_proofs.counting import implies
from hammer2_proofs.expressions import Names
from hammer2_proofs.inputs import any_quorum, within
from hammer2_proofs.lift import Lifter, loops
from hammer2_proofs.obligations import Obligation
from hammer2_proofs.source import source_of
from hammer2_proofs.values import (
    Bits,
    Optional,
    Truth,
    Value,
    choose,
    conjunction,
    disjunction,
    equal,
    negation,
    optional,
)
from hammer2_spec.configuration import ABSENT, Slot
from hammer2_spec.semantics import Semantics
from hammer2_spec.vocabulary import CLUSTER_RDOK, CLUSTER_WROK, NMASTERS_MAX, PfsType

ACCESS_BITS: Final = [k for k in range(16) if (CLUSTER_RDOK | CLUSTER_WROK) >> k & 1]


class Focused(NamedTuple):
    """What the member in focus is."""

    type: Value
    tid: Value
    error: Value


class State(NamedTuple):
    """A fold's variables, and what the focus is on."""

    names: Mapping[str, Value]
    focused: Focused | None


class NotAFold(Exception):
    """A loop returns from its middle, so that the order of slots may decide; nothing is proved of it."""


class Fold(NamedTuple):
    """One loop over the slots."""

    function: Callable[..., object]
    number: int
    """Which one of the function, from 0."""
    fixed: Names
    """What the loop does not change."""
    variables: Sequence[str]
    standing_in: Mapping[Callable[..., object], Callable[..., Value]]

    def after(self, state: State, i: int, slot: Slot) -> State:
        """The state when one more slot has been folded. Raises NotAFold."""
        node = loops(self.function)[self.number]
        lifter = Lifter(self.standing_in)
        item: Value = slot if isinstance(node.iter, ast.Name) else (i, slot)
        bound = lifter.bind(node.target, item, source_of(self.function))
        flow = lifter.statements(self.function, node.body, {**self.fixed, **state.names, **bound})
        if flow.returns:
            raise NotAFold(f"{self.function.__name__} returns from loop {self.number + 1}")
        arriving = [*flow.continues, *([] if flow.onward is False else [(flow.onward, flow.names)])]
        *others, (_, last) = arriving
        after = {name: last[name] for name in self.variables}
        for when, names in reversed(others):
            after = {name: choose(when, names[name], x) for name, x in after.items()}
        if state.focused is None:
            return State(after, None)
        taken = _is_on(after["focus"], i)
        return State(after, choose(taken, self.member(slot), state.focused))  # type: ignore[arg-type]  # records of values are values

    def member(self, slot: Slot) -> Focused:
        """What a focus on this slot is on."""
        part = Lifter().lift(resolve.pfs_type, slot, self.fixed["pfs_nmasters"])
        return Focused(part, slot.tid, slot.error)

    def any_state(self, name: str) -> State:
        """Variables of which nothing is known."""
        names = {variable: _any(f"{name}.{variable}") for variable in self.variables}
        focused = Focused(*z3.Ints(f"{name}.type {name}.tid {name}.error")) if "focus" in names else None
        return State(names, focused)

    def seen_by(self, state: State, *slots: Slot) -> Truth:
        """A focus that is on one of these slots already (from before) is on what the slot holds."""
        if state.focused is None:
            return True
        return conjunction(
            *(
                implies(_is_on(state.names["focus"], i), equal(state.focused, self.member(slot)))
                for i, slot in enumerate(slots)
            )
        )


def _any(name: str) -> Value:
    if name.endswith(".focus"):
        return Optional(z3.Bool(f"{name}.none"), z3.Int(name))
    if name.endswith(".nflags"):
        return Bits({k: z3.Bool(f"{name}.{k}") for k in ACCESS_BITS})
    number: Value = z3.Int(name)
    return number


def _is_on(focus: Value, i: int) -> Truth:
    place = optional(focus)
    return False if place.none is True else conjunction(negation(place.none), equal(place.value, i))


def alike(one: State, other: State) -> Truth:
    """No later step can tell the states apart."""
    same = [equal(x, other.names[name]) for name, x in one.names.items() if name != "focus"]
    if one.focused is not None and other.focused is not None:
        mine, its = optional(one.names["focus"]), optional(other.names["focus"])
        same += [equal(mine.none, its.none), disjunction(mine.none, equal(one.focused, other.focused))]
    return conjunction(*same)


def typed(state: State) -> Truth:
    """Where there is no focus, it has no type: an invariant of both loops of choose."""
    if state.focused is None:
        return True
    return implies(optional(state.names["focus"]).none, equal(state.names["focus_type"], PfsType.NONE))


def obligations(semantics: Semantics) -> Iterator[Obligation]:
    """All that must be shown for these semantics. Raises NotAFold where an assertion may end a loop."""
    slots = [
        Slot._make([z3.Bool(f"{name}.present"), *z3.Ints(f"{name}.type {name}.tid {name}.error")]) for name in "xy"
    ]
    nmasters = z3.Int("pfs_nmasters")
    pfs_nmasters = Optional(z3.Bool("no_pfs"), nmasters)
    view = {"slots": (), "pfs_nmasters": pfs_nmasters, "semantics": semantics}
    agreed = any_quorum()
    count = z3.Function("votes", z3.IntSort(), z3.IntSort())
    domain = [within(nmasters, 0, NMASTERS_MAX), *(count(slot.tid) >= 0 for slot in slots)]

    def votes_for(tid: Value, **_: object) -> Value:
        votes: Value = count(tid)
        return votes

    before = Lifter().statements(resolve.quorum, _prelude(resolve.quorum), view).names
    numbers = ("quorum_tid", "nmasters", "ttlmasters")
    choice = ("focus", "focus_type", "focus_tid", "error", "nflags", "ttlslaves", "nslaves")
    chosen_by = {**view, "prior": None, "flags": _any("before.nflags"), "agreed": agreed}
    folds = [
        Fold(resolve.votes_for, 0, {**view, "tid": agreed.tid}, ("nmasters",), {}),
        Fold(
            resolve.quorum,
            0,
            {k: x for k, x in before.items() if k not in numbers},
            numbers,
            {resolve.votes_for: votes_for},
        ),
        Fold(resolve.choose, 0, chosen_by, choice, {}),
        Fold(resolve.choose, 1, chosen_by, choice, {}),
    ]
    for fold in folds:
        name = f"{fold.function.__name__}, loop {fold.number + 1}"
        x, y = slots
        one, other = fold.any_state("one"), fold.any_state("other")
        counted = [z3.Int(f"one.{variable}") >= 0 for variable in fold.variables if variable.startswith("ttl")]
        start = [*domain, alike(one, other), typed(one), *counted]
        forth = fold.after(fold.after(one, 0, x), 1, y)
        back = fold.after(fold.after(other, 0, y), 1, x)
        ready = [fold.seen_by(one, x, y), fold.seen_by(other, y, x)]
        yield Obligation(f"{name}: neighbours may change places", (*start, *ready), alike(forth, back))
        ready = [fold.seen_by(one, x), fold.seen_by(other, x)]
        onward = alike(fold.after(one, 0, x), fold.after(other, 0, x))
        yield Obligation(f"{name}: what is alike stays alike", (*start, *ready), onward)
        elsewhere = negation(_is_on(one.names["focus"], 0)) if one.focused is not None else True
        absent = fold.after(one, 0, ABSENT)
        yield Obligation(f"{name}: an absent slot changes nothing", (*start, elsewhere), alike(absent, one))
        if one.focused is not None:
            yield Obligation(f"{name}: no focus has a type", tuple(start), typed(fold.after(one, 0, x)))
    yield from _behind(folds[-1], domain)


def _prelude(function: Callable[..., object]) -> list[ast.stmt]:
    """The statements before the first loop."""
    return list(takewhile(lambda node: not isinstance(node, ast.For), source_of(function).tree.body))


def _behind(fold: Fold, domain: Sequence[Truth]) -> Iterator[Obligation]:
    """What follows the last loop answers alike."""
    body = source_of(fold.function).tree.body
    rest = body[body.index(loops(fold.function)[-1]) + 1 :]
    one, other = fold.any_state("one"), fold.any_state("other")
    verdicts = [
        Lifter().statements(fold.function, rest, {**fold.fixed, **state.names}).returns for state in (one, other)
    ]
    [[(_, mine)], [(_, its)]] = verdicts
    known = (*domain, alike(one, other))
    for field in ("outcome", "error", "flags"):
        yield Obligation(
            f"behind the loops: {field} is the same", known, equal(getattr(mine, field), getattr(its, field))
        )
    stays = equal(mine.focus, one.names["focus"])  # type: ignore[union-attr]  # choose returns a Verdict
    yield Obligation("behind the loops: the focus stays", known, stays)
