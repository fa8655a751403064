"""A small compiler for kernels: from text in their language to LLVM's intermediate language."""

import ast

from hammer2_proofs.explorer.machine_code.language import DECLARATIONS, NotCompiled, Signature, marks_of, signature_of
from hammer2_proofs.explorer.machine_code.statements import Function


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
                parts.append(Function(node, signatures, globals_).text())
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=int() as number)):
                globals_.add(name)
                parts.append(f"@g.{name} = internal global i64 {number}")
            case _:
                raise NotCompiled(f"line {node.lineno}: only functions and numbers")
    return "\n".join(parts)


def entries(text: str) -> dict[str, Signature]:
    """What Python may call, by name."""
    return {
        node.name: signature_of(node)
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and "entry" in marks_of(node)
    }
