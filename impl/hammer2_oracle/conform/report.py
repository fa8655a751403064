"""What is known of an implementation, in lines for people and as an object for machines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hammer2_cluster.program import pasted
from hammer2_oracle.conform.judging import Judgement, Standing, Tally, described
from hammer2_oracle.conform.messages import Answer, Introduction, answer, focus_read, question
from hammer2_oracle.explanation import explain
from hammer2_oracle.status import Status
from hammer2_oracle.vectors import in_words
from hammer2_spec.notation import arguments, draw, format_flags
from hammer2_spec.semantics import Semantics


@dataclass
class Report:
    """All that is known of an implementation."""

    introduction: Introduction
    semantics: Semantics
    """What it is judged by."""
    unexplained: int | None = None
    """How many answers the inferred semantics does not explain; None: the semantics was not inferred."""
    tally: Tally = field(default_factory=Tally)
    unstable: list[Judgement] = field(default_factory=list)
    """Those that were answered in another way when the same was asked again."""
    stopped: str = ""
    """Why not everything was asked."""

    @property
    def status(self) -> Status:
        """How the command ends."""
        if self.tally.bad:
            return Status.DIFFER
        return Status.UNDECIDED if self.stopped or not self.tally.counts[Standing.AGREES] else Status.AGREE

    @property
    def sentence(self) -> str:
        """The result in one line."""
        counts = self.tally.counts
        parts = [f"{counts[standing]:,} {standing.value}" for standing in Standing if counts[standing]]
        if self.tally.not_asked:
            parts.append(f"{self.tally.not_asked:,} not asked, because the original asserts there")
        return f"{counts.total():,} decisions: {', '.join(parts) or 'nothing was asked'}"


def lines(report: Report) -> Iterator[str]:
    """The report for people, but for its last line."""
    who = report.introduction
    yield f"{who.name} {who.version} ({who.language}), which claims to be {who.semantics}"
    if report.unexplained is not None:
        but = f", but for {report.unexplained:,} of them" if report.unexplained else ""
        yield f"its answers are those of {described(report.semantics)}{but}"
    yield f"judged by {described(report.semantics)}"
    for judgement in report.tally.first:
        yield ""
        yield from drawn(judgement, report.semantics)
        if judgement in report.unstable:
            yield "asked again, it answered in another way"
    if report.tally.first:
        yield ""
    for whose, count in report.tally.like.most_common():
        yield f"{count:,} of the answers that differ are those of {whose}"
    for reason, count in report.tally.reasons.most_common():
        yield f"{count:,} skipped: {reason}"
    if report.stopped:
        yield f"stopped: {report.stopped}"


def drawn(judgement: Judgement, semantics: Semantics) -> Iterator[str]:
    """A reply that is not good: the slots in a row, expected beside got, and the rules that decide."""
    configuration, expected, reply, standing = judgement
    marks: dict[str, int | None] = {"focus before": configuration.prior, "expected focus": expected.focus}
    if isinstance(reply, Answer):
        marks["got focus"] = focus_read(reply.F)
        yield "differs from what it claims"
    else:
        yield f"{standing.value}: {reply if isinstance(reply, Exception) else reply.reason}"
    yield from (f"    {line}" for line in draw(configuration.slots, marks))
    nmasters = "no PFS" if configuration.pfs_nmasters is None else f"pfs_nmasters {configuration.pfs_nmasters}"
    yield f"    {nmasters}, flags before {format_flags(configuration.flags)}"
    for name, right, got in judgement.fields:
        yield f"    {name}: expected {_shown(name, right)}, got {_shown(name, got)}"
    if judgement.like:
        yield f"    that is the answer of {' and '.join(judgement.like)}"
    explanation = explain(configuration, semantics)
    for i, part in enumerate(explanation.parts):
        if configuration.slots[i].present:
            yield f"    slot {i} {'counts' if part.counted else 'is left out'}: {part.why}"
    yield f"    focus: {explanation.focus_why}"
    yield f"    $ {pasted('resolve', '--semantics', described(semantics), *arguments(configuration))}"


def _shown(name: str, value: object) -> str:
    return in_words(name, value) if isinstance(value, int | str | None) else str(value)


def as_json(report: Report, command: Sequence[str], reproduce: str) -> dict[str, Any]:
    """The report for machines."""
    counts = report.tally.counts
    return {
        "command": "conform",
        "implementation": [*command],
        "introduction": msgspec.to_builtins(report.introduction),
        "semantics": described(report.semantics),
        "inferred": report.unexplained is not None,
        "unexplained": report.unexplained,
        "status": report.status,
        "decisions": counts.total(),
        **{standing.name.lower(): counts[standing] for standing in Standing},
        "not_asked": report.tally.not_asked,
        "skipped_because": dict(report.tally.reasons),
        "like": dict(report.tally.like),
        "stopped": report.stopped or None,
        "divergences": [record(it, report) for it in report.tally.first],
        "reproduce": reproduce,
    }


def record(judgement: Judgement, report: Report) -> dict[str, Any]:
    """One reply that is not good."""
    reply = judgement.reply
    return {
        "standing": judgement.standing.name.lower(),
        "question": msgspec.to_builtins(question(judgement.configuration)),
        "expected": msgspec.to_builtins(answer(judgement.expected)),
        "got": msgspec.to_builtins(reply) if isinstance(reply, Answer) else None,
        "detail": None if isinstance(reply, Answer) else str(reply if isinstance(reply, Exception) else reply.reason),
        "fields": [name for name, _, _ in judgement.fields],
        "like": list(judgement.like),
        "stable": judgement not in report.unstable,
        "semantics": described(report.semantics),
    }
