"""A run over a set of vectors: an implementation is asked what they hold, and a receipt says what came of it."""

import hashlib
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import click
import msgspec

from hammer2_cluster.program import from_here, pasted
from hammer2_oracle.conform.examination import Examination, GivenUp, Skipped
from hammer2_oracle.conform.implementation import Misbehaved
from hammer2_oracle.conform.judging import Standing
from hammer2_oracle.conform.messages import Answer
from hammer2_oracle.conform.operations import judge_performance, performances
from hammer2_oracle.manifest import FILE, Entry, Executed, Manifest, Receipt, text_as_named
from hammer2_oracle.receipt_report import handed_over
from hammer2_oracle.status import Status
from hammer2_oracle.traces import decode
from hammer2_oracle.vector_record import Vector
from hammer2_spec.configuration import Outcome

UNDEFINED: Final = "undefined in the original, and done otherwise"
PARTS: Final = {"resolve vector": "resolve", "operation trace": "operations", "protocol trace": "protocol"}
"""No implementation claims the last, so far: what it did is recorded, and judged by check."""


def run(command: Sequence[str], directory: Path, receipt_file: Path, timeout: float) -> Status:
    """Ask an implementation all vectors, write the receipt and print it.

    Raises click.ClickException where it cannot be asked, or the vectors are not those of their manifest.
    """
    try:
        receipt = receipt_of(command, directory, timeout)
    except (Misbehaved, GivenUp) as reason:
        raise click.ClickException(f"{shlex.join(command)}: {reason}") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise click.ClickException(f"{directory}: {error}") from None
    again = pasted("conform", "--vectors", from_here(str(directory)), "--", *command)
    return handed_over(receipt, receipt_file, again)


def receipt_of(command: Sequence[str], directory: Path, timeout: float) -> Receipt:
    """Ask an implementation all vectors of a directory.

    Raises Misbehaved, GivenUp, OSError, msgspec.DecodeError, and ValueError where a file is not the manifest's.
    """
    text = (directory / FILE).read_bytes()
    made = msgspec.json.decode(text, type=Manifest)
    with closing(Examination(command, timeout)) as examination:
        who = examination.introduction
        executed = {file.name: _executed(file, directory, examination) for file in made.files}
        examination.stop()
    place = from_here(str((directory / FILE).resolve()))
    return Receipt(f"{who.name} {who.version}", place, hashlib.sha256(text).hexdigest(), executed)


def _executed(file: Entry, directory: Path, examination: Examination) -> Executed:
    text = text_as_named(directory, file)
    lines, part = text.splitlines(), PARTS[file.kind]
    if part not in examination.introduction.parts:
        return Executed(0, 0, {f"it does not claim to do {part}": len(lines)})
    ask = _decisions if part == "resolve" else _operations
    right, wrong, skipped = 0, 0, Counter[str]()
    for accepted in ask(lines, examination):
        if isinstance(accepted, str):
            skipped[accepted] += 1
        elif accepted == (file.verdict == "accept"):
            right += 1
        else:
            wrong += 1
    return Executed(right, wrong, dict(skipped))


def _decisions(lines: Sequence[bytes], examination: Examination) -> Iterator[bool | str]:
    """For each record whether the implementation answers as it says, or why that cannot be told."""
    vectors = [msgspec.json.decode(line, type=Vector) for line in lines]
    for it, (_, reply) in zip(vectors, examination.ask_all([it.configuration for it in vectors]), strict=True):
        if isinstance(reply, Skipped):
            yield reply.reason
        elif it.o != Outcome.OK.text and not isinstance(reply, Answer):
            yield UNDEFINED
        else:
            yield isinstance(reply, Answer) and reply.verdict is not None and tuple(_said(reply)) == it.answer


def _said(reply: Answer) -> Iterator[object]:
    assert reply.verdict is not None  # noqa: S101 - it was looked at
    yield reply.o
    yield from reply.verdict[1:]


def _operations(lines: Sequence[bytes], examination: Examination) -> Iterator[bool | str]:
    """The same of traces: accepted is one whose operations all agree."""
    for line in lines:
        accepted: bool | str = True
        for performance in performances(decode(line)):
            judgement = judge_performance(performance, examination)
            if isinstance(judgement.reply, Skipped):
                accepted = judgement.reply.reason
            elif judgement.standing is not Standing.AGREES:
                accepted = False
            if accepted is not True:
                break
        yield accepted
