"""What an implementation with these repairs would say of an operation: every call, and how it ends."""

from typing import Any, Final, NamedTuple, Self

import msgspec
from msgspec import UNSET, structs

from hammer2_oracle import trace_record as records
from hammer2_oracle.conform.messages import ASKED, AskedCall, Done
from hammer2_oracle.conform.operations import MOST_LOST, NOTHING, Performance, world_of
from hammer2_oracle.recorded import Diverged, Recorded, RecordedWorld
from hammer2_oracle.replay import Replay
from hammer2_spec.semantics import REPAIRED, SEED, Semantics

SWITCHES: Final = frozenset(Semantics._fields)


class Said(NamedTuple):
    """All that is said by one who is asked to perform an operation."""

    calls: list[AskedCall]
    done: Done | None
    """None: it did not come to an end."""


def as_said(calls: list[AskedCall], done: Done) -> Said:
    """As the reference writes it: nothing instead of what is empty, and what was freed in order."""
    parts = {name: getattr(done.state, name) or UNSET for name in done.state.__struct_fields__}
    parts["freed"] = sorted(done.state.freed or ()) or UNSET
    return Said(calls, Done(done.outcome, done.result, records.State(**parts)))


def likeness(one: Said, other: Said) -> float:
    """How far the two say the same: 1 is to the end."""
    if one == other:
        return 1.0
    longer = max(len(one.calls), len(other.calls))
    same = 0
    for mine, theirs in zip(one.calls, other.calls, strict=False):
        if mine != theirs:
            break
        same += 1
    return same / (longer + 1)


class Watched(Semantics):
    """Semantics that keeps which of its switches were asked for."""

    read: set[str]

    def __new__(cls, *switches: bool) -> Self:
        """With these switches."""
        watched = super().__new__(cls, *switches)
        watched.read = set()
        return watched

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - any attribute
        """An attribute; a switch is kept."""
        if name in SWITCHES:
            self.read.add(name)
        return super().__getattribute__(name)

    def __eq__(self, other: object) -> bool:
        """Equal to none: the contracts that hold for one semantics alone are not looked at."""
        return self is other

    def __ne__(self, other: object) -> bool:
        """See __eq__; a tuple has its own."""
        return self is not other

    __hash__ = Semantics.__hash__


class Listening(Recorded):
    """A layer below that answers as ``Below`` does, and keeps what it was asked."""

    def __init__(self, world: RecordedWorld) -> None:
        super().__init__(world)
        self.said: Final[list[AskedCall]] = []
        self.answered: Final[list[records.AnyCall]] = []
        """The same with their effects."""
        self._lost = 0

    def _next(self, call: Any) -> Any:  # noqa: ANN401 - any call
        fields = structs.asdict(call)
        fields.pop("fx", None)
        self.said.append(ASKED[type(call)](**fields))
        call = self._with_effects(call)
        self.answered.append(call)
        return call

    def _with_effects(self, call: Any) -> Any:  # noqa: ANN401 - any call
        if not self._lost:
            try:
                return super()._next(call)
            except Diverged:
                pass
        self._lost += 1
        if self._lost > MOST_LOST:
            raise Diverged("calls", None, None)
        if (nothing := NOTHING.get(type(call))) is not None:
            call.fx = msgspec.convert(nothing, type(call.fx))
        return call


def said_by(semantics: Semantics, performance: Performance) -> Said:
    """What an implementation with these repairs would say where the layer below does what it does in a performance."""
    layer, done = _performed(semantics, performance)
    return Said(layer.said, done)


def like(performance: Performance, said: Said) -> tuple[str, ...]:
    """Whose answer it is: the original's, that of the repaired operations, or nobody's."""
    known = {"the original": SEED, "the repaired operations": REPAIRED}
    return tuple(name for name, semantics in known.items() if said_by(semantics, performance) == said)


def right_for(semantics: Semantics, performance: Performance) -> Performance | None:
    """The same question with what these repairs make right of it; None where they come to no end."""
    layer, done = _performed(semantics, performance)
    return None if done is None else Performance(performance.question, layer.answered, done)


def _performed(semantics: Semantics, performance: Performance) -> tuple[Listening, Done | None]:
    question = performance.question
    world = world_of(question.world)
    layer = Listening(world)
    replay = Replay(world, semantics, layer)
    args = msgspec.convert(question.args, records.STEPS[question.op].__annotations__["args"])
    try:
        outcome, result = replay.perform(question.op, args, performance.calls)
    except Diverged:
        return layer, None
    written = UNSET if result is UNSET else msgspec.to_builtins(result)
    return layer, Done(outcome, written, replay.changes())
