"""The protocol of ``conform``: one JSON object a line, asked on standard input, answered on standard output.

The oracle never says what it expects. Each run carries a number that the answer repeats, and each answer has exactly
one of result, call, skipped and error. Runs are answered in the order in which they were asked; several may be under
way.
"""

import functools
import operator
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from hammer2_oracle import trace_record as records
from hammer2_oracle.vector_record import (
    I32,
    OUTCOMES,
    U8,
    U32,
    Foreign,
    Member,
    SlotIndex,
    focus_read,
    focus_written,
)
from hammer2_spec.configuration import ABSENT, Configuration, Slot, Verdict
from hammer2_spec.vocabulary import MAXCLUSTER, NMASTERS_MAX

PROTOCOL: Final = 1
"""The version; another one is refused at the start."""

Text: TypeAlias = Annotated[str, Meta(max_length=1_000)]
Number: TypeAlias = Annotated[int, Meta(ge=0)]


class Message(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Strict, and absent fields stay absent."""


# ---- what the oracle says


class Opening(Message):
    """The first thing that an implementation is told."""

    protocol: Literal[1]
    oracle: Annotated[Text, Meta(description="name and version of the oracle")]


class Start(Message):
    """Say who you are: answered by Started."""

    start: Opening


class Question(Message):
    """One cluster, on which resolve is to be called, written as in a resolve vector."""

    m: Annotated[Annotated[int, Meta(ge=0, le=NMASTERS_MAX)] | None, Meta(description="pfs_nmasters, null: no PFS")]
    f: Annotated[U32, Meta(description="cluster flags before")]
    p: Annotated[SlotIndex | Foreign | None, Meta(description="focus before")]
    s: Annotated[list[Member | None], Meta(max_length=MAXCLUSTER, description="slots, null: no chain")]

    @property
    def configuration(self) -> Configuration:
        """The question as the decision takes it."""
        slots = tuple([ABSENT if member is None else Slot(True, *member) for member in self.s])
        return Configuration(slots, self.m, focus_read(self.p), self.f)


class RunResolve(Message):
    """Decide these clusters, each on its own."""

    run: Number
    resolve: list[Question]


class GivenWorld(Message):
    """All that there is before an operation, written as in an operation trace, but for clusters that are gone."""

    pmps: list[records.PfsRecord]
    inodes: list[records.InodeRecord]
    chains: Annotated[list[records.ChainRecord], Meta(description="a chain's number is its place; new ones follow")]
    clusters: dict[records.Id, records.ClusterRecord]
    next_cluster: Annotated[records.Id, Meta(description="the number of the next cluster that is allocated")]


class OperationQuestion(Message):
    """An operation that is to be performed, its name and arguments as in an operation trace."""

    op: Annotated[str, Meta(max_length=100)]
    args: dict[str, Any]
    world: GivenWorld


class RunOperation(Message):
    """Perform this, calling the layers below over the wire: answered by Answered, with call until it has ended."""

    run: Number
    operation: OperationQuestion


class Effects(Message):
    """The answer to a call: what it changes and returns, as the fx of a call in an operation trace."""

    run: Number
    fx: dict[str, Any]


class Stop(Message):
    """End, with exit status 0."""

    stop: Literal[True]


# ---- what an implementation says


class Introduction(Message):
    """Who is speaking, and what it claims to do."""

    protocol: int
    name: Text
    language: Text
    version: Text
    parts: Annotated[list[Literal["resolve", "operations"]], Meta(min_length=1)]
    semantics: Annotated[Text, Meta(description="seed, repaired, +NAME,.. or -NAME,..: what of the original is mended")]


class Started(Message):
    """The answer to Start."""

    started: Introduction


class Answer(Message):
    """What resolve left behind, written as in a resolve vector."""

    o: Annotated[str, Meta(max_length=100, description="outcome: ok, or the name of an assertion: kkassert:L510")]
    F: Annotated[U8 | Foreign | None, Meta(description="focus after")]
    e: Annotated[I32, Meta(description="cluster error after")]
    g: Annotated[U32, Meta(description="cluster flags after")]

    @property
    def verdict(self) -> Verdict | None:
        """The answer as the decision gives it, None if the decision never gives it."""
        return Verdict(OUTCOMES[self.o], focus_read(self.F), self.e, self.g) if self.o in OUTCOMES else None


class Done(Message):
    """How an operation ended, written as in an operation trace."""

    outcome: Annotated[str, Meta(max_length=100, description="ok, kkassert:L359, panic:.., fault")]
    result: Annotated[Any, Meta(description="of operations that return something; absent unless the outcome is ok")] = (
        UNSET
    )
    state: Annotated[records.State, Meta(description="what has changed")] = msgspec.field(default_factory=records.State)


def _asked(call: type[records.Call]) -> Any:  # noqa: ANN401 - a type, to msgspec
    """A call as it is said: without its effects."""
    fields: list[Any] = [
        (it.name, it.type) if it.required else (it.name, it.type, it.default)
        for it in msgspec.structs.fields(call)
        if it.name != "fx"
    ]
    config = call.__struct_config__
    return msgspec.defstruct(
        call.__name__, fields, tag=config.tag, tag_field="f", forbid_unknown_fields=True, omit_defaults=True
    )


ASKED: Final[dict[type[records.AnyCall], Any]] = {call: _asked(call) for call in get_args(records.AnyCall)}
"""Each call as it is said."""
if TYPE_CHECKING:
    AskedCall: TypeAlias = records.AnyCall
else:
    AskedCall = functools.reduce(operator.or_, ASKED.values())


class Answered(Message):
    """The answer to a run: exactly one of the last four."""

    run: Number
    result: Annotated[
        list[Answer] | Done | UnsetType,
        Meta(description="of resolve: one for each question, in order; of an operation"),
    ] = UNSET
    call: Annotated[AskedCall | UnsetType, Meta(description="a call that an operation makes; answered by Effects")] = (
        UNSET
    )
    skipped: Annotated[Text | UnsetType, Meta(description="why the implementation does not do this")] = UNSET
    error: Annotated[Text | UnsetType, Meta(description="why the implementation could not do this")] = UNSET

    def __post_init__(self) -> None:
        """Look at what single fields cannot say. Raises ValueError."""
        if sum(part is not UNSET for part in (self.result, self.call, self.skipped, self.error)) != 1:
            raise ValueError("Expected exactly one of `result`, `call`, `skipped` and `error`")


MESSAGES: Final = (Start, RunResolve, RunOperation, Effects, Stop, Started, Answered)
"""All that is ever said."""


def question(configuration: Configuration) -> Question:
    """A configuration as it is asked."""
    slots, pfs_nmasters, prior, flags = configuration
    members: list[Member | None] = [(slot.type, slot.tid, slot.error) if slot.present else None for slot in slots]
    return Question(pfs_nmasters, flags, focus_written(prior), members)


def answer(verdict: Verdict) -> Answer:
    """A verdict as it is answered."""
    return Answer(verdict.outcome.text, focus_written(verdict.focus), verdict.error, verdict.flags)
