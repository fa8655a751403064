"""Counterexamples in the ITF format that Apalache and Quint write and read."""

from enum import IntEnum
from typing import Any

from hammer2_proofs.explorer.trace import Trace
from hammer2_spec.transition_system import Model

EXACT = 2**53


def value(thing: object) -> object:
    """A value of a state in ITF: records as maps, tuples as lists, ints beyond 53 bits as #bigint."""
    if isinstance(thing, bool):
        return thing
    if isinstance(thing, IntEnum):
        return thing.name
    if isinstance(thing, int):
        return thing if abs(thing) < EXACT else {"#bigint": str(thing)}
    if hasattr(thing, "_fields"):
        return {name: value(inner) for name, inner in zip(thing._fields, thing, strict=True)}  # type: ignore[call-overload]  # a NamedTuple
    if isinstance(thing, tuple):
        return [value(inner) for inner in thing]
    raise TypeError(f"{thing!r} is no value of a state")


def export(model: Model[Any, Any], invariant: str, trace: Trace, cycle: Trace | None = None) -> dict[str, object]:
    """One counterexample as an ITF object; one that ends in a cycle names in ``loop`` the state that comes again."""
    names = list(type(trace.initial)._fields)
    steps = [*trace.steps, *(cycle.steps[:-1] if cycle else ())]
    states = [{"#meta": {"index": 0}, "action": "init", **_state(trace.initial)}]
    for number, step in enumerate(steps, start=1):
        states.append({"#meta": {"index": number}, "action": step.title, **_state(step.state)})
    return {
        "#meta": {
            "format": "ITF",
            "description": f"{model.name}: {invariant}",
            "bounds": dict(model.bounds),
            "switches": list(model.switches),
            "setup": value(model.setup),
        },
        "params": [],
        "vars": ["action", *names],
        "states": states,
        **({"loop": len(trace.steps)} if cycle else {}),
    }


def _state(state: Any) -> dict[str, object]:  # noqa: ANN401  # a state of any model
    return {name: value(inner) for name, inner in zip(state._fields, state, strict=True)}
