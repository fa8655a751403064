"""Random walks through the protocol: legal traces of any length, from a seed."""

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any, Final

from hammer2_oracle.protocol.following import Index, Rules
from hammer2_oracle.protocol.record import Event
from hammer2_spec.protocol.state import State

FAULTS: Final = 6
"""Of so many steps one is a fault, where there is a choice."""


def enabled(rules: Rules, state: State) -> dict[str, list[tuple[Index, State]]]:
    """What can happen in a state: for each action its indices, and the state after it."""
    found: dict[str, list[tuple[Index, State]]] = {}
    for action, index in rules.every_way:
        after = rules.take(state, action, index)
        if after is not None:
            found.setdefault(action, []).append((index, after))
    return found


def walk(rules: Rules, random: Random) -> Iterator[tuple[str, Index, State]]:
    """One action after the other: of those that can happen the rarest so far; faults now and then."""
    faults = {action.name for action in rules.model.actions if action.fault}
    taken: Counter[str] = Counter()
    state = rules.initial
    while choices := enabled(rules, state):
        kinds = [name for name in choices if (name in faults) == (random.randrange(FAULTS) == 0)] or list(choices)
        weights = [1 / (1 + taken[name]) for name in kinds]
        [name] = random.choices(kinds, weights)
        index, state = random.choice(choices[name])
        taken[name] += 1
        yield name, index, state


def event(rules: Rules, before: State, action: str, index: Index, after: State) -> Event:
    """An action of which everything was seen that it changed."""
    fields = rules.all_fields
    changed = [field for field in fields if field.of(before) != field.of(after)]
    return Event(action, list(index), {field.path: field.write(rules.setup, after) for field in changed})


def with_gaps(event: Event, random: Random, *, action: float, index: float, field: float) -> Event:
    """The event with some of it forgotten, each thing with its probability."""
    seen: dict[str, Any] = {path: value for path, value in event.seen.items() if random.random() >= field}
    if random.random() < action:
        return Event(seen=seen)
    indices: list[int | None] = [None if random.random() < index else i for i in event.index or ()]
    return Event(event.action, indices, seen)
