"""Operations over the wire: a right implementation is green, and a wrong one is told at which call it parts."""

import json
import subprocess
import sys
from contextlib import closing
from functools import cache
from pathlib import Path
from random import Random

import jsonschema
import msgspec
import pytest
from hypothesis import settings

from hammer2_cluster import locking, modifying, topology
from hammer2_cluster.resolve import resolve
from hammer2_oracle.changes import cluster_record, look
from hammer2_oracle.conform import examination, junit
from hammer2_oracle.conform.campaigns import smoke
from hammer2_oracle.conform.divergence import AnyDivergence, OperationDivergence, read, save
from hammer2_oracle.conform.examination import Examination
from hammer2_oracle.conform.hypotheses import as_said, said_by
from hammer2_oracle.conform.judging import Standing
from hammer2_oracle.conform.messages import (
    ASKED,
    Answered,
    Done,
    Effects,
    RunOperation,
)
from hammer2_oracle.conform.operation_inference import Heard, decision, infer, questions
from hammer2_oracle.conform.operation_questions import LARGEST_ANSWER, MOST_ANSWERS, every_case, good_days, of_case
from hammer2_oracle.conform.operation_rules import rules
from hammer2_oracle.conform.operations import (
    Below,
    OperationJudgement,
    Performance,
    judge_performance,
    judged,
    performances,
    spoken,
    world_of,
)
from hammer2_oracle.conform.page import page, picture
from hammer2_oracle.conform.replaying import Fate, replay
from hammer2_oracle.conform.report import Report, drawn, lines, records
from hammer2_oracle.conform.run import Plan, examine
from hammer2_oracle.recorded import RecordedWorld
from hammer2_oracle.status import Status
from hammer2_oracle.trace_record import STEPS, IoGetblk
from hammer2_oracle.traces import decode
from hammer2_proofs.mutants import Mutant, mutate
from hammer2_proofs.operations.teeth import cases_for, coverage_of, fate_of
from hammer2_spec.semantics import REPAIRED, SEED, Semantics

ROOT = Path(__file__).resolve().parent.parent
PORT = [sys.executable, str(Path(__file__).with_name("ports") / "operations_port.py")]
MUTATED = Path(PORT[1]).with_name("mutated.py")
PROGRAM = Path(sys.executable).with_name("hammer2-cluster")
NIGHTLY = settings.default is not None and settings.default.max_examples > 1000
QUICK = Plan(programs=28, lives=10, timeout=30)
SCHEMA = json.loads((ROOT / "docs" / "reference" / "conform.schema.json").read_text())


@cache
def examined(*words: str, plan: Plan = QUICK) -> Report:
    return examine([*PORT, *words], plan)


def first(report: Report) -> OperationJudgement:
    judgement = report.tally.first[0]
    assert isinstance(judgement, OperationJudgement)
    return judgement


@pytest.mark.parametrize("semantics", ["seed", "repaired"])
def test_a_right_implementation_is_green(semantics: str) -> None:
    report = examined(semantics)
    assert report.status == Status.AGREE, list(drawn(report.tally.first[0], report.semantics))
    assert report.tally.counts[Standing.AGREES] == report.tally.counts.total() > 100
    assert list(report.tally.campaigns) == [
        "introduction", "operations on good days", "operations on 10 random days", "told to stop",
    ]  # fmt: skip
    assert all(report.tally.campaigns[name] for name in list(report.tally.campaigns)[1:3])


@pytest.mark.parametrize(
    ("how", "field"),
    [
        ("wrong-argument", "calls[0].how"),
        ("twice", "calls["),
        ("forever", "calls["),
        ("wrong-outcome", "outcome"),
        ("wrong-result", "result"),
        ("wrong-state", "state.clusters["),
    ],
)
def test_where_a_wrong_implementation_parts_first_is_said(
    monkeypatch: pytest.MonkeyPatch, how: str, field: str
) -> None:
    monkeypatch.setattr(examination, "RESTARTS", 2)  # for the one that never comes to an end
    report = examined("repaired", "repaired", how)
    judgement = first(report)
    assert report.status == Status.DIFFER
    assert judgement.standing is Standing.DIFFERS
    assert judgement.field.startswith(field)
    assert judgement.expected != judgement.got
    assert judgement not in report.unstable


