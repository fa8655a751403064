"""The third reader of the decision: numba compiles the functions that CPython runs and the lifter lifts.

Compiled code is kept on disk. numba's own cache looks only at the file in which a function stands, so that a change
in another file, whose functions it calls or whose constants it uses, would go unnoticed. Here the cache lies in a
directory named after a digest of all that is compiled, called functions and constants included: other contents,
another directory.
"""

import builtins
import functools
import hashlib
import os
import pickle
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import IntEnum
from importlib.metadata import version
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, ParamSpec, TypeVar, cast

import numba
import numba.core.config
import numpy as np

P = ParamSpec("P")
T = TypeVar("T")

NUMBA_SETTINGS: Final[Any] = numba.core.config

OUTER: Final[dict[str, Any]] = {"error_model": "numpy"}
"""For what Python calls. No divisor here is ever 0."""
INNER: Final[dict[str, Any]] = {"error_model": "numpy", "forceinline": True, "no_cpython_wrapper": True}
"""For what only compiled code calls: three times as fast as without inlining."""

KEPT_DAYS: Final = 30
"""Compiled code that has not been used for so long is removed when other code is compiled."""


class NotCompilable(TypeError):
    """A global name that stands for something whose content cannot be told, so that it could change unnoticed."""


def compiled(
    function: Callable[P, T], *, arguments: Sequence[type] = (), cache: bool = True, **substitutes: object
) -> Callable[P, T]:
    """Compile a function, and the functions of this project that it calls, from their source text as it stands.

    Args:
        function: a plain function; what it calls by a global name is compiled with it.
        arguments: the NamedTuples among the types of its arguments: compiled code knows their fields by number.
        cache: use the compiled code that is kept on disk, and keep it there.
        substitutes: what global names in ``function`` stand for instead, say another decision.

    Raises:
        NotCompilable: for a global name that stands for something other than a number, a NamedTuple, an IntEnum, a
            dtype, a function or a module.
    """
    bare = _Reader(substitutes).copy(cast(FunctionType, function), substitutes)
    plain = numba.njit(bare, **OUTER)
    if not cache:
        return cast(Callable[P, T], plain)
    directory = cache_root() / digest(function, *arguments, **substitutes)
    try:
        kept = _kept_in(directory, bare)
    except (OSError, RuntimeError):  # no place to keep it: numba says RuntimeError
        return cast(Callable[P, T], plain)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return cast(T, kept(*args, **kwargs))
        except (OSError, EOFError, pickle.UnpicklingError):  # a full disk, a damaged file: work without
            shutil.rmtree(directory, ignore_errors=True)
            return cast(T, plain(*args, **kwargs))

    return call


def cache_root() -> Path:
    """Where compiled code is kept: $HAMMER2_CACHE, or hammer2-cluster in the user's cache directory."""
    user = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(os.environ.get("HAMMER2_CACHE") or Path(user) / "hammer2-cluster") / "decisions"


def _kept_in(directory: Path, function: FunctionType) -> Callable[..., Any]:
    """A dispatcher that keeps its compiled code in a directory; others there that are out of use are removed."""
    if not directory.exists():
        for other in directory.parent.glob("*"):
            with suppress(OSError):
                if time.time() - other.stat().st_mtime > KEPT_DAYS * 24 * 3600:
                    shutil.rmtree(other)
        directory.mkdir(parents=True, exist_ok=True)
    os.utime(directory)
    with _numba_cache_directory(directory):
        return cast(Callable[..., Any], numba.njit(function, cache=True, **OUTER))


@contextmanager
def _numba_cache_directory(directory: Path) -> Iterator[None]:
    before = NUMBA_SETTINGS.CACHE_DIR
    NUMBA_SETTINGS.CACHE_DIR = str(directory)
    try:
        yield
    finally:
        NUMBA_SETTINGS.CACHE_DIR = before


def globals_of(function: FunctionType) -> dict[str, object]:
    """The values of the global names in a function's code, builtins left out."""
    names = {name for code in _codes(function.__code__) for name in code.co_names}
    return {name: function.__globals__[name] for name in sorted(names) if name in function.__globals__}


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


class _Reader:
    """Copies functions so that numba understands their global names, each function once."""

    def __init__(self, substitutes: Mapping[str, object]) -> None:
        self.dispatchers: dict[FunctionType, object] = {}
        self.substitutes = substitutes

    def copy(self, function: FunctionType, substitutes: Mapping[str, object]) -> FunctionType:
        """A copy of a function with global names of its own."""
        values = globals_of(function) | dict(substitutes)
        namespace = {name: self.understood(value) for name, value in values.items()}
        namespace |= {"__name__": function.__module__, "__builtins__": builtins}
        copy = FunctionType(function.__code__, namespace, function.__name__, function.__defaults__)
        copy.__qualname__ = function.__qualname__
        return copy

    def understood(self, value: object) -> object:
        """What numba takes in place of a global value."""
        if isinstance(value, FunctionType):
            if value not in self.dispatchers:
                self.dispatchers[value] = numba.njit(self.copy(value, {}), **INNER)
            return self.dispatchers[value]
        if isinstance(value, type) and issubclass(value, IntEnum):
            # Members of an IntEnum have a type of their own, which numba does not unite with that of integers.
            numbers = ModuleType(value.__name__)
            vars(numbers).update({name: int(member) for name, member in value.__members__.items()})
            return numbers
        return value


def digest(function: Callable[..., object], *arguments: type, **substitutes: object) -> str:
    """A digest of all that is compiled with a function: its code, its constants, those of what it calls, its types."""
    versions = (sys.version, np.__version__, numba.__version__, version("llvmlite"))
    content = hashlib.sha256(repr((versions, [_content("argument", one) for one in arguments])).encode())
    seen: set[object] = set()

    def add(name: str, value: object) -> None:
        content.update(f"{name} = {_content(name, value)}\n".encode())
        if isinstance(value, FunctionType) and value not in seen:
            seen.add(value)
            for inner, its_value in (globals_of(value) | (substitutes if value is function else {})).items():
                add(inner, its_value)

    add("", function)
    return content.hexdigest()


def _content(name: str, value: object) -> str:
    """All that matters to the compiler about a global value, apart from what it in turn refers to."""
    if isinstance(value, FunctionType):
        return repr([_code_content(code) for code in _codes(value.__code__)] + [value.__defaults__])
    if isinstance(value, ModuleType):
        return value.__name__
    if isinstance(value, type) and issubclass(value, IntEnum):
        return repr([(name, int(member)) for name, member in value.__members__.items()])
    if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields"):
        return repr((value.__name__, value._fields))
    if isinstance(value, np.dtype):
        return repr(value.descr)
    if isinstance(value, bool | int | str) or value is None:
        return repr(value)
    raise NotCompilable(f"{name} is {value!r}, expected a number, NamedTuple, IntEnum, dtype, function or module")


def _code_content(code: CodeType) -> tuple[object, ...]:
    constants = [constant for constant in code.co_consts if not isinstance(constant, CodeType)]
    return (code.co_code, constants, code.co_names, code.co_varnames, code.co_argcount, code.co_exceptiontable)
