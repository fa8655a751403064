"""Operations over the wire: what is asked, the layer below that answers the calls, and what came of it."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET, structs

from hammer2_oracle import trace_record as records
from hammer2_oracle.conform.examination import Examination, Failed, Skipped
from hammer2_oracle.conform.implementation import Misbehaved
from hammer2_oracle.conform.judging import Standing
from hammer2_oracle.conform.messages import ASKED, AskedCall, Done, GivenWorld, OperationQuestion
from hammer2_oracle.recorded import Diverged, RecordedWorld
from hammer2_oracle.replay import compare_result, compare_state

OK: Final = "ok"


OperationReply: TypeAlias = Done | Skipped | Failed | Misbehaved | Diverged


class Performance(NamedTuple):
    """One operation on a given world: what is asked, and what is right."""

    question: OperationQuestion
    calls: Sequence[records.AnyCall]
    """The calls that it makes, and what each changes and returns."""
    expected: Done

    @property
    def asserts(self) -> bool:
        """Whether the original comes to no good end here."""
        return self.expected.outcome != OK


class OperationJudgement(NamedTuple):
    """An operation, and what came of it."""

    performance: Performance
    reply: OperationReply
    standing: Standing
    field: str = ""
    """Where it differs first."""
    expected: Any = None
    got: Any = None
    like: tuple[str, ...] | None = None
    """Whose answer it is instead; None where it does not differ, or came to no end."""


def performances(trace: records.Trace) -> Iterator[Performance]:
    """Every operation of a trace on its own, with the world as it is before it."""
    world = trace.world
    pmps, inodes, chains = [*world.pmps], [*world.inodes], [*world.chains]
    clusters, following = dict(enumerate(world.clusters)), len(world.clusters)
    for step in trace.steps:
        op = str(type(step).__struct_config__.tag)
        if op != "env" and step.outcome != "uaf":
            given = GivenWorld([*pmps], [*inodes], [*chains], dict(clusters), following)
            args = {name: msgspec.to_builtins(value) for name, value in structs.asdict(step.args).items()}
            result = getattr(step, "result", UNSET)
            expected = Done(step.outcome, UNSET if result is UNSET else msgspec.to_builtins(result), step.state)
            yield Performance(OperationQuestion(op, args, given), step.calls, expected)
        for n, change in sorted((step.state.chains or {}).items()):
            fields = {name: value for name, value in structs.asdict(change).items() if value is not UNSET}
            if n == len(chains):
                chains.append(records.ChainRecord(**fields))
            else:
                chains[n] = structs.replace(chains[n], **fields)
        for n, flags in (step.state.inodes or {}).items():
            inodes[n] = structs.replace(inodes[n], flags=flags)
        clusters |= step.state.clusters or {}
        for n in step.state.freed or ():
            clusters.pop(n, None)
        following += sum(_allocates(call) for call in step.calls)
        for change in getattr(step.args, "pmp", None) or () if op == "env" else ():
            pmps[change.pmp] = records.PfsRecord(change.types, change.nmasters)


def _allocates(call: records.AnyCall) -> bool:
    """Whether a call uses up the number of a cluster."""
    return isinstance(call, records.Kmalloc) or (isinstance(call, records.InodeCreate) and call.fx.cluster is not None)


def call_of(question: OperationQuestion) -> str:
    """The operation and its arguments."""
    return f"{question.op}({', '.join(f'{name} {in_json(value)}' for name, value in question.args.items())})"


def in_json(value: object) -> str:
    """A value of the wire."""
    return "nothing" if value is None else msgspec.json.encode(value).decode()


def world_of(given: GivenWorld) -> RecordedWorld:
    """The objects of a world."""
    world = RecordedWorld(records.World(given.pmps, given.inodes, given.chains, []))
    world.become(records.State(clusters=given.clusters))
    world.next_cluster = given.next_cluster
    return world


NOTHING: Final[dict[type[records.AnyCall], dict[str, Any]]] = {
    records.ChainLookup: {"ret": None},
    records.ChainNext: {"ret": None},
    records.ChainCreate: {"ret": 5},
    records.InodeCreate: {"ip": None, "error": 5, "cluster": None},
    records.Uuidgen: {"byte": 0},
}
"""What calls are answered that should not be made, where it is not simply that nothing changes."""
SAID: Final = {said: call for call, said in ASKED.items()}
MOST_LOST: Final = 100
"""Calls that are still answered after the first wrong one."""


class Below:
    """The layer below one operation: answers the calls that it should make, in their order.

    From the first wrong call on nothing is found and nothing changes, so that the operation may come to its end.
    """

    def __init__(self, calls: Sequence[records.AnyCall]) -> None:
        self.calls, self.answered, self._lost = calls, 0, 0
        self.said: Final[list[AskedCall]] = []
        """All calls that were made."""
        self.diverged: Diverged | None = None
        """The first wrong call."""

    def __call__(self, said: AskedCall) -> dict[str, Any]:
        """What a call changes and returns. Raises Diverged where there is no end of wrong ones."""
        self.said.append(said)
        if self.diverged is None:
            try:
                return self._answer(said)
            except Diverged as at:
                self.diverged = at
        self._lost += 1
        if self._lost > MOST_LOST:
            raise self.diverged
        return NOTHING.get(SAID[type(said)], {})

    def _answer(self, said: AskedCall) -> dict[str, Any]:
        at = self.answered
        if at >= len(self.calls):
            raise Diverged(f"calls[{at}]", None, msgspec.to_builtins(said))
        right = self.calls[at]
        if type(said) is not ASKED[type(right)]:
            raise Diverged(f"calls[{at}]", spoken(right), msgspec.to_builtins(said))
        for name in said.__struct_fields__:
            expected, got = getattr(right, name), getattr(said, name)
            if expected != got:
                raise Diverged(f"calls[{at}].{name}", _plain(expected), _plain(got))
        self.answered += 1
        fx = getattr(right, "fx", UNSET)
        return {} if fx is UNSET else msgspec.to_builtins(fx)

    def finish(self) -> None:
        """Raises Diverged if a call was not made."""
        if self.answered < len(self.calls):
            raise Diverged(f"calls[{self.answered}]", spoken(self.calls[self.answered]), None)


def spoken(call: records.AnyCall) -> dict[str, Any]:
    """A call as it is said."""
    said: dict[str, Any] = msgspec.to_builtins(call)
    said.pop("fx", None)
    return said


def judge_performance(performance: Performance, examination: Examination) -> OperationJudgement:
    """Have an operation performed, and judge it. Raises GivenUp."""
    below = Below(performance.calls)
    return judged(performance, examination.perform(performance.question, below), below)


def judged(performance: Performance, reply: OperationReply, below: Below) -> OperationJudgement:
    """Judge what came of an operation, of which a layer below has answered the calls."""
    said = reply
    reply = below.diverged or reply  # whatever became of it after that
    if isinstance(reply, Skipped):
        return OperationJudgement(performance, reply, Standing.SKIPPED)
    if isinstance(reply, Done):
        try:
            _compare(performance, reply, below)
        except Diverged as at:
            reply = at
        else:
            return OperationJudgement(performance, reply, Standing.AGREES)
    if performance.asserts:
        return OperationJudgement(performance, reply, Standing.UNDEFINED)
    if isinstance(reply, Diverged):
        whose = _whose(performance, said, below)
        return OperationJudgement(performance, reply, Standing.DIFFERS, reply.field, reply.expected, reply.got, whose)
    return OperationJudgement(performance, reply, Standing.FAILED if isinstance(reply, Failed) else Standing.MISBEHAVED)


def _whose(performance: Performance, said: OperationReply, below: Below) -> tuple[str, ...] | None:
    from hammer2_oracle.conform.hypotheses import as_said, like

    return like(performance, as_said(below.said, said)) if isinstance(said, Done) else None


def _compare(performance: Performance, done: Done, below: Below) -> None:
    expected = performance.expected
    if done.outcome != expected.outcome:
        raise Diverged("outcome", expected.outcome, done.outcome)
    below.finish()
    try:
        compare_result(done.result, expected.result)
        compare_state(done.state, expected.state)
    except Diverged as at:
        raise Diverged(at.field, _plain(at.expected), _plain(at.got)) from None


def _plain(value: object) -> Any:  # noqa: ANN401 - any JSON
    return None if value is UNSET else msgspec.to_builtins(value)
