"""The protocol's matrix, as it is stored, and its counterexamples, run again by plain Python.

What is stored speaks of the sources whose hash it carries, and of no others. A stored trace names actions and their
indices only; the states are found again by running the specification.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final

import click

from hammer2_cluster.program import python
from hammer2_proofs.explorer.models import build
from hammer2_spec import protocol
from hammer2_spec.protocol.findings import PROTOCOL_FINDINGS
from hammer2_spec.transition_system import Model, sentence

STORED: Final = Path(__file__).parents[2] / "data" / "findings" / "protocol.jsonl"
BROKEN, STUCK, HOLDS = "broken", "stuck", "holds"


NOT_EXPLORED: Final = ("findings.py", "inductive.py", "notation.py")


def digest() -> str:
    """A hash of what is explored, without its comments and docstrings."""
    found = hashlib.sha256()
    for path in sorted(Path(str(protocol.__file__)).parent.glob("*.py")):
        if path.name not in NOT_EXPLORED:
            found.update(ast.dump(_bare(ast.parse(path.read_text(encoding="utf-8")))).encode())
    return found.hexdigest()


def _bare(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [x for x in node.body if not (isinstance(x, ast.Expr) and isinstance(x.value, ast.Constant))]
    return tree


def model_of(row: Mapping[str, Any]) -> Model[Any, Any]:
    """The model that a row speaks of."""
    return build(row["model"], row["bounds"], frozenset(row["switches"]))


def load() -> list[dict[str, Any]]:
    """The stored rows.

    Raises:
        click.ClickException: there are none, or they speak of other sources than these.
    """
    again = f"{python()} -m hammer2_proofs.protocol_ablations --write"
    try:
        lines = STORED.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise click.ClickException(f"{STORED} is missing: {again}") from None
    head, *found = map(json.loads, lines)
    if head["sources"] != digest():
        raise click.ClickException(f"{STORED} speaks of another protocol than this: {again}")
    return found


def states(row: Mapping[str, Any]) -> list[Any]:
    """The states along a stored trace, by running the specification.

    Raises:
        ValueError: a step cannot be taken.
    """
    return followed(model_of(row), row["steps"])


def recurring(row: Mapping[str, Any]) -> list[Any]:
    """The states of what recurs for ever after a stored trace, from its last state on: that alone if nothing does.

    Raises:
        ValueError: a step cannot be taken.
    """
    model, steps = model_of(row), row["steps"]
    return followed(model, [*steps, *row.get("cycle", ())])[len(steps) :]


def followed(model: Model[Any, Any], steps: Sequence[tuple[str, Sequence[int]]]) -> list[Any]:
    """The states along these steps, the initial one first.

    Raises:
        ValueError: a step cannot be taken.
    """
    actions = {action.name: action for action in model.actions}
    found = [model.initial[0]]
    for name, index in steps:
        after = actions[name].step(model.setup, found[-1], *index)
        if after is None:
            raise ValueError(f"{name}{tuple(index)} cannot happen after {len(found) - 1} steps")
        found.append(after if model.normalize is None else model.normalize(model.setup, after))
    return found


def broken_by(model: Model[Any, Any], action: str, before: Any, after: Any) -> set[str]:  # noqa: ANN401  # states of any model
    """The sentences that a step breaks."""
    found = {sentence(invariant) for invariant in model.invariants if not invariant(model.setup, after)}
    steps = (step for step in model.step_invariants if step.covers(action))
    return found | {sentence(step.holds) for step in steps if not step.holds(model.setup, before, after)}


def objections(row: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a stored row: a trace must break its sentence with its last step, and nothing before it."""
    if row["standing"] == HOLDS:
        return
    model = model_of(row)
    if row["standing"] == STUCK:
        for way in ways(row):
            yield from _progress_in(way, model)
        return
    try:
        _, broken = _run(row, model)
    except ValueError as error:
        yield str(error)
        return
    if row["sentence"] not in broken[-1]:
        yield f"the last step breaks {sorted(broken[-1]) or 'nothing'}, not: {row['sentence']}"
    if row["sentence"] in {name for names in broken[:-1] for name in names}:
        yield "it is broken before the last step"


