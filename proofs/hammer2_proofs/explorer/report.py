"""What a search found, for machines: one object, the same for every model."""

from typing import Any

from hammer2_proofs.explorer.itf import value
from hammer2_proofs.explorer.search import Found
from hammer2_proofs.explorer.trace import Trace, changes, trace_of_step, trace_to
from hammer2_spec.transition_system import sentence


def traces(found: Found) -> dict[str, Trace]:
    """The shortest counterexample of each broken sentence."""
    result = {name: trace_to(found, state) for name, state in found.broken.items()}
    for step in found.model.step_invariants:
        name = sentence(step.holds)
        if name in found.stepped:
            result[name] = trace_of_step(found, found.stepped[name], step)
    return result


def as_object(found: Found, broken: dict[str, Trace]) -> dict[str, Any]:
    """The result as one JSON object.

    ``witnesses`` gives the number of steps of the shortest way to each, null if there is none.
    """
    return {
        "model": found.model.name,
        "bounds": dict(found.model.bounds),
        "switches": list(found.model.switches),
        "setup": value(found.model.setup),
        "symmetry": found.symmetry,
        "workers": found.workers,
        "states": found.states,
        "transitions": found.transitions,
        "depth": found.depth,
        "frontier": found.frontier,
        "hash": f"{found.hash:016x}",
        "complete": found.complete,
        "stopped": found.stopped,
        "outside": found.outside,
        "seconds": round(found.seconds, 3),
        "actions": found.actions,
        "never": found.never,
        "violations": [violation(name, trace) for name, trace in broken.items()],
        "witnesses": {
            name: None if state is None else len(trace_to(found, state).steps) for name, state in found.reached.items()
        },
    }


def violation(invariant: str, trace: Trace) -> dict[str, Any]:
    """One counterexample: the initial state, then for each step the action, its indices and what it changed."""
    return {"invariant": invariant, "initial": value(trace.initial), "steps": steps_of(trace)}


def steps_of(trace: Trace) -> list[dict[str, Any]]:
    """The steps of a trace for JSON: the action, its indices and what it changed.

    ``renumbered`` is what changed afterwards because another state stands for the one that the action made.
    """
    steps = []
    before = trace.initial
    for step in trace.steps:
        made = step.state if step.made is None else step.made
        told = {"action": step.title, "name": step.action, "index": dict(step.index), "changes": _changed(before, made)}
        if step.made is not None:
            told["renumbered"] = _changed(made, step.state)
        steps.append(told)
        before = step.state
    return steps


def _changed(before: Any, after: Any) -> dict[str, list[object]]:  # noqa: ANN401  # states of any model
    return {path: [value(old), value(new)] for path, (old, new) in changes(before, after).items()}
