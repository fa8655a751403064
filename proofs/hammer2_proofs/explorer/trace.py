"""Counterexamples: the way from an initial state to a numbered one, taken again by plain Python.

The search keeps one parent per state and no action. The way is found again by running the model's own functions,
which is also a check of the compiled kernels: a step that Python cannot take is an error, not a counterexample.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hammer2_proofs.explorer.search import Found, indices
from hammer2_spec.transition_system import Model, StepInvariant


class TwinsDisagree(Exception):
    """Compiled code took a step that plain Python does not take: a fault of the explorer."""


@dataclass(frozen=True)
class Step:
    """One action: its name, its indices with their domains, and the state after it.

    Where states that differ in nothing that matters count as one, ``made`` is what the action made, and ``state`` the
    one that stands for it.
    """

    action: str
    index: tuple[tuple[str, int], ...]
    state: Any
    made: Any = None

    @property
    def title(self) -> str:
        """The action as formats have it: ModifyNode(0)."""
        return f"{self.action}({', '.join(str(i) for _, i in self.index)})" if self.index else self.action

    @property
    def told(self) -> str:
        """The action as a person reads it: Deliver(client 0, node 1)."""
        return titled(self.action, self.index)


@dataclass(frozen=True)
class Trace:
    """An initial state and the steps from it."""

    initial: Any
    steps: tuple[Step, ...]


ONE_OF = {"masters": "node", "soft": "soft master", "masks": "set of leaves"}
"""What a member of a domain is called, if not by the domain's name without its s. Masters are the first nodes."""


def member(domain: str, index: int) -> str:
    """A member of a domain, or a record of a state: node 1."""
    return f"{ONE_OF.get(domain, domain.removesuffix('s'))} {index}"


def titled(action: str, index: Sequence[tuple[str, int]]) -> str:
    """An action as a person reads it."""
    return f"{action}({', '.join(member(domain, i) for domain, i in index)})" if index else action


def trace_to(found: Found, state: int) -> Trace:
    """The steps from an initial state to a numbered one: as few as possible.

    Raises:
        TwinsDisagree: plain Python cannot take one of the steps.
    """
    way = [state]
    while (state := found.parent(state)) >= 0:
        way.append(state)
    targets = [found.words(number) for number in reversed(way)]
    model, layout = found.model, found.layout
    alike = found.kernels.alike if found.symmetry else ()
    starts = [_normal(model, start) for start in model.initial]
    current = next(start for start in starts if layout.pack(start, alike) == targets[0])
    return Trace(current, follow(found, current, targets[1:]))


def follow(
    found: Found,
    current: Any,  # noqa: ANN401  # a state of any model
    targets: Sequence[tuple[int, ...]],
    *,
    faults: bool = True,
) -> tuple[Step, ...]:
    """The steps from a state along packed ones; faults may be among them or have stopped.

    Raises:
        TwinsDisagree: plain Python cannot take one of the steps.
    """
    model, layout = found.model, found.layout
    alike = found.kernels.alike if found.symmetry else ()
    steps = []
    for target in targets:
        normal = ((step, _normal(model, step.state)) for step in _possible(model, current, faults=faults))
        within = ((step, after) for step, after in normal if after is not None)
        taken = next(((step, after) for step, after in within if layout.pack(after, alike) == target), None)
        if taken is None:
            raise TwinsDisagree(f"no action leads from {current} to {layout.unpack(target)}")
        # With symmetry the kept state is a permutation of this one; a person follows the nodes themselves.
        step, current = taken
        steps.append(Step(step.action, step.index, current, step.state if step.state != current else None))
    return tuple(steps)


def trace_of_step(found: Found, state: int, broken: StepInvariant[Any, Any]) -> Trace:
    """The steps to a numbered state and the one step from there, maybe beyond the bounds, that breaks a step invariant.

    Raises:
        TwinsDisagree: plain Python cannot take one of the steps, or none breaks it.
    """
    trace = trace_to(found, state)
    last = trace.steps[-1].state if trace.steps else trace.initial
    for step in _possible(found.model, last):
        if broken.covers(step.action) and not broken.holds(found.model.setup, last, step.state):
            return Trace(trace.initial, (*trace.steps, step))
    raise TwinsDisagree(f"no action breaks it in {last}")


def _normal(model: Model[Any, Any], state: Any) -> Any:  # noqa: ANN401  # a state of any model
    return state if model.normalize is None else model.normalize(model.setup, state)


def _possible(model: Model[Any, Any], state: Any, *, faults: bool = True) -> list[Step]:  # noqa: ANN401  # a state of any model
    steps = []
    for action in model.actions:
        if action.fault and not faults:
            continue
        for index in indices(model, action.over):
            after = action.step(model.setup, state, *index)
            if after is not None:
                steps.append(Step(action.name, tuple(zip(action.over, index, strict=True)), after))
    return steps


def fields(state: Any) -> dict[str, object]:  # noqa: ANN401  # a state of any model
    """Every field of a state by its path: ``nodes[0].tid``."""
    result: dict[str, object] = {}
    for name, value in zip(state._fields, state, strict=True):
        if isinstance(value, tuple):
            for index, record in enumerate(value):
                for inner, number in zip(record._fields, record, strict=True):
                    result[f"{name}[{index}].{inner}"] = number
        else:
            result[name] = value
    return result


def changes(before: Any, after: Any) -> dict[str, tuple[object, object]]:  # noqa: ANN401  # states of any model
    """The fields that differ, with their values before and after."""
    old, new = fields(before), fields(after)
    return {path: (old[path], new[path]) for path in old if old[path] != new[path]}


def shown(model: Model[Any, Any], path: str, value: object) -> str:
    """The value of a field as a person writes it."""
    write = model.shown.get(re.sub(r"\[\d+\]", "", path))
    if write is not None and isinstance(value, int):
        return write(model.setup, value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    name = getattr(value, "name", None)
    return name.lower() if isinstance(name, str) else str(value)
