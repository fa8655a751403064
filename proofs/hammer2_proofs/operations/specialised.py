"""What is left of the operations under one semantics, and one runner: the switches evaluated, the rest removed.

    code = Code(texts, SEED, roots)

A mutant belongs to a semantics if it changes what is left under it; a branch does if it is still there. So each judge
answers for the code that it runs, and which code that is follows from the text. Nothing is removed that could be
noticed: only what the switches rule out, values that nobody reads, and, for judges who run the operations straight on
from slot to slot, what the straight runner ignores.
"""

import ast
import copy
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from hammer2_spec import vocabulary
from hammer2_spec.semantics import Semantics

AnyFunction = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
ENDS: Final = (ast.Return, ast.Raise, ast.Continue, ast.Break)
QUIET: Final = frozenset(
    {
        "bool",
        "bytearray",
        "bytes",
        "int",
        "len",
        "list",
        "max",
        "members",
        "min",
        "quorum_of",
        "range",
        "set",
        "slot_of",
        "sorted",
    }
)
"""Functions and methods that change nothing; others are found out."""
UNHEEDED: Final = frozenset({"until", "fills"})
"""Keywords of ask and tell that the straight runner ignores."""
WAITS: Final = frozenset({"known", "decided"})
"""Calls of the runner for members that are late; under the straight runner nobody is: `late()` is empty, `owes` 0."""


@dataclass
class Facts:
    """What is known of functions by their names."""

    answers: dict[str, ast.Constant] = field(default_factory=dict)
    """The one value that a function returns, whatever it does."""
    quiet: set[str] = field(default_factory=set)
    """Functions that change nothing."""
    idle: set[str] = field(default_factory=set)
    """Functions of which nothing is left."""
    arguments: dict[tuple[str, str], ast.Constant] = field(default_factory=dict)
    """The one value that all who call a function give for a parameter."""
    something: set[str] = field(default_factory=lambda: {"deref"})
    """Functions that return something, never None."""
    private: set[str] = field(default_factory=set)
    """Attributes with a leading underscore that nobody reads."""

    def summary(self) -> object:
        """Something to compare."""
        answers, arguments = self.answers.items(), self.arguments.items()
        constants = {name: answer.value for name, answer in answers}, {name: given.value for name, given in arguments}
        return constants, self.quiet, self.idle, self.something, self.private

    def is_something(self, node: ast.expr | None) -> bool:
        """Whether an expression never comes to None, as far as that is known."""
        if isinstance(node, ast.Await):
            node = node.value
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in self.something

    def is_quiet(self, node: ast.AST | None) -> bool:
        """Whether the evaluation of an expression changes nothing."""
        if node is None:
            return True
        for inner in ast.walk(node):
            if isinstance(inner, ast.Await | ast.NamedExpr):
                return False
            if isinstance(inner, ast.Call):
                function = inner.func
                name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
                if name not in QUIET and name not in self.quiet:
                    return False
        return True

    def value_of(self, node: ast.expr) -> ast.Constant | None:
        """The constant that an expression comes to."""
        match node:
            case ast.Constant():
                return node
            case ast.Tuple(elts=[]):
                return ast.Constant(False)
            case ast.Await(value=ast.Call(func=ast.Name(id=name))) | ast.Call(func=ast.Name(id=name)):
                if name == "bool" and isinstance(node, ast.Call):
                    known = self.truth(node.args[0])
                    return None if known is None else ast.Constant(known)
                return self.answers.get(name)
            case ast.UnaryOp(op=ast.Not()) | ast.BoolOp():
                known = self.truth(node)
                return None if known is None else ast.Constant(known)
        return None

    def truth(self, node: ast.expr) -> bool | None:
        """What a condition comes to whatever its variables hold, if that is known."""
        match node:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self.truth(operand)
                return None if inner is None else not inner
            case ast.BoolOp(op=op, values=values):
                known = [self.truth(value) for value in values]
                decisive = isinstance(op, ast.Or)
                return decisive if decisive in known else None if None in known else not decisive
        value = self.value_of(node)
        return None if value is None else bool(value.value)


BIT_OPERATORS: Final[dict[type[ast.operator], Callable[[int, int], int]]] = {
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
}


