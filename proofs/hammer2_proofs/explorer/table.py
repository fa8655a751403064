"""Counterexamples for people: tables, a record of the state in each column, a step in each row."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hammer2_proofs.explorer.trace import Trace, changes, fields, member, shown
from hammer2_spec.transition_system import Model

RENUMBERED = "tids renumbered"
"""The row of what changes because states whose tids are in the same order count as one."""

VERSIONS = ("durable", "volatile", "snapshot", "read")
"""Of these the tid and the content belong together; of a client they do not while it elects."""

ALWAYS = ("durable tid", "volatile tid")
"""What the last row shows even where it is the first version."""


def columns(trace: Trace) -> list[str]:
    """The heads of a table: the number, the action, each record by its name, and one for the rest."""
    return ["", "action", *(_head(record) for record in _records(trace))]


def rows(model: Model[Any, Any], trace: Trace) -> Iterator[list[str]]:
    """The rows of a table: the first shows all that differs from zero, the others what a step changes."""
    records = _records(trace)
    start = {path: value for path, value in fields(trace.initial).items() if value}
    yield ["0", "at first", *_cells(model, records, start, trace.initial)]
    before = trace.initial
    for number, step in enumerate(trace.steps, start=1):
        made = step.state if step.made is None else step.made
        yield [str(number), step.told.replace("(", "\n("), *_cells(model, records, _new(before, made), made)]
        if step.made is not None:
            yield ["", f"({RENUMBERED})", *_cells(model, records, _new(made, step.state), step.state)]
        before = step.state


def whole(model: Model[Any, Any], trace: Trace) -> list[str]:
    """The row of the last state as a whole: what differs from zero, or did at first, and what is where."""
    last = trace.steps[-1].state if trace.steps else trace.initial
    first = fields(trace.initial)
    seen = {path: value for path, value in fields(last).items() if value or first[path] or _name(path) in ALWAYS}
    return ["", "all of it now", *_cells(model, _records(trace), seen, last)]


def _records(trace: Trace) -> list[str]:
    return list(dict.fromkeys(_column(path) for path in fields(trace.initial)))


def _new(before: Any, after: Any) -> dict[str, object]:  # noqa: ANN401  # states of any model
    return {path: new for path, (_, new) in changes(before, after).items()}


def _column(path: str) -> str:
    return path.rpartition(".")[0] or "cluster"


def _head(record: str) -> str:
    match = re.fullmatch(r"(\w+)\[(\d+)\]", record)
    return member(match[1], int(match[2])) if match else record


def _cells(model: Model[Any, Any], records: list[str], values: Mapping[str, object], state: Any) -> list[str]:  # noqa: ANN401  # of any model
    everything = fields(state)
    return [
        "\n".join(dict.fromkeys(_told(model, path, everything) for path in values if _column(path) == record))
        for record in records
    ]


def _told(model: Model[Any, Any], path: str, state: Mapping[str, object]) -> str:
    """A field as a person reads it; a tid and the content under it are told together."""
    record, name = path.rpartition(".")[::2]
    version, part = name.rpartition("_")[::2]
    if version in VERSIONS and part in ("tid", "content"):
        both = [f"{record}.{version}_{it}".lstrip(".") for it in ("tid", "content")]
        if all(it in state for it in both) and model.shown:
            return " ".join([version, *(shown(model, it, state[it]) for it in both)])
    words = _name(path)
    if isinstance(state[path], bool):
        return words if state[path] else f"not {words}"
    return f"{words} {shown(model, path, state[path])}"


def _name(path: str) -> str:
    return path.rpartition(".")[2].replace("_", " ")
