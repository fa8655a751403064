"""From the dialect of the models to the text of kernels.

A state becomes one flat vector of integers, a record one local variable per field, and ``s = ...`` or ``return ...``
with a changed state becomes stores into the vector. That is the same thing because a changed state always takes the
place of the old one under the same name; anything that would need the old one again is refused. What is outside the
dialect raises NotInDialect with the file and line; nothing is approximated.

The dialect: ints, bools, NamedTuples, module constants and enumerations; if, match on constants, for over range, over
the records of a state or an enumerate of them, continue, break, return; any, all, sum, max, min over one generator;
``record._replace``, ``state._replace``, ``replaced``; calls of other functions of the dialect, which are annotated.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hammer2_proofs.explorer.layout import Layout, is_flag
from hammer2_spec.transition_system import Model, replaced

INDENT = "    "
POPCOUNT = "popcount"
CHOICE = "CHOICE"
"""The global of kernels with variants of functions that says which variant runs."""
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


def with_variants(tree: ast.FunctionDef, variants: Mapping[int, ast.FunctionDef]) -> ast.FunctionDef:
    """A function that does what one of its variants does if CHOICE is that one's number."""
    choices: list[ast.stmt] = []
    for number, variant in variants.items():
        chosen = ast.Compare(ast.Name(CHOICE, ast.Load()), [ast.Eq()], [ast.Constant(number)])
        choices.append(ast.If(chosen, variant.body, []))
    if not choices:
        return tree
    whole = ast.FunctionDef(tree.name, tree.args, [*choices, *tree.body], [], tree.returns)
    return ast.fix_missing_locations(ast.copy_location(whole, tree))


