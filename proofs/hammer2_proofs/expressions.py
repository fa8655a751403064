"""Expressions of the dialect, evaluated symbolically.

Where the dialect is narrower than Python: ``and``, ``or`` and ``not`` give bools; ``is`` asks only for None; an index
lies within 0..len-1 (Python would wrap a negative one); every element of a generator is defined by itself, even one
that ``any`` or ``all`` would not have reached; bools are no numbers.
"""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from types import FunctionType
from typing import NamedTuple, TypeAlias, TypeVar

from hammer2_proofs import values
from hammer2_proofs.source import Place, Source, is_constant
from hammer2_proofs.values import (
    Members,
    Truth,
    Undefined,
    Unliftable,
    Value,
    choose,
    conjunction,
    disjunction,
    negation,
)

T = TypeVar("T")


class Demanded(NamedTuple):
    """Something that must be impossible, because CPython would raise."""

    place: Place
    what: str
    when: Truth


class Partial(NamedTuple):
    """A name that is bound on some of the paths that lead here."""

    bound: Truth
    value: Value


Names: TypeAlias = Mapping[str, Value | Partial | FunctionType]


@dataclass(frozen=True, eq=False)
class Here:
    """Where evaluation stands: the function, its names, and the condition under which this is reached at all."""

    source: Source
    names: Names
    path: Truth

    def under(self, condition: Truth) -> "Here":
        """The same place where a condition holds as well."""
        return replace(self, path=conjunction(self.path, condition))

    def binding(self, names: Names) -> "Here":
        """The same place with more names."""
        return replace(self, names={**self.names, **names})


BINARY: Mapping[type[ast.operator], Callable[[Value, Value, values.Demand], Value]] = {
    ast.Add: values.add,
    ast.Sub: values.subtract,
    ast.Mult: values.multiply,
    ast.FloorDiv: values.floor_divide,
    ast.Mod: values.modulo,
    ast.LShift: values.shift_left,
    ast.RShift: values.shift_right,
    ast.BitAnd: values.bit_and,
    ast.BitOr: values.bit_or,
    ast.BitXor: values.bit_xor,
}


