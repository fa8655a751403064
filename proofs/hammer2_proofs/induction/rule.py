"""The rule of induction: what must be shown of a function whose loops run over any number of slots.

For each loop, and each part of its invariant:

    base      it holds before the first round, of what the lifted statements before the loop leave behind;
    step      where the whole invariant holds before round i, the part holds after it, by the lifted body;
    return    where a round returns, each field of the result is right.

Then, where the invariants hold after the last rounds, each field of what the lifted statements behind the loops return
is right. Besides, nothing raises, and what is called is given what its own proof is about. That an invariant which
holds before round 0 and is kept by every round holds in the end is the one thing that no solver is asked.
"""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from types import FunctionType
from typing import Any

import z3

from hammer2_proofs import values
from hammer2_proofs.expressions import Demanded, Names, Partial
from hammer2_proofs.induction.instance import few_slots
from hammer2_proofs.induction.invariants import ACCESS, Loop, Shape
from hammer2_proofs.induction.slots import Slots, SlotsLifter, implies, slot
from hammer2_proofs.induction.specification import Fields, Situation, unneeded
from hammer2_proofs.lift import Flow, Lifter
from hammer2_proofs.obligations import SOLVERS, Obligation
from hammer2_proofs.source import Source, source_of
from hammer2_proofs.values import Bits, Number, Optional, Truth, Value, conjunction, negation


@dataclass(frozen=True, eq=False)
class Contract:
    """What takes the place of a function that is called: a value of which its own proof tells."""

    given: Mapping[str, Any]
    """The arguments that its proof is about; of those that are not named here it is about all."""
    returns: Callable[[Mapping[str, Any]], Value]
    kept: list[Truth] = field(default_factory=list)
    """For each call: whether these are the arguments."""

    def __call__(self, **arguments: Value) -> Value:
        """Take the place of one call."""
        for name, expected in self.given.items():
            x = arguments[name]
            self.kept.append(x is expected or (not isinstance(expected, Slots) and values.equal(x, expected)))
        return self.returns(arguments)


@dataclass(frozen=True, eq=False)
class Claim:
    """That a function is right: for all arguments for which ``given`` holds, each field of its result is."""

    function: Callable[..., object]
    situation: Situation
    arguments: Mapping[str, Any]
    is_right: Callable[[Any], Fields]
    given: Sequence[Truth] = ()
    loops: Sequence[Loop] = ()
    """The loops at the top level of its body, in order."""
    contracts: Mapping[Callable[..., object], Contract] = field(default_factory=dict)


def by_induction(claim: Claim) -> Iterator[Obligation]:
    """All that must be shown for any number of slots. Raises Refused for what is outside the dialect."""
    return _Walk(claim).obligations()


def written_out(claim: Claim) -> Iterator[Obligation]:
    """All that must be shown for the number of slots that the claim's situation has, loops and sets written out."""
    lifter = Lifter(claim.contracts)
    result = lifter.lift(claim.function, **claim.arguments)
    known = tuple(claim.given)
    demanded: dict[str, Truth] = {}
    for place, what, when in lifter.demanded:
        name = f"never {what} (line {place.line}:{place.column})"
        demanded[name] = conjunction(demanded.get(name, True), negation(when))
    for name, goal in {**demanded, **_called(claim), **claim.is_right(result)}.items():
        yield Obligation(name, known, goal, solvers=SOLVERS)


def lemma(name: str, holds: Callable[[Number], Truth], instance: Callable[[Truth], Truth]) -> Iterator[Obligation]:
    """That something about the first i slots holds for every i, by induction."""
    i = z3.Int("i")
    yield Obligation(f"{name}: base", (), holds(0), None, SOLVERS, instance)
    yield Obligation(f"{name}: step", (i >= 0, holds(i)), holds(i + 1), None, SOLVERS, instance)


def _called(claim: Claim) -> dict[str, Truth]:
    """What is called is given the arguments that its own proof is about."""
    return {
        f"{function.__name__} is called with the arguments of its proof": conjunction(*contract.kept)
        for function, contract in claim.contracts.items()
    }


