"""A small compiler for kernels: from text with Python's syntax and fixed types to LLVM's intermediate language.

The types are written as annotations. Scalars: int (64 bits, signed), u64, bool. Vectors, by what an element is:
``values`` (32 bits, signed, read and written as int), ``ints``, ``words`` (u64), ``links`` (32 bits, unsigned, read
and written as int), ``marks`` (a byte, likewise). A local name has the type of its first value. Statements and
operators are Python's and mean the same as long as 64 bits suffice; // and % round down. A shift by 64 or more gives 0
(or -1). A number that does not fit into ``values`` becomes the largest or smallest that does, so that it stays out of
any range.

``NAME = 7`` outside of functions is a global int, which a function that says ``global NAME`` may change.

Two vectors of one call never overlap. Nothing checks an index. ``@entry`` marks what Python calls, ``@apart`` what is
called and never copied into its callers.
"""

import ast
from dataclasses import dataclass, field

MACHINE = {"int": "i64", "u64": "i64", "bool": "i1"}
ELEMENTS = {
    "values": ("i32", "int"),
    "ints": ("i64", "int"),
    "words": ("i64", "u64"),
    "links": ("i32", "int"),
    "marks": ("i8", "int"),
}
SIGNED = {"values"}
SIMPLE = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.BitAnd: "and", ast.BitOr: "or", ast.BitXor: "xor"}
ORDERS = {ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge"}
DECLARATIONS = """\
declare i64 @llvm.ctpop.i64(i64)
declare i64 @llvm.smax.i64(i64, i64)
declare i64 @llvm.smin.i64(i64, i64)
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
"""
NUMBER = "number"
"""The type of a number in the text: int or u64, as its neighbour is."""


class NotCompiled(Exception):
    """The text of a kernel is outside the language: a fault of what generated it."""


@dataclass(frozen=True)
class Operand:
    """A value: its type, and its name or number in the intermediate language."""

    type: str
    text: str


@dataclass(frozen=True)
class Signature:
    """What a function takes and gives: a type, several, or none."""

    parameters: tuple[tuple[str, str], ...]
    results: tuple[str, ...]

    @property
    def machine(self) -> str:
        """The type of its result for the machine."""
        types = [MACHINE[result] for result in self.results]
        return "void" if not types else types[0] if len(types) == 1 else f"{{{', '.join(types)}}}"


def compiled(text: str) -> str:
    """The intermediate language of all functions in a text; each calls only those before it.

    Raises:
        NotCompiled: the text is outside the language.
    """
    signatures: dict[str, Signature] = {}
    globals_: set[str] = set()
    parts = [DECLARATIONS]
    for node in ast.parse(text).body:
        match node:
            case ast.FunctionDef():
                parts.append(_Function(node, signatures, globals_).text())
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=int() as number)):
                globals_.add(name)
                parts.append(f"@g.{name} = internal global i64 {number}")
            case _:
                raise NotCompiled(f"line {node.lineno}: only functions and numbers")
    return "\n".join(parts)


def entries(text: str) -> dict[str, Signature]:
    """What Python may call, by name."""
    return {
        node.name: _signature(node)
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and "entry" in _marks(node)
    }


def _marks(node: ast.FunctionDef) -> set[str]:
    return {mark.id for mark in node.decorator_list if isinstance(mark, ast.Name)}


def _signature(node: ast.FunctionDef) -> Signature:
    parameters = []
    for argument in node.args.args:
        kind = argument.annotation.id if isinstance(argument.annotation, ast.Name) else ""
        if kind not in MACHINE and kind not in ELEMENTS:
            raise NotCompiled(f"{node.name}: {argument.arg} needs a type")
        parameters.append((argument.arg, kind))
    match node.returns:
        case None:
            results: tuple[str, ...] = ()
        case ast.Name(id=name):
            results = (name,)
        case ast.Tuple(elts=names):
            results = tuple(name.id for name in names if isinstance(name, ast.Name))
        case _:
            raise NotCompiled(f"{node.name}: what does it give?")
    return Signature(tuple(parameters), results)


@dataclass
class _Loop:
    again: str
    after: str


