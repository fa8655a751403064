"""Following a trace: the set of states of the specification that are consistent with what was seen so far.

The specification's own action functions are the judge. Memory is that of one such set, whatever the trace's length.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from itertools import product
from types import FunctionType
from typing import Any, Final, NamedTuple

from hammer2_oracle.protocol.notation import WIDE, Field, all_fields, field_of
from hammer2_oracle.protocol.record import Cluster, Event, ProtocolTrace
from hammer2_proofs.rebinding import Name, rebound
from hammer2_spec.protocol import failures, reading, resynchronization, sessions, soft, state, writing
from hammer2_spec.protocol.state import State

MODULES: Final = (state, sessions, writing, failures, resynchronization, reading, soft)
MOST_STATES: Final = 10_000
"""That are tracked at once; with more the trace is undecided."""

Step = Callable[..., State | None]
Index = tuple[int, ...]


WIDE_NUMBERS: Final[Mapping[str, int]] = {"SEQUENCES": WIDE, "EPOCHS": WIDE}


def steps(functions: Mapping[Name, FunctionType], constants: Mapping[str, Any]) -> Mapping[Step, Step]:
    """For each function of the protocol the one that runs instead, where some have other texts, or constants differ."""
    names = {module.__name__: vars(module) for module in MODULES}
    return {names[module][name]: it for (module, name), it in rebound(MODULES, functions, constants).items()}


@cache
def wide_steps() -> Mapping[Step, Step]:
    """The same functions, for epochs and sequence numbers that do not end after a few bits."""
    return steps({}, WIDE_NUMBERS)


class Rules:
    """The protocol of one cluster.

    Args:
        cluster: its nodes, clients and bounds.
        steps: other functions in place of the specification's: mutants, or the same with counters in them.
    """

    def __init__(self, cluster: Cluster, steps: Mapping[Step, Step] | None = None) -> None:
        self.cluster = cluster
        self.model = cluster.model
        self.setup = self.model.setup
        chosen = ({} if cluster.rank_tids else wide_steps()) if steps is None else steps
        self.steps: Final[dict[str, Step]] = {it.name: chosen.get(it.step, it.step) for it in self.model.actions}
        self.over: Final = {it.name: it.over for it in self.model.actions}
        self._fields: dict[str, Field] = {}

    @property
    def initial(self) -> State:
        """The state at first."""
        return self.normal(self.model.initial[0]) or self.model.initial[0]

    @cached_property
    def every_way(self) -> list[tuple[str, Index]]:
        """All actions with all their indices."""
        return list(self.ways(Event()))

    @cached_property
    def all_fields(self) -> list[Field]:
        """Every field of a state."""
        return all_fields(self.initial)

    def normal(self, after: State) -> State | None:
        """The state with its numbers as ranks, if that is how they are; None if it is beyond the bounds."""
        return after if self.model.normalize is None else self.model.normalize(self.setup, after)

    def take(self, before: State, action: str, index: Index) -> State | None:
        """The state after an action, None if it cannot happen."""
        after = self.steps[action](self.setup, before, *index)
        return None if after is None else self.normal(after)

    def field(self, path: str) -> Field:
        """The field with this path."""
        if path not in self._fields:
            self._fields[path] = field_of(self.model.initial[0], path)
        return self._fields[path]

    def ways(self, event: Event) -> Iterator[tuple[str, Index]]:
        """The actions, with their indices, that an event may be."""
        for name, over in self.over.items():
            if event.action in (None, name):
                given = event.index or (None,) * len(over)
                domains = (
                    range(self.model.sizes[it]) if n is None else (n,) for it, n in zip(over, given, strict=True)
                )
                for index in product(*domains):
                    yield name, index

    def agrees(self, after: State, seen: Sequence[tuple[Field, int]]) -> bool:
        """Whether a state has what was seen."""
        return all(field.of(after) == value for field, value in seen)

    def seen(self, values: Mapping[str, Any]) -> list[tuple[Field, int]]:
        """What was seen, as the protocol has it."""
        return [(self.field(path), self.field(path).read(self.setup, value)) for path, value in values.items()]


class Stop(NamedTuple):
    """Where a trace could not be followed any further."""

    event: int
    """-1: the start."""
    before: tuple[State, ...]
    """The states that were possible before it."""
    too_many: bool = False
    """More states were possible than are tracked: undecided."""


def follow(rules: Rules, trace: ProtocolTrace, most: int = MOST_STATES) -> Stop | None:
    """Where a trace first cannot be one of the specification's; None if it can."""
    start = rules.initial
    if not rules.agrees(start, rules.seen(trace.start)):
        return Stop(-1, (start,))
    possible: dict[State, None] = {start: None}
    for number, event in enumerate(trace.events):
        before, possible = possible, {}
        seen = rules.seen(event.seen)
        ways = list(rules.ways(event))
        for one in before:
            for action, index in ways:
                after = rules.take(one, action, index)
                if after is not None and rules.agrees(after, seen):
                    possible[after] = None
            if len(possible) > most:
                return Stop(number, tuple(before), too_many=True)
        if not possible:
            return Stop(number, tuple(before))
    return None


def title(action: str, index: Sequence[int | None]) -> str:
    """An action as it is printed: Deliver(0, 2)."""
    inside = ", ".join("any" if i is None else str(i) for i in index)
    return f"{action}({inside})" if index else action
