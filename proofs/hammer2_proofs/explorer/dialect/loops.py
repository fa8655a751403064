"""Loops, and any, all, sum, max, min: a loop in a function of its own for each generator."""

import ast

from hammer2_proofs.explorer.dialect.expressions import Expressions
from hammer2_proofs.explorer.dialect.terms import INDENT, RecordTuple, Result, Scalar, Scope


class Loops(Expressions):
    """Translates the heads of loops, and generators."""

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
