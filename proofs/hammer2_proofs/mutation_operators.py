"""What can be done to one piece of a program to make it a wrong one: the mutation operators.

Each operator looks at one node of the syntax tree and yields changes: small edits of the text, with a sentence that
says what was done. Nothing here knows what the program is for.
"""

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import combinations, pairwise
from types import FunctionType, NoneType, UnionType
from typing import NamedTuple, get_args, get_origin, get_type_hints

ORDER: Sequence[type[ast.cmpop]] = (ast.Lt, ast.LtE, ast.Eq, ast.NotEq, ast.GtE, ast.Gt)
COMPARISONS: Sequence[Sequence[type[ast.cmpop]]] = (ORDER, (ast.Is, ast.IsNot), (ast.In, ast.NotIn))
ARITHMETIC: Mapping[type[ast.operator], Sequence[type[ast.operator]]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add, ast.FloorDiv),
    ast.FloorDiv: (ast.Mult, ast.Mod),
    ast.Mod: (ast.FloorDiv,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
    ast.BitAnd: (ast.BitOr, ast.BitXor),
    ast.BitOr: (ast.BitAnd, ast.BitXor),
    ast.BitXor: (ast.BitOr, ast.BitAnd),
}
DELETABLE = (
    ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Return, ast.Continue, ast.Break, ast.Raise, ast.Assert,
    ast.Delete, ast.If, ast.For, ast.While, ast.Match, ast.With, ast.Try, ast.AsyncFor, ast.AsyncWith,
)  # fmt: skip
BLOCKS = ("body", "orelse", "finalbody")


class Edit(NamedTuple):
    """Replace the text from the start of one node to the end of another."""

    first: ast.AST
    last: ast.AST
    text: str


class Change(NamedTuple):
    """One thing done to a program."""

    operator: str
    line: int
    edits: tuple[Edit, ...]
    description: str


@dataclass(frozen=True)
class Scope:
    """A function, and what its file says outside of it."""

    definition: ast.FunctionDef | ast.AsyncFunctionDef
    namespace: Mapping[str, object]
    """The globals that the function runs with."""
    attributes: Mapping[str, frozenset[str]]
    """Which attributes the file reads from a variable of each name."""
    mentioned: Mapping[str, frozenset[str]]
    """Which members of each enumeration, and under "" which global integers, the file mentions."""


def scope_of(
    definition: ast.FunctionDef | ast.AsyncFunctionDef, tree: ast.Module, namespace: Mapping[str, object]
) -> Scope:
    """What the operators need to know about a function's surroundings."""
    attributes: dict[str, set[str]] = {}
    mentioned: dict[str, set[str]] = {"": set()}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                attributes.setdefault(name, set()).add(attribute)
                if _is_enumeration(namespace.get(name)):
                    mentioned.setdefault(name, set()).add(attribute)
            case ast.Name(id=name) if isinstance(namespace.get(name), int):
                mentioned[""].add(name)
    return Scope(
        definition,
        namespace,
        {name: frozenset(found) for name, found in attributes.items()},
        {name: frozenset(found) for name, found in mentioned.items()},
    )


def changes(scope: Scope) -> Iterator[Change]:
    """Everything that the operators do to one function, in the order of its text; inner functions are left out."""
    found = [change for node in _nodes(scope.definition) for operator in OPERATORS for change in operator(node, scope)]
    yield from sorted(found, key=lambda change: change.line)


def _nodes(definition: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """The nodes of a function that run when it is called, parents before children."""
    yield definition
    yield from (x for x in (*definition.args.defaults, *definition.args.kw_defaults) if x)

    def below(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            skipped = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.JoinedStr, ast.expr_context)
            if isinstance(child, skipped) or child is getattr(node, "annotation", None) or _is_docstring(child):
                continue
            yield child
            yield from below(child)

    for statement in definition.body:
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not _is_docstring(
            statement
        ):
            yield statement
            yield from below(statement)


# ---------------------------------------------------------------- helpers


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_enumeration(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, Enum)


def _shown(node: ast.AST) -> str:
    """A node on one short line."""
    text = " ".join(ast.unparse(node).split())
    return f"`{text}`" if len(text) <= 70 else f"`{text[:67]}...`"


def _text(new: ast.expr, old: ast.AST) -> str:
    """The new expression in the old one's place, in parentheses where a neighbour could otherwise bind tighter."""
    text = ast.unparse(new)
    bare = isinstance(new, ast.Name | ast.Constant | ast.Attribute | ast.Call) or (
        isinstance(new, ast.Compare) and isinstance(old, ast.Compare)
    )
    return text if bare else f"({text})"


def _became(operator: str, old: ast.expr, new: ast.expr) -> Change:
    return Change(operator, old.lineno, (Edit(old, old, _text(new, old)),), f"{_shown(old)} became {_shown(new)}")


def _logical(node: ast.AST) -> Iterator[ast.expr]:
    """The conditions that a node asks for."""
    match node:
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) | ast.Assert(test=test):
            yield test
        case ast.comprehension(ifs=tests):
            yield from tests
        case ast.match_case(guard=guard) if guard:
            yield guard