def number_in(node: ast.expr) -> int | None:
    """The number that a constant of the vocabulary, or several combined bit by bit, come to."""
    match node:
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            return value
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            members = getattr(vocabulary, owner, None)
            member = getattr(members, name, None) if isinstance(members, type) and issubclass(members, Enum) else None
            return int(member) if isinstance(member, int) else None
        case ast.UnaryOp(op=ast.Invert(), operand=operand):
            number = number_in(operand)
            return None if number is None else ~number
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BIT_OPERATORS:
            one, other = number_in(left), number_in(right)
            return None if one is None or other is None else BIT_OPERATORS[type(op)](one, other)
    return None


def _name_of(statement: ast.stmt) -> tuple[str, ast.expr] | None:
    """The name that a statement binds and its value, if it does nothing else."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            return name, value
    return None


def _is_named(node: ast.AST, name: str) -> bool:
    """Whether an expression is a name, alone or of a module."""
    return (isinstance(node, ast.Name) and node.id == name) or (isinstance(node, ast.Attribute) and node.attr == name)


def returned(function: AnyFunction) -> list[ast.expr | None]:
    """What the returns of a function return; None where it may come to its end."""
    found: list[ast.expr | None] = []

    def below(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Return):
                found.append(child.value)
            elif not isinstance(child, (*FUNCTIONS, ast.Lambda)):
                below(child)

    below(function)
    return found if isinstance(function.body[-1], ast.Return | ast.Raise) else [*found, None]


def one_answer(function: AnyFunction) -> ast.Constant | None:
    """The constant that a function returns in every case."""
    values = [value if isinstance(value, ast.Constant) else None for value in returned(function)]
    first = values[0] if values else None
    if first is None or any(value is None or value.value != first.value for value in values):
        return None
    return first


class _Specialiser(ast.NodeTransformer):
    """Evaluates the switches, and the names of a function that are bound once, to something known."""

    def __init__(self, semantics: Semantics, straight: bool, facts: Facts) -> None:
        self._semantics = semantics
        self._straight = straight
        self._facts = facts
        self._known: dict[str, ast.Constant] = {}
        self._something: set[str] = set()
        """Names that are bound once, to something."""
        self._is_outermost = True

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        match node:
            case ast.Attribute(value=ast.Attribute(attr="semantics") | ast.Name(id="semantics"), attr=name):
                return ast.copy_location(ast.Constant(getattr(self._semantics, name)), node)
            case ast.Attribute(attr="owes") if self._straight:
                return ast.copy_location(ast.Constant(0), node)
        return self._number(node) or self.generic_visit(node)

    @staticmethod
    def _number(node: ast.expr) -> ast.AST | None:
        number = number_in(node)
        return None if number is None else ast.copy_location(ast.Constant(number), node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        return self._number(node) or self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Load) and node.id in self._known:
            return ast.copy_location(ast.Constant(self._known[node.id].value), node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if not self._straight:
            return self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "late":
            return ast.copy_location(ast.Tuple([], ast.Load()), node)
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("ask", "tell"):
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in UNHEEDED]
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: AnyFunction) -> ast.AST:
        outer, outer_something = self._known, self._something
        stored = Counter(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load))
        stored.update(argument.arg for argument in ast.walk(node) if isinstance(argument, ast.arg))
        self._known = {name: value for name, value in outer.items() if name not in stored}
        if self._is_outermost:
            self._is_outermost = False
            given = [
                (argument.arg, self._facts.arguments.get((node.name, argument.arg))) for argument in node.args.args
            ]
            self._known |= {name: constant for name, constant in given if constant is not None and stored[name] == 1}
        for name, constant in self._bound_once(node, stored):
            self._known[name] = constant
        bindings = [bound for statement in node.body if (bound := _name_of(statement)) is not None]
        own = {name for name, value in bindings if stored[name] == 1 and self._facts.is_something(value)}
        self._something = own | (outer_something - stored.keys())
        node.body = self._block(node.body) or [ast.copy_location(ast.Pass(), node)]
        self._known, self._something = outer, outer_something
        return node

    def _bound_once(self, node: AnyFunction, stored: Mapping[str, int]) -> Iterator[tuple[str, ast.Constant]]:
        steps: dict[str, ast.Constant | None] = {}
        for statement in node.body:
            bound = _name_of(statement)
            if bound is not None and stored[bound[0]] == 1:
                constant = self._facts.value_of(self.visit(copy.deepcopy(bound[1])))
                if constant is not None:
                    yield bound[0], constant
            if isinstance(statement, FUNCTIONS):
                steps[statement.name] = one_answer(self.visit(copy.deepcopy(statement)))
            match statement:  # what every step answers is what the fold is given
                case ast.AsyncFor(
                    target=ast.Tuple(elts=[_, ast.Name(id=name)]), iter=ast.Call(args=[_, ast.Name(id=step), *_])
                ) if stored[name] == 1:
                    constant = steps.get(step)
                    if constant is not None:
                        yield name, constant

    def _block(self, body: Iterable[ast.stmt]) -> list[ast.stmt]:
        """A block, up to the first statement that ends it."""
        kept: list[ast.stmt] = []
        for statement in body:
            new = self.visit(statement)
            kept += [] if new is None else new if isinstance(new, list) else [new]
            if kept and isinstance(kept[-1], ENDS):
                break
        return [statement for statement in kept if not isinstance(statement, ast.Pass)]

    def visit_For(self, node: ast.For) -> ast.AST:
        return self._loop(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        return self._loop(node)

    def _loop(self, node: ast.For | ast.AsyncFor) -> ast.AST:
        node.iter = self.visit(node.iter)
        node.body = self._block(node.body) or [ast.copy_location(ast.Pass(), node)]
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        match node.value:
            case ast.Call(func=ast.Name(id="kkassert"), args=[condition, _]):
                if self._facts.truth(self.visit(copy.deepcopy(condition))):
                    return None
            case (
                ast.Await(value=ast.Call(func=ast.Attribute(value=ast.Name(id="on"), attr=name)))
                | ast.Call(func=ast.Attribute(value=ast.Name(id="on"), attr=name))
            ) if self._straight and name in WAITS:
                return None
        return self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        decisive = isinstance(node.op, ast.Or)
        values: list[ast.expr] = []
        for value in node.values:
            known = self._facts.truth(value)
            if known is None or known is decisive or not self._facts.is_quiet(value):
                values.append(value)
            if known is decisive:
                break
        if not values:
            return node.values[-1]
        node.values = values
        return ast.copy_location(values[0], node) if len(values) == 1 else node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        if isinstance(node.op, ast.Invert) and (number := self._number(node)):
            return number
        self.generic_visit(node)
        known = self._facts.truth(node)
        if known is not None and isinstance(node.op, ast.Not) and self._facts.is_quiet(node):
            return ast.copy_location(ast.Constant(known), node)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.Compare(
                left=ast.Constant(value=None),
                ops=[ast.Is() | ast.IsNot() as op],
                comparators=[ast.Constant(value=right)],
            ):
                return ast.copy_location(ast.Constant((right is None) == isinstance(op, ast.Is)), node)
            case ast.Compare(
                left=ast.Name(id=name), ops=[ast.Is() | ast.IsNot() as op], comparators=[ast.Constant(value=None)]
            ) if name in self._something:
                return ast.copy_location(ast.Constant(isinstance(op, ast.IsNot)), node)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        known = self._facts.truth(node.test)
        if known is None or not self._facts.is_quiet(node.test):
            return node
        return node.body if known else node.orelse

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        node.test = self.visit(node.test)
        known = self._facts.truth(node.test)
        body = [] if known is False else self._block(node.body)
        orelse = [] if known is True else self._block(node.orelse)
        if known is not None:
            evaluated = [] if self._facts.is_quiet(node.test) else [ast.copy_location(ast.Expr(node.test), node)]
            return [*evaluated, *body, *orelse]
        node.body, node.orelse = body or [ast.copy_location(ast.Pass(), node)], orelse
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.ifs = [test for test in node.ifs if self._facts.truth(test) is not True]
        return node


class _Sweeper(ast.NodeTransformer):
    """Removes what nobody reads and what does nothing from one function."""

    def __init__(self, function: AnyFunction, facts: Facts) -> None:
        self._facts = facts
        self._step = ""
        names = [n for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
        collected = Counter(name for node in ast.walk(function) if (name := self._appended_to(node)))
        self._read = Counter(n.id for n in names) - collected
        self._function = function
        self._unheard = {step: parts for node in ast.walk(function) for step, parts in self._what_nobody_hears(node)}

    def _what_nobody_hears(self, node: ast.AST) -> Iterator[tuple[str, frozenset[int] | None]]:
        """Of a step that is asked once: the parts of its answers that no name that is read is bound to; None: all."""
        match node:
            case ast.AsyncFor(target=target, iter=ast.Call(args=[_, ast.Name(id=step), *_])) if self._read[step] == 1:
                if isinstance(target, ast.Tuple):
                    target = target.elts[1]
                parts = target.elts if isinstance(target, ast.Tuple) else [target]
                unread = [
                    n for n, part in enumerate(parts) if isinstance(part, ast.Name) and not self._is_read(part.id)
                ]
                if unread:
                    yield step, None if len(unread) == len(parts) else frozenset(unread)

    def _is_read(self, name: str) -> bool:
        """Whether the function, or a step in it that has no name of its own like that, reads it."""

        def reads(node: ast.AST) -> bool:
            if isinstance(node, ast.Name) and node.id == name:
                return isinstance(node.ctx, ast.Load)
            own = isinstance(node, FUNCTIONS) and node is not self._function and name in _stored_in(node)
            return not own and any(map(reads, ast.iter_child_nodes(node)))

        return reads(self._function)

    def visit_Return(self, node: ast.Return) -> ast.AST | list[ast.stmt]:
        if self._step not in self._unheard or node.value is None:
            return node
        parts = self._unheard[self._step]
        if parts is None:
            bare_return = ast.copy_location(ast.Return(None), node)
            return bare_return if self._facts.is_quiet(node.value) else [ast.Expr(node.value), bare_return]
        if isinstance(node.value, ast.Tuple):
            for n in parts:
                if self._facts.is_quiet(node.value.elts[n]):
                    node.value.elts[n] = ast.copy_location(ast.Constant(None), node)
        return node

    @staticmethod
    def _appended_to(statement: ast.AST) -> str | None:
        match statement:
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append"))):
                return name
        return None

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST | None:
        return self._inner(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        return self._inner(node)

    def _inner(self, node: AnyFunction) -> ast.AST | None:
        if node is not self._function and not self._read[node.name]:
            return None
        outer, self._step = self._step, "" if node is self._function else node.name
        self.generic_visit(node)
        self._step = outer
        drop_last_return(node.body)
        node.body = node.body or [ast.copy_location(ast.Pass(), node)]
        return node

    def _unread(self, node: ast.Assign | ast.AnnAssign) -> ast.AST | None:
        bound = _name_of(node)
        if bound is None or self._read[bound[0]]:
            return node
        return None if self._facts.is_quiet(bound[1]) else ast.copy_location(ast.Expr(bound[1]), node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        return self._unread(node) if self._counts(node.targets[0], node.value) else None

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        return self._unread(node) if self._counts(node.target, node.value) else None

    def _counts(self, target: ast.expr, value: ast.expr | None) -> bool:
        """Whether an assignment does something: not if it is to an attribute that nobody reads."""
        is_private = isinstance(target, ast.Attribute) and target.attr in self._facts.private
        return not is_private or not self._facts.is_quiet(value)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        match node.value:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append"), args=args):
                if not self._read[name] and all(self._facts.is_quiet(arg) for arg in args):
                    return None
            case (
                ast.Await(value=ast.Call(func=ast.Name(id=name), args=args))
                | ast.Call(func=ast.Name(id=name), args=args)
            ):
                if name in self._facts.idle and all(self._facts.is_quiet(arg) for arg in args):
                    return None
        return None if self._facts.is_quiet(node.value) else node

    def visit_If(self, node: ast.If) -> ast.AST | None:
        self.generic_visit(node)
        if all(isinstance(statement, ast.Pass) for statement in (*node.body, *node.orelse)):
            return None if self._facts.is_quiet(node.test) else ast.copy_location(ast.Expr(node.test), node)
        return node

    def visit_For(self, node: ast.For) -> ast.AST | None:
        self.generic_visit(node)
        node.body = node.body or [ast.copy_location(ast.Pass(), node)]
        return None if isinstance(node.iter, ast.Tuple) and not node.iter.elts else node

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST | None:
        match node:
            case ast.AsyncFor(target=ast.Tuple(elts=elts), iter=ast.Call(args=[_, ast.Name(id=step), *_])):
                if step in self._unheard and self._unheard[step] is None:
                    elts[1] = ast.copy_location(ast.Name("_", ast.Store()), elts[1])
        self.generic_visit(node)
        node.body = node.body or [ast.copy_location(ast.Pass(), node)]
        return node


def _stored_in(function: ast.AST) -> set[str]:
    """The names that a function binds."""
    names = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    return names | {argument.arg for argument in ast.walk(function) if isinstance(argument, ast.arg)}


class _Emptier(ast.NodeTransformer):
    """Takes a list to be empty that is bound to an empty one, and else only used where it is found not to be empty."""

    def __init__(self, function: AnyFunction) -> None:
        bound = Counter(n.id for n in ast.walk(function) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load))
        self._empty: set[str] = set()
        for node in ast.walk(function):
            match node:
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=ast.List(elts=[]))
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.List(elts=[]))
                ) if bound[name] == 1 and not self._unguarded(function, name):
                    self._empty.add(name)

    def _unguarded(self, node: ast.AST, name: str) -> bool:
        match node:
            case ast.Name(id=found, ctx=ast.Load()):
                return found == name
            case ast.IfExp(test=ast.Name(id=found), orelse=orelse) if found == name:
                return self._unguarded(orelse, name)
        return any(self._unguarded(child, name) for child in ast.iter_child_nodes(node))

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        return node.orelse if isinstance(node.test, ast.Name) and node.test.id in self._empty else node


def drop_last_return(body: list[ast.stmt]) -> None:
    """Drop a return of nothing where the function would end anyway."""
    match body:
        case [*_, ast.Return(value=None)]:
            body.pop()
            drop_last_return(body)
        case [*_, ast.If(body=yes, orelse=no)]:
            if not isinstance(yes[0], ast.Return):
                drop_last_return(yes)
            drop_last_return(no)


def bare(text: str) -> ast.Module:
    """The text as a tree, without contracts and docstrings."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            node.decorator_list = []
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.copy_location(ast.Pass(), node)]
    return tree