class Expressions:
    """The evaluator; ``demanded`` collects what must not happen."""

    def __init__(self, call: Callable[[FunctionType, Mapping[str, Value | FunctionType], Here], Value]) -> None:
        """``call`` gives the value of a call of another function of the dialect."""
        self._call_of = call
        self.demanded: list[Demanded] = []

    def demand(self, node: ast.AST, here: Here) -> values.Demand:
        """What an operation calls with a condition that it needs."""

        def demand(condition: Truth, otherwise: str) -> None:
            when = conjunction(here.path, negation(condition))
            if when is not False:
                self.demanded.append(Demanded(here.source.place(node), otherwise, when))

        return demand

    # ------------------------------------------------------------ the two ways to read an expression

    def value(self, node: ast.expr, here: Here) -> Value:
        """The value of an expression. Raises Refused for what is outside the dialect, Undefined as values does."""
        try:
            return self._value(node, here)
        except Unliftable as reason:
            raise here.source.refuse(node, str(reason)) from None

    def truth(self, node: ast.expr, here: Here) -> Truth:
        """An expression as a condition: here ``and``, ``or`` and ``not`` take sets and ints too."""
        match node:
            case ast.BoolOp(op=op, values=operands):
                return self._logic(isinstance(op, ast.And), operands, here, self.truth)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return negation(self.truth(operand, here))
        x = self.value(node, here)
        try:
            return values.truth(x)
        except Unliftable as reason:
            raise here.source.refuse(node, str(reason)) from None

    # ------------------------------------------------------------ by construct

    def _value(self, node: ast.expr, here: Here) -> Value:
        demand = self.demand(node, here)
        match node:
            case ast.Constant(value=None | bool() | int() as constant):
                return constant
            case ast.Name():
                thing = self.look_up(node, here)
                if callable(thing):
                    raise Unliftable(f"{node.id} used as a value")
                return thing
            case ast.Attribute():
                return self._attribute(node, here)
            case ast.Tuple(elts=elements):
                return self._tuple(elements, here)
            case ast.Set(elts=elements):
                return _members([(True, self.value(element, here)) for element in elements])
            case ast.SetComp():
                return _members(list(self.elements(node, here, self.value)))
            case ast.Subscript(value=sequence, slice=ast.Slice(lower=lower, upper=upper, step=None)):
                return _cut(self.value(sequence, here), *(self._bound(bound, here) for bound in (lower, upper)))
            case ast.Subscript(value=sequence, slice=index):
                return _subscript(self.value(sequence, here), self.value(index, here), demand)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return negation(self.truth(operand, here))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return values.subtract(0, self.value(operand, here), demand)
            case ast.UnaryOp(op=ast.Invert(), operand=operand):
                return values.bit_not(self.value(operand, here), demand)
            case ast.BoolOp(op=op, values=operands):
                return self._logic(isinstance(op, ast.And), operands, here, self._bool)
            case ast.BinOp(op=op, left=left, right=right) if type(op) in BINARY:
                return BINARY[type(op)](self.value(left, here), self.value(right, here), demand)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return self._compare(op, left, right, here)
            case ast.IfExp():
                return self._conditional(node, here)
            case ast.Call():
                return self._call(node, here)
        raise Unliftable("not in the dialect")

    def look_up(self, node: ast.Name, here: Here) -> Value | Callable[..., object]:
        """What a name stands for; demands that it is bound."""
        if node.id in here.names:
            thing = here.names[node.id]
            if isinstance(thing, Partial):
                self.demand(node, here)(thing.bound, f"{node.id!r} is not bound")
                return thing.value
            return thing
        if node.id in here.source.locals:
            self.demand(node, here)(False, f"{node.id!r} is not bound")
            raise Undefined
        return here.source.constant(node)

    def _attribute(self, node: ast.Attribute, here: Here) -> Value:
        if isinstance(node.value, ast.Name):
            thing = self.look_up(node.value, here)
            if isinstance(thing, type) and issubclass(thing, IntEnum):
                if node.attr not in thing.__members__:
                    raise Unliftable(f"{thing.__name__} has no member {node.attr!r}")
                return int(thing.__members__[node.attr])
        record = values.optional(self.value(node.value, here))
        self.demand(node, here)(negation(record.none), "an attribute of None")
        if record.none is True:
            raise Undefined
        if node.attr not in getattr(record.value, "_fields", ()):
            raise Unliftable(f"attribute {node.attr!r} of {values.kind(record.value)}")
        field: Value = getattr(record.value, node.attr)
        return field

    def _tuple(self, elements: list[ast.expr], here: Here) -> Value:
        """A tuple, with the elements of others where they are starred."""
        found: list[Value] = []
        for element in elements:
            if isinstance(element, ast.Starred):
                found += [x for _, x in self.items(element.value, here, ordered=True)]
            else:
                found.append(self.value(element, here))
        return tuple(found)

    def _bound(self, node: ast.expr | None, here: Here) -> int | None:
        """A bound of a slice."""
        x = None if node is None else self.value(node, here)
        if x is not None and not (isinstance(x, int) and not isinstance(x, bool) and x >= 0):
            raise Unliftable("a slice whose bounds are no constants of at least 0")
        return x

    def _bool(self, node: ast.expr, here: Here) -> Truth:
        x = self.value(node, here)
        if not values.is_truth(x):
            raise here.source.refuse(node, f"and/or used for the value of {values.kind(x)}")
        return values.truth(x)

    def _logic(
        self, is_and: bool, operands: list[ast.expr], here: Here, read: Callable[[ast.expr, Here], Truth]
    ) -> Truth:
        """and/or: each operand is evaluated where the ones before it have not decided."""
        found: list[Truth] = []
        for operand in operands:
            try:
                found.append(read(operand, here))
            except Undefined:  # on record; nothing depends on what stands here
                if not found:
                    raise
                break
            here = here.under(found[-1] if is_and else negation(found[-1]))
            if here.path is False:
                break
        return conjunction(*found) if is_and else disjunction(*found)

    def _compare(self, op: ast.cmpop, left: ast.expr, right: ast.expr, here: Here) -> Truth:
        x, y = self.value(left, here), self.value(right, here)
        demand = self.demand(left, here)
        match op:
            case ast.Is() | ast.IsNot():
                if not (isinstance(right, ast.Constant) and right.value is None):
                    raise Unliftable("is, with anything but None on its right")
                none = values.optional(x).none
                return none if isinstance(op, ast.Is) else negation(none)
            case ast.Eq():
                return values.equal(x, y)
            case ast.NotEq():
                return negation(values.equal(x, y))
            case ast.In():
                return values.contains(y, x)
            case ast.NotIn():
                return negation(values.contains(y, x))
            case ast.Lt():
                return values.less(x, y, demand)
            case ast.LtE():
                return values.less_or_equal(x, y, demand)
            case ast.Gt():
                return values.less(y, x, demand)
            case ast.GtE():
                return values.less_or_equal(y, x, demand)
        raise Unliftable("not in the dialect")

    def _conditional(self, node: ast.IfExp, here: Here) -> Value:
        test = self.truth(node.test, here)
        if isinstance(test, bool):
            return self.value(node.body if test else node.orelse, here)
        found: list[Value] = []
        for branch, condition in ((node.body, test), (node.orelse, negation(test))):
            try:
                found.append(self.value(branch, here.under(condition)))
            except Undefined:  # on record: the other branch is taken
                continue
        if not found:
            raise Undefined
        return choose(test, found[0], found[-1])

    # ------------------------------------------------------------ collections

    def items(self, node: ast.expr, here: Here, *, ordered: bool = False) -> list[tuple[Truth, Value]]:
        """The elements of what a for or a call runs over, each with the condition under which it is there.

        ``enumerate``, ``range`` and ``zip`` have a meaning only here. Where order matters, sets are refused.
        """
        if isinstance(node, ast.GeneratorExp):
            return list(self.elements(node, here, self.value, ordered=ordered))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            function = self.look_up(node.func, here)
            if function is enumerate or function is range or function is zip:
                return [(True, x) for x in self._run_over(function, node, here)]
        x = self.value(node, here)
        if isinstance(x, tuple):
            return [(True, y) for y in x]
        if isinstance(x, Members) and not ordered:
            return [(there, k) for k, there in sorted(x.holds.items())]
        raise here.source.refuse(node, f"iteration over {values.kind(x)}" + " where order matters" * ordered)

    def _run_over(self, function: object, node: ast.Call, here: Here) -> Sequence[Value]:
        found = [self.value(argument, here) for argument in node.args]
        options = {keyword.arg: self.value(keyword.value, here) for keyword in node.keywords}
        tuples = [x for x in found if isinstance(x, tuple)]
        numbers = [x for x in found if isinstance(x, int) and not isinstance(x, bool)]
        if function is enumerate and len(tuples) == len(found) == 1 and not options:
            return list(enumerate(tuples[0]))
        if function is range and len(numbers) == len(found) and not options:
            return range(*numbers)
        if function is zip and len(tuples) == len(found) and options == {"strict": True}:
            if len({len(x) for x in tuples}) == 1:
                return list(zip(*tuples, strict=True))
        raise here.source.refuse(
            node, "not enumerate(tuple), range(constants), or zip(tuples, strict=True) of one length"
        )

    def elements(
        self,
        node: ast.GeneratorExp | ast.SetComp,
        here: Here,
        read: Callable[[ast.expr, Here], T],
        *,
        ordered: bool = False,
    ) -> Iterator[tuple[Truth, T]]:
        """The elements of a comprehension, read as values or as conditions, each with when it is there."""

        def each(generators: list[ast.comprehension], here: Here, there: Truth) -> Iterator[tuple[Truth, T]]:
            if not generators:
                yield there, read(node.elt, here)
                return
            generator, *inner = generators
            for guard, x in self.items(generator.iter, here, ordered=ordered):
                try:
                    inside = here.binding(self.bind(generator.target, x, here.source)).under(guard)
                    condition = conjunction(there, guard)
                    for test in generator.ifs:
                        holds = self.truth(test, inside)
                        condition, inside = conjunction(condition, holds), inside.under(holds)
                    if condition is not False:
                        yield from each(inner, inside, condition)
                except Undefined:  # on record; this element is none
                    continue

        return each(node.generators, here, True)

    def bind(self, target: ast.expr, x: Value, source: Source) -> dict[str, Value]:
        """The names that an assignment of x to a target binds."""
        match target:
            case ast.Name(id=name):
                return {name: x}
            case ast.Tuple(elts=targets) if isinstance(x, tuple) and len(x) == len(targets):
                return {k: v for t, y in zip(targets, x, strict=True) for k, v in self.bind(t, y, source).items()}
        raise source.refuse(target, f"assignment of {values.kind(x)} to this target")

    # ------------------------------------------------------------ calls

    def _call(self, node: ast.Call, here: Here) -> Value:
        match node.func:
            case ast.Attribute(value=owner, attr="_replace"):
                return self._replace(self.value(owner, here), node, here)
            case ast.Attribute(value=owner, attr="bit_count") if not node.args and not node.keywords:
                return values.bit_count(self.value(owner, here))
        if not isinstance(node.func, ast.Name):
            raise here.source.refuse(node.func, "a call of something that is no name")
        function = self.look_up(node.func, here)
        if isinstance(function, FunctionType):
            code = function.__code__
            return self._call_of(function, self._arguments(node, code.co_varnames[: code.co_argcount], here), here)
        if isinstance(function, type) and hasattr(function, "_fields") and hasattr(function, "_field_defaults"):
            defaults = [name for name, default in function._field_defaults.items() if is_constant(default)]
            record: Value = function(**self._arguments(node, function._fields, here, defaults))
            return record
        if function is max or function is min:
            return self._extreme(function is max, node, here)
        if not node.keywords and len(node.args) == 1:
            return self._aggregate(function, node.args[0], here)
        if (function is set or function is frozenset) and not node.args and not node.keywords:
            return Members({})
        raise Unliftable("not in the dialect")

    def _arguments(
        self, node: ast.Call, parameters: Sequence[str], here: Here, defaults: Sequence[str] = ()
    ) -> dict[str, Value | FunctionType]:
        """The arguments of a call by the parameters' names; only those with defaults may be missing."""
        given = [*zip(parameters, node.args, strict=False), *((k.arg or "**", k.value) for k in node.keywords)]
        names = [name for name, _ in given]
        missing = [name for name in parameters if name not in names and name in defaults]
        if sorted([*names, *missing]) != sorted(parameters) or len(node.args) > len(parameters):
            raise Unliftable(f"arguments other than ({', '.join(parameters)})")
        return {name: self._argument(argument, here) for name, argument in given}

    def _argument(self, node: ast.expr, here: Here) -> Value | FunctionType:
        if isinstance(node, ast.Name):
            thing = self.look_up(node, here)
            if isinstance(thing, FunctionType):
                return thing
        return self.value(node, here)

    def _replace(self, record: Value, node: ast.Call, here: Here) -> Value:
        """``record._replace(field=...)``."""
        fields = {keyword.arg: self.value(keyword.value, here) for keyword in node.keywords}
        known = getattr(record, "_fields", ())
        if node.args or not set(fields) <= set(known) or not isinstance(record, tuple):
            raise Unliftable(f"_replace of {values.kind(record)} with {', '.join(map(str, fields))}")
        return values.rebuilt(record, [fields.get(name, x) for name, x in zip(known, record, strict=True)])

    def _aggregate(self, function: object, argument: ast.expr, here: Here) -> Value:
        """A builtin of one argument."""
        if function is any:
            return disjunction(*(conjunction(there, x) for there, x in self._conditions(argument, here)))
        if function is all:
            return conjunction(*(disjunction(negation(there), x) for there, x in self._conditions(argument, here)))
        if function is bool:
            return self.truth(argument, here)
        if function is len:
            return _length(self.value(argument, here))
        if function is sum:
            return self._sum(argument, here)
        if function is tuple:
            items = self.items(argument, here, ordered=True)
            if not all(there is True for there, _ in items):
                raise Unliftable("a tuple whose length depends on a condition")
            return tuple(x for _, x in items)
        raise Unliftable("not in the dialect")

    def _conditions(self, node: ast.expr, here: Here) -> list[tuple[Truth, Truth]]:
        if isinstance(node, ast.GeneratorExp):
            return list(self.elements(node, here, self.truth))
        return [(there, values.truth(x)) for there, x in self.items(node, here)]

    def _extreme(self, is_max: bool, node: ast.Call, here: Here) -> Value:
        """max or min, of a collection or of several numbers."""
        if len(node.args) == 1 and [k.arg for k in node.keywords] in ([], ["default"]):
            items = self.items(node.args[0], here)
        elif len(node.args) > 1 and not node.keywords:
            items = [(True, self.value(argument, here)) for argument in node.args]
        else:
            raise Unliftable("max and min take a collection and perhaps a default, or several numbers")
        demand = self.demand(node, here)
        some: Truth = False
        best: Value = None
        for there, item in items:
            x = values.number(item, self.demand(node, here.under(there)))
            if some is not False:
                better = values.less(best, x, demand) if is_max else values.less(x, best, demand)
                x = choose(conjunction(there, disjunction(negation(some), better)), x, best)
            best, some = x, disjunction(some, there)
        if node.keywords:
            default = self.value(node.keywords[0].value, here)
            return default if some is False else choose(some, best, default)
        demand(some, f"{'max' if is_max else 'min'} of nothing")
        if some is False:
            raise Undefined
        return best

    def _sum(self, node: ast.expr, here: Here) -> Value:
        total: Value = 0
        for there, item in self.items(node, here):
            x = values.number(item, self.demand(node, here.under(there)))
            total = values.add(total, choose(there, x, 0), self.demand(node, here))
        return total