def ways(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row for each kind of missing progress that a row without progress tells of, the shortest way to it first."""
    for other in ({}, *row["also"]):
        yield {**row, **other, "also": []}


def _run(row: Mapping[str, Any], model: Model[Any, Any]) -> tuple[Any, list[set[str]]]:
    """The state at the end of a trace, and what each of its steps breaks."""
    along = states(row)
    pairs = zip(row["steps"], along, along[1:], strict=False)
    return along[-1], [broken_by(model, name, before, after) for (name, _), before, after in pairs]


def _progress_in(row: Mapping[str, Any], model: Model[Any, Any]) -> Iterator[str]:
    try:
        last, broken = _run(row, model)
    except ValueError as error:
        yield str(error)
        return
    if any(broken) or (model.goal is not None and model.goal(model.setup, last)):
        yield "a trace to a state without progress breaks nothing and does not end at the goal"
    if row["sentence"].startswith("nothing has to happen") and (due := sorted(_due(model, last))):
        yield f"something has to happen: {', '.join(due)}"
    yield from _not_for_ever(row, model)


def _due(model: Model[Any, Any], state: Any) -> set[str]:  # noqa: ANN401  # a state of any model
    """The actions that are possible and neither faults nor a matter of choice."""
    return {
        action.name
        for action in model.actions
        if action.fair and not action.fault
        for index in product(*(range(model.sizes[domain]) for domain in action.over))
        if action.step(model.setup, state, *index) not in (None, state)
    }


def _not_for_ever(row: Mapping[str, Any], model: Model[Any, Any]) -> Iterator[str]:
    try:
        states = recurring(row)
    except ValueError as error:
        yield f"what recurs: {error}"
        return
    if states[0] != states[-1]:
        yield "what recurs does not come back to where it began"
    if any(model.goal is not None and model.goal(model.setup, state) for state in states):
        yield "what recurs comes to the goal"
    faults = {action.name for action in model.actions if action.fault}
    if faulty := sorted({name for name, _ in row.get("cycle", ())} & faults):
        yield f"what recurs has faults in it: {', '.join(faulty)}"


def alone(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of one ingredient that is taken away by itself, and nothing done instead."""
    return [row for row in found if len(row["without"]) == 1 and not row["instead"] and row["without"] != ["seed"]]


def shortest(found: Sequence[dict[str, Any]], ingredient: str) -> dict[str, Any] | None:
    """The shortest counterexample without one ingredient; a broken sentence comes before missing progress."""
    its = [row for row in alone(found) if row["without"] == [ingredient] and row["standing"] != HOLDS]
    return min(its, key=lambda row: (row["standing"] == STUCK, len(row["steps"])), default=None)


def told(row: Mapping[str, Any]) -> str:
    """A row in one line."""
    what = {HOLDS: f"holds ({row.get('states', 0):,} states)", STUCK: "no progress", BROKEN: "broken"}[row["standing"]]
    told = [] if row["standing"] == HOLDS else [row, *row.get("also", ())]
    ends = (f" after {len(it['steps'])} steps: {it['sentence']}" for it in told)
    return f"{asked(row)}: {what}{';'.join(ends)}"


def asked(row: Mapping[str, Any]) -> str:
    """What is taken away, what is done instead, and where."""
    without = f"without {', '.join(row['without'])}" if row["without"] else ""
    instead = f"with {', '.join(row['instead'])}" if row["instead"] else ""
    what = " but ".join(filter(None, (without, instead)))
    return f"{what}, {row['situation']}".replace("without seed", "the seed")


def complaints(found: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What is wrong with what is stored."""
    for row in found:
        for objection in objections(row):
            yield f"{told(row)}: {objection}"
    for number, finding in PROTOCOL_FINDINGS.items():
        if shortest(found, finding.repair) is None:
            yield f"{number}: nothing breaks without {finding.repair}"
    needed = {row["without"][0] for row in alone(found) if row["standing"] != HOLDS}
    for name in sorted(needed - {finding.repair for finding in PROTOCOL_FINDINGS.values()}):
        yield f"{name} is needed, and no finding says so"