WHERE_THE_RAREST_SHOW = {("move", "two masters"), ("edit", "two masters with embedded data")}
"""A program and its world, for the families with few members."""


class GoodDays:
    """The operations of good days as a judge of mutants: each is well that says what the right ones say."""

    name, semantics, straight = "good days", REPAIRED, True

    def __init__(self) -> None:
        told = [it for it in every_case() if (it.program_name, it.world_name) in WHERE_THE_RAREST_SHOW]
        asked = (performance for case in (*every_case()[:60], *told) for performance in of_case(case, [], REPAIRED))
        self.performances = [it for it in asked if not it.asserts]
        self._said = [said_by(REPAIRED, it) for it in self.performances]

    def parts(self) -> dict[str, int]:
        return {"operations": self.count()}

    def count(self) -> int:
        return len(self.performances)

    def is_well(self, case: int) -> bool:
        return said_by(REPAIRED, self.performances[case]) == self._said[case]


def test_one_mutant_of_every_family_is_found(tmp_path: Path) -> None:
    judge = GoodDays()
    coverage = coverage_of(judge)
    families: dict[str, list[Mutant]] = {}
    for mutant in (it for module in (locking, modifying, topology) for it in mutate(module).mutants):
        families.setdefault(mutant.operator, []).append(mutant)
    assert len(families) >= 19
    found = {}
    for family, members in families.items():
        fates = (fate_of(judge, it, cases_for(it, coverage)) for it in members)
        mutant, case = next((fate.mutant, fate.case) for fate in fates if fate.case is not None)
        file = tmp_path / f"{family}.py"
        file.write_text(mutant.text)
        port = [sys.executable, str(MUTATED), mutant.module, str(file), PORT[1], "repaired"]
        with closing(Examination(port, 30)) as examination:
            judgement = judge_performance(judge.performances[case], examination)
        found[family] = judgement.standing
    assert {*found.values()} == {Standing.DIFFERS, Standing.MISBEHAVED}  # the latter dies of it
    assert sum(it is Standing.DIFFERS for it in found.values()) > 0.5 * len(families)


def test_after_a_wrong_call_the_operation_may_come_to_its_end() -> None:
    report = examined("repaired", "repaired", "wrong-argument")
    assert list(report.tally.like) == ["nobody known"]
    assert not report.stopped  # as it would be if it had to be started anew each time
    assert report.tally.counts[Standing.DIFFERS] > 10


def test_one_that_lies_about_what_it_has_mended_is_found() -> None:
    report = examined("seed", "repaired")
    assert report.status == Status.DIFFER
    assert report.tally.counts[Standing.DIFFERS] > 0
    assert dict(report.tally.like) == {"the original": report.tally.counts[Standing.DIFFERS]}
    assert "    that is what the original would say" in list(drawn(first(report), report.semantics))
    [record, *_] = records(report, PORT, "conform ...")
    assert isinstance(record, OperationDivergence)
    assert record.like == ["the original"]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("silent", "does not answer: no line within 2 s"),
        ("decisions", "answers with what is no answer: decisions, expected how it ended"),
        ("no-call", "answers with what is no answer: Invalid value 'chain_eat'"),
    ],
)
def test_what_breaks_the_protocol_is_told_from_what_differs(
    monkeypatch: pytest.MonkeyPatch, how: str, said: str
) -> None:
    monkeypatch.setattr(examination, "RESTARTS", 1)  # each silence takes its seconds
    report = examined(
        "repaired", "repaired", how, plan=QUICK._replace(programs=3, timeout=2 if how == "silent" else 30)
    )
    assert report.status == Status.DIFFER
    assert {it.standing for it in report.tally.first} == {Standing.MISBEHAVED}
    assert str(first(report).reply).startswith(said)


def test_one_that_dies_where_the_original_does_is_spared_that() -> None:
    report = examined("seed", "seed", "dies", plan=QUICK._replace(programs=150))
    assert report.status == Status.AGREE
    assert report.tally.counts[Standing.UNDEFINED] == 1
    assert report.tally.not_asked > 0


def test_what_is_skipped_is_counted_with_its_reason() -> None:
    report = examined("repaired", "repaired", "skip")
    assert report.status == Status.AGREE
    assert dict(report.tally.reasons) == {"lookups are not ported yet": report.tally.counts[Standing.SKIPPED]}


