"""Expressions: each is a number, or a record as the text of its fields, or the state, or a part of these."""

import ast
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from hammer2_proofs.explorer.dialect.signatures import Signatures
from hammer2_proofs.explorer.dialect.terms import (
    NumberTuple,
    RecordTuple,
    RecordValue,
    Scalar,
    Scope,
    SetupValue,
    StateValue,
    Translated,
    Value,
)
from hammer2_proofs.explorer.layout import fields_of, is_flag

POPCOUNT = "popcount"
REDUCTIONS = ("any", "all", "sum", "max", "min")
OPERATORS: dict[type, str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.LShift: "<<",
    ast.RShift: ">>",
}
COMPARISONS: dict[type, str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}


class Expressions(Signatures, ABC):
    """Translates expressions. What functions and generators become is said further up."""

    @abstractmethod
    def function(self, function: Callable[..., object]) -> Translated:
        """The translation of a function."""

    @abstractmethod
    def _reduction(self, scope: Scope, name: str, generator: ast.GeneratorExp, keywords: list[ast.keyword]) -> Scalar:
        """any, all, sum, max or min over a generator."""

    def _scalar(self, scope: Scope, node: ast.expr) -> Scalar:
        value = self._expression(scope, node)
        if not isinstance(value, Scalar):
            raise scope.refusal(node, "a number is wanted here")
        return value

    def _integer(self, scope: Scope, node: ast.expr) -> str:
        value = self._scalar(scope, node)
        if value.flag:
            raise scope.refusal(node, "an int is wanted here, not a bool")
        return value.text

    def _condition(self, scope: Scope, node: ast.expr) -> str:
        value = self._scalar(scope, node)
        if not value.flag:
            raise scope.refusal(node, "a condition must be a bool")
        return value.text

    def _record(self, scope: Scope, node: ast.expr) -> RecordValue:
        value = self._expression(scope, node)
        if not isinstance(value, RecordValue):
            raise scope.refusal(node, "a record is wanted here")
        return value

    def _expression(self, scope: Scope, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=bool() as flag):
                return Scalar(str(flag), True)
            case ast.Constant(value=int() as number):
                return Scalar(str(number), False)
            case ast.Name(id=name):
                if name in scope.locals:
                    return scope.locals[name]
                if name in self.global_numbers:
                    return Scalar(name, False)
                return self._constant(scope, node, scope.constants.get(name))
            case ast.Attribute():
                return self._attribute(scope, node)
            case ast.Subscript(value=inner, slice=index):
                return self._subscript(scope, node, self._expression(scope, inner), index)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                return Scalar(
                    f"({self._integer(scope, left)} {OPERATORS[type(op)]} {self._integer(scope, right)})", False
                )
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Scalar(f"(not {self._condition(scope, operand)})", True)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Scalar(f"(-{self._integer(scope, operand)})", False)
            case ast.UnaryOp(op=ast.Invert(), operand=operand):
                return Scalar(f"(~{self._integer(scope, operand)})", False)
            case ast.BoolOp(op=op, values=values):
                word = " and " if isinstance(op, ast.And) else " or "
                return Scalar(f"({word.join(self._condition(scope, value) for value in values)})", True)
            case ast.Compare():
                return self._compare(scope, node)
            case ast.Call():
                return self._call_value(scope, node)
            case _:
                raise scope.refusal(node, "an expression outside the dialect")

    def _constant(self, scope: Scope, node: ast.expr, value: object) -> Scalar:
        if isinstance(value, bool):
            return Scalar(str(value), True)
        if isinstance(value, int):
            return Scalar(str(int(value)), False)
        raise scope.refusal(node, "neither a local name nor a constant number")

    def _attribute(self, scope: Scope, node: ast.Attribute) -> Value:
        if isinstance(node.value, ast.Name) and node.value.id not in scope.locals:
            owner = scope.constants.get(node.value.id)
            if isinstance(owner, type) and issubclass(owner, IntEnum):
                return self._constant(scope, node, getattr(owner, node.attr, None))
            raise scope.refusal(node, "an unknown name")
        value = self._expression(scope, node.value)
        match value:
            case RecordValue():
                if node.attr not in value.fields:
                    raise scope.refusal(node, f"{value.record.__name__} has no field {node.attr}")
                return Scalar(value.fields[node.attr], (value.record, node.attr) in self.layout.flags)
            case StateValue(vector=vector):
                if node.attr in self.layout.tuples:
                    return RecordTuple(vector, node.attr)
                if node.attr not in self.layout.scalar_slots:
                    raise scope.refusal(node, f"the state has no field {node.attr}")
                text = f"{vector}[{self.layout.scalar_slots[node.attr]}]"
                flag = (self.state_class, node.attr) in self.layout.flags
                return Scalar(f"({text} != 0)" if flag else text, flag)
            case SetupValue(vector=vector):
                if node.attr not in self.setup_hints:
                    raise scope.refusal(node, f"the setup has no field {node.attr}")
                if node.attr in self.setup_places:
                    return NumberTuple(vector, self.setup_places[node.attr], len(getattr(self.setup, node.attr)))
                # A bound or a switch is a number in the text, so that what it leaves out costs nothing.
                value = getattr(self.setup, node.attr)
                flag = is_flag(self.setup_hints[node.attr])
                return Scalar(str(bool(value) if flag else int(value)), flag)
            case _:
                raise scope.refusal(node, "no attribute of the dialect")

    def _subscript(self, scope: Scope, node: ast.expr, value: Value, index: ast.expr) -> Value:
        match value:
            case RecordTuple():
                at = self._index(scope, index, len(self.layout.tuples[value.name]))
                return self._element(value, at if at.isidentifier() or at.isdigit() else f"({at})")
            case NumberTuple(vector=vector, first=first):
                return Scalar(f"{vector}[{first} + {self._index(scope, index, value.many)}]", False)
            case _:
                raise scope.refusal(node, "no index of the dialect")

    def _index(self, scope: Scope, node: ast.expr, many: int) -> str:
        """An index; a constant one is known to be within its tuple, and counts from the front."""
        text = self._integer(scope, node)
        constant = text.strip("()")
        if constant.removeprefix("-").isdigit() and int(constant) not in range(many):
            raise scope.refusal(node, f"no index of a tuple of {many}")
        return text

    def _compare(self, scope: Scope, node: ast.Compare) -> Scalar:
        if len(node.ops) == 1 and isinstance(node.ops[0], ast.In | ast.NotIn):
            choices = node.comparators[0]
            if not isinstance(choices, ast.Tuple):
                raise scope.refusal(node, "in takes a tuple of constants")
            left = self._integer(scope, node.left)
            text = " or ".join(f"{left} == {self._integer(scope, choice)}" for choice in choices.elts)
            return Scalar(f"(not ({text}))" if isinstance(node.ops[0], ast.NotIn) else f"({text})", True)
        operands = [self._scalar(scope, part) for part in (node.left, *node.comparators)]
        if len({operand.flag for operand in operands}) != 1:
            raise scope.refusal(node, "an int compared with a bool")
        text = operands[0].text
        for op, operand in zip(node.ops, operands[1:], strict=True):
            if type(op) not in COMPARISONS:
                raise scope.refusal(node, "a comparison outside the dialect")
            text += f" {COMPARISONS[type(op)]} {operand.text}"
        return Scalar(f"({text})", True)

    def _hoisted(self, scope: Scope, value: Scalar) -> str:
        if value.text.isidentifier() or value.text.isdigit():
            return value.text
        name = scope.temporary()
        scope.emit(f"{name} = {value.text}")
        return name

    # ------------------------------------------------------------------ records

    def _slot(self, name: str, record_field: str, index: str) -> str:
        fields = fields_of(self.layout.records[name])
        first = self.layout.first_slots[name] + fields.index(record_field)
        stride = len(fields)
        if index.isdigit():
            return str(first + int(index) * stride)
        return f"{first} + {index} * {stride}"

    def _element(self, records: RecordTuple, index: str) -> RecordValue:
        record = self.layout.records[records.name]
        fields = {}
        for f in fields_of(record):
            text = f"{records.vector}[{self._slot(records.name, f, index)}]"
            fields[f] = f"({text} != 0)" if (record, f) in self.layout.flags else text
        return RecordValue(record, fields)

    def _changed_record(
        self, scope: Scope, node: ast.expr, record: type, fields: dict[str, str], keywords: list[ast.keyword]
    ) -> RecordValue:
        names = fields_of(record)
        for keyword in keywords:
            if keyword.arg not in names:
                raise scope.refusal(node, f"{record.__name__} has no field {keyword.arg}")
            value = self._scalar(scope, keyword.value)
            if value.flag != ((record, keyword.arg) in self.layout.flags):
                raise scope.refusal(keyword.value, f"{keyword.arg} is an int here and a bool there")
            fields[keyword.arg] = value.text
        if set(fields) != set(names):
            raise scope.refusal(node, f"{record.__name__} without {sorted(set(names) - set(fields))}")
        return RecordValue(record, {f: fields[f] for f in names})

    def _bind_record(self, scope: Scope, name: str, value: RecordValue) -> None:
        fields = self._used(scope, name, value.record)
        names = {f: f"{name}__{f}" for f in fields}
        changed = [f for f in fields if value.fields[f] != names[f]]
        if len(changed) == 1:
            scope.emit(f"{names[changed[0]]} = {value.fields[changed[0]]}")
        elif changed:
            left = ", ".join(names[f] for f in changed)
            right = ", ".join(value.fields[f] for f in changed)
            scope.emit(f"{left} = {right}")
        scope.locals[name] = RecordValue(value.record, names)

    # ------------------------------------------------------------------ calls

    def _call_value(self, scope: Scope, node: ast.Call) -> Value:
        match node:
            case ast.Call(func=ast.Attribute(value=inner, attr="_replace"), args=[], keywords=keywords):
                value = self._record(scope, inner)
                return self._changed_record(scope, node, value.record, dict(value.fields), keywords)
            case ast.Call(func=ast.Attribute(value=inner, attr="bit_count"), args=[], keywords=[]):
                return Scalar(f"{POPCOUNT}({self._integer(scope, inner)})", False)
            case ast.Call(func=ast.Name(id="int"), args=[inner], keywords=[]):
                return Scalar(f"int({self._scalar(scope, inner).text})", False)
            case ast.Call(func=ast.Name(id=name), args=[ast.GeneratorExp() as generator]) if name in REDUCTIONS:
                return self._reduction(scope, name, generator, node.keywords)
            case ast.Call(func=ast.Name(id=("max" | "min") as name), args=[first, second], keywords=[]):
                return Scalar(f"{name}({self._integer(scope, first)}, {self._integer(scope, second)})", False)
            case ast.Call(func=ast.Name(id=name), args=[], keywords=keywords) if (
                scope.constants.get(name) in self.record_classes
            ):
                record: Any = scope.constants[name]
                defaults = {
                    f: str(bool(value) if (record, f) in self.layout.flags else int(value))
                    for f, value in record._field_defaults.items()
                }
                return self._changed_record(scope, node, record, defaults, keywords)
            case ast.Call(func=ast.Name()):
                text = self._call(scope, node)
                return self._call_result(scope, node, text)
            case _:
                raise scope.refusal(node, "a call outside the dialect")

    def _callee(self, scope: Scope, node: ast.Call) -> Translated:
        if not isinstance(node.func, ast.Name):
            raise scope.refusal(node, "a call outside the dialect")
        function = scope.constants.get(node.func.id)
        if node.func.id in scope.locals or not inspect.isfunction(function):
            raise scope.refusal(node, "a call of something that is no function of the dialect")
        return self.function(function)

    def _call(self, scope: Scope, node: ast.Call) -> str:
        callee = self._callee(scope, node)
        if node.keywords or len(node.args) != len(callee.parameters):
            raise scope.refusal(node, "arguments are given by position, all of them")
        texts: list[str] = []
        for argument, (_, kind, fields) in zip(node.args, callee.parameters, strict=True):
            value = self._expression(scope, argument)
            match value:
                case Scalar(text=text, flag=flag) if kind == ("bool" if flag else "int"):
                    texts.append(text)
                case RecordValue() if kind == "record":
                    texts.extend(value.fields[f] for f in fields)
                case StateValue(vector=vector) if kind == "state":
                    if callee.result.kind == "state" and vector != scope.state:
                        raise scope.refusal(node, "only the state that is being changed can be passed on to be changed")
                    texts.append(vector)
                case SetupValue(vector=vector) if kind == "setup":
                    texts.append(vector)
                case _:
                    raise scope.refusal(argument, f"the argument is not what {callee.name} takes")
        return f"{callee.name}({', '.join(texts)})"

    def _call_result(self, scope: Scope, node: ast.Call, text: str) -> Value:
        result = self._callee(scope, node).result
        if result.kind == "state":
            raise scope.refusal(node, "a changed state must take the place of the old one")
        if result.record is None:
            return Scalar(text, result.kind == "bool")
        fields = fields_of(result.record)
        names = [scope.temporary() for _ in fields]
        scope.emit(f"{', '.join(names)} = {text}")
        return RecordValue(result.record, dict(zip(fields, names, strict=True)))
