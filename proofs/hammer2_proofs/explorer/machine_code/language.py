"""The language of kernels: Python's syntax with fixed types.

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
from dataclasses import dataclass

MACHINE = {"int": "i64", "u64": "i64", "bool": "i1"}
ELEMENTS = {
    "values": ("i32", "int"),
    "ints": ("i64", "int"),
    "words": ("i64", "u64"),
    "links": ("i32", "int"),
    "marks": ("i8", "int"),
}
SIGNED = {"values"}
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


def marks_of(node: ast.FunctionDef) -> set[str]:
    """Its decorators."""
    return {mark.id for mark in node.decorator_list if isinstance(mark, ast.Name)}


def signature_of(node: ast.FunctionDef) -> Signature:
    """What its annotations say.

    Raises:
        NotCompiled: an argument has no type of the language.
    """
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
