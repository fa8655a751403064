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
Reason: TypeAlias = Annotated[str, Meta(pattern=r"\S", max_length=1_000)]
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


class ScenarioQuestion(Message):
    """A cluster to begin with: every node is there, all are in step, and there is no file."""

    nodes: Annotated[
        list[Literal["master", "slave"]], Meta(min_length=1, max_length=MAXCLUSTER, description="masters first")
    ]
    pfs_nmasters: Annotated[int, Meta(ge=1, le=MAXCLUSTER, description="at least as many as there are masters")]

    def __post_init__(self) -> None:
        """Look at what single fields cannot say. Raises ValueError."""
        if not 1 <= self.masters <= self.pfs_nmasters:
            raise ValueError("Expected 1 to `pfs_nmasters` masters")
        if "slave" in self.nodes[: self.masters]:
            raise ValueError("Expected masters first in `nodes`")

    @property
    def masters(self) -> int:
        """How many there are."""
        return self.nodes.count("master")


class RunScenario(Message):
    """Begin anew with this cluster, whatever was before: answered by Stepped, done."""

    run: Number
    scenario: ScenarioQuestion


Node: TypeAlias = Annotated[int, Meta(ge=0, lt=MAXCLUSTER)]
When: TypeAlias = Annotated[
    Literal["now", "flush", "resync"],
    Meta(
        description="at once; or later, in the middle of something: when the node next has a change in its memory that "
        "is not on its media yet; when it is next being resynchronized"
    ),
]


Client: TypeAlias = Annotated[int, Meta(ge=0, le=1, description="who does it; 1: of those that declare clients")]


class Put(Message, tag_field="do", tag="put"):
    """Let a file have this content, whatever it had: acknowledged, refused or unknown."""

    name: Text
    content: Text
    client: Client = 0


class Remove(Message, tag_field="do", tag="remove"):
    """Let there be no such file: acknowledged too if there is none."""

    name: Text
    client: Client = 0


class Get(Message, tag_field="do", tag="get"):
    """Read a file, hard: read, or refused."""

    name: Text
    client: Client = 0


class Fail(Message, tag_field="do", tag="fail"):
    """A node goes away, and keeps its media: done."""

    node: Node
    at: When = "now"


class Crash(Message, tag_field="do", tag="crash"):
    """A node goes away, with all that is in its memory: done."""

    node: Node
    at: When = "now"


class Reconnect(Message, tag_field="do", tag="reconnect"):
    """A node that went away, or was going to, is there and stays: done."""

    node: Node


class Replace(Message, tag_field="do", tag="replace"):
    """The media of a node are lost, and the node is there with empty ones: done. Of those that declare replace."""

    node: Node


class Resync(Message, tag_field="do", tag="resync"):
    """Bring all nodes that are there into step, and wait for it: done, or refused."""


class Status(Message, tag_field="do", tag="status"):
    """Say what is known of each node: shown."""


Step: TypeAlias = Put | Remove | Get | Fail | Crash | Reconnect | Replace | Resync | Status


class RunStep(Message):
    """Do this in the scenario that has begun: answered by Stepped."""

    run: Number
    step: Step


class Stop(Message):
    """End, with exit status 0."""

    stop: Literal[True]


# ---- what an implementation says


Capability: TypeAlias = Literal["clients", "replace"]


class Introduction(Message):
    """Who is speaking, and what it claims to do."""

    protocol: int
    name: Text
    language: Text
    version: Text
    parts: Annotated[list[Literal["resolve", "operations", "scenarios"]], Meta(min_length=1)]
    semantics: Annotated[Text, Meta(description="seed, repaired, +NAME,.. or -NAME,..: what of the original is mended")]
    capabilities: Annotated[
        list[Capability],
        Meta(description="what else a cluster can be asked: steps of a second client; a node whose media are replaced"),
    ] = msgspec.field(default_factory=list)


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
    skipped: Annotated[Reason | UnsetType, Meta(description="why the implementation does not do this")] = UNSET
    error: Annotated[Reason | UnsetType, Meta(description="why the implementation could not do this")] = UNSET

    def __post_init__(self) -> None:
        """Look at what single fields cannot say. Raises ValueError."""
        if sum(part is not UNSET for part in (self.result, self.call, self.skipped, self.error)) != 1:
            raise ValueError("Expected exactly one of `result`, `call`, `skipped` and `error`")


Ended: TypeAlias = Literal["acknowledged", "refused", "unknown", "done", "read", "shown"]
ENDINGS: Final[dict[type[Message], tuple[Ended, ...]]] = {
    ScenarioQuestion: ("done",),
    Put: ("acknowledged", "refused", "unknown"),
    Remove: ("acknowledged", "refused", "unknown"),
    Get: ("read", "refused"),
    Fail: ("done",),
    Crash: ("done",),
    Reconnect: ("done",),
    Replace: ("done",),
    Resync: ("done", "refused"),
    Status: ("shown",),
}
"""How each step can end."""


class Came(Message):
    """What came of a step."""

    ended: Annotated[
        Ended,
        Meta(
            description="acknowledged: it is durable, and seen from now on; refused: it was not done, and never will "
            "be; unknown: it may be seen later, or not"
        ),
    ]
    content: Annotated[Text | UnsetType | None, Meta(description="of a file that was read; null: there is none")] = (
        UNSET
    )
    nodes: Annotated[
        list[Literal["synchronized", "behind", "away"]] | UnsetType,
        Meta(description="of a status that is shown: each node as the cluster knows it"),
    ] = UNSET

    def __post_init__(self) -> None:
        """Look at what single fields cannot say. Raises ValueError."""
        if (self.content is not UNSET) != (self.ended == "read"):
            raise ValueError("Expected `content` of what was read, and of nothing else")
        if (self.nodes is not UNSET) != (self.ended == "shown"):
            raise ValueError("Expected `nodes` of what is shown, and of nothing else")


class Stepped(Message):
    """The answer to a scenario, and to each of its steps: exactly one of the last three."""

    run: Number
    result: Came | UnsetType = UNSET
    skipped: Annotated[Reason | UnsetType, Meta(description="why the implementation does not do this")] = UNSET
    error: Annotated[Reason | UnsetType, Meta(description="why the implementation could not do this")] = UNSET

    def __post_init__(self) -> None:
        """Look at what single fields cannot say. Raises ValueError."""
        if sum(part is not UNSET for part in (self.result, self.skipped, self.error)) != 1:
            raise ValueError("Expected exactly one of `result`, `skipped` and `error`")


MESSAGES: Final = (
    *(Start, RunResolve, RunOperation, Effects, RunScenario, RunStep, Stop),
    *(Started, Answered, Stepped),
)
"""All that is ever said."""


def question(configuration: Configuration) -> Question:
    """A configuration as it is asked."""
    slots, pfs_nmasters, prior, flags = configuration
    members: list[Member | None] = [(slot.type, slot.tid, slot.error) if slot.present else None for slot in slots]
    return Question(pfs_nmasters, flags, focus_written(prior), members)


def answer(verdict: Verdict) -> Answer:
    """A verdict as it is answered."""
    return Answer(verdict.outcome.text, focus_written(verdict.focus), verdict.error, verdict.flags)
