"""What a trace that cannot be followed shows: every action that might have been, and why it was not."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from hammer2_oracle.protocol.following import Index, Rules, Stop, title
from hammer2_oracle.protocol.notation import plain
from hammer2_oracle.protocol.reasons import why
from hammer2_oracle.protocol.record import Event, ProtocolTrace
from hammer2_oracle.record_kinds import Difference
from hammer2_spec.protocol.state import State

LISTED: Final = 40
"""Actions that are listed as possible, at the most."""


class Candidate(NamedTuple):
    """Actions that an event may have been but for one thing."""

    actions: list[str]
    refused: str = ""
    """The guard that forbids them; "" if they could have happened."""
    expected: Mapping[str, Any] = {}
    """Then what the fields would be in which the trace says otherwise."""

    def as_json(self) -> dict[str, Any]:
        """The object for machines."""
        return {"actions": self.actions, **({"refused": self.refused} if self.refused else {"fields": self.expected})}


def differences(rules: Rules, trace: ProtocolTrace, stop: Stop) -> list[Difference]:
    """What is wrong at the event where a trace stops.

    The fields that differ, if there is no question what happened; else all that might have, and why it did not.
    """
    if stop.event < 0:
        return [Difference(path, expected, got, -1) for path, expected, got in wrong_start(rules, trace)]
    event = trace.events[stop.event]
    every = candidates(rules, stop, event)
    match every:
        case [Candidate([_], "", expected)]:
            return [Difference(path, value, event.seen[path], stop.event) for path, value in expected.items()]
    said = {"possible": possible(rules, stop.before), "candidates": [it.as_json() for it in every]}
    return [Difference("action", said, named(event), stop.event)]


def named(event: Event) -> str:
    """The action of an event, as far as it is given."""
    return "any action" if event.action is None else title(event.action, event.index or ())


def wrong_start(rules: Rules, trace: ProtocolTrace) -> Iterator[tuple[str, Any, Any]]:
    """The fields in which a trace does not begin as it must, with what they should be and are."""
    for path, value in _wrong(rules, rules.initial, trace.start).items():
        yield path, value, trace.start[path]


def possible(rules: Rules, before: tuple[State, ...]) -> list[str]:
    """The actions that could have happened."""
    found = [title(*way) for way in rules.every_way if any(rules.take(one, *way) is not None for one in before)]
    return found if len(found) <= LISTED else [*found[:LISTED], f"and {len(found) - LISTED} more"]


def candidates(rules: Rules, stop: Stop, event: Event) -> list[Candidate]:
    """The actions that an event may have been: first those that come nearest, then those that are forbidden."""
    allowed: dict[str, Candidate] = {}
    refused: dict[str, dict[str, list[Index]]] = {}
    for one in stop.before:
        for action, index in rules.ways(event):
            after = rules.take(one, action, index)
            if after is None:
                its = refused.setdefault(refusal(rules, one, action, index), {}).setdefault(action, [])
                if index not in its:
                    its.append(index)
                continue
            expected = _wrong(rules, after, event.seen)
            its_actions = allowed.setdefault(str(expected), Candidate([], "", expected)).actions
            if title(action, index) not in its_actions:
                its_actions.append(title(action, index))
    return [
        *sorted(allowed.values(), key=lambda it: len(it.expected)),
        *(Candidate([_titles(*its) for its in by.items()], reason) for reason, by in refused.items()),
    ]


def refusal(rules: Rules, before: State, action: str, index: Index) -> str:
    """Why an action cannot happen."""
    if rules.steps[action](rules.setup, before, *index) is not None:
        return "the state after it is beyond the bounds"
    return " and ".join(map(str, why(rules.setup, rules.steps[action], rules.setup, before, *index)))


def _titles(action: str, indices: list[Index]) -> str:
    """One action with several indices: Deliver(0, 0) (0, 1)."""
    first, *others = indices
    return " ".join([title(action, first), *(title("", it) for it in others)])


def _wrong(rules: Rules, state: State, seen: Mapping[str, Any]) -> dict[str, Any]:
    """The fields in which a state has not what was seen, and what it has."""
    return {
        field.path: field.write(rules.setup, state) for field, value in rules.seen(seen) if field.of(state) != value
    }


def picture(rules: Rules, state: State) -> list[str]:
    """A state for people: what differs from the first one, a line for each node and client."""
    lines: dict[str, list[str]] = {}
    for field in rules.all_fields:
        owner, _, name = field.path.rpartition(".")
        if field.of(state) != field.of(rules.initial):
            lines.setdefault(owner or "cluster", []).append(f"{name} {plain(field.write(rules.setup, state))}")
    return [f"{owner:<10}  {', '.join(parts)}" for owner, parts in lines.items()] or ["as at first"]
