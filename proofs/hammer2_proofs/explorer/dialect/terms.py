"""What there is while a function is translated: values, results, and the function itself so far."""

import ast
from collections.abc import Callable
from dataclasses import dataclass, field

INDENT = "    "


class NotInDialect(Exception):
    """A model uses something that the three readers do not read alike."""


@dataclass(frozen=True)
class Scalar:
    """An int or a bool: the text that computes it."""

    text: str
    flag: bool


@dataclass(frozen=True)
class RecordValue:
    """A record: the text of each of its fields."""

    record: type
    fields: dict[str, str]


@dataclass(frozen=True)
class StateValue:
    """A whole state: the vector that holds it."""

    vector: str


@dataclass(frozen=True)
class SetupValue:
    """The setup: the vector of its tuples' members."""

    vector: str


@dataclass(frozen=True)
class RecordTuple:
    """The records of a state."""

    vector: str
    name: str


@dataclass(frozen=True)
class NumberTuple:
    """A tuple of ints in the setup."""

    vector: str
    first: int
    many: int


Value = Scalar | RecordValue | StateValue | SetupValue | RecordTuple | NumberTuple


@dataclass(frozen=True)
class Result:
    """What a function returns: "int", "bool", "state" or a record class."""

    kind: str
    record: type | None = None
    guarded: bool = False
    """Whether a changed state may be None instead: the action cannot happen."""


@dataclass(frozen=True)
class Translated:
    """A translated function: its name and what its arguments are: (name, kind, fields of a record)."""

    name: str
    parameters: tuple[tuple[str, str, tuple[str, ...]], ...]
    result: Result


@dataclass
class Scope:
    """One function while it is translated."""

    function: Callable[..., object]
    line: int
    path: str
    constants: dict[str, object]
    result: Result
    state: str = ""
    uses: dict[str, set[str] | None] = field(default_factory=dict)
    locals: dict[str, Value] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    depth: int = 1
    temporaries: int = 0
    updated: bool = False
    over_records: int = 0
    helpers: list[str] = field(default_factory=list)

    def emit(self, text: str) -> None:
        """Add a line at the current depth."""
        self.lines.append(INDENT * self.depth + text)

    def temporary(self) -> str:
        """A new local name."""
        self.temporaries += 1
        return f"_t{self.temporaries}"

    def refusal(self, node: ast.AST, why: str) -> NotInDialect:
        """What to raise: it says where and what is outside the dialect."""
        line = self.line + getattr(node, "lineno", 1) - 1
        return NotInDialect(f"{self.path}:{line}: {why}: {ast.unparse(node).splitlines()[0]}")