def test_what_only_random_days_find_is_shrunk() -> None:
    plan = QUICK._replace(programs=1, lives=60, seed=1)
    report = examined("repaired", "repaired", "wrong-state", plan=plan)
    assert report.tally.counts[Standing.DIFFERS] == 1
    assert first(report).performance.question.op == "ref"


def test_every_operation_is_asked_on_the_world_that_a_replay_has_before_it() -> None:
    lines = (ROOT / "data" / "findings" / "operations.jsonl").read_bytes().splitlines()
    for trace in map(decode, lines[:8]):
        asked = iter(performances(trace))
        world = RecordedWorld(trace.world)
        for step in trace.steps:
            if type(step).__struct_config__.tag != "env":
                given = world_of(next(asked).question.world)
                assert look(given.chains).records() == look(world.chains).records()
                assert {n: cluster_record(it) for n, it in given.clusters.items()} == {
                    n: cluster_record(it) for n, it in world.clusters.items()
                }
                assert [it.flags for it in given.inodes] == [it.flags for it in world.inodes]
            world.become(step.state)
            world.replace_pfss(step.args)
        assert next(asked, None) is None


def test_nothing_is_asked_twice_and_good_days_have_every_operation_that_they_can() -> None:
    asked = list(good_days(REPAIRED, 60))
    assert len({msgspec.json.encode([it.question, it.calls]) for it in asked}) == len(asked)
    assert len({it.question.op for it in asked}) >= 28
    assert any(it.asserts for it in good_days(SEED, 60))


def kept(*words: str) -> tuple[Report, list[AnyDivergence]]:
    report = examined(*words)
    return report, records(report, [*PORT, *words], "conform ...")


def test_divergences_are_kept_drawn_and_replayed(tmp_path: Path) -> None:
    report, divergences = kept("repaired", "repaired", "wrong-argument")
    schema = json.loads((ROOT / "docs" / "reference" / "divergence.schema.json").read_text())
    paths = save(divergences[:2], tmp_path)
    for path, again in read(tmp_path):
        assert path in paths
        jsonschema.validate(json.loads(path.read_text()), schema)
        assert isinstance(again, OperationDivergence)
        drawing = picture(again, str(path))
        assert all(len(step.cells) == len(drawing.columns) for step in drawing.steps)
        assert len(drawing.steps) == len(again.calls) + 1
    fates = [it.fate for it in replay(read(tmp_path), [], 30)]
    assert fates == [Fate.FAILS] * len(paths)
    assert [it.fate for it in replay(read(tmp_path), [*PORT, "repaired"], 30)] == [Fate.FIXED] * len(paths)
    junit.write(tmp_path / "junit.xml", report, divergences)
    assert page(report, divergences, []).count("<section>") == len(divergences)


def test_all_that_is_said_has_the_published_form() -> None:
    performance: Performance = next(it for it in good_days(REPAIRED, 20) if it.calls)
    run = RunOperation(1, performance.question)
    effects = Effects(1, msgspec.to_builtins(getattr(performance.calls[0], "fx", {}) or {}))
    for message in (run, effects, Answered(1, result=performance.expected), Answered(1, result=Done("fault"))):
        jsonschema.validate(json.loads(msgspec.json.encode(message)), SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"run": 1, "call": {"f": "chain_eat", "chain": 1}}, SCHEMA)


def test_what_is_mended_is_inferred_from_operations() -> None:
    plan = QUICK._replace(infer=True, programs=28, lives=5)
    report = examined("-moved_parent,-fresh_focus", "repaired", plan=plan)
    assert (report.status, report.described, report.unexplained) == (Status.AGREE, "-fresh_focus,-moved_parent", 0)
    assert report.untold == ()
    assert list(report.tally.campaigns)[1:3] == ["operations that tell repairs apart", "operations on good days"]
    assert "its answers are those of -fresh_focus,-moved_parent" in list(lines(report, []))


def test_an_answer_that_no_repairs_explain_is_a_divergence() -> None:
    report = examined("repaired", "repaired", "wrong-outcome", plan=QUICK._replace(infer=True, programs=1, lives=0))
    assert (report.status, report.described) == (Status.DIFFER, "repaired")
    assert report.unexplained == report.tally.campaigns["operations that tell repairs apart"][Standing.DIFFERS] > 0
    assert "its answers are those of repaired, but for" in "\n".join(lines(report, []))