def _alternatives(name: str, names: Sequence[str], mentioned: frozenset[str]) -> list[str]:
    """Names to confuse one with: those that the file mentions too, and the two neighbours (in a ring)."""
    i = names.index(name)
    near = {names[i - 1], names[(i + 1) % len(names)]}
    return [other for other in names if other != name and (other in mentioned or other in near)]


# ---------------------------------------------------------------- conditions


def comparison(node: ast.AST, _: Scope) -> Iterator[Change]:
    """A comparison operator becomes every other one of its kind."""
    if isinstance(node, ast.Compare):
        for k, op in enumerate(node.ops):
            for other in next((kind for kind in COMPARISONS if type(op) in kind), ()):
                if other is not type(op):
                    new = ast.Compare(node.left, [*node.ops[:k], other(), *node.ops[k + 1 :]], node.comparators)
                    yield _became("comparison", node, new)


def connective(node: ast.AST, _: Scope) -> Iterator[Change]:
    """``and`` becomes ``or`` and the other way round; one operand is left out."""
    if isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield _became("connective", node, ast.BoolOp(other, node.values))
        for k in range(len(node.values)):
            rest = node.values[:k] + node.values[k + 1 :]
            yield _became("operand dropped", node, rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))


def negation(node: ast.AST, _: Scope) -> Iterator[Change]:
    """A ``not`` goes, or one comes before a condition or an operand (for a comparison that is another operator)."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield _became("not removed", node, node.operand)
    for condition in (*_logical(node), *(node.values if isinstance(node, ast.BoolOp) else ())):
        if not isinstance(condition, ast.Compare | ast.UnaryOp):
            yield _became("not added", condition, ast.UnaryOp(ast.Not(), condition))


def forced_condition(node: ast.AST, _: Scope) -> Iterator[Change]:
    """A condition is always true, or never; a while is never entered."""
    for condition in _logical(node):
        for value in (False,) if isinstance(node, ast.While) else (True, False):
            yield _became("forced condition", condition, ast.Constant(value))


def forced_answer(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """A function that answers yes or no always gives the same answer there."""
    returns = scope.definition.returns
    if isinstance(node, ast.Return) and node.value and isinstance(returns, ast.Name) and returns.id == "bool":
        for value in (True, False):
            yield _became("forced answer", node.value, ast.Constant(value))


# ---------------------------------------------------------------- values


def constant(node: ast.AST, _: Scope) -> Iterator[Change]:
    """An integer is one more or one less, a truth value the other one, a string empty."""
    if isinstance(node, ast.Constant):
        others: tuple[bool | int | str, ...] = ()
        if isinstance(node.value, bool):
            others = (not node.value,)
        elif isinstance(node.value, int):
            others = (node.value + 1, node.value - 1)
        elif isinstance(node.value, str) and node.value:
            others = ("",)
        for value in others:
            yield _became("constant", node, ast.Constant(value))


def named_constant(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """A member of an enumeration becomes another one; a named integer becomes another one of the file."""
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr=member) if _is_enumeration(scope.namespace.get(name)):
            members = list(getattr(scope.namespace[name], "__members__", {}))
            for other in _alternatives(member, members, scope.mentioned[name]) if member in members else ():
                yield _became("enum member", node, ast.Attribute(ast.Name(name), other))
        case ast.Name(id=name, ctx=ast.Load()) if name in scope.mentioned[""]:
            for other in sorted(scope.mentioned[""] - {name}):
                yield _became("named constant", node, ast.Name(other))


def field(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """A field of a record becomes another one of the same type: the record that has all that the file reads from it."""
    match node:
        case ast.Attribute(value=ast.Name(id=variable), attr=name, ctx=ast.Load()) if variable not in scope.namespace:
            records = [
                thing
                for thing in scope.namespace.values()
                if isinstance(thing, type) and scope.attributes[variable] <= set(getattr(thing, "__annotations__", ()))
            ]
            if len(records) == 1:
                types = get_type_hints(records[0])
                alike = [other for other in types if types[other] == types[name]]
                for other in _alternatives(name, alike, scope.attributes[variable]):
                    yield _became("field", node, ast.Attribute(ast.Name(variable), other))


def argument_order(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """Two arguments of a known function, or two fields of a new record, that could be of one type change places."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        types = _parameter_types(scope.namespace.get(node.func.id))
        given = [(k, types[k]) for k, x in enumerate(node.args[: len(types)]) if not isinstance(x, ast.Starred)]
        for (j, one), (k, other) in combinations(given, 2):
            if one & other:
                arguments = list(node.args)
                arguments[j], arguments[k] = arguments[k], arguments[j]
                yield _became("argument order", node, ast.Call(node.func, arguments, node.keywords))


