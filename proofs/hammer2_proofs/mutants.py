"""Wrong versions of a program, made mechanically: what checks must notice if they check anything.

    for mutant in mutate(resolve).mutants:
        wrong = load(mutant)  # a module like the original, which stays as it is
        wrong.resolve(...)

The text of a mutant differs from the original's in one place. It is registered with linecache, so that tracebacks,
inspect and the lifter read the text that really runs.
"""

import ast
import linecache
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import NamedTuple

from hammer2_proofs.mutation_operators import Change, changes, scope_of


@dataclass(frozen=True)
class Mutant:
    """One wrong version of a module."""

    name: str
    """``function:line:operator:n``: the same as long as the text of the function and its place are."""
    function: str
    """Qualified name of the function that was changed."""
    line: int
    operator: str
    description: str
    """One line: ``resolve.py:57: `a < b` became `a <= b` ``."""
    module: str
    """Dotted name of the original."""
    text: str
    """The whole file."""


class Mutation(NamedTuple):
    """All that was done to one module."""

    mutants: tuple[Mutant, ...]
    """In the order of the text."""
    same_text: int
    """Changes that gave a text that was there already."""
    same_code: int
    """Changes that gave the byte code of the original or of an earlier mutant."""
    not_compiled: int
    """Changes that Python refuses as a syntax error."""


def mutate(module: ModuleType) -> Mutation:
    """Every mutant of the functions and methods of a module, in the order of its text, none twice."""
    file = Path(str(module.__file__))
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    texts, codes = {text}, {bare(compile(text, "", "exec", dont_inherit=True))}
    dropped: Counter[str] = Counter()
    ordinals: Counter[str] = Counter()
    mutants: list[Mutant] = []
    for function, definition in _functions(tree):
        for change in changes(scope_of(definition, tree, vars(module))):
            stem = f"{function}:{change.line}:{change.operator.replace(' ', '-')}"
            ordinals[stem] += 1
            changed = edited(text, change)
            if changed in texts:
                dropped["text"] += 1
                continue
            texts.add(changed)
            try:
                code = bare(compile(changed, "", "exec", dont_inherit=True))
            except SyntaxError:
                dropped["syntax"] += 1
                continue
            if code in codes:
                dropped["code"] += 1
                continue
            codes.add(code)
            description = f"{file.name}:{change.line}: {change.description}"
            name = f"{stem}:{ordinals[stem]}"
            mutants.append(Mutant(name, function, change.line, change.operator, description, module.__name__, changed))
    return Mutation(tuple(mutants), dropped["text"], dropped["code"], dropped["syntax"])


def load(mutant: Mutant) -> ModuleType:
    """The mutant as a module of its own. The original, and whoever has imported it, are not touched."""
    file = f"<{mutant.module}, mutant {mutant.name}>"
    linecache.cache[file] = (len(mutant.text), None, mutant.text.splitlines(keepends=True), file)
    module = ModuleType(mutant.module, mutant.description)
    module.__file__ = file
    exec(compile(mutant.text, file, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - our own text
    return module


def bare(code: CodeType) -> CodeType:
    """Byte code without names of files and numbers of lines: equal for programs that run alike, step by step."""
    constants = tuple(bare(c) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.replace(co_filename="", co_firstlineno=1, co_linetable=b"", co_consts=constants)


def edited(text: str, change: Change) -> str:
    """The text after a change. Positions of nodes count bytes of UTF-8."""
    data = text.encode()
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    spans = [
        (
            starts[getattr(edit.first, "lineno", 1) - 1] + getattr(edit.first, "col_offset", 0),
            starts[getattr(edit.last, "end_lineno", 1) - 1] + getattr(edit.last, "end_col_offset", 0),
            edit.text,
        )
        for edit in change.edits
    ]
    for start, end, replacement in sorted(spans, reverse=True):
        data = data[:start] + replacement.encode() + data[end:]
    return data.decode()


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """The functions of a file with their qualified names, in the order of the text."""

    def below(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield prefix + child.name, child
            inner = (
                f"{prefix}{child.name}."
                if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                else prefix
            )
            yield from below(child, inner)

    return below(tree, "")
