"""The protocol of ``conform``: one JSON object a line, asked on standard input, answered on standard output.

The oracle never says what it expects. Each run carries a number that the answer repeats, and each answer has exactly
one of result, skipped and error. Runs are answered in the order in which they were asked; several may be under way.
"""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from hammer2_oracle.vector_record import I32, OUTCOMES, U8, U32, Member, SlotIndex
from hammer2_spec.configuration import ABSENT, FOREIGN, Configuration, Slot, Verdict
from hammer2_spec.vocabulary import MAXCLUSTER, NMASTERS_MAX

PROTOCOL: Final = 1
"""The version; another one is refused at the start."""

Foreign: TypeAlias = Literal["foreign"]
"""A focus that is a chain, but no member of the cluster any more."""
Text: TypeAlias = Annotated[str, Meta(max_length=1_000)]
Number: TypeAlias = Annotated[int, Meta(ge=0)]


def focus_read(said: int | Foreign | None) -> int | None:
    """A focus as the decision has it."""
    return FOREIGN if said == "foreign" else said


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
    parts: Annotated[list[Literal["resolve"]], Meta(min_length=1)]
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


class Answered(Message):
    """The answer to a run: exactly one of the last three."""

    run: Number
    result: Annotated[list[Answer] | UnsetType, Meta(description="one for each question, in order")] = UNSET
    skipped: Annotated[Text | UnsetType, Meta(description="why the implementation does not do this")] = UNSET
    error: Annotated[Text | UnsetType, Meta(description="why the implementation could not do this")] = UNSET

    def __post_init__(self) -> None:
        """Look at what single fields cannot say. Raises ValueError."""
        if sum(part is not UNSET for part in (self.result, self.skipped, self.error)) != 1:
            raise ValueError("Expected exactly one of `result`, `skipped` and `error`")


MESSAGES: Final = (Start, RunResolve, Stop, Started, Answered)
"""All that is ever said."""


def question(configuration: Configuration) -> Question:
    """A configuration as it is asked."""
    slots, pfs_nmasters, prior, flags = configuration
    members: list[Member | None] = [(slot.type, slot.tid, slot.error) if slot.present else None for slot in slots]
    return Question(pfs_nmasters, flags, "foreign" if prior == FOREIGN else prior, members)


def answer(verdict: Verdict) -> Answer:
    """A verdict as it is answered."""
    focus = "foreign" if verdict.focus == FOREIGN else verdict.focus
    return Answer(verdict.outcome.text, focus, verdict.error, verdict.flags)  # type: ignore[arg-type]  # the literal
