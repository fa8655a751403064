"""Machine code of kernels: made by LLVM once, kept on disk, found again by every later start."""

import ctypes
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numpy as np

from hammer2_proofs.explorer import compiler
from hammer2_proofs.explorer.machine_code import emitting, expressions, language, statements

KEPT_DAYS = 30
"""Machine code that has not been used for so long is removed when other code is made."""
SPEED_LEVEL = 2


def cache_directory() -> Path:
    """Where machine code is kept: $HAMMER2_CACHE, or the user's cache directory."""
    root = os.environ.get("HAMMER2_CACHE")
    if root:
        return Path(root) / "explorer"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hammer2-cluster" / "explorer"


@cache
def _target() -> Any:  # noqa: ANN401  # llvmlite has no types
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=SPEED_LEVEL, jit=True
    )


@cache
def _stamp() -> str:
    """What else the machine code depends on: the compilers and the processor."""
    own = "".join(
        Path(str(module.__file__)).read_text(encoding="utf-8")
        for module in (language, emitting, expressions, statements, compiler, sys.modules[__name__])
    )
    return f"{llvmlite.__version__} {llvm.llvm_version_info} {llvm.get_host_cpu_name()} {own}"


def made(text: str) -> bytes:
    """The object file of a text.

    Raises:
        NotCompiled: the text is outside the language.
    """
    target = _target()
    module = llvm.parse_assembly(compiler.compiled(text))
    module.triple = target.triple
    module.data_layout = str(target.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(SPEED_LEVEL)
    options.slp_vectorization = options.loop_vectorization = True
    passes = llvm.create_pass_builder(target, options)
    passes.getModulePassManager().run(module, passes)
    return bytes(target.emit_object(module))


def _split(kept_bytes: bytes) -> tuple[bytes, bytes]:
    """The checksum that is kept before the code, and the code."""
    size = hashlib.sha256().digest_size
    return kept_bytes[:size], kept_bytes[size:]


def kept(text: str) -> bytes:
    """The object file of a text, from the disk if it has been there before."""
    directory = cache_directory()
    path = directory / (hashlib.sha256((_stamp() + text).encode()).hexdigest()[:32] + ".o")
    if path.exists():
        checksum, code = _split(path.read_bytes())
        if checksum == hashlib.sha256(code).digest():  # code that was cut short would take the process with it
            os.utime(path)
            return code
    code = made(text)
    directory.mkdir(parents=True, exist_ok=True)
    old = time.time() - KEPT_DAYS * 86_400
    for other in directory.glob("*.o"):
        if other.stat().st_mtime < old:
            other.unlink(missing_ok=True)
    # Two starts at once each write a file of their own; the rename decides, and both have the same content.
    with tempfile.NamedTemporaryFile(dir=directory, suffix=".new", delete=False) as file:
        file.write(hashlib.sha256(code).digest() + code)
    Path(file.name).replace(path)
    return code


def _given(argument: object) -> object:
    """An argument as the machine takes it."""
    return argument.ctypes.data if isinstance(argument, np.ndarray) else argument


class Machine(SimpleNamespace):
    """Loaded machine code: each entry of the text is a function here. Calls leave the interpreter's lock alone."""

    def __init__(self, text: str, *, keep: bool = True) -> None:
        super().__init__()
        code = kept(text) if keep else made(text)
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _fresh_target())
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        for name, signature in compiler.entries(text).items():
            setattr(self, name, self._callable(name, signature))

    def _callable(self, name: str, signature: language.Signature) -> Callable[..., int]:
        result = ctypes.c_int64 if signature.results else None
        types = [ctypes.c_void_p if kind in language.ELEMENTS else ctypes.c_int64 for _, kind in signature.parameters]
        engine = self._engine
        function = ctypes.CFUNCTYPE(result, *types)(engine.get_function_address(name))

        def call(*arguments: object, _engine: object = engine) -> int:
            # The default keeps the code in memory as long as somebody can call it.
            return function(*map(_given, arguments))  # type: ignore[no-any-return]  # ctypes has no types

        return call


def _fresh_target() -> Any:  # noqa: ANN401  # llvmlite has no types
    """A target of its own for each engine, which takes it over."""
    _target()
    return llvm.Target.from_default_triple().create_target_machine(jit=True)