@dataclass
class _Function:
    """One function on its way."""

    node: ast.FunctionDef
    signatures: dict[str, Signature]
    globals: set[str]
    changed: set[str] = field(default_factory=set)
    locals: dict[str, str] = field(default_factory=dict)
    vectors: dict[str, str] = field(default_factory=dict)
    places: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    loops: list[_Loop] = field(default_factory=list)
    numbers: int = 0
    dead: bool = False
    """Whether the place in the text that is being compiled cannot be reached."""

    def text(self) -> str:
        """The function in the intermediate language."""
        self.signature = _signature(self.node)
        marks = _marks(self.node)
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

    # ------------------------------------------------------------------ what is emitted

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

    # ------------------------------------------------------------------ statements

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
        self.loops.append(_Loop(again, after))
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
        self.loops.append(_Loop(on, after))
        self._body(body)
        self.loops.pop()
        self._jump(on)
        self._begin(on)
        self._emit(f"store i64 {self._new(f'add nsw i64 {counter}, {step}')}, ptr %c.{again}")
        self._jump(again)
        self._begin(after)

    def _branch(self, test: ast.expr, then: str, other: str) -> None:
        """Go to one label or the other."""
        match test:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self._branch(operand, other, then)
            case ast.BoolOp(op=op, values=values):
                for value in values[:-1]:
                    on = self._label()
                    self._branch(value, *((on, other) if isinstance(op, ast.And) else (then, on)))
                    self._begin(on)
                self._branch(values[-1], then, other)
            case _:
                flag = self._as(self._value(test), "bool")
                self._emit(f"br i1 {flag.text}, label %{then}, label %{other}")
                self.dead = True

    # ------------------------------------------------------------------ vectors

    def _place(self, node: ast.Subscript) -> tuple[str, str]:
        """The address of an element, and what vector it is of."""
        if not isinstance(node.value, ast.Name) or node.value.id not in self.vectors:
            raise self._refusal(node, "no vector")
        kind = self.vectors[node.value.id]
        at = self._value(node.slice)
        if at.type not in ("int", "u64", NUMBER):
            raise self._refusal(node, "an index is a number")
        element = ELEMENTS[kind][0]
        return self._new(f"getelementptr inbounds {element}, ptr %p.{node.value.id}, i64 {at.text}"), kind

    def _element(self, node: ast.Subscript) -> Operand:
        place, kind = self._place(node)
        element, read = ELEMENTS[kind]
        value = self._new(f"load {element}, ptr {place}")
        if element != "i64":
            value = self._new(f"{'sext' if kind in SIGNED else 'zext'} {element} {value} to i64")
        return Operand(read, value)

    def _store_element(self, node: ast.Subscript, value: Operand) -> None:
        place, kind = self._place(node)
        element, read = ELEMENTS[kind]
        if value.type == "bool":
            value = Operand("int", self._new(f"zext i1 {value.text} to i64"))
        text = self._as(value, read).text
        if kind in SIGNED and value.type != NUMBER:
            text = self._new(f"call i64 @llvm.smax.i64(i64 {text}, i64 {-(2**31)})")
            text = self._new(f"call i64 @llvm.smin.i64(i64 {text}, i64 {2**31 - 1})")
        if element != "i64":
            text = self._new(f"trunc i64 {text} to {element}")
        self._emit(f"store {element} {text}, ptr {place}")

    # ------------------------------------------------------------------ expressions

    def _value(self, node: ast.expr) -> Operand:
        match node:
            case ast.Constant(value=bool() as flag):
                return Operand("bool", str(flag).lower())
            case ast.Constant(value=int() as number):
                return Operand(NUMBER, str(number))
            case ast.Name():
                return self._load(node)
            case ast.Subscript():
                return self._element(node)
            case ast.BinOp(left=left, op=op, right=right):
                first = self._value(left)
                return self._binary(node, op, first, self._value(right))
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as number)):
                return Operand(NUMBER, str(-number))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._binary(node, ast.Sub(), Operand(NUMBER, "0"), self._value(operand))
            case ast.UnaryOp(op=ast.Invert(), operand=operand):
                return self._binary(node, ast.BitXor(), self._value(operand), Operand(NUMBER, "-1"))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                value = self._as(self._value(operand), "bool")
                return Operand("bool", self._new(f"xor i1 {value.text}, true"))
            case ast.BoolOp():
                return self._truth(node)
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self._compare(node, [left, *others], ops)
            case ast.Call():
                results = self._call(node)
                if len(results) != 1:
                    raise self._refusal(node, "one value is wanted")
                return results[0]
            case _:
                raise self._refusal(node, "an expression outside the language")

    def _truth(self, node: ast.BoolOp) -> Operand:
        """The value of and, or: what comes later is only evaluated where Python would do so."""
        yes, no, after = self._label(), self._label(), self._label()
        self._branch(node, yes, no)
        self._begin(yes)
        self._jump(after)
        self._begin(no)
        self._jump(after)
        self._begin(after)
        return Operand("bool", self._new(f"phi i1 [ true, %{yes} ], [ false, %{no} ]"))

    def _compare(self, node: ast.expr, parts: list[ast.expr], ops: list[ast.cmpop]) -> Operand:
        values = [self._value(part) for part in parts]
        result = ""
        for left, op, right in zip(values, ops, values[1:], strict=False):
            kind = self._common(node, left, right)
            order = ORDERS[type(op)]
            if order not in ("eq", "ne"):
                order = ("u" if kind == "u64" else "s") + order
            one = self._new(f"icmp {order} {MACHINE[kind]} {left.text}, {right.text}")
            result = self._new(f"and i1 {result}, {one}") if result else one
        return Operand("bool", result)

    def _common(self, node: ast.AST, left: Operand, right: Operand) -> str:
        kinds = {left.type, right.type} - {NUMBER}
        if len(kinds) > 1:
            raise self._refusal(node, f"{left.type} and {right.type}")
        return kinds.pop() if kinds else "int"

    def _binary(self, node: ast.AST, op: ast.operator, left: Operand, right: Operand) -> Operand:
        kind = self._common(node, left, right)
        if kind == "bool":
            raise self._refusal(node, "no arithmetic with bools")
        one, other = left.text, right.text
        match op:
            case ast.LShift():
                text = self._new(f"shl i64 {one}, {other}")
                if right.type != NUMBER:
                    text = self._new(f"select i1 {self._new(f'icmp ult i64 {other}, 64')}, i64 {text}, i64 0")
            case ast.RShift() if kind == "u64":
                text = self._new(f"lshr i64 {one}, {other}")
                if right.type != NUMBER:
                    text = self._new(f"select i1 {self._new(f'icmp ult i64 {other}, 64')}, i64 {text}, i64 0")
            case ast.RShift():
                if right.type != NUMBER:
                    inside = self._new(f"icmp ult i64 {other}, 64")
                    other = self._new(f"select i1 {inside}, i64 {other}, i64 63")
                text = self._new(f"ashr i64 {one}, {other}")
            case ast.FloorDiv() | ast.Mod():
                text = self._divided(isinstance(op, ast.Mod), kind, one, other)
            case _ if type(op) in SIMPLE:
                text = self._new(f"{SIMPLE[type(op)]} i64 {one}, {other}")
            case _:
                raise self._refusal(node, "an operator outside the language")
        return Operand(kind, text)

    def _divided(self, remainder: bool, kind: str, one: str, other: str) -> str:
        """// or %, rounded down; the divisor is never 0."""
        if other.isdigit() and int(other).bit_count() == 1:
            if remainder:
                return self._new(f"and i64 {one}, {int(other) - 1}")
            return self._new(f"{'lshr' if kind == 'u64' else 'ashr'} i64 {one}, {int(other).bit_length() - 1}")
        if kind == "u64":
            return self._new(f"{'urem' if remainder else 'udiv'} i64 {one}, {other}")
        left = self._new(f"srem i64 {one}, {other}")
        signs = self._new(f"icmp slt i64 {self._new(f'xor i64 {left}, {other}')}, 0")
        down = self._new(f"and i1 {signs}, {self._new(f'icmp ne i64 {left}, 0')}")
        if remainder:
            return self._new(f"select i1 {down}, i64 {self._new(f'add i64 {left}, {other}')}, i64 {left}")
        whole = self._new(f"sdiv i64 {one}, {other}")
        return self._new(f"select i1 {down}, i64 {self._new(f'sub i64 {whole}, 1')}, i64 {whole}")

    def _call(self, node: ast.Call) -> list[Operand]:
        match node:
            case ast.Call(func=ast.Name(id="int"), args=[inner]):
                value = self._value(inner)
                if value.type == "bool":
                    return [Operand("int", self._new(f"zext i1 {value.text} to i64"))]
                return [Operand("int", value.text)]
            case ast.Call(func=ast.Name(id="u64"), args=[inner]):
                return [Operand("u64", self._value(inner).text)]
            case ast.Call(func=ast.Name(id="popcount"), args=[inner]):
                return [Operand("int", self._new(f"call i64 @llvm.ctpop.i64(i64 {self._value(inner).text})"))]
            case ast.Call(func=ast.Name(id=("max" | "min") as name), args=[_, _] as both):
                one, other = (self._as(self._value(part), "int").text for part in both)
                return [Operand("int", self._new(f"call i64 @llvm.s{name}.i64(i64 {one}, i64 {other})"))]
            case ast.Call(func=ast.Name(id="prefetch"), args=[ast.Name() as vector, index]):
                place, _ = self._place(ast.Subscript(vector, index, ast.Load()))
                self._emit(f"call void @llvm.prefetch.p0(ptr {place}, i32 0, i32 1, i32 1)")
                return []
            case ast.Call(func=ast.Name(id=name)) if name in self.signatures:
                return self._called(node, name, self.signatures[name])
            case _:
                raise self._refusal(node, "a call of nothing that came before")

    def _called(self, node: ast.Call, name: str, signature: Signature) -> list[Operand]:
        if len(node.args) != len(signature.parameters):
            raise self._refusal(node, "not as many arguments as it takes")
        arguments: list[str] = []
        for argument, (_, kind) in zip(node.args, signature.parameters, strict=True):
            if kind in ELEMENTS:
                if not isinstance(argument, ast.Name) or self.vectors.get(argument.id) != kind:
                    raise self._refusal(argument, f"{kind} are wanted")
                if f"ptr %p.{argument.id}" in arguments:
                    raise self._refusal(argument, "a vector given twice")
                arguments.append(f"ptr %p.{argument.id}")
            else:
                value = self._as(self._value(argument), kind)
                arguments.append(f"{MACHINE[kind]} {value.text}")
        call = f"call {signature.machine} @{name}({', '.join(arguments)})"
        if not signature.results:
            self._emit(call)
            return []
        whole = self._new(call)
        if len(signature.results) == 1:
            return [Operand(signature.results[0], whole)]
        return [
            Operand(kind, self._new(f"extractvalue {signature.machine} {whole}, {index}"))
            for index, kind in enumerate(signature.results)
        ]
