"""What a model is: a state, actions that change it, and sentences that must hold.

A state is a NamedTuple of ints, bools and tuples of records; a record is a NamedTuple of ints and bools. An action
is a plain function: bare guards at its top return None, and what is left returns the next state. The same text is run
by CPython, lifted to a solver and compiled, so it keeps to a small dialect, which the compiler states and enforces.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Setup = TypeVar("Setup")
State = TypeVar("State")
Record = TypeVar("Record")


def replaced(records: tuple[Record, ...], index: int, record: Record) -> tuple[Record, ...]:
    """The records with one of them replaced."""
    return (*records[:index], record, *records[index + 1 :])


def sentence(function: Callable[..., object]) -> str:
    """A function's name, read as a sentence."""
    return function.__name__.replace("_", " ")


@dataclass(frozen=True)
class Action(Generic[Setup, State]):
    """Something that can happen.

    Args:
        name: as it is printed.
        step: takes the setup, a state and one index per domain; returns the next state, or None if it cannot happen.
        over: the domains of its indices, from left to right; each is a name in the model's sizes.
        fault: whether it stops when faults stop. The other actions carry the system on.
        fair: whether it must happen at last if it stays possible: for each index of the domain ``fair_over``, if any.
        fair_over: the domain whose members are treated fairly one by one.
    """

    name: str
    step: Callable[..., State | None]
    over: tuple[str, ...] = ()
    fault: bool = False
    fair: bool = True
    fair_over: str | None = None


@dataclass(frozen=True)
class StepInvariant(Generic[Setup, State]):
    """What must hold between the states before and after an action; all actions, or those named in ``only``."""

    holds: Callable[[Setup, State, State], bool]
    only: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()

    def covers(self, action: str) -> bool:
        """Whether it speaks of this action."""
        return (not self.only or action in self.only) and action not in self.exempt


@dataclass(frozen=True)
class Model(Generic[Setup, State]):
    """A transition system with its bounds.

    Args:
        name: as it is typed on the command line.
        setup: the bounds and switches: a NamedTuple of ints, bools and tuples of ints.
        initial: the initial states.
        sizes: how many members each domain has; the tuples of the state are domains.
        ranges: the largest value of each int, as "field" or "tuple.field"; bools and enumerations need none.
        actions: what can happen.
        invariants: hold in every reachable state.
        step_invariants: hold for every transition.
        witnesses: interesting situations that must be reached.
        normalize: what makes states that differ in nothing that matters equal; returns None for a state beyond the
            bounds, which is left out and counted.
        alike: groups of nodes (indices into ``symmetric``) that may change places.
        symmetric: the tuple of the state whose members may change places.
        goal: what must be reached once faults stop.
        shown: how ints are written for people, as "field" or "tuple.field"; the others are written as they are.
        bounds: the bounds by the names that they are given with, and
        switches: the switches that are on, where the model was built from such.
    """

    name: str
    setup: Setup
    initial: tuple[State, ...]
    sizes: Mapping[str, int]
    ranges: Mapping[str, int]
    actions: Sequence[Action[Setup, State]]
    invariants: Sequence[Callable[[Setup, State], bool]] = ()
    step_invariants: Sequence[StepInvariant[Setup, State]] = ()
    witnesses: Sequence[Callable[[Setup, State], bool]] = ()
    normalize: Callable[[Setup, State], State | None] | None = None
    alike: tuple[tuple[int, ...], ...] = ()
    symmetric: str = ""
    goal: Callable[[Setup, State], bool] | None = None
    shown: Mapping[str, Callable[[Setup, int], str]] = field(default_factory=dict)
    bounds: Mapping[str, int] = field(default_factory=dict)
    switches: tuple[str, ...] = ()
