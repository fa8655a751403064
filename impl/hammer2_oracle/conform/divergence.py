"""The record of a reply that is not good: found once, kept in a file of its own, asked again as often as wanted."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from hammer2_oracle.conform.messages import (
    Answer,
    Came,
    Done,
    Introduction,
    Message,
    OperationQuestion,
    Question,
    ScenarioQuestion,
    Step,
)
from hammer2_oracle.reading import Unreadable
from hammer2_oracle.trace_record import AnyCall
from hammer2_spec.semantics import Semantics, parse

ENDING: Final = ".divergence.json"


class Kept(Message, tag_field="part", kw_only=True):
    """What every one of them has."""

    standing: Literal["differs", "failed", "misbehaved"]
    detail: Annotated[str | None, Meta(description="what happened instead of an answer")]
    stable: Annotated[
        bool | None,
        Meta(description="asked again, on its own and repeatedly, it went wrong alike; null: not asked again"),
    ]
    semantics: Annotated[str, Meta(description="what it is judged by, as --semantics has it")]
    implementation: Annotated[list[str], Meta(min_length=1, description="the command that starts it")]
    introduction: Annotated[Introduction, Meta(description="what it said of itself")]
    reproduce: Annotated[str, Meta(description="the command line that found it")]

    def __post_init__(self) -> None:
        """Look at what single fields cannot say. Raises ValueError."""
        parse(self.semantics)

    @property
    def judged_by(self) -> Semantics:
        """What it is judged by."""
        return parse(self.semantics)


class Divergence(Kept, tag="resolve", kw_only=True):
    """A decision that is not good."""

    question: Question
    expected: Answer
    got: Annotated[Answer | None, Meta(description="null: it gave no answer, detail says what happened")]
    fields: Annotated[list[str], Meta(description="which fields differ: outcome, focus, error, flags")]
    like: Annotated[list[str], Meta(description="whose answer it is instead")]
    rules: Annotated[list[str], Meta(description="why the expected answer is right, and what the other breaks")]


class OperationDivergence(Kept, tag="operations", kw_only=True):
    """An operation that is not good."""

    question: OperationQuestion
    calls: Annotated[list[AnyCall], Meta(description="the calls that it should make, each with what it is answered")]
    expected: Done
    field: Annotated[str, Meta(description="where it differs first: a call, the outcome, the result, the state")]
    right: Annotated[Any, Meta(description="what is right there; null: nothing")]
    got: Annotated[Any, Meta(description="what it said there; null: nothing")]
    like: Annotated[list[str], Meta(description="whose answer it is instead")] = msgspec.field(default_factory=list)
    rules: Annotated[list[str], Meta(description="what the original promises of the operation")] = msgspec.field(
        default_factory=list
    )


class ScenarioProgram(Message):
    """A cluster to begin with, and what is done to it."""

    scenario: ScenarioQuestion
    steps: list[Step]

    def __post_init__(self) -> None:
        """Look at what single fields cannot say. Raises ValueError."""
        if any(getattr(step, "node", 0) >= len(self.scenario.nodes) for step in self.steps):
            raise ValueError("Expected steps about nodes that are in `scenario`")


class ScenarioDivergence(Kept, tag="scenarios", kw_only=True):
    """A scenario that is not good."""

    question: ScenarioProgram
    came: Annotated[list[Came], Meta(description="what came of the steps, until one went wrong")]
    expected: Annotated[str | None, Meta(description="what the last of them should have come to")]
    got: Annotated[str | None, Meta(description="null: it gave no answer, detail says what happened")]
    rules: Annotated[list[str], Meta(description="the sentences that it breaks; the first one decides")]


AnyDivergence: TypeAlias = Divergence | OperationDivergence | ScenarioDivergence


def file_name(divergence: AnyDivergence) -> str:
    """The same for the same question, whoever was asked: a directory keeps one divergence once."""
    about = msgspec.json.encode([divergence.semantics, divergence.question])
    part = divergence.__struct_config__.tag
    return f"{part}-{hashlib.sha256(about).hexdigest()[:12]}{ENDING}"


def save(divergences: Sequence[AnyDivergence], directory: Path) -> list[Path]:
    """Write each to a file, which are returned: whole, or not at all. Raises OSError, which names the file."""
    if divergences:
        directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / file_name(it) for it in divergences]
    for path, it in zip(paths, divergences, strict=True):
        write_whole(path, msgspec.json.format(msgspec.json.encode(it), indent=1) + b"\n")
    return paths


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there as a whole, or as it was before. Raises OSError, which names it."""
    is_other = path.exists() and not path.is_file()  # a device, a pipe
    unfinished = path if is_other else path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        if not is_other:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None


def read(place: Path) -> Iterator[tuple[Path, AnyDivergence]]:
    """Read a file, or all divergences in a directory, in the order of their names. Raises Unreadable, OSError."""
    paths = sorted(place.glob(f"*{ENDING}")) if place.is_dir() else [place]
    if not paths:
        raise Unreadable(str(place), None, None, f"holds no divergence: expected files named *{ENDING}")
    for path in paths:
        try:
            yield path, msgspec.json.decode(path.read_bytes(), type=AnyDivergence)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Unreadable(str(path), None, None, f"is no divergence: {error}") from None
