"""Changes of the state: ``s = ...`` and ``return ...`` become stores into the vector that holds it.

That is the same thing because a changed state always takes the place of the old one under the same name; anything that
would need the old one again is refused.
"""

import ast
import inspect

from hammer2_proofs.explorer.dialect.loops import Loops
from hammer2_proofs.explorer.dialect.terms import Scalar, Scope
from hammer2_spec.transition_system import replaced


class Updates(Loops):
    """Translates expressions whose value is a changed state."""

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
                at = self._hoisted(scope, Scalar(self._index(scope, index, len(self.layout.tuples[name])), False))
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
