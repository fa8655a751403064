"""The heads of functions: what a function takes and gives, in the dialect and in the text.

A record is passed field by field, and only those fields that the function reads.
"""

import ast
from collections.abc import Iterable
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hammer2_proofs.explorer.dialect.terms import RecordValue, Result, Scalar, Scope, SetupValue, StateValue
from hammer2_proofs.explorer.layout import Layout, fields_of
from hammer2_spec.transition_system import Model


def setup_vector(setup: Any) -> tuple[dict[str, int], list[int]]:  # noqa: ANN401  # of any model
    """The members of the setup's tuples, one tuple after the other, and where each begins."""
    places: dict[str, int] = {}
    numbers: list[int] = []
    for name, value in zip(setup._fields, setup, strict=True):
        if isinstance(value, tuple):
            places[name] = len(numbers)
            numbers.extend(int(number) for number in value)
    return places, numbers


def attribute_uses(tree: ast.AST) -> dict[str, set[str] | None]:
    """For each name: the attributes read from it, or None if it is also used as a whole."""
    uses: dict[str, set[str] | None] = {}
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr == "_replace":
                continue
            inside.add(id(node.value))
            known = uses.setdefault(node.value.id, set())
            if known is not None:
                known.add(node.attr)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in inside:
            uses[node.id] = None
    return uses


class Signatures:
    """The classes of one model, and the names that are taken in its text.

    Args:
        model: the model.
        layout: where the fields of its states lie.
        prefix: what the names in the text begin with.
        global_numbers: numbers that are global in the text, by name.
    """

    def __init__(
        self, model: Model[Any, Any], layout: Layout, prefix: str, global_numbers: frozenset[str] = frozenset()
    ) -> None:
        self.layout = layout
        self.prefix = prefix
        self.global_numbers = global_numbers
        self.setup = model.setup
        self.state_class = layout.state_class
        self.setup_class = type(model.setup)
        self.record_classes = set(layout.records.values())
        self.setup_hints = get_type_hints(self.setup_class)
        self.setup_places, _ = setup_vector(model.setup)
        self._names: set[str] = set()

    def _head(self, scope: Scope, name: str, parameters: Iterable[str], result: str) -> str:
        """The first line of a function in the text."""
        typed = [part for parameter in parameters for part in self._typed(scope, parameter)]
        return f"def {name}({', '.join(typed)}) -> {result}:"

    def _given(self, result: Result) -> str:
        """The type of a result in the text."""
        if result.record is None:
            return "int" if result.kind == "int" else "bool"
        return "(" + ", ".join(self._field_type(result.record, name) for name in fields_of(result.record)) + ")"

    def _field_type(self, record: type, name: str) -> str:
        return "bool" if (record, name) in self.layout.flags else "int"

    def _typed(self, scope: Scope, name: str) -> list[str]:
        """A local name as parameters in the text: a record is one for each of its fields."""
        match scope.locals[name]:
            case Scalar(text=text, flag=flag):
                return [f"{text}: {'bool' if flag else 'int'}"]
            case RecordValue(record=record, fields=fields):
                return [f"{text}: {self._field_type(record, field)}" for field, text in fields.items()]
            case StateValue(vector=vector):
                return [f"{vector}: values"]
            case SetupValue(vector=vector):
                return [f"{vector}: ints"]
            case other:
                raise TypeError(other)

    def _name(self, wanted: str) -> str:
        name = self.prefix + wanted
        while name in self._names:
            name += "_"
        self._names.add(name)
        return name

    def _result(self, scope: Scope, tree: ast.FunctionDef, annotation: object) -> Result:
        arguments = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
        if self.state_class in arguments:
            return Result("state", guarded=len(arguments) > 1)
        if annotation is bool:
            return Result("bool")
        if isinstance(annotation, type) and issubclass(annotation, int):
            return Result("int")
        if annotation in self.record_classes:
            return Result("record", annotation)
        raise scope.refusal(tree, f"the result {annotation} is not of the dialect")

    def _parameter(
        self, scope: Scope, node: ast.arg, name: str, annotation: object
    ) -> tuple[str, str, tuple[str, ...]]:
        if annotation is self.setup_class:
            scope.locals[name] = SetupValue(name)
            return name, "setup", ()
        if annotation is self.state_class:
            scope.locals[name] = StateValue(name)
            if scope.result.kind == "state":
                if scope.state:
                    raise scope.refusal(node, "a function that changes a state takes one state")
                scope.state = name
            return name, "state", ()
        if annotation is bool:
            scope.locals[name] = Scalar(name, True)
            return name, "bool", ()
        if isinstance(annotation, type) and issubclass(annotation, int):
            scope.locals[name] = Scalar(name, False)
            return name, "int", ()
        if annotation in self.record_classes:
            fields = self._used(scope, name, annotation)
            scope.locals[name] = RecordValue(annotation, {f: f"{name}__{f}" for f in fields})
            return name, "record", fields
        raise scope.refusal(node, f"an argument of type {annotation} is not of the dialect")

    @staticmethod
    def _used(scope: Scope, name: str, record: type) -> tuple[str, ...]:
        uses = scope.uses.get(name, set())
        fields = fields_of(record)
        return fields if uses is None else tuple(f for f in fields if f in uses)
