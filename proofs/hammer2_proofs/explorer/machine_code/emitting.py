"""One function on its way: its lines so far, its labels, and the places of its local names."""

import ast
from dataclasses import dataclass, field

from hammer2_proofs.explorer.machine_code.language import MACHINE, NUMBER, NotCompiled, Operand, Signature


@dataclass
class Loop:
    """Where continue and break go to."""

    again: str
    after: str


@dataclass
class Emitting:
    """What is emitted, and the names in it."""

    node: ast.FunctionDef
    signatures: dict[str, Signature]
    globals: set[str]
    changed: set[str] = field(default_factory=set)
    locals: dict[str, str] = field(default_factory=dict)
    vectors: dict[str, str] = field(default_factory=dict)
    places: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)
    numbers: int = 0
    dead: bool = False
    """Whether the place in the text that is being compiled cannot be reached."""

    def _emit(self, line: str) -> None:
        self.lines.append("  " + line)

    def _new(self, line: str) -> str:
        """Emit what computes a value; returns its name."""
        self.numbers += 1
        self._emit(f"%t{self.numbers} = {line}")
        return f"%t{self.numbers}"

    def _label(self) -> str:
        self.numbers += 1
        return f"b{self.numbers}"

    def _jump(self, label: str) -> None:
        if not self.dead:
            self._emit(f"br label %{label}")
        self.dead = True

    def _begin(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self.dead = False

    def _refusal(self, node: ast.AST, why: str) -> NotCompiled:
        line = getattr(node, "lineno", 0)
        return NotCompiled(f"{self.node.name}, line {line}: {why}: {ast.unparse(node).splitlines()[0]}")

    # ------------------------------------------------------------------ names

    def _store(self, name: str, value: Operand) -> None:
        if name in self.changed:
            self._emit(f"store i64 {self._as(value, 'int').text}, ptr @g.{name}")
            return
        kind = "int" if value.type == NUMBER else value.type
        if name not in self.locals:
            self.locals[name] = kind
            self.places.append(f"  %v.{name} = alloca {MACHINE[kind]}")
        value = self._as(value, self.locals[name])
        self._emit(f"store {MACHINE[value.type]} {value.text}, ptr %v.{name}")

    def _load(self, node: ast.Name) -> Operand:
        if node.id not in self.locals:
            if node.id in self.globals:
                return Operand("int", self._new(f"load i64, ptr @g.{node.id}"))
            raise self._refusal(node, "an unknown name")
        kind = self.locals[node.id]
        return Operand(kind, self._new(f"load {MACHINE[kind]}, ptr %v.{node.id}"))

    def _as(self, value: Operand, kind: str) -> Operand:
        if value.type == NUMBER and kind in ("int", "u64"):
            return Operand(kind, value.text)
        if value.type != kind:
            raise NotCompiled(f"{self.node.name}: {value.type} where {kind} is wanted")
        return value
