"""Statements, and whole functions."""

import ast

from hammer2_proofs.explorer.machine_code.emitting import Loop
from hammer2_proofs.explorer.machine_code.expressions import Expressions
from hammer2_proofs.explorer.machine_code.language import (
    ELEMENTS,
    MACHINE,
    Operand,
    marks_of,
    signature_of,
)


class Function(Expressions):
    """Compiles one function."""

    def text(self) -> str:
        """The function in the intermediate language."""
        self.signature = signature_of(self.node)
        marks = marks_of(self.node)
        if "entry" in marks and "bool" in (*(kind for _, kind in self.signature.parameters), *self.signature.results):
            raise self._refusal(self.node, "no bools between Python and the machine")
        parameters = []
        for name, kind in self.signature.parameters:
            if kind in ELEMENTS:
                self.vectors[name] = kind
                parameters.append(f"ptr noalias nocapture %p.{name}")
            else:
                parameters.append(f"{MACHINE[kind]} %p.{name}")
                self._store(name, Operand(kind, f"%p.{name}"))
        self._body(self.node.body)
        if not self.dead:
            if self.signature.results:
                raise self._refusal(self.node, "it ends without a result")
            self._emit("ret void")
        self.signatures[self.node.name] = self.signature
        linkage = "" if "entry" in marks else "internal "
        apart = " noinline" if marks & {"apart", "entry"} else ""
        head = f"define {linkage}{self.signature.machine} @{self.node.name}({', '.join(parameters)}) nounwind{apart} {{"
        return "\n".join([head, *self.places, *self.lines, "}", ""])

    def _body(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            if self.dead:
                return
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                return
            case ast.Global(names=names):
                self.changed.update(name for name in names if name in self.globals)
            case ast.Expr(value=ast.Call() as call):
                self._call(call)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._store(name, self._value(value))
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=parts)):
                values = [self._value(part) for part in parts]
                self._store_all(node, targets, values)
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Call() as call):
                self._store_all(node, targets, self._call(call))
            case ast.Assign(targets=[ast.Subscript() as place], value=value):
                self._store_element(place, self._value(value))
            case ast.AugAssign(target=ast.Name(id=name) as target, op=op, value=value):
                left = self._load(target)
                self._store(name, self._binary(node, op, left, self._value(value)))
            case ast.AugAssign(target=ast.Subscript() as place, op=op, value=value):
                left = self._element(place)
                self._store_element(place, self._binary(node, op, left, self._value(value)))
            case ast.If(test=test, body=body, orelse=orelse):
                self._if(test, body, orelse)
            case ast.While(test=test, body=body, orelse=[]):
                self._while(test, body)
            case ast.For(target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range"), args=bounds), orelse=[]):
                self._for(name, bounds, node.body)
            case ast.Continue():
                self._jump(self.loops[-1].again)
            case ast.Break():
                self._jump(self.loops[-1].after)
            case ast.Return(value=value):
                self._return(node, value)
            case _:
                raise self._refusal(node, "a statement outside the language")

    def _store_all(self, node: ast.stmt, targets: list[ast.expr], values: list[Operand]) -> None:
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if len(names) != len(targets) or len(names) != len(values):
            raise self._refusal(node, "as many names as values")
        for name, value in zip(names, values, strict=True):
            self._store(name, value)

    def _return(self, node: ast.Return, value: ast.expr | None) -> None:
        parts = [] if value is None else value.elts if isinstance(value, ast.Tuple) else [value]
        if len(parts) != len(self.signature.results):
            raise self._refusal(node, "not what the function gives")
        values = [self._as(self._value(part), kind) for part, kind in zip(parts, self.signature.results, strict=True)]
        if not values:
            self._emit("ret void")
        elif len(values) == 1:
            self._emit(f"ret {MACHINE[values[0].type]} {values[0].text}")
        else:
            whole = "poison"
            for index, operand in enumerate(values):
                inserted = (
                    f"insertvalue {self.signature.machine} {whole}, {MACHINE[operand.type]} {operand.text}, {index}"
                )
                whole = self._new(inserted)
            self._emit(f"ret {self.signature.machine} {whole}")
        self.dead = True

    def _if(self, test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt]) -> None:
        then, other, after = self._label(), self._label(), self._label()
        self._branch(test, then, other if orelse else after)
        self._begin(then)
        self._body(body)
        reached = not self.dead or not orelse
        self._jump(after)
        if orelse:
            self._begin(other)
            self._body(orelse)
            reached = reached or not self.dead
            self._jump(after)
        if reached:
            self._begin(after)

    def _while(self, test: ast.expr, body: list[ast.stmt]) -> None:
        again, inside, after = self._label(), self._label(), self._label()
        self._jump(again)
        self._begin(again)
        self._branch(test, inside, after)
        self._begin(inside)
        self.loops.append(Loop(again, after))
        self._body(body)
        self.loops.pop()
        self._jump(again)
        self._begin(after)

    def _for(self, name: str, bounds: list[ast.expr], body: list[ast.stmt]) -> None:
        values = [self._as(self._value(bound), "int").text for bound in bounds]
        first, last = ("0", values[0]) if len(values) == 1 else values[:2]
        step = values[2] if len(values) == 3 else "1"
        if not step.isdigit() or step == "0":
            raise self._refusal(bounds[2], "a step is a number in the text, above 0")
        again, inside, on, after = self._label(), self._label(), self._label(), self._label()
        self.places.append(f"  %c.{again} = alloca i64")
        self._emit(f"store i64 {first}, ptr %c.{again}")
        self._jump(again)
        self._begin(again)
        counter = self._new(f"load i64, ptr %c.{again}")
        self._emit(f"br i1 {self._new(f'icmp slt i64 {counter}, {last}')}, label %{inside}, label %{after}")
        self._begin(inside)
        self._store(name, Operand("int", counter))
        self.loops.append(Loop(on, after))
        self._body(body)
        self.loops.pop()
        self._jump(on)
        self._begin(on)
        self._emit(f"store i64 {self._new(f'add nsw i64 {counter}, {step}')}, ptr %c.{again}")
        self._jump(again)
        self._begin(after)
