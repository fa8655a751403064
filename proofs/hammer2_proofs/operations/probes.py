"""The operations' functions, replaced where they stand: by mutants, or by copies that note which way they go.

A function keeps its identity and gets other code, so whoever has imported it runs the other code too. The modules that
are not changed need not be loaded again, and a process that was forked for one mutant is ready at once.
"""

import ast
import importlib
from collections.abc import Iterable, Mapping
from inspect import unwrap
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final, NamedTuple

from hammer2_proofs.operations.specialised import branch_points, functions_of

MODULES: Final = (
    "accessors", "life_cycle", "locking", "standing", "modifying", "data", "lookups", "topology", "snapshot",
)  # fmt: skip
"""Where the operations are. The decision, which they call, has teeth of its own (`prove --teeth`)."""
STATEMENT_KIND: Final = "statement"
STATEMENT, BRANCH = "_statement_", "_branch_"


class Place(NamedTuple):
    """A node of the text of a module."""

    module: str
    line: int
    column: int
    kind: str


Way = tuple[Place, bool]
"""A branch and which way it was gone. A statement goes but one way; so does a case of a match."""


def modules() -> dict[str, ModuleType]:
    """The modules with the operations, by their short names."""
    return {name: importlib.import_module(f"hammer2_cluster.{name}") for name in MODULES}


def text_of(module: ModuleType) -> str:
    """The text that a module was loaded from."""
    return Path(str(module.__file__)).read_text(encoding="utf-8")


def place(module: str, node: ast.AST, kind: str) -> Place:
    """Where a node is."""
    return Place(module, getattr(node, "lineno", 0), getattr(node, "col_offset", 0), kind)


def function_in(namespace: Mapping[str, object], name: str) -> FunctionType:
    """The function of that qualified name, without its contracts."""
    owner, _, method = name.rpartition(".")
    found: Any = getattr(namespace[owner], method) if owner else namespace[name]
    function = unwrap(found)
    assert isinstance(function, FunctionType)  # noqa: S101 - the name is that of a function in the text
    return function


def replace(module: ModuleType, namespace: Mapping[str, object], name: str) -> None:
    """Let a function of a module run what the function of that name in the other namespace would."""
    old, new = function_in(vars(module), name), function_in(namespace, name)
    old.__code__ = new.__code__
    old.__defaults__, old.__kwdefaults__ = new.__defaults__, new.__kwdefaults__


def run_instead(module: ModuleType, tree: ast.Module, given: Mapping[str, object] | None = None) -> None:
    """Let all functions of a module run what the tree says. given: more globals for them."""
    vars(module).update(given or {})
    namespace = dict(vars(module))
    exec(compile(ast.fix_missing_locations(tree), str(module.__file__), "exec"), namespace)  # noqa: S102 - our own text
    for name in functions_of(tree):
        replace(module, namespace, name)


class _Noting(ast.NodeTransformer):
    """Puts a call before each statement and around each condition."""

    def __init__(self, module: str) -> None:
        self._module = module

    def _call(self, name: str, at: ast.AST, kind: str, *more: ast.expr) -> ast.Call:
        where: list[ast.expr] = [ast.Constant(part) for part in place(self._module, at, kind)]
        return ast.Call(ast.Name(name, ast.Load()), [ast.Tuple(where, ast.Load()), *more], [])

    def note(self, function: ast.AST) -> None:
        """Change one function."""
        conditions = {(id(node), kind) for node, kind in branch_points(function)}
        self._wanted = {i: [kind for j, kind in conditions if i == j] for i, _ in conditions}
        self.generic_visit(function)

    def visit(self, node: ast.AST) -> ast.AST | list[ast.AST]:
        kinds = self._wanted.get(id(node), [])
        new = self.generic_visit(node)
        if isinstance(new, ast.For | ast.AsyncFor):
            new.body.insert(0, ast.Expr(self._call(BRANCH, node, "loop", ast.Constant(True))))
            new.orelse.insert(0, ast.Expr(self._call(BRANCH, node, "loop", ast.Constant(False))))
        if isinstance(new, ast.stmt):
            before: list[ast.AST] = [ast.Expr(self._call(STATEMENT, node, STATEMENT_KIND))]
            if "case" in kinds:
                before.append(ast.Expr(self._call(BRANCH, node, "case", ast.Constant(True))))
            return [*before, new]
        for kind in sorted(kinds):
            assert isinstance(new, ast.expr)  # noqa: S101 - conditions and operands are expressions
            new = self._call(BRANCH, node, kind, new)
        return new


def note_ways(into: set[Way]) -> None:
    """From now on, let the operations of this process note every statement and branch that they come by."""

    def statement(where: tuple[str, int, int, str]) -> None:
        into.add((Place(*where), True))

    def branch(where: tuple[str, int, int, str], value: object) -> object:
        into.add((Place(*where), bool(value)))
        return value

    for name, module in modules().items():
        tree = ast.parse(text_of(module))
        for function in functions_of(tree).values():
            function.decorator_list = []
            _Noting(name).note(function)
        run_instead(module, tree, {STATEMENT: statement, BRANCH: branch})


def ways_of(module: str, functions: Iterable[ast.AST]) -> set[Way]:
    """Every way that the branches of some functions can go."""
    ways: set[Way] = set()
    for function in functions:
        for node, kind in branch_points(function):
            ways.add((place(module, node, kind), True))
            if kind != "case":
                ways.add((place(module, node, kind), False))
    return ways
