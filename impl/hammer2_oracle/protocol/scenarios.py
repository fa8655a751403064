"""Traces of the protocol that take every branch of every action, and wrong ones: from a seed, always the same."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from random import Random
from typing import Any, Final, Literal, NamedTuple

from msgspec.structs import replace

from hammer2_oracle.conditions import Branch
from hammer2_oracle.protocol.branches import Branches
from hammer2_oracle.protocol.following import Index, Rules, follow, title
from hammer2_oracle.protocol.record import Cluster, Event, ProtocolTrace
from hammer2_oracle.protocol.stories import STORIES
from hammer2_oracle.protocol.walks import event, walk
from hammer2_spec.protocol.state import State

CLUSTERS: Final[dict[str, Cluster]] = {
    "one client": Cluster(masters=3, writes=8),
    "one master": Cluster(masters=1, writes=8),
    "two masters and a slave": Cluster(masters=2, slaves=1, writes=8, space=True),
    "two clients": Cluster(masters=3, clients=2, writes=8),
    "a cold start": Cluster(masters=3, clients=2, writes=8, warm=False),
    "a lost disk": Cluster(masters=3, writes=8, losses=2),
    "a lost disk, two clients": Cluster(masters=3, clients=2, writes=8, losses=2),
    "links are cut": Cluster(masters=3, clients=2, writes=8, partitions=True),
    "no space": Cluster(masters=3, slaves=1, clients=2, writes=8, space=True),
    "late passes": Cluster(masters=3, writes=8, late_finish=True),
    "late passes, two clients": Cluster(masters=3, clients=2, writes=8, late_finish=True),
    "a read in parts": Cluster(masters=3, writes=8, losses=1, reader=True),
    "endless writes": Cluster(masters=3, endless=True),
    "endless writes, a lost disk": Cluster(masters=3, clients=2, endless=True, losses=2),
    "split views": Cluster(masters=3, clients=2, writes=8, views=[[0, 1], [1, 2]]),
    "bounds": Cluster(masters=3, clients=2, writes=1, elections=2, faults=3, fault_epochs=2),
    "few faults": Cluster(masters=3, clients=2, writes=8, faults=1, losses=1, partitions=True, space=True),
    "few epochs": Cluster(masters=3, clients=2, writes=8, losses=2, fault_epochs=1),
    "ranks": Cluster(masters=3, clients=2, endless=True, rank_tids=True, free_epochs=True),
    "a soft master": Cluster(masters=3, writes=8, soft_masters=3),
    "nodes stay away": Cluster(masters=3, slaves=1, writes=8, stay_away=True, history=True),
    "five masters": Cluster(masters=5, clients=2, writes=8),
}
Size = Literal["quick", "full"]
WALKS: Final[dict[Size, tuple[int, int]]] = {"quick": (4, 30), "full": (24, 40)}
"""For each cluster: how many, and how long."""
NEVER_INCOMPLETE: Final = "nothing is incomplete where the old version is kept, and freeing space spares it"
UNREACHABLE: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            "usable: node.incomplete: true",
            "promise: node.incomplete: true",
            "promise: client.torn_evidence: true",
            "promise: first (2): true",
            "promise: first (2): false",
            "promise: shown_tid > client.prior_tid (2): true",
            "promise: shown_tid > client.prior_tid (2): false",
            "win: client.torn_evidence: true",
            "needs_sync: node.incomplete: true",
            "sync_begin: node.incomplete: true",
        ),
        NEVER_INCOMPLETE,
    ),
    **dict.fromkeys(
        ("_elect: highest + 1 >= EPOCHS: true", "can_begin: sequence_of(client.tid) < SEQUENCES - 2: false"),
        "numbers do not run out: a record has as many as there are, or ranks",
    ),
    **dict.fromkeys(
        ("begin_again: m.endless: false", "read_start: m.reader: false", "sync_finish: m.late_finish: false"),
        "only a cluster that has it comes to it",
    ),
    **dict.fromkeys(
        (
            "restamp: node.volatile_tid == client.tid: true",
            "restamp: node.eligible: true",
            "restamp: node.eligible: false",
        ),
        "what was recovered is never the version of the new epoch",
    ),
    **dict.fromkeys(
        ("at_the_last_version: usable(node): false", "deliverable: usable(node): false"),
        "an eligible node is usable",
    ),
    "refused: node.durable_tid > node.snapshot_tid: true": "the target of a pass takes nothing else while it runs",
    "sync_finish: node.connected: false": "a node that goes away ends its pass",
    "stuck: client.phase in (Phase.RECOVER, Phase.WRITE): false": "a session that serves holds no replies",
    "quorum_answers: outdone(m, s, i): true": "only where the highest tid decides",
}
"""Branches to which no state of the protocol, all ingredients in, comes, and why not.