class _Walk:
    """The way through a function's body, from loop to loop."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.source: Source = source_of(claim.function)
        self.lifter = SlotsLifter(claim.contracts)
        self.known = list(claim.given)
        self.names: Names = dict(claim.arguments)
        self.ended = False
        counts = {count.name: count for loop in claim.loops for count in loop.counts}
        counts |= {count.name: count for count in (claim.situation.votes, claim.situation.masters)}
        self.instance = few_slots(claim.situation.length, [*counts.values()])

    def obligations(self) -> Iterator[Obligation]:
        loops = list(self.claim.loops)
        for block in _blocks(self.source.tree.body):
            if not isinstance(block, ast.For):
                yield from self._straight(block)
            elif not loops:
                raise self.source.refuse(block, "a loop without an invariant")
            else:
                yield from self._loop(block, loops.pop(0), f"loop {len(self.claim.loops) - len(loops)}")
        if loops or not self.ended:
            raise self.source.refuse(
                self.source.tree, "fewer loops than invariants, or a path that ends without return"
            )
        for name, called in _called(self.claim).items():
            yield self._obligation(name, [], called)

    def _obligation(self, name: str, more: Sequence[Truth], goal: Truth) -> Obligation:
        return Obligation(name, (*self.known, *more), goal, None, SOLVERS, self.instance)

    def _lifted(self, body: Sequence[ast.stmt], names: Names) -> tuple[Flow, list[Demanded]]:
        before = len(self.lifter.demanded)
        flow = self.lifter.statements(self.claim.function, body, names)
        return flow, self.lifter.demanded[before:]

    def _defined(self, where: str, more: Sequence[Truth], demanded: Sequence[Demanded]) -> Iterator[Obligation]:
        for place, what, when in demanded:
            yield self._obligation(f"{where}never {what} (line {place.line}:{place.column})", more, negation(when))

    def _returned(
        self, where: str, more: Sequence[Truth], returns: Sequence[tuple[Truth, Value]]
    ) -> Iterator[Obligation]:
        for number, (when, result) in enumerate(returns, 1):
            which = where if len(returns) == 1 else f"{where} {number}"
            for name, right in self.claim.is_right(result).items():
                yield self._obligation(f"{which}: {name}", [*more, when], right)

    def _straight(self, block: Sequence[ast.stmt]) -> Iterator[Obligation]:
        """Statements before, between and behind the loops."""
        flow, demanded = self._lifted(block, self.names)
        yield from self._defined("", [], demanded)
        yield from self._returned("return", [], flow.returns)
        self.names, self.ended = flow.names, flow.onward is False
        if not self.ended:
            self.known.append(flow.onward)

    def _loop(self, node: ast.For, loop: Loop, where: str) -> Iterator[Obligation]:
        function = self.claim.function.__name__
        n = self._length(node)
        for name, part in self._parts(loop, 0, self.names, node).items():
            yield self._obligation(f"{where}, base: {name}", [], part)

        assigned = {x.id for x in ast.walk(node) if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store)}
        kept = {name: x for name, x in self.names.items() if name not in assigned}

        i = z3.Int("i")
        before = {name: _any(f"{function}.{where[-1]}.{name}", shape) for name, shape in loop.changes.items()}
        counted = [count.step(i) for count in loop.counts]
        holds = [i >= 0, i < n, *counted, *loop.invariant(i, before).values()]
        item: Value = slot(i) if isinstance(node.iter, ast.Name) else (i, slot(i))
        flow, demanded = self._lifted(node.body, {**kept, **before, **self.lifter.bind(node.target, item, self.source)})
        arriving = [*flow.continues, *([] if flow.onward is False else [(flow.onward, flow.names)])]
        after = [(when, self._parts(loop, i + 1, names, node)) for when, names in arriving]
        for name in after[0][1] if after else ():
            stays = conjunction(*(implies(when, parts[name]) for when, parts in after))
            yield self._obligation(f"{where}, step: {name}", holds, stays)
        yield from self._defined(f"{where}, ", holds, demanded)
        yield from self._returned(f"{where}, return", holds, flow.returns)

        behind = {name: _any(f"{function}.{where[-1]}.{name}.end", shape) for name, shape in loop.changes.items()}
        self.known += loop.invariant(n, behind).values()
        self.names = {**kept, **behind}

    def _length(self, node: ast.For) -> Number:
        """How many rounds a loop takes: its iterable must be the slots, or they enumerated."""
        match node.iter:
            case ast.Name(id=name) | ast.Call(func=ast.Name(id="enumerate"), args=[ast.Name(id=name)], keywords=[]):
                slots: object = self.names.get(name)
                if isinstance(slots, Slots):
                    return slots.length
        raise self.source.refuse(node.iter, "a loop over something else than the slots")

    def _parts(self, loop: Loop, seen: Number, names: Names, node: ast.For) -> Fields:
        """The parts of a loop's invariant, and that each variable is of its shape."""
        parts: dict[str, Truth] = {}
        found: dict[str, Value] = {}
        for name, shape in loop.changes.items():
            x = names.get(name)
            if isinstance(x, Partial | FunctionType) or not _fits(x, shape):
                raise self.source.refuse(node, f"{name!r} is not {shape.value}")
            found[name] = x
            if shape is Shape.ACCESS:
                parts[f"{name} has no other flag"] = values.equal(values.bit_and(x, ~sum(ACCESS), unneeded), 0)
        return {**loop.invariant(seen, found), **parts}


def _fits(x: Value, shape: Shape) -> bool:
    match shape:
        case Shape.NUMBER:
            return values.is_number(x) and not isinstance(x, Bits)
        case Shape.NUMBER_OR_NONE:
            return x is None or values.is_number(values.optional(x).value)
        case Shape.ACCESS:
            return values.bits(x) is not None


def _any(name: str, shape: Shape) -> Value:
    """A value of which only the shape is known."""
    match shape:
        case Shape.NUMBER:
            number: Value = z3.Int(name)
            return number
        case Shape.NUMBER_OR_NONE:
            return Optional(z3.Bool(f"{name}.none"), z3.Int(name))
        case Shape.ACCESS:
            return Bits({flag.bit_length() - 1: z3.Bool(f"{name}.{flag.name}") for flag in ACCESS})


def _blocks(body: Sequence[ast.stmt]) -> Iterator[ast.For | list[ast.stmt]]:
    """A body cut into its loops and the statements between them."""
    for looping, group in groupby(body, lambda node: isinstance(node, ast.For)):
        if looping:
            yield from (node for node in group if isinstance(node, ast.For))
        else:
            yield list(group)
