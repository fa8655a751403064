"""The lifter: functions of the dialect, read from their source text, as z3 terms.

    lifter = Lifter()
    verdict = lifter.lift(resolve, slots, pfs_nmasters, prior, flags, SEED)  # any of the arguments may be symbolic
    lifter.demanded  # what must be impossible, because CPython would raise

All paths are followed at once and merged where they meet. Nothing is approximated: what has no exact meaning here is
refused with file, line, column and construct (``Refused``). Where CPython would raise, the condition is recorded in
``demanded``: a lifted value means something only where none of these conditions holds.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import TypeAlias

from hammer2_proofs.expressions import BINARY, Demanded, Expressions, Here, Names, Partial
from hammer2_proofs.source import Place, Refused, Source, source_of
from hammer2_proofs.values import (
    Members,
    Truth,
    Undefined,
    Unliftable,
    Value,
    choose,
    choose_truth,
    conjunction,
    disjunction,
    equal,
    negation,
)

__all__ = ["Demanded", "Flow", "Lifter", "Place", "Refused", "loops"]

Stand: TypeAlias = Callable[..., Value]
"""What a function is replaced by while another one is lifted: Python code that builds the value of a call."""


@dataclass(frozen=True, eq=False)
class Flow:
    """The ways out of a block, each with the condition, seen from the block's start, under which it is taken.

    The conditions exclude each other, and together they are all cases but those in which CPython raises.
    """

    onward: Truth
    names: Names
    """The names for whoever goes on after the block."""
    continues: list[tuple[Truth, Names]] = field(default_factory=list)
    returns: list[tuple[Truth, Value]] = field(default_factory=list)


def loops(function: Callable[..., object]) -> list[ast.For]:
    """The for statements at the top level of a function's body, in order."""
    return [node for node in source_of(function).tree.body if isinstance(node, ast.For)]


