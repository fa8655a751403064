"""The source text of a function that is to be lifted, and the checks that it is what CPython runs.

A function is read from the file that its code object names; the text is compiled again and must give the same code.
Here is also decided, without looking at values, which syntax the dialect has and what a global name may stand for.
"""

import ast
import builtins
import inspect
import linecache
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from types import CodeType, FunctionType
from typing import NamedTuple

import icontract

BUILTINS = (all, any, bool, enumerate, frozenset, len, max, min, range, set, sum, tuple, zip)

STATEMENTS = (
    ast.Return, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.For, ast.If, ast.Match, ast.match_case, ast.MatchValue,
    ast.MatchOr, ast.MatchAs, ast.Expr, ast.Pass, ast.Continue,
)  # fmt: skip
EXPRESSIONS = (
    ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Tuple, ast.Set, ast.Starred, ast.UnaryOp,
    ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.keyword, ast.GeneratorExp, ast.SetComp,
    ast.comprehension, ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip


class Place(NamedTuple):
    """A place in a source file: line from 1, column from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Refused(Exception):
    """A construct outside the dialect: where, what, and why it is refused."""

    def __init__(self, place: Place, construct: str, reason: str) -> None:
        super().__init__(f"{place}: {construct}: {reason}")
        self.place, self.construct, self.reason = place, construct, reason


@dataclass(frozen=True, eq=False)
class Source:
    """A function of the dialect."""

    function: FunctionType
    tree: ast.FunctionDef
    file: str
    parameters: tuple[str, ...]
    locals: frozenset[str]
    """Parameters and every name that the body assigns."""
    bindings: dict[str, int]
    """How often each global name is bound in the function's module, wherever that is written."""

    def place(self, node: ast.AST) -> Place:
        """Where a node of the function stands."""
        return Place(self.file, getattr(node, "lineno", self.tree.lineno), getattr(node, "col_offset", 0) + 1)

    def refuse(self, node: ast.AST, reason: str) -> Refused:
        """The exception that refuses a node of the function."""
        return Refused(self.place(node), type(node).__name__, reason)

    def constant(self, node: ast.Name) -> object:
        """What a global name stands for: refused unless it is bound once, to something that never changes."""
        name = node.id
        if name in self.function.__globals__:
            if self.bindings.get(name, 0) != 1:
                raise self.refuse(node, f"global {name!r} is bound {self.bindings.get(name, 0)} times in its module")
            thing = self.function.__globals__[name]
        elif getattr(builtins, name, None) in BUILTINS:
            return getattr(builtins, name)
        else:
            raise self.refuse(node, f"name {name!r} is no local, no global constant and no builtin of the dialect")
        if not (isinstance(thing, FunctionType) or is_record(thing) or is_enumeration(thing) or is_constant(thing)):
            raise self.refuse(
                node, f"global {name!r} is a {type(thing).__name__}, which may change or has no meaning here"
            )
        return thing


SPECIAL = {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__", "__bool__", "__int__", "__index__",
           "__len__", "__iter__", "__getitem__", "__contains__", "__getattr__", "__getattribute__"}  # fmt: skip
"""What a class may not redefine if its instances are to be plain tuples or ints."""


def is_record(thing: object) -> bool:
    """Whether a thing is a NamedTuple class whose instances are plain tuples."""
    return isinstance(thing, type) and thing.__bases__ == (tuple,) and hasattr(thing, "_fields") and _plain(thing)


def is_enumeration(thing: object) -> bool:
    """Whether a thing is an IntEnum class whose members are plain ints."""
    return isinstance(thing, type) and thing.__bases__ == (IntEnum,) and _plain(thing)


def _plain(thing: type) -> bool:
    return not SPECIAL & vars(thing).keys()


def is_constant(thing: object) -> bool:
    """Whether a thing is a constant of the dialect: None, a bool, an int, or a tuple of such."""
    return thing is None or isinstance(thing, int) or (isinstance(thing, tuple) and all(map(is_constant, thing)))


@cache
def _module(file: str, text: str) -> tuple[ast.Module, dict[str, CodeType], dict[str, int]]:
    """A file's tree, its functions' code objects by line and qualified name, and its bindings of globals."""
    tree = ast.parse(text, file)

    def codes(code: CodeType) -> Iterator[CodeType]:
        for inner in code.co_consts:
            if isinstance(inner, CodeType):
                yield inner
                yield from codes(inner)

    compiled = compile(tree, file, "exec", dont_inherit=True)
    bindings: dict[str, int] = {}
    for name in _global_bindings(tree):
        bindings[name] = bindings.get(name, 0) + 1
    return tree, {f"{c.co_firstlineno} {c.co_qualname}": c for c in codes(compiled)}, bindings


def _global_bindings(tree: ast.Module) -> Iterator[str]:
    def walk(node: ast.AST, at_module_level: bool) -> Iterator[str]:
        if isinstance(node, ast.Global):
            yield from node.names
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if at_module_level:
                yield node.name
            at_module_level = False
        elif isinstance(node, ast.alias) and at_module_level:
            yield (node.asname or node.name).split(".")[0]
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and at_module_level:
            yield node.id
        for child in ast.iter_child_nodes(node):
            yield from walk(child, at_module_level)

    return walk(tree, True)


def source_of(function: Callable[..., object]) -> Source:
    """The source of a function, checked to be the text that CPython runs and to keep to the dialect's syntax.

    icontract's decorators are taken off, no others. Raises Refused.
    """
    inner = inspect.unwrap(function) if hasattr(function, "__wrapped__") else function
    if not isinstance(inner, FunctionType):
        raise Refused(Place("<unknown>", 0, 0), type(function).__name__, f"{function!r} is not a plain function")
    code = inner.__code__
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename))
    here = Place(code.co_filename, code.co_firstlineno, 1)
    if not text:
        raise Refused(here, "function", f"no source text for {inner.__qualname__}")
    tree, codes, bindings = _module(code.co_filename, text)
    if codes.get(f"{code.co_firstlineno} {code.co_qualname}") != code:
        raise Refused(here, "function", f"the text of {inner.__qualname__} is not the code that runs (file changed?)")
    definition = _definition(tree, inner.__name__, code.co_firstlineno)
    if definition is None:
        raise Refused(here, "function", f"{inner.__qualname__} is not made by a def statement")
    arguments = definition.args
    source = Source(
        inner,
        definition,
        code.co_filename,
        tuple(a.arg for a in arguments.args),
        frozenset(_locals(definition)),
        bindings,
    )
    _check_definition(source)
    if function is not inner:
        _check_decorators(source)
    for node in _body(definition):
        _check_syntax(source, node)
    _check_shadowing(source)
    return source


