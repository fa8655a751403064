"""Asking again what once went wrong: is it fixed, or does it still fail?"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

from hammer2_oracle.conform.divergence import AnyDivergence, OperationDivergence, ScenarioDivergence
from hammer2_oracle.conform.examination import Examination, Skipped
from hammer2_oracle.conform.implementation import Misbehaved
from hammer2_oracle.conform.judging import GOOD, judge
from hammer2_oracle.conform.operations import OperationJudgement, Performance, judge_performance
from hammer2_oracle.conform.report import AnyJudgement
from hammer2_oracle.conform.scenarios import Program, ScenarioJudgement, judge_program
from hammer2_oracle.status import Status

TRIES: Final = 20
"""How often something is asked again that went wrong only now and then."""


class Fate(Enum):
    """What became of a divergence."""

    FIXED = "FIXED"
    FAILS = "still failing"
    OPEN = "undecided"
    """It is not answered any more, or it went wrong only now and then, and did not this time."""

    @property
    def status(self) -> Status:
        """How a command ends that found this."""
        return {Fate.FIXED: Status.AGREE, Fate.FAILS: Status.DIFFER, Fate.OPEN: Status.UNDECIDED}[self]


class Replayed(NamedTuple):
    """A divergence, asked again."""

    path: Path
    divergence: AnyDivergence
    fate: Fate
    judgement: AnyJudgement | None
    """None: it does not start any more."""
    why: str


def replay(found: Iterator[tuple[Path, AnyDivergence]], command: Sequence[str], timeout: float) -> Iterator[Replayed]:
    """Ask for each divergence again, in a process of its own.

    Args:
        found: the divergences, and where they are kept.
        command: the implementation; nothing: the one in which each was found.
        timeout: seconds that it may be silent.

    Raises:
        Misbehaved: the implementation cannot be started, or does not introduce itself.
    """
    for path, divergence in found:
        with closing(Examination(command or divergence.implementation, timeout)) as examination:
            yield Replayed(path, divergence, *_again(divergence, examination))


def _again(divergence: AnyDivergence, examination: Examination) -> tuple[Fate, AnyJudgement | None, str]:
    judgement: AnyJudgement | None = None
    for _ in range(1 if divergence.stable else TRIES):
        judgement = _asked(divergence, examination)
        if judgement.standing not in GOOD:
            return Fate.FAILS, judgement, _what(judgement)
        if isinstance(judgement.reply, Skipped):
            return Fate.OPEN, judgement, f"it skips this: {judgement.reply.reason}"
    if not divergence.stable:
        return Fate.OPEN, judgement, f"it went wrong only now and then, and not in {TRIES} tries"
    return Fate.FIXED, judgement, ""


def _asked(divergence: AnyDivergence, examination: Examination) -> AnyJudgement:
    if isinstance(divergence, OperationDivergence):
        performance = Performance(divergence.question, divergence.calls, divergence.expected)
        return judge_performance(performance, examination)
    if isinstance(divergence, ScenarioDivergence):
        return judge_program(Program(divergence.question.scenario, tuple(divergence.question.steps)), examination)
    [reply] = examination.ask([divergence.question.configuration])
    return judge(divergence.question.configuration, reply, divergence.judged_by)


def _what(judgement: AnyJudgement) -> str:
    if isinstance(judgement.reply, Misbehaved):
        return str(judgement.reply)
    if isinstance(judgement, OperationJudgement):
        return judgement.field or judgement.standing.value
    if isinstance(judgement, ScenarioJudgement):
        return judgement.breach.rules[0].name if judgement.breach else judgement.standing.value
    return ", ".join(name for name, _, _ in judgement.fields) or judgement.standing.value
