"""From the dialect of the models to the text of kernels.

A state becomes one flat vector of integers, a record one local variable per field. What is outside the dialect raises
NotInDialect with the file and line; nothing is approximated. Signatures, expressions, loops, changes of the state and
statements are a file each in ``dialect``; each builds on those before it.

The dialect: ints, bools, NamedTuples, module constants and enumerations; if, match on constants, for over range, over
the records of a state or an enumerate of them, continue, break, return; any, all, sum, max, min over one generator;
``record._replace``, ``state._replace``, ``replaced``; calls of other functions of the dialect, which are annotated.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from hammer2_proofs.explorer.dialect.signatures import attribute_uses
from hammer2_proofs.explorer.dialect.statements import Statements
from hammer2_proofs.explorer.dialect.terms import NotInDialect, Result, Scope, Translated
from hammer2_proofs.explorer.layout import Layout
from hammer2_spec.transition_system import Model

CHOICE = "CHOICE"
"""The global of kernels with variants of functions that says which variant runs."""


def with_variants(tree: ast.FunctionDef, variants: Mapping[int, ast.FunctionDef]) -> ast.FunctionDef:
    """A function that does what one of its variants does if CHOICE is that one's number."""
    choices: list[ast.stmt] = []
    for number, variant in variants.items():
        chosen = ast.Compare(ast.Name(CHOICE, ast.Load()), [ast.Eq()], [ast.Constant(number)])
        # One that reaches its end gives None, as in Python; it must not go on in the text of another.
        end = [] if ends(variant.body) else [ast.Return(ast.Constant(None))]
        choices.append(ast.If(chosen, [*variant.body, *end], []))
    if not choices:
        return tree
    whole = ast.FunctionDef(tree.name, tree.args, [*choices, *tree.body], [], tree.returns)
    return ast.fix_missing_locations(ast.copy_location(whole, tree))


def ends(body: list[ast.stmt]) -> bool:
    """Whether statements surely end in a return."""
    match body[-1:]:
        case [ast.Return()]:
            return True
        case [ast.If(body=then, orelse=[_, *_] as orelse)]:
            return ends(then) and ends(orelse)
    return False


class Translator(Statements):
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
        super().__init__(model, layout, prefix, frozenset({CHOICE} if variants else ()))
        self.variants = variants or {}
        self.texts: list[str] = []
        """The functions so far, each after those that it calls."""
        self._done: dict[Callable[..., object], Translated] = {}

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
