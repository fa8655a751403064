"""The text of a function once its switches are known: what only another setting needs is left out."""

import ast
from collections.abc import Iterator, Mapping
from typing import Final

from hammer2_spec.protocol.state import ALTERNATIVES, INGREDIENTS
from hammer2_spec.protocol.tree import INGREDIENTS as TREE_INGREDIENTS

BOUNDS: Final = ("writes", "elections", "faults", "losses", "fault_epochs", "most_tids")
LIMITS: Final = ("EPOCHS", "SEQUENCES", "UNLIMITED")
WITHIN_BOUNDS: Final = ("fault_possible", "few_epochs")


class _Folded(ast.NodeTransformer):
    """Works out the switches of one record, and what follows from them."""

    def __init__(self, record: str, switches: Mapping[str, bool]) -> None:
        self.record, self.switches = record, switches
        self.known: dict[str, ast.Constant] = {}

    def visit_Assign(self, node: ast.Assign) -> ast.stmt | None:
        """A name for what is known needs no statement."""
        self.generic_visit(node)
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=bool()) as known):
                self.known[name] = known
                return None
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """What a name is known to stand for."""
        return self.known.get(node.id, node) if isinstance(node.ctx, ast.Load) else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """A switch is known."""
        if isinstance(node.value, ast.Name) and node.value.id == self.record and node.attr in self.switches:
            return ast.Constant(self.switches[node.attr])
        self.generic_visit(node)
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """Not of a known operand is known."""
        self.generic_visit(node)
        if isinstance(node.op, ast.Not) and isinstance(node.operand, ast.Constant):
            return ast.Constant(not node.operand.value)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """What decides, and what makes no difference. Expressions of the dialect have no effects."""
        self.generic_visit(node)
        decides = isinstance(node.op, ast.Or)
        values = [v for v in node.values if not (isinstance(v, ast.Constant) and v.value is not decides)]
        if any(isinstance(value, ast.Constant) for value in values):
            return ast.Constant(decides)
        if not values:
            return ast.Constant(not decides)
        return values[0] if len(values) == 1 else ast.BoolOp(node.op, values)

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        """Only the value that is taken."""
        self.generic_visit(node)
        if isinstance(node.test, ast.Constant):
            return node.body if node.test.value else node.orelse
        return node

    def visit_If(self, node: ast.If) -> ast.stmt | list[ast.stmt]:
        """Only the branch that is taken."""
        self.generic_visit(node)
        if isinstance(node.test, ast.Constant):
            return node.body if node.test.value else node.orelse
        node.body = node.body or [ast.Pass()]
        return node

    def visit_For(self, node: ast.For) -> ast.For:
        """A body that is not empty."""
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_Pass(self, _node: ast.Pass) -> None:
        """What was deleted."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Nothing after the first certain return."""
        self.generic_visit(node)
        ends = [number for number, statement in enumerate(node.body) if isinstance(statement, ast.Return)]
        node.body = node.body[: ends[0] + 1] if ends else node.body
        return node


class _Unbounded(_Folded):
    """Leaves out, too, what only keeps the exploration within its bounds."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """One more fault is always possible, and is not counted."""
        self.generic_visit(node)
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in WITHIN_BOUNDS:
                return ast.Constant(True)
            case ast.Call(func=ast.Name(id="after_fault"), args=[_, state]):
                return state
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """No bound is ever reached."""
        self.generic_visit(node)
        return ast.Constant(False) if any(map(_is_bound, ast.walk(node))) else node


def _is_bound(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="m"), attr=name):
            return name in BOUNDS
        case ast.Name(id=name):
            return name in LIMITS
    return False


EVERYTHING: Final = dict.fromkeys((*INGREDIENTS, *TREE_INGREDIENTS), True) | dict.fromkeys(ALTERNATIVES, False)


def folded(text: str, record: str = "m", switches: Mapping[str, bool] = EVERYTHING) -> ast.FunctionDef:
    """The function whose text this is, the switches of one of its arguments known: all ingredients in.

    Raises:
        ValueError: the text is not that of one plain function.
    """
    return _only_function(_Folded(record, switches), text)


def shape(text: str) -> str:
    """What of a function is the protocol's: equal for two texts that differ in bounds or in absent ingredients only."""
    return ast.dump(_only_function(_Unbounded("m", EVERYTHING), text))


def _only_function(transformer: ast.NodeTransformer, text: str) -> ast.FunctionDef:
    match ast.parse(text).body:
        case [ast.FunctionDef() as function]:
            return ast.fix_missing_locations(transformer.visit(function))  # type: ignore[no-any-return]  # stays one
    raise ValueError(f"no plain function: {text.splitlines()[0]}")


def called(tree: ast.AST) -> Iterator[str]:
    """The names of what a function calls."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id
