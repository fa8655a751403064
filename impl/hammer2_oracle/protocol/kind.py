"""Protocol traces as a kind of record: followed by CPython, event by event."""

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Final

from hammer2_cluster.decisions import Decision
from hammer2_oracle.protocol.following import MOST_STATES, Rules, Stop, follow
from hammer2_oracle.protocol.notation import plain
from hammer2_oracle.protocol.record import Event, ProtocolTrace, decode
from hammer2_oracle.protocol.verdict import (
    Candidate,
    candidates,
    differences,
    named,
    picture,
    possible,
    wrong_start,
)
from hammer2_oracle.record_kinds import Difference, RecordKind, Undecided, from_the_root
from hammer2_oracle.words import counted
from hammer2_spec.semantics import Semantics

WIDTH: Final = 110
INDENT: Final = "    "


def judge(
    traces: Sequence[ProtocolTrace], _: Decision, __: Semantics
) -> Iterator[tuple[int, list[Difference] | Undecided]]:
    """Follow traces; each ends at the first event that leaves no state. Which protocol is meant, a trace says."""
    for i, trace in enumerate(traces):
        rules = Rules(trace.cluster)
        stop = follow(rules, trace)
        if stop is None:
            yield i, []
        elif stop.too_many:
            so_far = counted(stop.event, "event")
            yield i, Undecided(stop.event, f"more than {MOST_STATES:,} states are possible; {so_far} before it agreed")
        else:
            yield i, differences(rules, trace, stop)


def draw(trace: ProtocolTrace, _: Sequence[Difference]) -> list[str]:
    """Every candidate with what speaks against it, what was possible, and the state before."""
    rules = Rules(trace.cluster)
    stop = follow(rules, trace)
    assert stop is not None  # noqa: S101 - it has differences
    if stop.event < 0:
        return [
            f"the start: {path}: expected {plain(it)}, got {plain(got)}" for path, it, got in wrong_start(rules, trace)
        ]
    event = trace.events[stop.event]
    return list(_drawn(rules, stop, event))


def _drawn(rules: Rules, stop: Stop, event: Event) -> Iterator[str]:
    said = ", ".join(f"{path} {plain(value)}" for path, value in event.seen.items())
    yield from _wrapped(f"event {stop.event}: {named(event)}" + (f", then {said}" if said else ""))
    for candidate in candidates(rules, stop, event):
        yield from _wrapped(_against(candidate, event))
    yield from _wrapped(f"possible: {', '.join(possible(rules, stop.before)) or 'nothing'}")
    others = len(stop.before) - 1
    yield "the state before it:" if not others else f"one of the {others + 1:,} possible states before it:"
    for line in picture(rules, stop.before[0]):
        yield from _wrapped(f"{INDENT}{line}", 4 * INDENT)


def _against(candidate: Candidate, event: Event) -> str:
    """What speaks against a candidate."""
    actions = ", ".join(candidate.actions)
    if candidate.refused:
        return f"not {actions}: {candidate.refused}"
    fields = candidate.expected.items()
    return f"not {actions}: " + ", ".join(
        f"{path} expected {plain(it)}, got {plain(event.seen[path])}" for path, it in fields
    )


def _wrapped(text: str, indent: str = INDENT) -> list[str]:
    return wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False)


KIND: Final = RecordKind(
    name="protocol trace",
    decode=decode,
    path_name=from_the_root,
    judge=judge,
    draw=draw,
    identify=lambda trace: str(trace.id),
)