def _members(items: list[tuple[Truth, Value]]) -> Members:
    """A set of the elements that are there."""
    holds: dict[int, Truth] = {}
    for there, x in items:
        if not isinstance(x, int) or isinstance(x, bool):
            raise Unliftable(f"{values.kind(x)} that is no constant number, as the element of a set")
        holds[x] = disjunction(holds.get(x, False), there)
    return Members(holds)


def _length(x: Value) -> Value:
    if isinstance(x, Members):
        return values.count([there for _, there in sorted(x.holds.items())])
    if isinstance(x, tuple) and not hasattr(x, "_fields"):
        return len(x)
    raise Unliftable(f"the length of {values.kind(x)}")


def _cut(sequence: Value, lower: int | None, upper: int | None) -> Value:
    if not isinstance(sequence, tuple) or hasattr(sequence, "_fields"):
        raise Unliftable(f"a slice of {values.kind(sequence)}")
    return sequence[lower:upper]


def _subscript(sequence: Value, index: Value, demand: values.Demand) -> Value:
    if not isinstance(sequence, tuple) or hasattr(sequence, "_fields"):
        raise Unliftable(f"a subscript of {values.kind(sequence)}")
    i = values.number(index, demand)
    within = [k for k in range(len(sequence)) if not isinstance(i, int) or i == k]
    demand(disjunction(*(values.equal(i, k) for k in within)), f"an index outside 0..{len(sequence) - 1}")
    if not within:
        raise Undefined
    *others, last = within
    result = sequence[last]
    for k in reversed(others):
        result = choose(values.equal(i, k), sequence[k], result)
    return result
