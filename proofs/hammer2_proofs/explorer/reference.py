"""The dumb twin of the compiled search: plain Python, sets and dictionaries, for small bounds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hammer2_proofs.explorer.generate import contribution, mix
from hammer2_proofs.explorer.layout import Layout, alike_keys
from hammer2_proofs.explorer.search import indices
from hammer2_spec.transition_system import Model, sentence

WORD = 2**64


@dataclass
class Reference:
    """What the twin found; the names are those of ``search.Found``."""

    states: int = 0
    transitions: int = 0
    depth: int = 0
    hash: int = 0
    outside: int = 0
    actions: dict[str, int] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    reached: dict[str, int | None] = field(default_factory=dict)


def explore(
    model: Model[Any, Any], *, symmetry: bool = False, depth: int | None = None, at_most: int = 100_000
) -> Reference:
    """Visit every reachable state; ``broken`` and ``reached`` give the depth at which a sentence shows first.

    Args:
        model: the model, with its bounds.
        symmetry: whether states that differ by a permutation of like nodes count as one.
        depth: the deepest level to expand, None for all.
        at_most: the most states to visit.

    Raises:
        ValueError: the model has more than ``at_most`` states.
    """
    layout = Layout(model)
    alike = alike_keys(model, layout) if symmetry else ()
    result = Reference(actions={action.name: 0 for action in model.actions})
    result.reached = {sentence(witness): None for witness in model.witnesses}
    seen: set[tuple[int, ...]] = set()
    frontier = [_normal(model, state) for state in model.initial]
    level = _fresh(layout, alike, seen, frontier)
    while level and (depth is None or result.depth < depth):
        for state in level:
            _judge(model, result, state)
        result.depth += 1
        kept = [layout.unpack(layout.pack(state, alike)) for state in level]
        after = [successor for state in kept for successor in _successors(model, result, state)]
        level = _fresh(layout, alike, seen, after)
        if len(seen) > at_most:
            raise ValueError(f"more than {at_most} states: use the compiled search")
    if not level:
        result.depth -= 1
    result.states = len(seen)
    result.hash = sum(contribution(mix(words)) for words in seen) % WORD
    return result


def _normal(model: Model[Any, Any], state: Any) -> Any:  # noqa: ANN401  # a state of any model
    return state if model.normalize is None else model.normalize(model.setup, state)


def _fresh(
    layout: Layout, alike: Sequence[Sequence[int]], seen: set[tuple[int, ...]], states: Sequence[Any]
) -> list[Any]:
    fresh = []
    for state in states:
        words = layout.pack(state, alike)
        if words not in seen:
            seen.add(words)
            fresh.append(state)
    return fresh


def _judge(model: Model[Any, Any], result: Reference, state: Any) -> None:  # noqa: ANN401  # a state of any model
    for invariant in model.invariants:
        if not invariant(model.setup, state):
            result.broken.setdefault(sentence(invariant), result.depth)
    for witness in model.witnesses:
        if result.reached[sentence(witness)] is None and witness(model.setup, state):
            result.reached[sentence(witness)] = result.depth


def _successors(model: Model[Any, Any], result: Reference, state: Any) -> list[Any]:  # noqa: ANN401  # a state of any model
    found = []
    for action in model.actions:
        for index in indices(model, action.over):
            after = action.step(model.setup, state, *index)
            if after is None:
                continue
            for step in model.step_invariants:
                if step.covers(action.name) and not step.holds(model.setup, state, after):
                    result.broken.setdefault(sentence(step.holds), result.depth)
            after = _normal(model, after)
            if after is None:
                result.outside += 1
                continue
            result.actions[action.name] += 1
            result.transitions += 1
            found.append(after)
    return found
