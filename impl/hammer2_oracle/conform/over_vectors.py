"""A run over a set of vectors: an implementation is asked what they hold, and a receipt says what came of it."""

import hashlib
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import click
import msgspec

from hammer2_cluster.program import from_here, pasted
from hammer2_oracle.conform.examination import Examination, Failed, GivenUp, Skipped
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
    except Misbehaved as reason:
        raise click.ClickException(f"{shlex.join(command)}: {reason}") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise click.ClickException(f"{directory}: {error}") from None
    again = pasted("conform", "--vectors", from_here(str(directory)), "--", *command)
    return handed_over(receipt, receipt_file, again)


def receipt_of(command: Sequence[str], directory: Path, timeout: float) -> Receipt:
    """Ask an implementation all vectors of a directory.

    Raises Misbehaved where it does not start, OSError, msgspec.DecodeError, and ValueError where a file is not the
    manifest's. What breaks the protocol later is in the receipt, and so is what was not asked after that.
    """
    text = (directory / FILE).read_bytes()
    made = msgspec.json.decode(text, type=Manifest)
    breaches: list[str] = []
    with closing(Examination(command, timeout)) as examination:
        who = examination.introduction
        executed = {file.name: _executed(file, directory, examination, breaches) for file in made.files}
        try:
            examination.stop()
        except (Misbehaved, GivenUp) as reason:
            breaches.append(str(reason))
    place = from_here(str((directory / FILE).resolve()))
    return Receipt(f"{who.name} {who.version}", place, hashlib.sha256(text).hexdigest(), executed, breaches)


class _Verdict(NamedTuple):
    """What came of a record."""

    accepted: bool = False
    skipped: str = ""
    """Why it cannot be told."""
    breach: str = ""
    """How the implementation broke the protocol, or why it could not answer: right of nothing."""


def _executed(file: Entry, directory: Path, examination: Examination, breaches: list[str]) -> Executed:
    text = text_as_named(directory, file)
    lines, part = text.splitlines(), PARTS[file.kind]
    if part not in examination.introduction.parts:
        return Executed(0, 0, {f"it does not claim to do {part}": len(lines)})
    ask = _decisions if part == "resolve" else _operations
    right, wrong, skipped = 0, 0, Counter[str]()
    try:
        for verdict in ask(lines, examination):
            if verdict.breach:
                breaches.append(f"{file.name}:{right + wrong + skipped.total() + 1}: {verdict.breach}")
            if verdict.skipped:
                skipped[verdict.skipped] += 1
            elif not verdict.breach and verdict.accepted == (file.verdict == "accept"):
                right += 1
            else:
                wrong += 1
    except GivenUp as reason:
        skipped[f"not asked: {reason}"] = len(lines) - right - wrong - skipped.total()
    return Executed(right, wrong, dict(skipped))


def _decisions(lines: Sequence[bytes], examination: Examination) -> Iterator[_Verdict]:
    """Whether the implementation answers as each record says."""
    vectors = [msgspec.json.decode(line, type=Vector) for line in lines]
    replies = examination.ask_all([it.configuration for it in vectors])
    for it, (_, reply) in zip(vectors, replies, strict=True):
        if isinstance(reply, Answer):
            yield _Verdict(reply.verdict is not None and tuple(_said(reply)) == it.answer)
        elif isinstance(reply, Skipped):
            yield _Verdict(skipped=reply.reason)
        elif it.o != Outcome.OK.text and not getattr(reply, "by_many", False):
            yield _Verdict(skipped=UNDEFINED)
        else:
            yield _Verdict(breach=reply.reason if isinstance(reply, Failed) else str(reply))


def _said(reply: Answer) -> Iterator[object]:
    assert reply.verdict is not None  # noqa: S101 - it was looked at
    yield reply.o
    yield from reply.verdict[1:]


def _operations(lines: Sequence[bytes], examination: Examination) -> Iterator[_Verdict]:
    """The same of traces: accepted is one whose operations all agree."""
    for line in lines:
        verdict = _Verdict(accepted=True)
        for performance in performances(decode(line)):
            judgement = judge_performance(performance, examination)
            reply = judgement.reply
            if isinstance(reply, Skipped):
                verdict = _Verdict(skipped=reply.reason)
            elif judgement.standing in (Standing.FAILED, Standing.MISBEHAVED):
                verdict = _Verdict(breach=reply.reason if isinstance(reply, Failed) else str(reply))
            elif judgement.standing is not Standing.AGREES:
                verdict = _Verdict(accepted=False)
            else:
                continue
            break
        yield verdict