def _definition(tree: ast.Module, name: str, first_line: int) -> ast.FunctionDef | None:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            if first_line == min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]):
                return node
    return None


def load(text: str, file: str) -> dict[str, object]:
    """The globals of a module made from a text, whose functions can be lifted like those of a file."""
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module: dict[str, object] = {"__name__": file}
    exec(compile(text, file, "exec", dont_inherit=True), module)  # noqa: S102 - our own sources and mutants of them
    return module


def _body(definition: ast.FunctionDef) -> Iterator[ast.AST]:
    """All nodes of a function's body, without annotations (which do nothing)."""
    waiting: list[ast.AST] = list(reversed(definition.body))
    while waiting:
        node = waiting.pop()
        yield node
        skip = node.annotation if isinstance(node, ast.AnnAssign) else None
        waiting += [child for child in ast.iter_child_nodes(node) if child is not skip]


def _check_definition(source: Source) -> None:
    arguments = source.tree.args
    if source.function.__closure__:
        raise source.refuse(source.tree, "a closure: what it captured may change")
    if arguments.vararg or arguments.kwarg:
        raise source.refuse(source.tree, "a variable number of arguments")
    if arguments.defaults or any(arguments.kw_defaults):
        raise source.refuse(source.tree, "default arguments")
    if arguments.posonlyargs or arguments.kwonlyargs:
        raise source.refuse(source.tree, "arguments that may be given in one way only")


def _check_decorators(source: Source) -> None:
    """A function that was wrapped: only by icontract, whose checks leave the value as it is."""
    for node in source.tree.decorator_list:
        match node.func if isinstance(node, ast.Call) else node:
            case ast.Attribute(value=ast.Name(id=module), attr="require" | "ensure" | "snapshot"):
                known = source.function.__globals__.get(module) is icontract
            case _:
                known = False
        if not known:
            raise source.refuse(node, f"decorator {ast.unparse(node)}, where only icontract's are known")
    if not source.tree.decorator_list:
        raise source.refuse(source.tree, "wrapped by something that is no decorator in its source")


def _check_syntax(source: Source, node: ast.AST) -> None:
    if not isinstance(node, (*STATEMENTS, *EXPRESSIONS)):
        raise source.refuse(node, "not in the dialect")
    if isinstance(node, ast.MatchAs) and (node.pattern or node.name):
        raise source.refuse(node, "a pattern that captures")
    if isinstance(node, ast.match_case) and node.guard:
        raise source.refuse(node.guard, "a guard on a case")
    if isinstance(node, ast.For) and node.orelse:
        raise source.refuse(node, "else on a for loop")
    if isinstance(node, ast.Compare) and len(node.ops) > 1:
        raise source.refuse(node, "a chained comparison")
    if isinstance(node, ast.comprehension) and node.is_async:
        raise source.refuse(node.iter, "an asynchronous comprehension")
    if isinstance(node, ast.Assign) and len(node.targets) > 1:
        raise source.refuse(node, "more than one target")
    if isinstance(node, ast.Expr) and node is not source.tree.body[0]:
        raise source.refuse(node, "an expression whose value is dropped")
    if isinstance(node, ast.Expr) and not (isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)):
        raise source.refuse(node, "an expression whose value is dropped")


def _bound(target: ast.AST) -> Iterator[ast.Name]:
    return (n for n in ast.walk(target) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load))


def _comprehensions(tree: ast.AST) -> Iterator[ast.GeneratorExp | ast.SetComp]:
    return (n for n in ast.walk(tree) if isinstance(n, ast.GeneratorExp | ast.SetComp))


def _locals(definition: ast.FunctionDef) -> set[str]:
    arguments = definition.args
    parameters = {a.arg for a in ast.walk(arguments) if isinstance(a, ast.arg)}
    inner = {id(n) for c in _comprehensions(definition) for g in c.generators for n in _bound(g.target)}
    return parameters | {n.id for n in _bound(definition) if id(n) not in inner}


def _check_shadowing(source: Source) -> None:
    """A name means one thing in a function, inside comprehensions too."""
    taken = {*source.function.__globals__, *(f.__name__ for f in BUILTINS)}
    parameters = [node for node in ast.walk(source.tree.args) if isinstance(node, ast.arg)]
    for name, node in (*((a.arg, a) for a in parameters), *((n.id, n) for n in _bound(source.tree))):
        if name in taken:
            raise source.refuse(node, f"{name!r} shadows a global or a builtin")
    for comprehension in _comprehensions(source.tree):
        inner = [n.id for c in _comprehensions(comprehension) for g in c.generators for n in _bound(g.target)]
        for target in (n for g in comprehension.generators for n in _bound(g.target)):
            if target.id in source.locals or inner.count(target.id) > 1:
                raise source.refuse(target, f"{target.id!r} shadows another variable of the function")
