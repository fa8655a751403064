"""Expressions and conditions, calls, and the elements of vectors."""

import ast

from hammer2_proofs.explorer.machine_code.emitting import Emitting
from hammer2_proofs.explorer.machine_code.language import ELEMENTS, MACHINE, NUMBER, SIGNED, Operand, Signature

SIMPLE = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.BitAnd: "and", ast.BitOr: "or", ast.BitXor: "xor"}
ORDERS = {ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge"}


class Expressions(Emitting):
    """Compiles what has a value."""

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

    # ------------------------------------------------------------------ calls

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