def functions_of(tree: ast.Module) -> dict[str, AnyFunction]:
    """The functions and methods of a module by their qualified names; inner ones belong to the outer."""
    found: dict[str, AnyFunction] = {node.name: node for node in tree.body if isinstance(node, FUNCTIONS)}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}": inner for inner in node.body if isinstance(inner, FUNCTIONS)}
    return found


class Code:
    """The operations as they are left under one semantics."""

    def __init__(
        self, texts: Mapping[str, str], semantics: Semantics, roots: Sequence[str], *, straight: bool = True
    ) -> None:
        self.semantics = semantics
        self._straight = straight
        self._roots = frozenset(roots)
        self._facts = Facts()
        while True:  # what is known of one function lets more be known of its callers
            trees = {module: functions_of(bare(text)) for module, text in texts.items()}
            self._left = {
                module: {name: self._special(function) for name, function in functions.items()}
                for module, functions in trees.items()
            }
            facts = self._learn()
            if facts.summary() == self._facts.summary():
                break
            self._facts = facts
        self.functions = self._reached(roots)
        """By module and qualified name, what the roots come to."""

    def _special(self, function: AnyFunction) -> AnyFunction:
        new: AnyFunction = _Specialiser(self.semantics, self._straight, self._facts).visit(function)
        while True:
            before = ast.dump(new)
            new = _Emptier(new).visit(_Sweeper(new, self._facts).visit(new))
            if ast.dump(new) == before:
                return new

    def _learn(self) -> Facts:
        facts = Facts(quiet={*self._facts.quiet}, something={*self._facts.something})
        everything = [n for functions in self._left.values() for f in functions.values() for n in ast.walk(f)]
        attributes = [n for n in everything if isinstance(n, ast.Attribute) and n.attr.startswith("_")]
        read = {n.attr for n in attributes if isinstance(n.ctx, ast.Load)}
        facts.private = (self._facts.private | {n.attr for n in attributes}) - read
        for functions in self._left.values():
            for name, function in functions.items():
                answer = one_answer(function)
                if answer is not None and "." not in name:
                    facts.answers[name] = answer
                if "." not in name and all(facts.is_something(value) for value in returned(function)):
                    facts.something.add(name)
                ends = [s for s in function.body if not isinstance(s, ast.Pass)]
                if not ends or (isinstance(ends[0], ast.Return) and ends[0].value is None):
                    facts.idle.add(name)
                if self._changes_nothing(function):
                    facts.quiet.add(name.rpartition(".")[2])
                if "." not in name and name not in self._roots:
                    facts.arguments |= {(name, argument): given for argument, given in self._always_given(function)}
        return facts

    def _always_given(self, function: AnyFunction) -> Iterator[tuple[str, ast.Constant]]:
        """The parameters for which all calls of a function give one constant, or none where that is the default."""
        everything = [node for functions in self._left.values() for f in functions.values() for node in ast.walk(f)]
        calls = [n for n in everything if isinstance(n, ast.Call) and _is_named(n.func, function.name)]
        if not calls or len(calls) != sum(_is_named(n, function.name) for n in everything):
            return
        arguments, defaults = function.args.args, function.args.defaults
        for at, argument in enumerate(arguments):
            default = defaults[at - len(arguments)] if at >= len(arguments) - len(defaults) else None
            given = [
                call.args[at]
                if at < len(call.args)
                else {k.arg: k.value for k in call.keywords}.get(argument.arg, default)
                for call in calls
            ]
            constants = [value for value in given if isinstance(value, ast.Constant)]
            if len(constants) == len(calls) and len({(type(c.value), c.value) for c in constants}) == 1:
                yield argument.arg, constants[0]

    def _changes_nothing(self, function: AnyFunction) -> bool:
        harmless = (ast.Return, ast.If, ast.For, ast.Pass, ast.Continue, ast.While)
        for node in ast.walk(function):
            if node is function:
                continue
            if isinstance(node, (*FUNCTIONS, ast.Raise, ast.AugAssign)):
                return False
            if isinstance(node, ast.Assign | ast.AnnAssign):
                if _name_of(node) is None:
                    return False
            elif isinstance(node, ast.stmt) and not isinstance(node, harmless):
                return False
        return all(self._facts.is_quiet(n) for s in function.body for n in ast.walk(s) if isinstance(n, ast.expr))

    def _reached(self, roots: Sequence[str]) -> dict[str, dict[str, AnyFunction]]:
        """The functions that the roots can come to by any name that they mention."""
        mentioned, more = set(roots), True
        found: dict[str, dict[str, AnyFunction]] = {module: {} for module in self._left}
        while more:
            more = False
            for module, functions in self._left.items():
                for name, function in functions.items():
                    owner, _, simple = name.rpartition(".")
                    is_known = simple in mentioned or (simple == "__init__" and owner in mentioned)
                    if is_known and name not in found[module]:
                        found[module][name] = function
                        mentioned |= {n.id for n in ast.walk(function) if isinstance(n, ast.Name)}
                        mentioned |= {n.attr for n in ast.walk(function) if isinstance(n, ast.Attribute)}
                        more = True
        return found

    def is_changed_by(self, module: str, name: str, text: str) -> bool:
        """Whether another text of a module has another function of that name, as far as it is left and reached."""
        ours = self.functions[module].get(name)
        return ours is not None and ast.dump(self._special(functions_of(bare(text))[name])) != ast.dump(ours)


def branch_points(function: ast.AST) -> Sequence[tuple[ast.AST, str]]:
    """Where a function goes one way or the other, each with its kind: condition, operand, loop or case."""
    points: list[tuple[ast.AST, str]] = []
    for node in ast.walk(function):
        match node:
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) | ast.Assert(test=test):
                points.append((test, "condition"))
            case ast.comprehension(ifs=tests):
                points += [(test, "condition") for test in tests]
            case ast.BoolOp(values=values):
                points += [(value, "operand") for value in values[:-1]]
            case ast.For() | ast.AsyncFor():
                points.append((node, "loop"))
            case ast.match_case(guard=guard, body=body):
                points.append((body[0], "case"))
                points += [(guard, "condition")] if guard else []
    return points
