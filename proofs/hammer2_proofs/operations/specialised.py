"""What is left of the operations under one semantics: the repairs' switches evaluated, and what they rule out removed.

    tree = specialised(text, SEED)

A mutant belongs to a semantics if it changes what is left under it; a branch does if it is still there. So each judge
answers for the code that it runs, and which code that is follows from the text.
"""

import ast
import copy
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from hammer2_spec.semantics import Semantics

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
ENDS = (ast.Return, ast.Raise, ast.Continue, ast.Break)


def truth(node: ast.expr) -> bool | None:
    """What a condition comes to whatever its variables hold, if that is known."""
    match node:
        case ast.Constant(value=value):
            return bool(value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = truth(operand)
            return None if inner is None else not inner
        case ast.BoolOp(op=op, values=values):
            known = [truth(value) for value in values]
            decisive = isinstance(op, ast.Or)
            if decisive in known:
                return decisive
            return None if None in known else not decisive
    return None


class _Specialiser(ast.NodeTransformer):
    """Evaluates the switches, and the names of one function that are bound once, to a switch."""

    def __init__(self, semantics: Semantics) -> None:
        self._semantics = semantics
        self._known: dict[str, bool] = {}

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        match node:
            case ast.Attribute(value=ast.Attribute(attr="semantics") | ast.Name(id="semantics"), attr=name):
                return ast.copy_location(ast.Constant(getattr(self._semantics, name)), node)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Load) and node.id in self._known:
            return ast.copy_location(ast.Constant(self._known[node.id]), node)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        outer = dict(self._known)
        stored = Counter(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load))
        stored.update(argument.arg for argument in ast.walk(node) if isinstance(argument, ast.arg))
        self._known = {name: value for name, value in outer.items() if name not in stored}
        for statement in node.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if stored[name] == 1:
                    known = truth(self.visit(copy.deepcopy(value)))
                    if known is not None:
                        self._known[name] = known
        node.body = self._block(node.body) or [ast.Pass()]
        self._known = outer
        return node

    def _block(self, body: Iterable[ast.stmt]) -> list[ast.stmt]:
        """A block, up to the first statement that ends it."""
        kept: list[ast.stmt] = []
        for statement in body:
            new = self.visit(statement)
            kept += [] if new is None else new if isinstance(new, list) else [new]
            if kept and isinstance(kept[-1], ENDS):
                break
        return kept

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        match node.targets:
            case [ast.Name(id=name)] if name in self._known:
                return None
        return self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        decisive = isinstance(node.op, ast.Or)
        values: list[ast.expr] = []
        for value in node.values:
            known = truth(value)
            if known is None or known is decisive:
                values.append(value)
            if known is decisive:
                break
        if not values:
            return node.values[-1]
        node.values = values
        return values[0] if len(values) == 1 else node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Not) and isinstance(node.operand, ast.Constant):
            return ast.copy_location(ast.Constant(not node.operand.value), node)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        known = truth(node.test)
        return node if known is None else node.body if known else node.orelse

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        node.test = self.visit(node.test)
        known = truth(node.test)
        body = [] if known is False else self._block(node.body)
        orelse = [] if known is True else self._block(node.orelse)
        if known is not None:
            return body + orelse
        node.body, node.orelse = body or [ast.copy_location(ast.Pass(), node)], orelse
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.ifs = [test for test in node.ifs if truth(test) is not True]
        return node


def specialised(text: str, semantics: Semantics) -> ast.Module:
    """What is left of a module's text; nodes are where they were. Contracts and docstrings are left out."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            node.decorator_list = []
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    new: ast.Module = _Specialiser(semantics).visit(tree)
    return new


def functions_of(tree: ast.Module) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions and methods of a module by their qualified names; inner ones belong to the outer."""
    found = {node.name: node for node in tree.body if isinstance(node, FUNCTIONS)}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}": inner for inner in node.body if isinstance(inner, FUNCTIONS)}
    return found


def reached(trees: Mapping[str, ast.Module], roots: Iterable[str]) -> dict[str, dict[str, ast.AST]]:
    """By module, the functions that the roots can come to by any name that they mention."""
    every = [(module, name, node) for module, tree in trees.items() for name, node in functions_of(tree).items()]
    mentioned, left = set(roots), True
    found: dict[str, dict[str, ast.AST]] = {module: {} for module in trees}
    while left:
        left = False
        for module, name, node in every:
            simple = name.split(".")[-1]
            is_known = simple in mentioned or (simple == "__init__" and name.split(".")[0] in mentioned)
            if is_known and name not in found[module]:
                found[module][name] = node
                mentioned |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
                mentioned |= {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
                left = True
    return found


def same(one: ast.AST | None, other: ast.AST | None) -> bool:
    """Two functions, of which either may be gone, say the same."""
    if one is None or other is None:
        return one is other
    return ast.dump(one) == ast.dump(other)


def branch_points(function: ast.AST) -> Sequence[tuple[ast.AST, str]]:
    """Where a function goes one way or the other, each with its kind: condition, operand, loop or case."""
    points: list[tuple[ast.AST, str]] = []
    for node in ast.walk(function):
        match node:
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) | ast.Assert(test=test):
                points.append((test, "condition"))
            case ast.comprehension(ifs=tests):
                points += [(test, "condition") for test in tests]
            case ast.BoolOp(values=values):
                points += [(value, "operand") for value in values[:-1]]
            case ast.For() | ast.AsyncFor():
                points.append((node, "loop"))
            case ast.match_case(guard=guard, body=body):
                points.append((body[0], "case"))
                points += [(guard, "condition")] if guard else []
    return points
