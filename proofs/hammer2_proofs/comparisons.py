"""Shows, by looking at its text, that a decision only ever compares the numbers in one field of its slots.

If it compares the tids with each other and with 0, and does nothing else with them, then tids that stand in the same
order, and are 0 in the same places, decide the same: the ranks with which kernel and bulk replace them, for one. The
same holds for errors, except that one of them also comes out as the verdict's.

The analysis follows values, not paths: a variable that may hold a tid somewhere holds one everywhere. What it cannot
follow is a leak.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Collection, Iterator
from enum import IntEnum
from types import FunctionType
from typing import Any, Final, NamedTuple, cast, get_args, get_type_hints

from hammer2_proofs.compiled import globals_of

COMPARISONS: Final = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
NUMBER, RECORD, RECORDS, OTHER = "a number of the field", "a record", "a sequence of records", ""


class Leak(NamedTuple):
    """A place where a number of the field may do something else than be compared."""

    place: str
    """File and line."""
    text: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}: {self.reason}"


def leaks(decide: Callable[..., object], field: str, constants: Collection[int]) -> list[Leak]:
    """Where a decision does anything but compare the numbers in a field of its records.

    Args:
        decide: a function; those that it calls by a global name are looked at too.
        field: the field's name, in whichever NamedTuple has it.
        constants: what the numbers may be compared with, besides each other, and mixed with.

    Raises:
        TypeError: a function has no annotations, or cannot be read.
    """
    return list(_Analysis(cast(FunctionType, decide), field, constants).leaks())


class _Function:
    """One function of the decision, taken apart."""

    def __init__(self, function: FunctionType) -> None:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
        ast.increment_lineno(tree, first - 1)
        if not isinstance(tree, ast.FunctionDef) or tree.args.kwonlyargs or tree.args.vararg or tree.args.kwarg:
            raise TypeError(f"{function.__qualname__} is no function with plain parameters")
        self.globals = function.__globals__
        self.file = inspect.getsourcefile(function)
        self.parameters = [argument.arg for argument in tree.args.args]
        self.hints = get_type_hints(function)
        if set(self.hints) != {*self.parameters, "return"}:
            raise TypeError(f"{function.__qualname__} lacks annotations")
        self.nodes = list(_without_annotations(tree))
        self.parents = {id(child): node for node in self.nodes for child in ast.iter_child_nodes(node)}
        self.kinds: dict[str, str] = {}
        """What each variable may hold."""
        self.returns = OTHER

    def leak(self, node: ast.AST, reason: str) -> Leak:
        """A leak at a node."""
        return Leak(f"{self.file}:{getattr(node, 'lineno', '?')}", ast.unparse(node), reason)


def _without_annotations(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns", "decorator_list"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _without_annotations(child)


class _Analysis:
    """What the variables of all functions hold, found by repeating until nothing new is found."""

    def __init__(self, decide: FunctionType, field: str, constants: Collection[int]) -> None:
        self.field, self.constants = field, constants
        self.functions: dict[FunctionType, _Function] = {}
        ahead = [decide]
        while ahead:
            function = ahead.pop()
            if function not in self.functions:
                self.functions[function] = _Function(function)
                ahead += [value for value in globals_of(function).values() if isinstance(value, FunctionType)]
        for one in self.functions.values():
            one.kinds = {name: self._kind_of_type(one.hints[name]) for name in one.parameters}
            one.returns = self._kind_of_type(one.hints["return"])
        while self._learn():
            pass

    def _kind_of_type(self, hint: Any) -> str:  # noqa: ANN401 - any annotation
        if self.field in getattr(hint, "_fields", ()):
            return RECORD
        return RECORDS if RECORD in map(self._kind_of_type, get_args(hint)) else OTHER

    def _callee(self, function: _Function, call: ast.Call) -> object:
        return function.globals.get(call.func.id) if isinstance(call.func, ast.Name) else None

    def _parameters(self, function: _Function, call: ast.Call) -> list[tuple[ast.expr, _Function | None, str]]:
        """A call's arguments, each with the function and the parameter, or the field of a record, that it fills."""
        callee = self._callee(function, call)
        inner = self.functions.get(callee) if isinstance(callee, FunctionType) else None
        names = inner.parameters if inner else list(getattr(callee, "_fields", ()))
        named = [(keyword.value, inner, keyword.arg or "?") for keyword in call.keywords]
        return [(value, inner, name) for value, name in zip(call.args, names, strict=False)] + named

    def _kind(self, function: _Function, node: ast.AST | None) -> str:
        """What an expression may yield."""
        match node:
            case ast.Name(id=name):
                return function.kinds.get(name, OTHER)
            case ast.Attribute(value=value, attr=name):
                return NUMBER if name == self.field and self._kind(function, value) == RECORD else OTHER
            case ast.Subscript(value=value, slice=index):
                whole = self._kind(function, value)
                return whole if isinstance(index, ast.Slice) else RECORD if whole == RECORDS else OTHER
            case ast.Call():
                callee = self._callee(function, node)
                if isinstance(callee, FunctionType):
                    return self.functions[callee].returns
                return self._kind_of_type(callee)
            case ast.IfExp(body=body, orelse=orelse):
                return self._kind(function, body) or self._kind(function, orelse)
        return OTHER

    def _bindings(self, function: _Function) -> Iterator[tuple[str, ast.AST, str]]:
        """Every variable that is bound, the expression that it comes from, and what kind of thing it gets."""
        for node in function.nodes:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    yield name, value, self._kind(function, value)
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    yield name, value, self._kind(function, value)
                case ast.For(target=target, iter=iterated):
                    inside, names = iterated, [target]
                    if isinstance(target, ast.Tuple) and isinstance(iterated, ast.Call) and iterated.args:
                        inside, names = iterated.args[0], target.elts[1:]
                    kind = RECORD if self._kind(function, inside) == RECORDS else OTHER
                    yield from ((name.id, iterated, kind) for name in names if isinstance(name, ast.Name))

    def _learn(self) -> bool:
        """Look at every binding, argument and result once; True if a variable turned out to hold more."""
        before = [(dict(one.kinds), one.returns) for one in self.functions.values()]
        for function in self.functions.values():
            for name, _, kind in self._bindings(function):
                function.kinds[name] = function.kinds.get(name) or kind
            for node in function.nodes:
                if isinstance(node, ast.Return):
                    function.returns = function.returns or self._kind(function, node.value)
                if isinstance(node, ast.Call):
                    for value, inner, name in self._parameters(function, node):
                        if inner:
                            inner.kinds[name] = inner.kinds.get(name) or self._kind(function, value)
        return before != [(one.kinds, one.returns) for one in self.functions.values()]

    def leaks(self) -> Iterator[Leak]:
        """All of them, function by function."""
        for function in self.functions.values():
            for name, value, kind in self._bindings(function):
                if not self._fits(function, value, kind, function.kinds[name]):
                    yield function.leak(value, f"is bound to {name}, which may hold {function.kinds[name]}")
            for node in function.nodes:
                kind = self._kind(function, node)
                if kind and not isinstance(getattr(node, "ctx", None), ast.Store):
                    reason = self._misuse(function, node, kind)
                    if reason:
                        yield function.leak(function.parents[id(node)], f"{kind} {reason}")
                yield from self._mixed(function, node)

    def _fits(self, function: _Function, value: ast.AST | None, kind: str, wanted: str) -> bool:
        return kind == wanted or (wanted == NUMBER and self._is_constant(function, value))

    def _is_constant(self, function: _Function, node: ast.AST | None) -> bool:
        """Whether an expression is one of the constants with which numbers may be compared and mixed."""
        match node:
            case ast.Constant(value=int() as value) if not isinstance(value, bool):
                return value in self.constants
            case ast.Attribute(value=ast.Name(id=name), attr=member):
                enum = function.globals.get(name)
                is_enum = isinstance(enum, type) and issubclass(enum, IntEnum)
                return is_enum and int(getattr(enum, member)) in self.constants
        return False

    def _misuse(self, function: _Function, node: ast.AST, kind: str) -> str:
        """What is wrong with the place in which a number or a record stands, nothing if it may stand there."""
        parent = function.parents[id(node)]
        match parent:
            case ast.Assign(targets=[ast.Name()]) | ast.AnnAssign(target=ast.Name()) | ast.Return() | ast.IfExp():
                return "is a condition" if isinstance(parent, ast.IfExp) and parent.test is node else ""
            case ast.Compare(left=left, ops=ops, comparators=others) if kind == NUMBER:
                if not all(isinstance(op, COMPARISONS) for op in ops):
                    return "is tested, not compared"
                strange = [
                    one for one in (left, *others) if not self._fits(function, one, self._kind(function, one), NUMBER)
                ]
                return f"is compared with {ast.unparse(strange[0])}" if strange else ""
            case ast.Attribute() if kind == RECORD:
                return ""
            case ast.For(iter=iterated) if kind == RECORDS and iterated is node:
                return ""
            case ast.Subscript(value=whole) if kind == RECORDS and whole is node:
                return ""
            case ast.Call(func=ast.Name(id="len")) if kind == RECORDS and "len" not in function.globals:
                return ""
            case ast.Call(func=ast.Name(id="enumerate")) if kind == RECORDS and "enumerate" not in function.globals:
                loop = function.parents[id(parent)]
                followed = (
                    isinstance(loop, ast.For) and isinstance(loop.target, ast.Tuple) and len(loop.target.elts) == 2
                )
                return "" if followed else "is given to an enumerate that is not followed"
            case ast.Call():
                callee = self._callee(function, parent)
                known = callee in self.functions or (kind == NUMBER and self._kind_of_type(callee) == RECORD)
                return "" if known and node in parent.args else f"is given to {ast.unparse(parent.func)}"
        return f"is part of {type(parent).__name__}"

    def _mixed(self, function: _Function, node: ast.AST) -> Iterator[Leak]:
        """Where something else gets into a variable or a field that holds numbers, or the other way round."""
        if isinstance(node, ast.Attribute) and node.attr == self.field and self._kind(function, node.value) != RECORD:
            yield function.leak(node, "is of something unknown")
        if isinstance(node, ast.AugAssign) and self._kind(function, node.target):
            yield function.leak(node, "changes a number of the field")
        if isinstance(node, ast.Return) and not self._fits(
            function, node.value, self._kind(function, node.value), function.returns
        ):
            yield function.leak(node, f"is no {function.returns}")
        if isinstance(node, ast.IfExp) and self._kind(function, node):
            for branch in (node.body, node.orelse):
                if not self._fits(function, branch, self._kind(function, branch), self._kind(function, node)):
                    yield function.leak(branch, "is mixed with a number of the field")
        if isinstance(node, ast.Call):
            for value, inner, name in self._parameters(function, node):
                wanted = inner.kinds[name] if inner else NUMBER if name == self.field else OTHER
                if not self._fits(function, value, self._kind(function, value), wanted):
                    yield function.leak(value, f"is given for {name}, expected {wanted or 'something else'}")
