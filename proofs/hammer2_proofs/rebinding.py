"""Functions of several modules as they are when one of them, or a constant, is another: the modules are not touched."""

from collections.abc import Mapping, Sequence
from inspect import isfunction
from types import FunctionType, ModuleType
from typing import Any, TypeAlias

Name: TypeAlias = tuple[str, str]
"""A module's and a function's."""


def rebound(
    modules: Sequence[ModuleType],
    functions: Mapping[Name, FunctionType] | None = None,
    constants: Mapping[str, Any] | None = None,
) -> dict[Name, FunctionType]:
    """All functions of some modules, by module and name, calling each other as they do.

    Args:
        modules: what they import from each other is replaced, what they import from others is shared.
        functions: those that run another text.
        constants: names that stand for another value, in all of them.
    """
    spaces = {module.__name__: dict(vars(module)) for module in modules}
    result = {}
    for module in modules:
        for name, function in vars(module).items():
            if isfunction(function) and function.__module__ == module.__name__:
                text = (functions or {}).get((module.__name__, name), function)
                copy = FunctionType(text.__code__, spaces[module.__name__], name, function.__defaults__)
                copy.__annotations__ = function.__annotations__
                copy.__doc__ = function.__doc__
                result[module.__name__, name] = copy
    for space in spaces.values():
        space.update(constants or {})
        for name, value in space.items():
            if isfunction(value) and (value.__module__, value.__name__) in result:
                space[name] = result[value.__module__, value.__name__]
    return result