class Lifter(Expressions):
    """Lifts functions; what it demands of their inputs adds up over its life."""

    def __init__(self, standing_in: Mapping[Callable[..., object], Stand] | None = None) -> None:
        """``standing_in``: calls of these functions are not followed, their values are built by what is given."""
        super().__init__(self._follow)
        self._standing_in = standing_in or {}
        self._sources: dict[Callable[..., object], Source] = {}
        self._calling: list[Callable[..., object]] = []

    def lift(
        self, function: Callable[..., object], *arguments: Value | FunctionType, **named: Value | FunctionType
    ) -> Value:
        """The value of a call. Raises Refused, or Undefined if CPython raises on every path."""
        source = self._source(function)
        given = {**dict(zip(source.parameters, arguments, strict=False)), **named}
        if sorted(given) != sorted(source.parameters) or len(given) != len(arguments) + len(named):
            names = ", ".join(source.parameters)
            raise source.refuse(source.tree, f"{len(arguments) + len(named)} arguments, not just ({names})")
        return self._run(source, given, True)

    def statements(
        self, function: Callable[..., object], body: Sequence[ast.stmt], names: Names, path: Truth = True
    ) -> Flow:
        """Some statements of a function, begun with these names: for proofs by induction over a loop."""
        return self._block(body, Here(self._source(function), names, path))

    # ------------------------------------------------------------ calls

    def _follow(self, function: FunctionType, arguments: Mapping[str, Value | FunctionType], here: Here) -> Value:
        if function in self._standing_in:
            return self._standing_in[function](**arguments)
        if function in self._calling:
            raise Unliftable(f"recursion: {function.__name__} calls itself")
        return self._run(self._source(function), arguments, here.path)

    def _source(self, function: Callable[..., object]) -> Source:
        if function not in self._sources:
            self._sources[function] = source_of(function)
        return self._sources[function]

    def _run(self, source: Source, arguments: Mapping[str, Value | FunctionType], path: Truth) -> Value:
        self._calling.append(source.function)
        try:
            flow = self._block(source.tree.body, Here(source, arguments, path))
        finally:
            self._calling.pop()
        if flow.onward is not False:
            raise source.refuse(source.tree, "a path that ends without return")
        if not flow.returns:
            raise Undefined
        *others, (_, result) = flow.returns
        for condition, x in reversed(others):
            try:
                result = choose(condition, x, result)
            except Unliftable as reason:
                raise source.refuse(source.tree, f"returns {reason}") from None
        return result

    # ------------------------------------------------------------ statements

    def _block(self, body: Sequence[ast.stmt], here: Here) -> Flow:
        flow = Flow(True, here.names)
        for statement in body:
            if flow.onward is False:
                break
            inside = Here(here.source, flow.names, conjunction(here.path, flow.onward))
            try:
                step = self._statement(statement, inside)
            except Undefined:  # on record; this path ends
                step = Flow(False, {})
            except Unliftable as reason:
                raise here.source.refuse(statement, str(reason)) from None
            flow = Flow(
                conjunction(flow.onward, step.onward),
                step.names,
                flow.continues + [(conjunction(flow.onward, when), names) for when, names in step.continues],
                flow.returns + [(conjunction(flow.onward, when), x) for when, x in step.returns],
            )
        return flow

    def _statement(self, node: ast.stmt, here: Here) -> Flow:
        match node:
            case ast.Pass() | ast.Expr():  # an expression is a docstring: source_of refuses others
                return Flow(True, here.names)
            case ast.Continue():
                return Flow(False, {}, continues=[(True, here.names)])
            case ast.Return(value=expression) if expression is not None:
                return Flow(False, {}, returns=[(True, self.value(expression, here))])
            case ast.Assign(targets=[target], value=expression):
                return Flow(True, here.binding(self.bind(target, self.value(expression, here), here.source)).names)
            case ast.AnnAssign(target=ast.Name(id=name), value=expression) if expression is not None:
                return Flow(True, here.binding({name: self.value(expression, here)}).names)
            case ast.AugAssign(target=ast.Name(id=name) as target, op=op, value=expression) if type(op) in BINARY:
                before = self.value(ast.copy_location(ast.Name(name, ast.Load()), target), here)
                if isinstance(before, Members):
                    raise Unliftable(f"changes a set in place: write {name} = {name} ...")
                after = BINARY[type(op)](before, self.value(expression, here), self.demand(node, here))
                return Flow(True, here.binding({name: after}).names)
            case ast.If(test=test, body=body, orelse=orelse):
                return self._branch(
                    node, self.truth(test, here), body, lambda inside: self._block(orelse, inside), here
                )
            case ast.Match(subject=subject, cases=cases):
                return self._match(self.value(subject, here), cases, here)
            case ast.For():
                return self._for(node, here)
        raise Unliftable("not in the dialect")

    def _branch(
        self, node: ast.AST, test: Truth, body: Sequence[ast.stmt], otherwise: Callable[[Here], Flow], here: Here
    ) -> Flow:
        if isinstance(test, bool):
            return self._block(body, here) if test else otherwise(here)
        yes = self._block(body, here.under(test))
        no = otherwise(here.under(negation(test)))
        meet = [(c, flow.names) for c, flow in ((test, yes), (negation(test), no)) if flow.onward is not False]
        always = yes.onward is True and no.onward is True
        return Flow(
            always or disjunction(conjunction(test, yes.onward), conjunction(negation(test), no.onward)),
            self._merged(meet, node, here.source),
            [(conjunction(test, c), names) for c, names in yes.continues]
            + [(conjunction(negation(test), c), names) for c, names in no.continues],
            [(conjunction(test, c), x) for c, x in yes.returns]
            + [(conjunction(negation(test), c), x) for c, x in no.returns],
        )

    def _match(self, subject: Value, cases: Sequence[ast.match_case], here: Here) -> Flow:
        if not cases:
            return Flow(True, here.names)
        case, *rest = cases
        test = self._matches(subject, case.pattern, here)
        return self._branch(case.pattern, test, case.body, lambda inside: self._match(subject, rest, inside), here)

    def _matches(self, subject: Value, pattern: ast.pattern, here: Here) -> Truth:
        match pattern:
            case ast.MatchAs(pattern=None, name=None):
                return True
            case ast.MatchOr(patterns=patterns):
                return disjunction(*(self._matches(subject, alternative, here) for alternative in patterns))
            case ast.MatchValue(value=expression):
                try:
                    return equal(subject, self.value(expression, here))
                except Unliftable as reason:
                    raise here.source.refuse(pattern, str(reason)) from None
        raise here.source.refuse(pattern, "not in the dialect")

    def _for(self, node: ast.For, here: Here) -> Flow:
        flow = Flow(True, here.names)
        for _, x in self.items(node.iter, here, ordered=True):
            if flow.onward is False:
                break
            names = {**flow.names, **self.bind(node.target, x, here.source)}
            step = self._block(node.body, Here(here.source, names, conjunction(here.path, flow.onward)))
            arriving = [*step.continues, *([(step.onward, step.names)] if step.onward is not False else [])]
            returned = disjunction(*(when for when, _ in step.returns))
            flow = Flow(
                conjunction(flow.onward, negation(returned)) if arriving else False,
                self._merged(arriving, node, here.source),
                returns=flow.returns + [(conjunction(flow.onward, when), y) for when, y in step.returns],
            )
        return flow

    def _merged(self, arriving: list[tuple[Truth, Names]], node: ast.AST, source: Source) -> Names:
        """The names where several paths meet; their conditions exclude each other, so the last needs none."""
        if not arriving:
            return {}
        *others, (_, names) = arriving
        for condition, mine in reversed(others):
            merged = {}
            for name in {**mine, **names}:
                try:
                    merged[name] = _join(condition, mine.get(name, UNBOUND), names.get(name, UNBOUND))
                except Unliftable as reason:
                    raise source.refuse(node, f"{name!r} is {reason}") from None
            names = merged
        return names


UNBOUND = Partial(False, None)


def _join(
    condition: Truth, x: Value | Partial | FunctionType, y: Value | Partial | FunctionType
) -> Value | Partial | FunctionType:
    """x if condition else y, of what a name may stand for."""
    if x is y:
        return x
    if isinstance(x, FunctionType) or isinstance(y, FunctionType):
        raise Unliftable("one function on one path, something else on another")
    if not isinstance(x, Partial) and not isinstance(y, Partial):
        return choose(condition, x, y)
    a = x if isinstance(x, Partial) else Partial(True, x)
    b = y if isinstance(y, Partial) else Partial(True, y)
    value = b.value if a.bound is False else a.value if b.bound is False else choose(condition, a.value, b.value)
    return Partial(choose_truth(condition, a.bound, b.bound), value)