Explorations of up to 16 million states found nothing incomplete, nothing eligible that is not usable, no target of a
pass that got ahead of it, and nobody who serves and holds a majority of replies; the others follow from the text.
"""


class Feature(NamedTuple):
    """A branch that an action takes."""

    action: str
    branch: Branch


@dataclass
class Scenarios:
    """What was walked through."""

    branches: Branches
    legal: list[ProtocolTrace] = field(default_factory=list)
    refused: list[ProtocolTrace] = field(default_factory=list)
    """Each ends with an action that its guard refuses."""
    taken: set[Feature] = field(default_factory=set)
    refusing: set[Feature] = field(default_factory=set)
    known: set[tuple[str, frozenset[Branch]]] = field(default_factory=set)
    """All that refused actions did, so that it need not be looked at again."""

    def coverage(self, features: Iterable[Feature]) -> dict[str, Any]:
        """The branches that these features are."""
        return self.branches.conditions.coverage({it.branch for it in features}, UNREACHABLE)


@cache
def scenarios(size: Size, seed: int) -> Scenarios:
    """Tell every story, walk through every cluster, and keep what shows something new."""
    found = Scenarios(Branches([*CLUSTERS.values(), *(story.cluster for story in STORIES)]))
    for story in STORIES:
        rules = Rules(story.cluster)
        _keep(found, story.name, rules, story.told(rules))
    walks, length = WALKS[size]
    for number in range(walks):
        for name, cluster in CLUSTERS.items():
            random = Random(f"{seed} {name} {number}")  # noqa: S311 - a seed decides
            rules = Rules(cluster)
            _keep(found, f"{name}, walk {number}", rules, islice(walk(rules, random), length))
    return found


def _keep(found: Scenarios, name: str, rules: Rules, steps: Iterable[tuple[str, Index, State]]) -> None:
    cluster, watched = rules.cluster, found.branches.rules(rules.cluster)
    before, events, useful = rules.initial, list[Event](), 0
    for action, index, after in steps:
        _keep_refusals(found, name, rules, watched, before, events)
        events.append(event(rules, before, action, index, after))
        new = {Feature(action, it) for it in found.branches.of(watched, before, action, index)} - found.taken
        if new:
            found.taken |= new
            useful = len(events)
        before = after
    _keep_refusals(found, name, rules, watched, before, events)
    if useful:
        found.legal.append(ProtocolTrace(name, cluster, events[:useful]))


def _keep_refusals(
    found: Scenarios, name: str, rules: Rules, watched: Rules, state: State, events: Sequence[Event]
) -> None:
    for action, index in rules.every_way:
        branches = found.branches.of(watched, state, action, index)
        if (action, branches) in found.known or rules.take(state, action, index) is not None:
            continue
        found.known.add((action, branches))
        new = {Feature(action, it) for it in branches} - found.refusing
        if new:
            found.refusing |= new
            bare = [Event(it.action, it.index) for it in events]
            text = f"{name}: {title(action, index)} after {len(events)} events"
            found.refused.append(ProtocolTrace(text, rules.cluster, [*bare, Event(action, list(index))]))


# ---- one illegal edit of a legal trace


def wrong(right: ProtocolTrace, number: int, seed: int) -> ProtocolTrace | None:
    """The trace with one edit that makes it illegal, cut after the event where that shows; None if there is none."""
    random = Random(f"{seed} {number}")  # noqa: S311 - a seed decides
    rules, names = Rules(right.cluster), list(EDITS)
    for name in names[number % len(names) :] + names[: number % len(names)]:
        places = list(range(len(right.events)))
        random.shuffle(places)
        for place in places:
            events = EDITS[name](right.events, place)
            if events is None:
                continue
            edited = replace(right, id=f"{right.id}: {name} at {place}", events=events)
            stop = follow(rules, edited)
            if stop is not None and not stop.too_many:
                return replace(edited, events=events[: stop.event + 1])
    return None


def _another_value(events: Sequence[Event], place: int) -> list[Event] | None:
    for path, value in events[place].seen.items():
        other: Any = None
        if isinstance(value, bool):
            other = not value
        elif isinstance(value, int):
            other = value + 1
        elif isinstance(value, str) and "." in value:
            epoch, _, sequence = value.partition(".")
            other = f"{epoch}.{int(sequence) + 1}"
        if other is not None:
            return [*events[:place], replace(events[place], seen={**events[place].seen, path: other})]
    return None


def _left_out(events: Sequence[Event], place: int) -> list[Event] | None:
    return [*events[:place], *events[place + 1 :]]


def _exchanged(events: Sequence[Event], place: int) -> list[Event] | None:
    if place + 1 >= len(events) or events[place] == events[place + 1]:
        return None
    return [*events[:place], events[place + 1], events[place], *events[place + 2 :]]


def _twice(events: Sequence[Event], place: int) -> list[Event] | None:
    return [*events[: place + 1], *events[place:]]


EDITS: Final[dict[str, Callable[[Sequence[Event], int], list[Event] | None]]] = {
    "another value": _another_value,
    "an event left out": _left_out,
    "two events exchanged": _exchanged,
    "an event twice": _twice,
}
"""Ways in which a trace may be wrong, besides an action that cannot happen."""


def edited_scenarios(found: Scenarios, seed: int) -> list[ProtocolTrace]:
    """Of each legal trace a wrong one."""
    edited = (wrong(trace, number, seed) for number, trace in enumerate(found.legal))
    return [trace for trace in edited if trace is not None]


# ---- what they cover


def right_coverage(found: Scenarios) -> dict[str, Any]:
    """What legal traces show; the last entries speak of them together with actions that are refused."""
    every = {action.name for cluster in CLUSTERS.values() for action in cluster.model.actions}
    actions = Counter(it.action for trace in found.legal for it in trace.events)
    alone = found.coverage(found.taken)["branches taken"]
    return {
        "events": sum(len(trace.events) for trace in found.legal),
        "actions": {name: actions[name] for name in sorted(every)},
        "actions never taken": sorted(every - actions.keys()),
        "branches by action": len(found.taken),
        "branches taken by legal events alone": alone,
        **found.coverage(found.taken | found.refusing),
    }


def wrong_coverage(found: Scenarios, traces: Sequence[ProtocolTrace]) -> dict[str, Any]:
    """What wrong traces show."""
    refused = Counter(trace.events[-1].action for trace in found.refused)
    edits = Counter(name for trace in traces for name in EDITS if f": {name} at " in trace.id)
    return {
        "actions refused by their guards": {str(name): refused[name] for name in sorted(map(str, refused))},
        "edits": {name: edits[name] for name in sorted(edits)},
        "branches by action": len(found.refusing),
    }
