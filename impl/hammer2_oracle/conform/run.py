"""The examination of one implementation of resolve, from its introduction to its end."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from hammer2_oracle.conform import campaigns
from hammer2_oracle.conform.examination import Examination, GivenUp
from hammer2_oracle.conform.implementation import Misbehaved
from hammer2_oracle.conform.judging import GOOD, Standing, asserts, inferred, judge
from hammer2_oracle.conform.messages import Answer
from hammer2_oracle.conform.operations import OperationJudgement, judge_performance
from hammer2_oracle.conform.report import AnyJudgement, Report
from hammer2_oracle.conform.scenarios import Program, ScenarioJudgement, alike, judge_program, smallest
from hammer2_oracle.words import counted
from hammer2_proofs.apart import ahead
from hammer2_spec.configuration import Configuration
from hammer2_spec.semantics import RESOLVE_REPAIRS, Semantics, parse

AGAIN: Final = 3
"""How often a bad reply is asked for again, to see whether it is stable."""


ENDING: Final = "told to stop"
"""What comes after the last campaign."""


class Plan(NamedTuple):
    """What is asked."""

    semantics: Semantics | None = None
    """What the implementation is judged by, None: what it claims."""
    infer: bool = False
    """Judge it by what its own answers say."""
    slots: int = 2
    """All small clusters of so many slots are asked, 0 to 8; every slot more takes about 25 times as long."""
    lives: int = 200
    """Random lives of a cluster, of up to 24 calls each."""
    programs: int = 1_000
    """Of operations: the runs of so many programs in worlds, if there are as many."""
    seed: int = 20150330
    timeout: float = 10.0
    """Seconds of silence."""


def examine(command: Sequence[str], plan: Plan, tell: Callable[[Report], None] = lambda _: None) -> Report:
    """Ask an implementation everything that is planned.

    Args:
        command: the program and its arguments.
        plan: what is asked.
        tell: is called with what is known so far, now and then.

    Raises:
        Misbehaved: the implementation cannot be started, or does not introduce itself.
        ValueError: it claims semantics that do not exist, or nothing from which they can be inferred.

    Ctrl-C, and an implementation that is given up, stop it; the report says so.
    """
    examination = Examination(command, plan.timeout)
    try:
        if plan.infer and {"resolve", "operations"}.isdisjoint(examination.introduction.parts):
            raise ValueError("scenarios alone, and only decisions and operations tell what is mended")
        report = Report(examination.introduction, plan.semantics or parse(examination.introduction.semantics))
        with _stopping(report):
            _ask(examination, report, plan, tell)
            _ask_again(examination, report)
            report.tally.begin(ENDING)
            examination.stop()
        return report
    finally:
        examination.close()


@contextmanager
def _stopping(report: Report) -> Iterator[None]:
    try:
        yield
    except GivenUp as reason:
        report.stopped = str(reason)
    except KeyboardInterrupt:
        report.stopped = "interrupted"
    except Misbehaved as misbehaved:
        report.stopped = str(misbehaved)
        report.tally.count(Standing.MISBEHAVED)


def _ask(examination: Examination, report: Report, plan: Plan, tell: Callable[[Report], None]) -> None:
    parts = report.introduction.parts
    if "resolve" in parts:
        _ask_decisions(examination, report, plan, tell)
    if "operations" in parts and plan.programs:
        _ask_operations(examination, report, plan, tell)
    if "scenarios" in parts:
        _ask_scenarios(examination, report, plan, tell)
    tell(report)


def _ask_decisions(examination: Examination, report: Report, plan: Plan, tell: Callable[[Report], None]) -> None:
    spare = _ask_smoke(examination, report, plan.infer)
    for name, questions in (
        (f"all clusters of at most {counted(plan.slots, 'member')}", campaigns.small(plan.slots)),
        ("numbers at their edges", campaigns.edges()),
        ("members of like worth", campaigns.rivals()),
    ):
        report.tally.begin(name)
        asked = _bearable(questions, report) if spare else questions
        for n, (configuration, reply) in enumerate(examination.ask_all(asked)):
            report.tally.note(judge(configuration, reply, report.semantics))
            if n % 1000 == 0:
                tell(report)
    if plan.lives and not report.tally.bad:
        from hammer2_oracle.conform.random_questions import search

        report.tally.begin(f"{plan.lives:,} random lives")
        found = search(examination, report.semantics, plan.lives, plan.seed, spare, report.tally.note)
        if found is not None:
            report.tally.note(found)


def _ask_operations(examination: Examination, report: Report, plan: Plan, tell: Callable[[Report], None]) -> None:
    from hammer2_oracle.conform.operation_questions import good_days, search

    before = report.tally.bad
    if plan.infer:
        _infer_from_operations(examination, report)
    report.tally.begin("operations on good days")
    spare = False
    for n, performance in enumerate(ahead(lambda: good_days(report.semantics, plan.programs))):
        if spare and performance.asserts:
            report.tally.not_asked += 1
            continue
        judgement = judge_performance(performance, examination)
        spare |= performance.asserts and isinstance(judgement.reply, Misbehaved)
        report.tally.note(judgement)
        if n % 100 == 0:
            tell(report)
    if plan.lives and report.tally.bad == before:
        report.tally.begin(f"operations on {plan.lives:,} random days")
        found = search(examination, report.semantics, plan.lives, plan.seed, spare, report.tally.note)
        if found is not None:
            report.tally.note(found)


def _infer_from_operations(examination: Examination, report: Report) -> None:
    from hammer2_oracle.conform.operation_inference import Inquiry

    report.tally.begin("operations that tell repairs apart")
    claimed = parse(report.introduction.semantics)
    known = RESOLVE_REPAIRS if "resolve" in report.introduction.parts else ()
    claimed = claimed._replace(**{name: getattr(report.semantics, name) for name in known})
    inquiry = Inquiry(claimed, known)
    try:
        inquiry.ask(examination)
    finally:
        found = inquiry.infer()
        report.semantics, report.untold = found.semantics, found.untold
        report.unexplained = (report.unexplained or 0) + found.unexplained
        for judgement in inquiry.judged(found.semantics):
            report.tally.note(judgement)


def _ask_scenarios(examination: Examination, report: Report, plan: Plan, tell: Callable[[Report], None]) -> None:
    from hammer2_oracle.conform.scenario_questions import search, smoke

    report.tally.begin("scenarios that tell")
    before, found, kept = report.tally.bad, list[Program](), False
    for program in smoke(examination.introduction.capabilities).values():
        judgement = judge_program(program, examination)
        if judgement.standing is Standing.DIFFERS:
            judgement = smallest(judgement, lambda smaller: judge_program(smaller, examination))
        kept |= judgement.keeps_something
        if judgement.asked in found:
            report.tally.count(judgement.standing)
        else:
            report.tally.note(judgement)
        if judgement.standing not in GOOD:
            found.append(judgement.asked)
        tell(report)
    if not kept and report.tally.bad == before:
        report.stopped = "no put was acknowledged: what the cluster keeps cannot be judged"
        return
    if plan.lives and report.tally.bad == before:
        report.tally.begin(f"scenarios: {plan.lives:,} random ones")
        bad = search(examination, plan.lives, plan.seed, report.tally.note)
        if bad is not None:
            report.tally.note(bad)


def _ask_smoke(examination: Examination, report: Report, infer: bool) -> bool:
    """Ask what tells most. Returns whether the implementation ends where the original asserts."""
    report.tally.begin("smoke")
    asked = []
    try:
        for pair in examination.ask_all(campaigns.smoke()):
            asked.append(pair)  # noqa: PERF402 - what was asked before it is given up counts
    finally:
        if infer:
            report.semantics, report.unexplained = inferred(asked)
        for configuration, reply in asked:
            report.tally.note(judge(configuration, reply, report.semantics))
    return any(isinstance(reply, Misbehaved) and asserts(it, report.semantics) for it, reply in asked)


def _bearable(questions: Iterable[Configuration], report: Report) -> Iterator[Configuration]:
    """Without those on which the original asserts."""
    for configuration in questions:
        if asserts(configuration, report.semantics):
            report.tally.not_asked += 1
        else:
            yield configuration


def _ask_again(examination: Examination, report: Report) -> None:
    """Ask in a new process for what went wrong, and there once more and again."""
    if report.tally.first:
        examination.renew()
    for bad in report.tally.first:
        again = [_once_more(bad, examination, report.semantics) for _ in range(AGAIN)]
        if any(_differently(bad, it) for it in again):
            report.unstable.append(bad)
        else:
            report.stable.append(bad)


def _once_more(bad: AnyJudgement, examination: Examination, semantics: Semantics) -> AnyJudgement:
    if isinstance(bad, OperationJudgement):
        return judge_performance(bad.performance, examination)
    if isinstance(bad, ScenarioJudgement):
        return judge_program(bad.asked, examination)
    return judge(bad.configuration, examination.ask([bad.configuration])[0], semantics)


def _differently(one: AnyJudgement, other: AnyJudgement) -> bool:
    if isinstance(one, OperationJudgement) and isinstance(other, OperationJudgement):
        return (one.standing, one.field, one.got) != (other.standing, other.field, other.got)
    if isinstance(one, ScenarioJudgement) and isinstance(other, ScenarioJudgement):
        return not alike(one, other)
    if isinstance(one.reply, Answer) or isinstance(other.reply, Answer):
        return one.reply != other.reply
    return one.standing is not other.standing
