"""What a search found, for machines (one object, the same for every model) and for people (tables)."""

from typing import Any

from hammer2_proofs.explorer.itf import value
from hammer2_proofs.explorer.search import Found
from hammer2_proofs.explorer.trace import Trace, changes, fields, shown, trace_of_step, trace_to
from hammer2_spec.transition_system import Model, sentence


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
    """The steps of a trace for JSON: the action, its indices and what it changed."""
    steps = []
    before = trace.initial
    for step in trace.steps:
        steps.append(
            {
                "action": step.title,
                "name": step.action,
                "index": dict(step.index),
                "changes": {path: [value(old), value(new)] for path, (old, new) in changes(before, step.state).items()},
            }
        )
        before = step.state
    return steps


def rows(model: Model[Any, Any], trace: Trace) -> tuple[list[str], list[list[str]]]:
    """A counterexample as a table: one column per record and one for the rest; only what changes is shown.

    The first row shows all that differs from zero; ``_`` in a field's name is written as a space.
    """
    state_fields = fields(trace.initial)
    columns = list(dict.fromkeys(_column(path) for path in state_fields))
    table = [["0", "at first", *_cells(model, columns, {p: v for p, v in state_fields.items() if v})]]
    before = trace.initial
    for number, step in enumerate(trace.steps, start=1):
        new = {path: after for path, (_, after) in changes(before, step.state).items()}
        table.append([str(number), step.title, *_cells(model, columns, new)])
        before = step.state
    return ["", "action", *columns], table


def _column(path: str) -> str:
    return path.rpartition(".")[0] or "cluster"


def _cells(model: Model[Any, Any], columns: list[str], values: dict[str, object]) -> list[str]:
    cells = []
    for column in columns:
        here = {path: new for path, new in values.items() if _column(path) == column}
        parts = [f"{p.rpartition('.')[2].replace('_', ' ')} {shown(model, p, new)}" for p, new in here.items()]
        cells.append("\n".join(parts))
    return cells
