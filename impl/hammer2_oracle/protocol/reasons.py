"""Why an action cannot happen: the guard of the specification that was false, found by watching its own text run."""

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from functools import cache
from inspect import isfunction
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from hammer2_oracle.protocol.notation import CONTENTS, FORMS, TIDS, plain
from hammer2_spec.protocol.state import Setup, State

Function = Callable[..., Any]
SPECIFICATION: Final = "hammer2_spec.protocol."
OPPOSITE: Final[Mapping[type[ast.cmpop], str]] = {
    ast.Eq: "!=", ast.NotEq: "==", ast.Lt: ">=", ast.GtE: "<", ast.Gt: "<=", ast.LtE: ">",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip
SIGNS: Final[Mapping[type[ast.cmpop], str]] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.GtE: ">=", ast.Gt: ">", ast.LtE: "<=",
    ast.In: "in", ast.NotIn: "not in", ast.Is: "is", ast.IsNot: "is not",
}  # fmt: skip


class Reason(NamedTuple):
    """A condition that was true, and that ended an action before it had changed anything."""

    text: str
    """In the specification's words."""
    values: str
    """The same with values in place of names; "" where that says no more."""
    place: str
    """Its file and line."""

    def __str__(self) -> str:
        values = f" ({self.values})" if self.values else ""
        return f"{self.text}{values}, {self.place}"


class _Text(NamedTuple):
    """The tree of a function, its lines numbered as in its file."""

    tree: ast.FunctionDef
    file: str


@cache
def _text_of(code: CodeType) -> _Text:
    lines, first = inspect.getsourcelines(code)
    tree = ast.parse("".join(lines)).body[0]
    assert isinstance(tree, ast.FunctionDef)  # noqa: S101 - for the type checker
    ast.increment_lineno(tree, first - 1)
    return _Text(tree, Path(code.co_filename).name)


def why(m: Setup, function: Function, *arguments: Any) -> Iterator[Reason]:  # noqa: ANN401 - whatever it takes
    """The conditions that made a function of the specification return what it did: None, False or True."""
    line, names = _last_line(function, arguments)
    text = _text_of(function.__code__)
    statement, test = _return_at(text.tree, line)
    scope = _Scope(m, function, names, text.file)
    value = statement.value
    if test is not None and isinstance(value, ast.Constant):
        yield from scope.because(test, wanted=True)
    elif isinstance(value, ast.Call) and (called := scope.called(value)):
        yield from why(m, called, *map(scope.value, value.args))
    elif value is not None and not isinstance(value, ast.Constant):
        yield from scope.because(value, wanted=bool(scope.value(value)))
    else:
        yield Reason(
            f"nothing that {function.__name__.replace('_', ' ')} looks for is there", "", scope.place(statement)
        )


def _last_line(function: Function, arguments: tuple[Any, ...]) -> tuple[int, dict[str, Any]]:
    """The line at which a call returned, and its local names then."""
    last, names = 0, dict[str, Any]()

    def watch(frame: FrameType, event: str, _: object) -> Any:  # noqa: ANN401 - what settrace wants
        nonlocal last, names
        if frame.f_code is not function.__code__:
            return None
        if event == "return":
            last, names = frame.f_lineno, dict(frame.f_locals)
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        function(*arguments)
    finally:
        sys.settrace(before)
    return last, names


def _return_at(tree: ast.FunctionDef, line: int) -> tuple[ast.Return, ast.expr | None]:
    """The return statement at a line, and the condition right above it."""

    def below(statements: list[ast.stmt], test: ast.expr | None) -> Iterator[tuple[ast.Return, ast.expr | None]]:
        for statement in statements:
            if isinstance(statement, ast.Return) and statement.lineno <= line <= (statement.end_lineno or 0):
                yield statement, test
            if isinstance(statement, ast.If):
                yield from below(statement.body, statement.test)
                yield from below(statement.orelse, None)
            if isinstance(statement, ast.For):
                yield from below(statement.body, None)

    return next(below(tree.body, None))


class _Scope(NamedTuple):
    """A call that has ended."""

    m: Setup
    function: Function
    names: dict[str, Any]
    file: str

    def value(self, expression: ast.expr) -> Any:  # noqa: ANN401 - any value
        """What an expression stands for."""
        code = compile(ast.Expression(expression), self.file, "eval")
        # One scope for both: a generator expression sees the names of its function as if they were global.
        return eval(code, {**self.function.__globals__, **self.names})  # noqa: S307 - the specification's own text

    def place(self, node: ast.stmt | ast.expr) -> str:
        """Where it stands."""
        return f"{self.file}:{node.lineno}"

    def because(self, test: ast.expr, *, wanted: bool) -> Iterator[Reason]:
        """The conditions that made an expression true, or false."""
        match test:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield from self.because(operand, wanted=not wanted)
            case ast.BoolOp(op=op, values=values) if isinstance(op, ast.Or) == wanted:
                decides = next(it for it in values if bool(self.value(it)) == wanted)
                yield from self.because(decides, wanted=wanted)
            case ast.BoolOp(values=values):
                for it in values:
                    if not self._is_setting(it):
                        yield from self.because(it, wanted=wanted)
            case ast.Call(args=args) if (called := self.called(test)) is not None:
                yield from why(self.m, called, *map(self.value, args))
            case _:
                yield Reason(*self._said(test, wanted=wanted), self.place(test))

    def _is_setting(self, test: ast.expr) -> bool:
        """Whether only the setup decides: an ingredient that is there explains nothing."""
        names = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
        return names == {"m"}

    def called(self, call: ast.Call) -> Function | None:
        """The function of the specification that is called, if it decides something: a guard, or an action's part."""
        function = self.function.__globals__.get(call.func.id) if isinstance(call.func, ast.Name) else None
        if not isfunction(function) or not function.__module__.startswith(SPECIFICATION):
            return None
        return function if function.__annotations__.get("return") in (bool, State | None) else None

    def _said(self, test: ast.expr, *, wanted: bool) -> tuple[str, str]:
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            sign = (SIGNS if wanted else OPPOSITE)[type(test.ops[0])]
            sides = (test.left, test.comparators[0])
            left, right = map(self._shown, sides)
            return f"{_plain(sides[0])} {sign} {_plain(sides[1])}", f"{left} {sign} {right}"
        text = _plain(test)
        return (text if wanted else f"not {text}"), ""

    def _shown(self, side: ast.expr) -> str:
        value = self.value(side)
        name = next((n for n in re.findall(r"[a-z_]+", ast.unparse(side))[::-1] if n in FORMS), "")
        if isinstance(value, tuple):
            return "(" + ", ".join(_written(self.m, name, it) for it in value) + ")"
        return _written(self.m, name, value)


def _written(m: Setup, name: str, value: Any) -> str:  # noqa: ANN401 - any value
    if isinstance(value, IntEnum):
        return value.name
    form = FORMS.get(name)
    if isinstance(value, int) and form in (TIDS, CONTENTS):
        return plain(form.write(m, value))
    return str(value)


def _plain(expression: ast.expr) -> str:
    """The text without the arguments that every function of the specification has."""
    return re.sub(r"\((?:m, )?s(?:, |(?=\)))|\(m(?:, |(?=\)))", "(", ast.unparse(expression))
