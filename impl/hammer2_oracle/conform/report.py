"""What is known of an implementation, in lines for people and as an object for machines."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from hammer2_cluster.program import from_here, pasted
from hammer2_oracle.conform.divergence import (
    AnyDivergence,
    Divergence,
    OperationDivergence,
    ScenarioDivergence,
    ScenarioProgram,
)
from hammer2_oracle.conform.examination import Failed
from hammer2_oracle.conform.implementation import Misbehaved
from hammer2_oracle.conform.judging import Judgement, Standing, Tally, described
from hammer2_oracle.conform.messages import Answer, Came, Introduction, answer, question
from hammer2_oracle.conform.operation_rules import rules
from hammer2_oracle.conform.operations import OperationJudgement, call_of, in_json, spoken, world_of
from hammer2_oracle.conform.scenarios import ScenarioJudgement, drawn_scenario
from hammer2_oracle.explanation import explain
from hammer2_oracle.picture import draw as draw_world
from hammer2_oracle.status import Status
from hammer2_oracle.vector_record import focus_read
from hammer2_oracle.vectors import in_words
from hammer2_spec.notation import arguments, draw, format_flags, format_nmasters
from hammer2_spec.semantics import Semantics, describe

AnyJudgement: TypeAlias = Judgement | OperationJudgement | ScenarioJudgement


@dataclass
class Report:
    """All that is known of an implementation."""

    introduction: Introduction
    semantics: Semantics
    """What it is judged by."""
    unexplained: int | None = None
    """How many answers the inferred semantics does not explain; None: the semantics was not inferred."""
    tally: Tally[AnyJudgement] = field(default_factory=Tally)
    stable: list[AnyJudgement] = field(default_factory=list)
    """Those that were answered in the same way when the same was asked again."""
    unstable: list[AnyJudgement] = field(default_factory=list)
    """Those that were answered in another way when the same was asked again."""
    stopped: str = ""
    """Why not everything was asked."""
    untold: tuple[str, ...] = ()
    """Repairs that no answer told, in an inference from operations."""

    @property
    def status(self) -> Status:
        """How the command ends."""
        if self.tally.bad:
            return Status.DIFFER
        return Status.UNDECIDED if self.stopped or not self.tally.counts[Standing.AGREES] else Status.AGREE

    @property
    def described(self) -> str:
        """What it is judged by, in words."""
        return (describe if "operations" in self.introduction.parts else described)(self.semantics)

    @property
    def sentence(self) -> str:
        """The result in one line."""
        counts = self.tally.counts
        parts = [in_counts(counts)] if counts else []
        if self.tally.not_asked:
            parts.append(f"{self.tally.not_asked:,} not asked, because the original asserts there")
        others = any(name.startswith(("operations", "scenarios")) for name in self.tally.campaigns)
        what = "questions" if others else "decisions"
        return f"{counts.total():,} {what}: {', '.join(parts) or 'nothing was asked'}"


def in_counts(counts: Counter[Standing]) -> str:
    """How many there are of each."""
    return ", ".join(f"{counts[standing]:,} {standing.value}" for standing in Standing if counts[standing])


def lines(report: Report, kept: Sequence[Path]) -> Iterator[str]:
    """The report for people, but for its last line.

    Args:
        report: what is known.
        kept: the files in which the divergences are kept.
    """
    who = report.introduction
    yield f"{who.name} {who.version} ({who.language}), which claims to be {who.semantics}"
    if report.unexplained is not None:
        but = f", but for {report.unexplained:,} of them" if report.unexplained else ""
        yield f"its answers are those of {report.described}{but}"
    if report.untold:
        yield f"none of them tells, and its own word is taken for: {', '.join(report.untold)}"
    yield f"judged by {report.described}"
    for judgement, path in zip_longest(report.tally.first, kept):
        yield ""
        yield from drawn(judgement, report.semantics)
        if path:
            yield f"    $ {pasted('replay', from_here(str(path)))}"
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


def drawn(judgement: AnyJudgement, semantics: Semantics) -> Iterator[str]:
    """A reply that is not good, in lines of text."""
    if isinstance(judgement, OperationJudgement):
        return _drawn_operation(judgement)
    if isinstance(judgement, ScenarioJudgement):
        return drawn_scenario(judgement)
    return _drawn_decision(judgement, semantics)


def _drawn_operation(judgement: OperationJudgement) -> Iterator[str]:
    """The world, what should be done, and where something else was."""
    performance, reply, standing = judgement[:3]
    question = performance.question
    said = {Misbehaved: f": {reply}", Failed: f": {getattr(reply, 'reason', '')}"}.get(type(reply), "")
    yield f"{call_of(question)}: {standing.value}{said}"
    yield from (f"    {line}" for line in draw_world(world_of(question.world).clusters.values()))
    for n, call in enumerate(performance.calls):
        wrong = judgement.field.startswith(f"calls[{n}]")
        yield f"    {'>' if wrong else ' '} calls[{n}]: {in_json(spoken(call))}"
    if judgement.field:
        yield f"    {judgement.field}: expected {in_json(judgement.expected)}, got {in_json(judgement.got)}"
        if judgement.like:
            yield f"    that is what {' and '.join(judgement.like)} would say"
        yield from (f"    promised: {rule}" for rule in rules(question.op))


def _drawn_decision(judgement: Judgement, semantics: Semantics) -> Iterator[str]:
    """The slots in a row, expected beside got, and the rules that decide."""
    configuration, expected, reply, standing = judgement
    marks: dict[str, int | None] = {"focus before": configuration.prior, "expected focus": expected.focus}
    if isinstance(reply, Answer):
        marks["got focus"] = focus_read(reply.F)
        yield "differs from what it claims"
    else:
        yield f"{standing.value}: {reply if isinstance(reply, Misbehaved) else reply.reason}"
    yield from (f"    {line}" for line in draw(configuration.slots, marks))
    yield f"    {format_nmasters(configuration.pfs_nmasters)}, flags before {format_flags(configuration.flags)}"
    for name, right, got in judgement.fields:
        yield f"    {name}: expected {_shown(name, right)}, got {_shown(name, got)}"
    if judgement.like:
        yield f"    that is the answer of {' and '.join(judgement.like)}"
    yield from (f"    {line}" for line in judgement.rules(semantics))
    parts = explain(configuration, semantics).parts
    for i, part in enumerate(parts):
        if configuration.slots[i].present:
            yield f"    slot {i} {'counts' if part.counted else 'is left out'}: {part.why}"
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
        "semantics": report.described,
        "inferred": report.unexplained is not None,
        "unexplained": report.unexplained,
        "untold": [*report.untold],
        "status": report.status,
        "decisions": counts.total(),
        **{standing.name.lower(): counts[standing] for standing in Standing},
        "campaigns": {
            name: {standing.name.lower(): count for standing, count in came.items()}
            for name, came in report.tally.campaigns.items()
        },
        "not_asked": report.tally.not_asked,
        "skipped_because": dict(report.tally.reasons),
        "like": dict(report.tally.like),
        "stopped": report.stopped or None,
        "divergences": msgspec.to_builtins(records(report, command, reproduce)),
        "reproduce": reproduce,
    }


def record(judgement: AnyJudgement, report: Report, command: Sequence[str], reproduce: str) -> AnyDivergence:
    """One reply that is not good."""
    reply = judgement.reply
    common: dict[str, Any] = {
        "standing": judgement.standing.name.lower(),
        "stable": judgement in report.stable if judgement in [*report.stable, *report.unstable] else None,
        "semantics": report.described,
        "implementation": [*command],
        "introduction": report.introduction,
        "reproduce": reproduce,
        "detail": reply.reason if isinstance(reply, Failed) else str(reply) if isinstance(reply, Misbehaved) else None,
    }
    if isinstance(judgement, OperationJudgement):
        return OperationDivergence(
            question=judgement.performance.question,
            calls=[*judgement.performance.calls],
            expected=judgement.performance.expected,
            field=judgement.field,
            right=judgement.expected,
            got=judgement.got,
            like=[*(judgement.like or ())],
            rules=rules(judgement.performance.question.op) if judgement.standing is Standing.DIFFERS else [],
            **common,
        )
    if isinstance(judgement, ScenarioJudgement):
        breach = judgement.breach
        return ScenarioDivergence(
            question=ScenarioProgram(judgement.program.scenario, [*judgement.asked.steps]),
            came=[it for it in judgement.replies if isinstance(it, Came)],
            expected=breach.expected if breach else None,
            got=breach.got if breach else None,
            rules=[*map(str, breach.rules)] if breach else [],
            **common,
        )
    return Divergence(
        question=question(judgement.configuration),
        expected=answer(judgement.expected),
        got=reply if isinstance(reply, Answer) else None,
        fields=[name for name, _, _ in judgement.fields],
        like=[*judgement.like],
        rules=[*judgement.rules(report.semantics)],
        **common,
    )


def records(report: Report, command: Sequence[str], reproduce: str) -> list[AnyDivergence]:
    """The first replies that are not good."""
    return [record(it, report, command, reproduce) for it in report.tally.first]
