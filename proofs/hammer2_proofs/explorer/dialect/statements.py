"""Statements: if, match, for, assignments and return."""

import ast

from hammer2_proofs.explorer.dialect.terms import RecordValue, Scalar, Scope, StateValue
from hammer2_proofs.explorer.dialect.updates import Updates
from hammer2_proofs.explorer.layout import fields_of


class Statements(Updates):
    """Translates the statements of a function."""

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
            fields = ", ".join(result.fields[f] for f in fields_of(result.record))
            scope.emit(f"return ({fields})")
        elif isinstance(result, Scalar) and result.flag == (scope.result.kind == "bool"):
            scope.emit(f"return {result.text}")
        else:
            raise scope.refusal(node, "the result is not what the annotation says")
