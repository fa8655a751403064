"""How a call ends that the original does not survive: typed, and naming the seed's line."""

from typing import TypeVar

T = TypeVar("T")


class Fatal(Exception):
    """The original stops here. The text is the outcome as recorded traces write it."""


class KernelAssert(Fatal):
    """A KKASSERT that fires, named by the line on which it stands."""

    def __init__(self, line: str) -> None:
        super().__init__(f"kkassert:{line}")
        self.line = line


class KernelPanic(Fatal):
    """A call of panic()."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"panic:{reason}")
        self.reason = reason


class NullDereference(Fatal):
    """A NULL pointer is followed."""

    def __init__(self) -> None:
        super().__init__("fault")


def kkassert(condition: object, line: str) -> None:
    """KKASSERT: raises KernelAssert, naming the line (as ``L233``), unless the condition holds."""
    if not condition:
        raise KernelAssert(line)


def deref(pointer: T | None) -> T:
    """What the pointer points to. Raises NullDereference when it is NULL."""
    if pointer is None:
        raise NullDereference
    return pointer