class Translator:
    """Translates the functions of one model, each once, in the order in which they are needed.

    Args:
        model: the model.
        layout: where the fields of its states lie.
        prefix: what the names in the text begin with.
        variants: for a function other texts of it, by number: the global CHOICE in the kernels says which one runs.
    """

    def __init__(
        self,
        model: Model[Any, Any],
        layout: Layout,
        prefix: str = "f_",
        variants: Mapping[Callable[..., object], Mapping[int, ast.FunctionDef]] | None = None,
    ) -> None:
        self.layout = layout
        self.prefix = prefix
        self.variants = variants or {}
        self.setup = model.setup
        self.state_class = layout.state_class
        self.setup_class = type(model.setup)
        self.record_classes = set(layout.records.values())
        self.setup_hints = get_type_hints(self.setup_class)
        self.setup_places, _ = setup_vector(model.setup)
        self.texts: list[str] = []
        """The functions so far, each after those that it calls."""
        self._done: dict[Callable[..., object], Translated] = {}
        self._names: set[str] = set()

    # ------------------------------------------------------------------ functions

    @property
    def functions(self) -> list[Callable[..., object]]:
        """What was translated so far."""
        return list(self._done)

    def function(self, function: Callable[..., object]) -> Translated:
        """The translation of a function; what it calls comes before it."""
        if function in self._done:
            return self._done[function]
        source, line = inspect.getsourcelines(function)
        path = inspect.getsourcefile(function) or "?"
        tree = ast.parse(textwrap.dedent("".join(source))).body[0]
        if not isinstance(tree, ast.FunctionDef):
            raise NotInDialect(f"{path}:{line}: {function} is no plain function")
        if tree.name != function.__name__:
            raise NotInDialect(f"{path}:{line}: the text changed since {function.__name__} was imported from it")
        return self.parsed(function, with_variants(tree, self.variants.get(function, {})), path, line)

    def parsed(self, function: Callable[..., object], tree: ast.FunctionDef, path: str, line: int) -> Translated:
        """The translation of a function whose text is already a tree."""
        hints = get_type_hints(function)
        constants = inspect.getclosurevars(function)
        if constants.nonlocals:
            raise NotInDialect(f"{path}:{line}: {function.__name__} captures {sorted(constants.nonlocals)}")
        scope = Scope(function, line, path, getattr(function, "__globals__", {}), Result("int"))
        scope.result = self._result(scope, tree, hints.get("return"))
        scope.uses = attribute_uses(tree)
        parameters = []
        for argument in tree.args.args:
            name = argument.arg
            if name not in hints:
                raise scope.refusal(argument, "an argument without annotation")
            parameters.append(self._parameter(scope, argument, name, hints[name]))
        name = self._name(function.__name__)
        done = Translated(name, tuple(parameters), scope.result)
        self._done[function] = done
        head = self._head(scope, name, [name for name, _, _ in parameters], self._given(done.result))
        self._body(scope, tree.body)
        self.texts += [*scope.helpers, "\n".join([head, *scope.lines])]
        return done

    def _head(self, scope: Scope, name: str, parameters: Iterable[str], result: str) -> str:
        """The first line of a function in the text."""
        typed = [part for parameter in parameters for part in self._typed(scope, parameter)]
        return f"def {name}({', '.join(typed)}) -> {result}:"

    def _given(self, result: Result) -> str:
        """The type of a result in the text."""
        if result.record is None:
            return "int" if result.kind == "int" else "bool"
        fields: tuple[str, ...] = result.record._fields  # type: ignore[attr-defined]  # a NamedTuple
        return "(" + ", ".join(self._field_type(result.record, name) for name in fields) + ")"

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
        fields: tuple[str, ...] = record._fields  # type: ignore[attr-defined]  # a NamedTuple
        return fields if uses is None else tuple(f for f in fields if f in uses)

    # ------------------------------------------------------------------ statements

    def _body(self, scope: Scope, statements: list[ast.stmt]) -> None:
        before = len(scope.lines)
        for statement in statements:
            self._statement(scope, statement)
        if len(scope.lines) == before:
            scope.emit("pass")

    def _statement(self, scope: Scope, node: ast.stmt) -> None:
        match node:
            case ast.Expr(value=ast.Constant(value=str())) | ast.Pass():
                return
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._assign(scope, node, name, value)
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
                self._assign_several(scope, node, targets, values)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                self._assign(scope, node, name, value)
            case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
                self._assign(scope, node, name, ast.BinOp(ast.Name(name, ast.Load()), op, value))
            case ast.If(test=test, body=body, orelse=orelse):
                self._if(scope, self._condition(scope, test), body, orelse)
            case ast.Match():
                self._match(scope, node)
            case ast.For():
                self._for(scope, node)
            case ast.Continue():
                scope.emit("continue")
            case ast.Break():
                scope.emit("break")
            case ast.Return():
                self._return(scope, node)
            case _:
                raise scope.refusal(node, "a statement outside the dialect")

    def _if(self, scope: Scope, condition: str, body: list[ast.stmt], orelse: list[ast.stmt]) -> None:
        scope.emit(f"if {condition}:")
        scope.depth += 1
        updated = scope.updated
        self._body(scope, body)
        if isinstance(body[-1], ast.Return) and not orelse:
            scope.updated = updated
        scope.depth -= 1
        if orelse:
            scope.emit("else:")
            scope.depth += 1
            self._body(scope, orelse)
            scope.depth -= 1

    def _match(self, scope: Scope, node: ast.Match) -> None:
        subject = self._hoisted(scope, self._scalar(scope, node.subject))
        depth = scope.depth
        for number, case in enumerate(node.cases):
            if case.guard is not None:
                raise scope.refusal(case.guard, "a guarded case")
            last = isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None and case.pattern.name is None
            if last and number == len(node.cases) - 1:
                scope.emit("if True:" if number == 0 else "else:")
            else:
                patterns = case.pattern.patterns if isinstance(case.pattern, ast.MatchOr) else [case.pattern]
                tests = []
                for pattern in patterns:
                    if not isinstance(pattern, ast.MatchValue):
                        raise scope.refusal(node, "a case that is no constant")
                    tests.append(f"{subject} == {self._scalar(scope, pattern.value).text}")
                if number:
                    scope.emit("else:")
                    scope.depth += 1
                scope.emit(f"if {' or '.join(tests)}:")
            scope.depth += 1
            self._body(scope, case.body)
            scope.depth -= 1
        scope.depth = depth

    def _for(self, scope: Scope, node: ast.For) -> None:
        if node.orelse:
            raise scope.refusal(node, "for with else")
        over_records = self._loop(scope, node.target, node.iter)
        scope.over_records += over_records
        scope.depth += 1
        self._body(scope, node.body)
        scope.depth -= 1
        scope.over_records -= over_records

    def _loop(self, scope: Scope, target: ast.expr, source: ast.expr) -> bool:
        """Emit the head of a loop and bind its variables; whether it runs over the records of a state."""
        match source:
            case ast.Call(func=ast.Name(id="range"), args=arguments) if isinstance(target, ast.Name):
                bounds = ", ".join(self._integer(scope, argument) for argument in arguments)
                scope.emit(f"for {target.id} in range({bounds}):")
                scope.locals[target.id] = Scalar(target.id, False)
                return False
            case ast.Call(func=ast.Name(id="enumerate"), args=[inner]):
                match target:
                    case ast.Tuple(elts=[ast.Name(id=index), ast.Name(id=name)]):
                        pass
                    case _:
                        raise scope.refusal(target, "a loop target outside the dialect")
                records = self._expression(scope, inner)
            case _:
                if not isinstance(target, ast.Name):
                    raise scope.refusal(target, "a loop target outside the dialect")
                index, name = scope.temporary(), target.id
                records = self._expression(scope, source)
        if not isinstance(records, RecordTuple):
            raise scope.refusal(source, "a loop over something else than range or records")
        scope.emit(f"for {index} in range({len(self.layout.tuples[records.name])}):")
        scope.locals[index] = Scalar(index, False)
        value = self._element(records, index)
        scope.depth += 1
        self._bind_record(scope, name, value)
        scope.depth -= 1
        return True

    def _assign(self, scope: Scope, node: ast.stmt, name: str, value: ast.expr) -> None:
        known = scope.locals.get(name)
        if isinstance(known, StateValue):
            if name != scope.state:
                raise scope.refusal(node, "a change of a state in a function that returns none")
            if scope.over_records:
                raise scope.refusal(node, "a change of the state while looping over its records")
            self._update(scope, value)
            scope.updated = True
            return
        result = self._expression(scope, value)
        match result:
            case Scalar(text=text, flag=flag):
                if isinstance(known, Scalar):
                    if known.flag != flag:
                        raise scope.refusal(node, f"{name} is an int here and a bool there")
                elif known is not None:
                    raise scope.refusal(node, f"{name} changes its kind")
                scope.emit(f"{name} = {text}")
                scope.locals[name] = Scalar(name, flag)
            case RecordValue():
                if known is not None and not (isinstance(known, RecordValue) and known.record is result.record):
                    raise scope.refusal(node, f"{name} changes its kind")
                self._bind_record(scope, name, result)
            case _:
                raise scope.refusal(node, "only numbers and records have names of their own")

    def _assign_several(self, scope: Scope, node: ast.stmt, targets: list[ast.expr], values: list[ast.expr]) -> None:
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        read = {part.id for value in values for part in ast.walk(value) if isinstance(part, ast.Name)}
        if len(names) != len(values) or read & set(names):
            raise scope.refusal(node, "several names at once, whose new values depend on their old ones")
        for name, value in zip(names, values, strict=True):
            self._assign(scope, node, name, value)

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

    def _return(self, scope: Scope, node: ast.Return) -> None:
        value = node.value
        if value is None:
            raise scope.refusal(node, "return without a value")
        if scope.result.kind == "state":
            if isinstance(value, ast.Constant) and value.value is None:
                if scope.updated:
                    raise scope.refusal(node, "a guard after a change of the state")
                scope.emit("return False")
                return
            if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
                if self._callee(scope, value).result.guarded and (scope.updated or not scope.result.guarded):
                    raise scope.refusal(node, "a guard after a change of the state")
                scope.emit(f"return {self._call(scope, value)}")
                return
            self._update(scope, value)
            scope.emit("return True")
            return
        result = self._expression(scope, value)
        if isinstance(result, RecordValue) and result.record is scope.result.record:
            fields = ", ".join(result.fields[f] for f in result.record._fields)  # type: ignore[attr-defined]  # a NamedTuple
            scope.emit(f"return ({fields})")
        elif isinstance(result, Scalar) and result.flag == (scope.result.kind == "bool"):
            scope.emit(f"return {result.text}")
        else:
            raise scope.refusal(node, "the result is not what the annotation says")

    # ------------------------------------------------------------------ changes of the state

    def _update(self, scope: Scope, node: ast.expr) -> None:
        """Emit the stores that make the vector hold the new state."""
        match node:
            case ast.Name(id=name) if name == scope.state:
                return
            case ast.Call(func=ast.Attribute(value=inner, attr="_replace"), args=[], keywords=keywords):
                self._update(scope, inner)
                if not (isinstance(inner, ast.Name)):
                    scope.updated = True
                self._replace(scope, node, keywords)
            case ast.Call(func=ast.Name(id=name)) if self._result_kind(scope, name) == "state":
                if self._callee(scope, node).result.guarded:
                    raise scope.refusal(node, "a guarded change must be returned as it is")
                scope.emit(self._call(scope, node))
            case _:
                raise scope.refusal(node, "a state may only be changed by _replace or by a function of the dialect")

    def _result_kind(self, scope: Scope, name: str) -> str:
        function = scope.constants.get(name)
        if not inspect.isfunction(function) or function is replaced:
            return ""
        return self.function(function).result.kind

    def _replace(self, scope: Scope, node: ast.Call, keywords: list[ast.keyword]) -> None:
        stores: list[str] = []
        later: list[ast.keyword] = []
        for keyword in keywords:
            name = keyword.arg or ""
            if name in self.layout.tuples:
                later.append(keyword)
                continue
            if name not in self.layout.scalar_slots:
                raise scope.refusal(node, f"the state has no field {name}")
            value = self._scalar(scope, keyword.value)
            if value.flag != ((self.state_class, name) in self.layout.flags):
                raise scope.refusal(keyword.value, f"{name} is an int here and a bool there")
            stores.append(f"{scope.state}[{self.layout.scalar_slots[name]}] = {self._hoisted(scope, value)}")
        # What is computed record by record is stored at once, so it comes last, and there is one such tuple at most.
        later.sort(key=self._is_elementwise)
        if sum(map(self._is_elementwise, later)) > 1:
            raise scope.refusal(node, "two tuples of records rebuilt in one step")
        for keyword in later:
            stores.extend(self._record_stores(scope, keyword))
        for store in stores:
            scope.emit(store)

    def _record_stores(self, scope: Scope, keyword: ast.keyword) -> list[str]:
        """The stores for one tuple of records, its values computed beforehand."""
        name = keyword.arg or ""
        match keyword.value:
            case ast.Call(func=ast.Name(id=function), args=[inner, index, record]) if (
                scope.constants.get(function) is replaced
            ):
                before = (
                    self._record_stores(scope, ast.keyword(name, inner)) if not self._own(scope, name, inner) else []
                )
                at = self._hoisted(scope, Scalar(self._integer(scope, index), False))
                value = self._record(scope, record)
                stores = []
                for f, text in value.fields.items():
                    slot = self._slot(name, f, at)
                    if text in (f"{scope.state}[{slot}]", f"({scope.state}[{slot}] != 0)"):
                        continue
                    stores.append(f"{scope.state}[{slot}] = {self._hoisted(scope, Scalar(text, False))}")
                return [*before, *stores]
            case ast.Call(func=ast.Name(id="tuple"), args=[ast.GeneratorExp(elt=element, generators=[loop])]):
                return self._elementwise(scope, keyword, name, element, loop)
            case _:
                raise scope.refusal(keyword.value, "records are changed by replaced(...) or tuple(... for ...)")

    @staticmethod
    def _is_elementwise(keyword: ast.keyword) -> bool:
        return (
            isinstance(keyword.value, ast.Call)
            and keyword.value.args[:1] != []
            and isinstance(keyword.value.args[0], ast.GeneratorExp)
        )

    def _own(self, scope: Scope, name: str, node: ast.expr) -> bool:
        match node:
            case ast.Attribute(value=ast.Name(id=state), attr=attribute):
                return state == scope.state and attribute == name
            case _:
                return False

    def _elementwise(
        self, scope: Scope, keyword: ast.keyword, name: str, element: ast.expr, loop: ast.comprehension
    ) -> list[str]:
        inner = loop.iter.args[0] if isinstance(loop.iter, ast.Call) and loop.iter.args else loop.iter
        if loop.ifs or not self._own(scope, name, inner):
            raise scope.refusal(keyword.value, "every record of the state is replaced, by its own new value")
        scalars = {id(part.value) for part in ast.walk(element) if isinstance(part, ast.Attribute)}
        for part in ast.walk(element):
            whole = isinstance(part, ast.Name) and part.id == scope.state and id(part) not in scalars
            if whole or (isinstance(part, ast.Attribute) and self._own(scope, name, part)):
                raise scope.refusal(element, "a record's new value may depend on itself and on scalars only")
        # The loop is emitted at once; it reads no record but its own, and scalars are stored after it.
        kept = dict(scope.locals)
        self._loop(scope, loop.target, loop.iter)
        index = loop.target.elts[0].id if isinstance(loop.target, ast.Tuple) else f"_t{scope.temporaries}"  # type: ignore[attr-defined]  # _loop has checked it
        scope.depth += 1
        value = self._record(scope, element)
        texts = [(f, self._hoisted(scope, Scalar(text, False))) for f, text in value.fields.items()]
        for f, text in texts:
            scope.emit(f"{scope.state}[{self._slot(name, f, index)}] = {text}")
        scope.depth -= 1
        scope.locals = kept
        return []

    # ------------------------------------------------------------------ expressions

    def _slot(self, name: str, record_field: str, index: str) -> str:
        fields: tuple[str, ...] = self.layout.records[name]._fields  # type: ignore[attr-defined]  # a NamedTuple
        first = self.layout.first_slots[name] + fields.index(record_field)
        stride = len(fields)
        if index.isdigit():
            return str(first + int(index) * stride)
        return f"{first} + {index} * {stride}"

    def _element(self, records: RecordTuple, index: str) -> RecordValue:
        record = self.layout.records[records.name]
        fields = {}
        for f in record._fields:  # type: ignore[attr-defined]  # a NamedTuple
            text = f"{records.vector}[{self._slot(records.name, f, index)}]"
            fields[f] = f"({text} != 0)" if (record, f) in self.layout.flags else text
        return RecordValue(record, fields)

    def _hoisted(self, scope: Scope, value: Scalar) -> str:
        if value.text.isidentifier() or value.text.isdigit():
            return value.text
        name = scope.temporary()
        scope.emit(f"{name} = {value.text}")
        return name

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
                if name == CHOICE and self.variants:
                    return Scalar(CHOICE, False)
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
                    return NumberTuple(vector, self.setup_places[node.attr])
                # A bound or a switch is a number in the text, so that what it leaves out costs nothing.
                value = getattr(self.setup, node.attr)
                flag = is_flag(self.setup_hints[node.attr])
                return Scalar(str(bool(value) if flag else int(value)), flag)
            case _:
                raise scope.refusal(node, "no attribute of the dialect")

    def _subscript(self, scope: Scope, node: ast.expr, value: Value, index: ast.expr) -> Value:
        at = self._integer(scope, index)
        match value:
            case RecordTuple():
                return self._element(value, at if at.isidentifier() or at.isdigit() else f"({at})")
            case NumberTuple(vector=vector, first=first):
                return Scalar(f"{vector}[{first} + {at}]", False)
            case _:
                raise scope.refusal(node, "no index of the dialect")

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

    def _changed_record(
        self, scope: Scope, node: ast.expr, record: type, fields: dict[str, str], keywords: list[ast.keyword]
    ) -> RecordValue:
        names: tuple[str, ...] = record._fields  # type: ignore[attr-defined]  # a NamedTuple
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
        fields: tuple[str, ...] = result.record._fields  # type: ignore[attr-defined]  # a NamedTuple
        names = [scope.temporary() for _ in fields]
        scope.emit(f"{', '.join(names)} = {text}")
        return RecordValue(result.record, dict(zip(fields, names, strict=True)))

    # ------------------------------------------------------------------ any, all, sum, max, min

    def _reduction(self, scope: Scope, name: str, generator: ast.GeneratorExp, keywords: list[ast.keyword]) -> Scalar:
        """A function of its own for each generator, so that it is only run where Python would run it."""
        default = next((k.value for k in keywords if k.arg == "default"), None)
        if len(keywords) != (default is not None) or (name in ("max", "min")) != (default is not None):
            raise scope.refusal(generator, "max and min over a generator take a default, nothing else does")
        inner = Scope(scope.function, scope.line, scope.path, scope.constants, Result("int"), uses=scope.uses)
        inner.helpers = scope.helpers
        inner.locals = dict(scope.locals)
        bound = {n.id for loop in generator.generators for n in ast.walk(loop.target) if isinstance(n, ast.Name)}
        captured = self._captured(scope, generator, bound)
        arguments = [part.partition(":")[0] for local in captured for part in self._typed(scope, local)]
        initial = {"any": "False", "all": "True", "sum": "0"}.get(name, "_default")
        if default is not None:
            inner.locals["_default"] = Scalar("_default", False)
            captured.append("_default")
            arguments.append(self._integer(scope, default))
        function = self._name(f"{scope.function.__name__}_{name}")
        head = self._head(inner, function, captured, "bool" if name in ("any", "all") else "int")
        if name in ("sum", "max", "min"):
            inner.emit(f"_result = {initial}")
            if default is not None:
                inner.emit("_some = False")
        for loop in generator.generators:
            self._loop(inner, loop.target, loop.iter)
            inner.depth += 1
            for condition in loop.ifs:
                inner.emit(f"if not {self._condition(inner, condition)}:")
                inner.emit(INDENT + "continue")
        self._accumulate(inner, name, generator.elt)
        inner.depth = 1
        inner.emit("return " + (initial if name in ("any", "all") else "_result"))
        scope.helpers.append("\n".join([head, *inner.lines]))
        return Scalar(f"{function}({', '.join(arguments)})", name in ("any", "all"))

    def _accumulate(self, inner: Scope, name: str, element: ast.expr) -> None:
        if name in ("any", "all"):
            condition = self._condition(inner, element)
            inner.emit(f"if {condition if name == 'any' else f'not {condition}'}:")
            inner.emit(INDENT + f"return {name == 'any'}")
        elif name == "sum":
            inner.emit(f"_result += {self._integer(inner, element)}")
        else:
            text = self._hoisted(inner, Scalar(self._integer(inner, element), False))
            inner.emit(f"if not _some or {text} {'>' if name == 'max' else '<'} _result:")
            inner.emit(INDENT + f"_result = {text}")
            inner.emit("_some = True")

    @staticmethod
    def _captured(scope: Scope, generator: ast.GeneratorExp, bound: set[str]) -> list[str]:
        """The local names that a generator reads."""
        names = {n.id for n in ast.walk(generator) if isinstance(n, ast.Name) and n.id not in bound}
        return sorted(name for name in names if name in scope.locals)
