"""The manifest of a set of vectors, and the receipt of a run over them: what was executed, what skipped and why."""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from hammer2_oracle.protocol.scenarios import Size
from hammer2_oracle.record_kinds import Difference, RecordKind, from_the_root
from hammer2_oracle.vector_set import Kind, Part
from hammer2_spec.semantics import Semantics, describe

FILE: Final = "manifest.json"
Count = Annotated[int, Meta(ge=0)]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$(?!\n)")]


class Entry(Struct, forbid_unknown_fields=True):
    """One file of vectors."""

    name: str
    kind: Kind
    verdict: Annotated[Literal["accept", "reject"], Meta(description="what must become of each of its records")]
    records: Count
    sha256: Digest
    coverage: dict[str, Any]


class Manifest(Struct, forbid_unknown_fields=True):
    """What a directory of vectors holds."""

    version: Annotated[str, Meta(description="of hammer2-cluster, which made it")]
    semantics: str
    seed: Count
    size: Size
    files: list[Entry]


def entry(part: Part) -> Entry:
    """A file as the manifest has it."""
    return Entry(
        part.name,
        part.kind,
        "accept" if part.accept else "reject",
        len(part.lines),
        hashlib.sha256(text_of(part)).hexdigest(),
        part.coverage,
    )


def text_of(part: Part) -> bytes:
    """The content of a file."""
    return b"".join(line + b"\n" for line in part.lines)


def manifest(parts: Sequence[Part], semantics: Semantics, seed: int, size: Size) -> bytes:
    """The content of the manifest: the same whenever and wherever it is made."""
    made = Manifest(version("hammer2-cluster"), describe(semantics), seed, size, [entry(part) for part in parts])
    return msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n"


def text_as_named(directory: Path, file: Entry) -> bytes:
    """The content of a file of vectors. Raises ValueError where it is not what the manifest says."""
    try:
        text = (directory / file.name).read_bytes()
    except OSError as error:
        raise ValueError(f"{file.name}: {error.strerror}") from None
    if hashlib.sha256(text).hexdigest() != file.sha256:
        raise ValueError(f"{file.name} is not the file that the manifest speaks of")
    return text


# ---- receipts


class Executed(Struct, forbid_unknown_fields=True):
    """What came of one file."""

    right: Annotated[Count, Meta(description="records accepted or rejected as they must be")]
    wrong: Annotated[Count, Meta(description="records that were not")]
    skipped: Annotated[dict[str, Count], Meta(description="how many were not executed, by the reason")]


class Receipt(Struct, forbid_unknown_fields=True):
    """That an implementation was run over a set of vectors."""

    implementation: Annotated[str, Meta(min_length=1, description="its name and version")]
    manifest: Annotated[str, Meta(description="where the manifest is, seen from where check is called")]
    sha256: Annotated[Digest, Meta(description="of the manifest")]
    executed: Annotated[dict[str, Executed], Meta(description="for each file of the manifest")]
    breaches: Annotated[
        list[str], Meta(description="how the implementation broke the protocol, or could not answer; none is right")
    ] = msgspec.field(default_factory=list)


def differences(receipt: Receipt) -> list[Difference]:
    """What is missing from a receipt, or went wrong."""
    try:
        text = Path(receipt.manifest).read_bytes()
        made = msgspec.json.decode(text, type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        return [
            Difference("manifest", "a manifest", f"{receipt.manifest}: {getattr(error, 'strerror', None) or error}")
        ]
    digest = hashlib.sha256(text).hexdigest()
    if digest != receipt.sha256:
        return [Difference("sha256", digest, receipt.sha256)]
    found = []
    for file in made.files:
        done = receipt.executed.get(file.name)
        if done is None:
            found.append(Difference(f"executed.{file.name}", file.records, 0))
            continue
        total = done.right + done.wrong + sum(done.skipped.values())
        if total != file.records:
            found.append(Difference(f"executed.{file.name}", file.records, total))
        if done.wrong:
            found.append(Difference(f"executed.{file.name}.wrong", 0, done.wrong))
        if any(not reason.strip() for reason in done.skipped):
            found.append(Difference(f"executed.{file.name}.skipped", "a reason", ""))
    found += [Difference("breaches", "none", breach) for breach in receipt.breaches]
    if not any(done.right for done in receipt.executed.values()):
        found.append(Difference("executed", "at least 1 right record", 0))
    strange = sorted(receipt.executed.keys() - {file.name for file in made.files})
    return found + [Difference(f"executed.{name}", "a file of the manifest", name) for name in strange]


KIND: Final = RecordKind(
    name="receipt",
    decode=msgspec.json.Decoder(Receipt).decode,
    path_name=from_the_root,
    judge=lambda receipts, _, __: ((i, differences(receipt)) for i, receipt in enumerate(receipts)),
    draw=lambda _, found: [f"{it.field}: expected {it.expected}, got {it.got}" for it in found],
    identify=lambda receipt: str(receipt.implementation),
)
