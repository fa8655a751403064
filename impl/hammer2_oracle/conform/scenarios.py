"""Scenarios over the wire: a cluster that is driven step by step, and what came of it."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import msgspec
from msgspec import UnsetType

from hammer2_oracle.conform.examination import Examination, Failed, Skipped
from hammer2_oracle.conform.ghost import Breach, Ghost, Presence
from hammer2_oracle.conform.implementation import Misbehaved
from hammer2_oracle.conform.judging import Standing
from hammer2_oracle.conform.messages import Came, Put, Replace, ScenarioQuestion, Step
from hammer2_oracle.words import counted

Reply: TypeAlias = Came | Skipped | Failed | Misbehaved


class Program(NamedTuple):
    """What is asked: a cluster to begin with, and steps."""

    scenario: ScenarioQuestion
    steps: tuple[Step, ...]


class ScenarioJudgement(NamedTuple):
    """A program, and what came of it; after the first reply that is not good no more is asked."""

    program: Program
    replies: tuple[Reply, ...]
    """To the steps that were asked."""
    reply: Reply
    """The last one; to the scenario itself, if no step was asked."""
    standing: Standing
    breach: Breach | None = None

    @property
    def like(self) -> None:
        """What is judged has no other semantics."""

    @property
    def asked(self) -> Program:
        """The program as far as it was asked."""
        return Program(self.program.scenario, self.program.steps[: len(self.replies)])

    @property
    def keeps_something(self) -> bool:
        """Whether a put was acknowledged: before that there is little to judge."""
        replies = zip(self.program.steps, self.replies, strict=False)
        return any(
            isinstance(step, Put) and isinstance(it, Came) and it.ended == "acknowledged" for step, it in replies
        )


def judge_program(program: Program, examination: Examination) -> ScenarioJudgement:
    """Let a cluster be driven, and judge it. Raises GivenUp."""
    count = len(program.scenario.nodes)
    ghost, replies = Ghost(program.scenario), list[Reply]()
    reply: Reply = examination.take(program.scenario, count)
    for step in program.steps if isinstance(reply, Came) else ():
        reply = examination.take(step, count)
        replies.append(reply)
        if not isinstance(reply, Came):
            break
        if (breach := ghost.judge(step, reply)) is not None:
            return ScenarioJudgement(program, tuple(replies), reply, Standing.DIFFERS, breach)
    return ScenarioJudgement(program, tuple(replies), reply, _standing(reply))


def _standing(reply: Reply) -> Standing:
    if isinstance(reply, Came):
        return Standing.AGREES
    if isinstance(reply, Skipped):
        return Standing.SKIPPED
    return Standing.FAILED if isinstance(reply, Failed) else Standing.MISBEHAVED


def alike(one: ScenarioJudgement, other: ScenarioJudgement) -> bool:
    """Whether two went wrong in the same way."""
    rules = [it.breach.rules[0] if it.breach else None for it in (one, other)]
    return one.standing is other.standing and rules[0] == rules[1]


def smallest(bad: ScenarioJudgement, judge: Callable[[Program], ScenarioJudgement]) -> ScenarioJudgement:
    """Leave out steps and nodes as long as it goes wrong in the same way: no one can be spared in what is returned."""
    best = bad._replace(program=bad.asked)
    while (smaller := next((it for it in map(judge, _smaller(best.program)) if alike(it, bad)), None)) is not None:
        best = smaller._replace(program=smaller.asked)
    return best


def _smaller(program: Program) -> Iterator[Program]:
    """All that have one step less, or one node of which no step speaks."""
    scenario, steps = program
    for n in reversed(range(len(steps))):
        yield Program(scenario, steps[:n] + steps[n + 1 :])
    last = len(scenario.nodes) - 1
    if last and all(getattr(step, "node", -1) != last for step in steps):
        gone = scenario.pfs_nmasters - (scenario.nodes[last] == "master")
        yield Program(ScenarioQuestion(scenario.nodes[:last], gone), steps)


# ---- in words


def drawn_scenario(judgement: ScenarioJudgement) -> Iterator[str]:
    """The steps as rows and the nodes as columns, what was expected beside what came, and the rules that decide."""
    breach = judgement.breach
    yield f"{in_words(judgement.program.scenario)}: {judgement.standing.value}"
    drawn = [*rows(judgement.asked, judgement.replies)]
    columns = [f"node {n}" for n in range(len(judgement.program.scenario.nodes))]
    table = [("", *columns, ""), *((row.name, *row.cells, row.result) for row in drawn)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for n, line in enumerate(table):
        mark = ">" if n == len(drawn) else " "
        yield f"    {mark} {'  '.join(map(str.ljust, line, widths))}".rstrip()
    if breach is None:
        yield f"    {came_in_words(judgement.reply)}"
        return
    yield f"    expected {breach.expected}, got {breach.got}"
    yield from (f"    broken: {rule}" for rule in breach.rules)


def in_words(scenario: ScenarioQuestion) -> str:
    """A cluster to begin with."""
    slaves = len(scenario.nodes) - scenario.masters
    return ", ".join(
        [counted(scenario.masters, "master")]
        + ([counted(slaves, "slave")] if slaves else [])
        + ([f"pfs_nmasters {scenario.pfs_nmasters}"] if scenario.pfs_nmasters != scenario.masters else [])
    )


def step_in_words(step: Step) -> str:
    """A step: ``put a 'x1'``."""
    fields = msgspec.to_builtins(step)
    words = [fields.pop("do")]
    at, client = fields.pop("at", "now"), fields.pop("client", 0)
    words += [repr(value) if name == "content" else str(value) for name, value in fields.items()]
    return " ".join(words) + ("" if at == "now" else f" at its next {at}") + (f", client {client}" if client else "")


def came_in_words(reply: Reply) -> str:
    """What came of a step."""
    if isinstance(reply, Misbehaved):
        return str(reply)
    if not isinstance(reply, Came):
        return reply.reason
    if reply.ended == "read":
        return "no file" if reply.content is None else f"{reply.content!r}"
    return "" if reply.ended in ("shown", "done") else reply.ended


class Row(NamedTuple):
    """One step as it is drawn."""

    name: str
    cells: list[str]
    """For each node what it is told, is, or is shown as."""
    result: str
    wrong: int | None = None
    """Of which node something else is shown than should be."""


def rows(program: Program, replies: Sequence[Reply]) -> Iterator[Row]:
    """The steps and what came of them: under each node what happens to it, or as what a status shows it."""
    ghost = Ghost(program.scenario)
    for step, reply in zip(program.steps, replies, strict=True):
        before = list(ghost.presence)
        cells, breach = list[str](), None
        if isinstance(reply, Came):
            breach = ghost.judge(step, reply)
            cells += [] if isinstance(reply.nodes, UnsetType) else reply.nodes
        for was, now in zip(before, ghost.presence, strict=True) if not cells else ():
            cells.append("" if was is now is Presence.THERE else now.value)
        if isinstance(step, Replace):
            cells[step.node] = "emptied"
        yield Row(step_in_words(step), cells, came_in_words(reply), breach.node if breach else None)