@cache
def telling() -> list[Performance]:
    return list(questions())


EVERY_FLIP = [(base, name) for base in (SEED, REPAIRED) for name in Semantics._fields]
FLIPS = EVERY_FLIP if NIGHTLY else [(SEED, "believed_writes"), (REPAIRED, "abstaining_members")]


@pytest.mark.parametrize(("base", "name"), FLIPS)
def test_a_repair_that_is_there_or_missing_is_told(base: Semantics, name: str) -> None:
    has = base._replace(**{name: not getattr(base, name)})
    found = infer([Heard(it, said_by(has, it)) for it in telling()], claimed=base)
    assert found.unexplained == 0
    assert found.semantics == has or (base == SEED and name in found.untold)
    assert len(found.untold) <= (8 if base == SEED else 2)  # some show only where others are mended


def test_what_no_answer_tells_is_taken_as_claimed_and_said() -> None:
    claimed = SEED._replace(emptied_slot=True, valid_data=True)
    found = infer([Heard(it, said_by(SEED, it)) for it in telling()], claimed)
    assert found.semantics == SEED._replace(emptied_slot=True)
    assert "emptied_slot" in found.untold


def test_the_operation_resolve_is_asked_as_the_decision_is() -> None:
    for configuration in smoke():
        for semantics in (SEED, REPAIRED):
            verdict, done = resolve(*configuration, semantics), said_by(semantics, decision(configuration)).done
            assert done is not None
            assert done.outcome == verdict.outcome.text
            after = (done.state.clusters or {}).get(0)
            assert after is None or (after.error, after.flags) == (verdict.error, verdict.flags)


def test_the_command_line_draws_the_call(tmp_path: Path) -> None:
    words = ["conform", "--programs", "3", "--lives", "0", "--", *PORT, "repaired", "repaired", "wrong-argument"]
    finished = subprocess.run([PROGRAM, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == Status.DIFFER
    assert '    > calls[0]: {"f":"chain_lock"' in finished.stdout
    assert "    calls[0].how: expected 3, got 2" in finished.stdout
    assert "    promised: C30: lock: references and locks the cluster" in finished.stdout


@pytest.mark.parametrize(
    ("op", "claims"),
    [
        ("type", ["C11"]),
        ("modified", ["C11"]),
        ("lock", ["C30", "C31", "C32", "C33"]),
        ("lookup", ["C43", "C61", "C63"]),
        ("load_async", ["C70", "C71", "C72"]),
        ("wait", []),
    ],
)
def test_the_rules_of_an_operation_are_the_claims_of_its_lines(op: str, claims: list[str]) -> None:
    assert [rule.partition(":")[0] for rule in rules(op)] == claims


def test_every_operation_but_the_plain_sleep_has_a_rule() -> None:
    assert {op for op in STEPS if not rules(op)} == {"env", "wait"}


@pytest.mark.parametrize("semantics", [SEED, REPAIRED], ids=["seed", "repaired"])
def test_whatever_happens_below_what_is_expected_is_what_a_right_implementation_says(semantics: Semantics) -> None:
    random, reads = Random(11), 0
    loads = [case for case in every_case() if case.program_name == "load"]
    for case in [*random.sample(every_case(), 60), *random.sample(loads, 30)]:
        picks = [random.randint(0, LARGEST_ANSWER) for _ in range(MOST_ANSWERS)]
        for performance in of_case(case, picks, semantics):
            calls = [msgspec.convert(spoken(call), ASKED[type(call)]) for call in performance.calls]
            assert said_by(semantics, performance) == as_said(calls, performance.expected)
            reads += any(isinstance(call, IoGetblk) for call in performance.calls)
    assert reads > 5


def test_a_call_that_is_left_out_is_missed_though_all_else_is_right() -> None:
    asked = [it for it in good_days(REPAIRED, 20) if it.calls]
    for performance in asked:
        below = Below(performance.calls)
        for call in performance.calls[:-1]:
            below(msgspec.convert(spoken(call), ASKED[type(call)]))
        judgement = judged(performance, performance.expected, below)
        assert judgement.standing is Standing.DIFFERS
        assert judgement.field == f"calls[{len(performance.calls) - 1}]"
        assert (judgement.expected, judgement.got) == (spoken(performance.calls[-1]), None)
    assert len(asked) > 20