def _parameter_types(function: object) -> list[frozenset[object]]:
    """What each positional parameter may be: its annotation's alternatives, an enumeration of integers being int."""
    if isinstance(function, type) and hasattr(function, "_fields"):
        hints = get_type_hints(function)
        names = list(function._fields)
    elif isinstance(function, FunctionType):
        hints = get_type_hints(function)
        names = list(inspect.signature(function).parameters)
    else:
        return []

    def alternatives(hint: object) -> frozenset[object]:
        found = get_args(hint) if get_origin(hint) is UnionType or isinstance(hint, UnionType) else (hint,)
        integers = {int if isinstance(x, type) and issubclass(x, int) and x is not bool else x for x in found}
        return frozenset(integers - {NoneType})

    return [alternatives(hints.get(name, name)) for name in names]


def arithmetic(node: ast.AST, _: Scope) -> Iterator[Change]:
    """An operator of numbers or bits becomes another one, or one of its operands is all that is left."""
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            for other in ARITHMETIC.get(type(op), ()):
                yield _became("arithmetic", node, ast.BinOp(left, other(), right))
            yield _became("operand dropped", node, left)
            yield _became("operand dropped", node, right)
        case ast.UnaryOp(op=ast.USub() | ast.Invert(), operand=operand):
            yield _became("sign removed", node, operand)


# ---------------------------------------------------------------- statements


def _instead(operator: str, node: ast.stmt, new: ast.stmt) -> Change:
    description = f"{_shown(node)} became {_shown(new)}"
    return Change(operator, node.lineno, (Edit(node, node, ast.unparse(new)),), description)


def augmented_assignment(node: ast.AST, _: Scope) -> Iterator[Change]:
    """An augmented assignment gets another operator, or none."""
    if isinstance(node, ast.AugAssign):
        for other in ARITHMETIC.get(type(node.op), ()):
            yield _instead("augmented assignment", node, ast.AugAssign(node.target, other(), node.value))
        yield _instead("augmented assignment", node, ast.Assign([node.target], node.value, lineno=node.lineno))


def deletion(node: ast.AST, _: Scope) -> Iterator[Change]:
    """A statement, or a branch of several, is left out; an elif goes when its condition is never true."""
    for name in BLOCKS:
        block = getattr(node, name, None)
        if not isinstance(block, list):
            continue
        statements = [s for s in block if isinstance(s, DELETABLE) and not _is_docstring(s)]
        if len(statements) > 1 and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            edit = Edit(block[0], block[-1], "pass")
            more = f" and the {len(block) - 1} after it" if len(block) > 1 else ""
            yield Change("branch dropped", block[0].lineno, (edit,), f"{_shown(block[0])}{more} deleted")
        for statement in statements:
            if not (isinstance(node, ast.If) and name == "orelse" and isinstance(statement, ast.If)):
                edit = Edit(statement, statement, "pass")
                yield Change("statement deleted", statement.lineno, (edit,), f"{_shown(statement)} deleted")


def loop_end(node: ast.AST, _: Scope) -> Iterator[Change]:
    """A ``continue`` becomes ``break`` and the other way round."""
    if isinstance(node, ast.Continue):
        yield _instead("loop end", node, ast.Break())
    elif isinstance(node, ast.Break):
        yield _instead("loop end", node, ast.Continue())


def case_order(node: ast.AST, _: Scope) -> Iterator[Change]:
    """Two neighbouring branches of a match change places: each is taken where the other was."""
    if isinstance(node, ast.Match):
        for one, other in pairwise(node.cases):
            edits = (
                Edit(one.pattern, one.pattern, ast.unparse(other.pattern)),
                Edit(other.pattern, other.pattern, ast.unparse(one.pattern)),
            )
            what = f"the branches {_shown(one.pattern)} and {_shown(other.pattern)} changed places"
            yield Change("branches swapped", one.pattern.lineno, edits, what)


OPERATORS: Sequence[Callable[[ast.AST, Scope], Iterator[Change]]] = (
    comparison,
    connective,
    negation,
    forced_condition,
    forced_answer,
    constant,
    named_constant,
    field,
    argument_order,
    arithmetic,
    augmented_assignment,
    deletion,
    loop_end,
    case_order,
)
