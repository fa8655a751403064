"""Which branches of a specification were taken: every condition in its text, true and false.

A condition is what an `if`, an `and`, an `or`, a `not` or a comprehension asks, and what a function returns that only
compares. The text is changed so that each condition notes how it came out, and is otherwise the same.
"""

import ast
import inspect
from collections import Counter
from collections.abc import Iterable, Mapping
from types import FunctionType
from typing import Any, Final, NamedTuple

HOOK: Final = "__condition__"


class Branch(NamedTuple):
    """One condition, and how it came out."""

    condition: int
    outcome: bool


class Conditions:
    """The conditions of some functions, and the branches that were taken since ``taken`` was last cleared."""

    def __init__(self) -> None:
        self.names: Final[list[str]] = []
        self.taken: Final[set[Branch]] = set()
        self._branches: Final[list[tuple[Branch, Branch]]] = []
        """Of each condition: true, false."""

    def note(self, condition: int, value: Any) -> Any:  # noqa: ANN401 - any value
        """Note how a condition came out; gives the value back."""
        self.taken.add(self._branches[condition][not value])
        return value

    def watched(self, function: FunctionType, tree: ast.FunctionDef | None = None) -> FunctionType:
        """The function, noting its branches.

        Args:
            function: one of the specification, or of a module like it.
            tree: its text, if it is to be another.
        """
        if tree is None:
            node = ast.parse(inspect.getsource(function)).body[0]
            assert isinstance(node, ast.FunctionDef)  # noqa: S101 - for the type checker
            tree = node
        changed = _Watching(self.names, function.__name__).visit(tree)
        space = {**function.__globals__, HOOK: self.note}
        module = ast.fix_missing_locations(ast.Module([changed], []))
        exec(compile(module, function.__code__.co_filename, "exec", dont_inherit=True), space)  # noqa: S102 - our own text
        new = range(len(self._branches), len(self.names))
        self._branches.extend((Branch(n, True), Branch(n, False)) for n in new)
        result = space[function.__name__]
        assert isinstance(result, FunctionType)  # noqa: S101 - for the type checker
        return result

    @property
    def every(self) -> list[Branch]:
        """All branches."""
        return [branch for both in self._branches for branch in both]

    def text(self, branch: Branch) -> str:
        """A branch for people."""
        return f"{self.names[branch.condition]}: {'true' if branch.outcome else 'false'}"

    def coverage(self, taken: Iterable[Branch], unreachable: Mapping[str, str]) -> dict[str, Any]:
        """How many of them were taken, which cannot be and why, and which could be and were not."""
        seen = {*taken}
        missing = [self.text(branch) for branch in self.every if branch not in seen]
        return {
            "branches": len(self.every),
            "branches taken": len(self.every) - len(missing),
            "branches that cannot be taken": {text: unreachable[text] for text in missing if text in unreachable},
            "branches not taken": [text for text in missing if text not in unreachable],
        }


class _Watching(ast.NodeTransformer):
    """Wraps conditions."""

    def __init__(self, names: list[str], function: str) -> None:
        self.names, self.function = names, function
        self.times: Counter[str] = Counter()

    def condition(self, test: ast.expr) -> ast.expr:
        """Wrap what decides."""
        match test:
            case ast.BoolOp():
                test.values = [self.condition(value) for value in test.values]
                return test
            case ast.UnaryOp(op=ast.Not()):
                test.operand = self.condition(test.operand)
                return test
            case ast.Constant() | ast.Call(func=ast.Name(id="__condition__")):
                return test
        text = ast.unparse(test)
        self.times[text] += 1
        again = f" ({self.times[text]})" if self.times[text] > 1 else ""
        name = f"{self.function}: {text}{again}"
        self.names.append(name)
        number = ast.Constant(len(self.names) - 1)
        self.generic_visit(test)
        asked = ast.Call(ast.Name(HOOK, ast.Load()), [number, test], [])
        return ast.copy_location(asked, test)

    def visit_If(self, node: ast.If) -> ast.AST:
        """What an if asks."""
        node.test = self.condition(node.test)
        node.body = [self.visit(it) for it in node.body]
        node.orelse = [self.visit(it) for it in node.orelse]
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        """The same within an expression."""
        node.test = self.condition(node.test)
        node.body, node.orelse = self.visit(node.body), self.visit(node.orelse)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        """What is left out."""
        node.iter = self.visit(node.iter)
        node.ifs = [self.condition(it) for it in node.ifs]
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """And, or."""
        return self.condition(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        """Not."""
        return self.condition(node) if isinstance(node.op, ast.Not) else self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> ast.AST:
        """A function that only compares."""
        if isinstance(node.value, ast.Compare):
            node.value = self.condition(node.value)
            return node
        return self.generic_visit(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        """What any and all ask of each."""
        if isinstance(node.elt, ast.Compare):
            node.elt = self.condition(node.elt)
        else:
            node.elt = self.visit(node.elt)
        node.generators = [self.visit(it) for it in node.generators]
        return node
