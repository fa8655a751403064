"""Scenarios over the wire: a right cluster is green, and each wrong one breaks the sentence that it should."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import jsonschema
import msgspec
import pytest
from hypothesis import settings
from msgspec import structs

from hammer2_oracle.conform import junit, scenario_questions
from hammer2_oracle.conform.divergence import ScenarioDivergence, read, save
from hammer2_oracle.conform.examination import RESTARTS, Examination, GivenUp
from hammer2_oracle.conform.ghost import Breach, Ghost
from hammer2_oracle.conform.judging import GOOD, Standing
from hammer2_oracle.conform.messages import (
    ENDINGS,
    Came,
    Crash,
    Fail,
    Get,
    Introduction,
    Put,
    Reconnect,
    Remove,
    Replace,
    Resync,
    RunScenario,
    RunStep,
    ScenarioQuestion,
    Status,
    Step,
    Stepped,
)
from hammer2_oracle.conform.page import page, picture
from hammer2_oracle.conform.replaying import Fate, replay
from hammer2_oracle.conform.report import Report, drawn, records
from hammer2_oracle.conform.run import Plan, examine
from hammer2_oracle.conform.scenario_questions import NEW_MEDIA, SMOKE, TWO_CLIENTS, search, smoke
from hammer2_oracle.conform.scenario_rules import CURRENT, QUORUM
from hammer2_oracle.conform.scenarios import Program, ScenarioJudgement, judge_program, rows, smallest
from hammer2_oracle.reading import Unreadable
from hammer2_oracle.status import Status as Exit

ROOT = Path(__file__).resolve().parent.parent
PORT = [sys.executable, str(Path(__file__).with_name("ports") / "small_cluster.py")]
CLUSTER = [sys.executable, str(Path(__file__).with_name("ports") / "scenario_port.py")]
PROGRAM = Path(sys.executable).with_name("hammer2-cluster")
THREE = ScenarioQuestion(["master"] * 3, 3)
EVERY = smoke(["clients", "replace"])
NIGHTLY = settings.default is not None and settings.default.max_examples > 1000
SMOKE_ALONE = Plan(lives=0, timeout=30)

WRONG = {
    "early": "a_hard_read_returns_everything_acknowledged",
    "unflushed": "every_majority_of_intact_media_yields_what_was_acknowledged",
    "reused-tid": "acknowledged_versions_are_nested",
    "votes-at-once": "a_hard_read_returns_everything_acknowledged",
    "forgets": "a_node_declared_synchronized_is",
    "lost-on-crash": "every_majority_of_intact_media_yields_what_was_acknowledged",
    "stale": "C34",
    "minority": "C34",
    "refused-but-done": "C33",
    "torn": "a_mixture_of_versions_never_looks_synchronized",
    "never-in-step": "C97",
    "gives-up": "C05",
    "cached": "a_hard_read_returns_everything_acknowledged",
    "empty-votes": "C34",
    "empty-in-step": "every_majority_of_intact_media_yields_what_was_acknowledged",
}
"""Each mistake of a small cluster, and a sentence that it breaks."""


@cache
def examined(*words: str, plan: Plan = SMOKE_ALONE) -> Report:
    return examine([*PORT, *words], plan)


def found(report: Report) -> list[ScenarioJudgement]:
    return [it for it in report.tally.first if isinstance(it, ScenarioJudgement)]


def broken(judgements: list[ScenarioJudgement]) -> set[str]:
    return {rule.name for it in judgements if it.breach for rule in it.breach.rules}


def test_a_right_cluster_is_green() -> None:
    report = examined(plan=Plan(lives=60, timeout=30))
    assert report.status == Exit.AGREE, [*drawn(report.tally.first[0], report.semantics)]
    assert report.tally.counts[Standing.AGREES] == report.tally.counts.total() == len(EVERY) + 60
    assert [*report.tally.campaigns] == [
        "introduction", "scenarios that tell", "scenarios: 60 random ones", "told to stop",
    ]  # fmt: skip


@pytest.mark.claims("C05", "C34", "C90", "C97")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("words", [[], ["itself"]])
def test_this_cluster_is_green_whether_it_resynchronizes_when_told_or_by_itself(
    words: list[str], run_seed: str
) -> None:
    plan = Plan(lives=2000 if NIGHTLY else 12, seed=int(run_seed), timeout=60)
    report = examine([*CLUSTER, *words], plan)
    assert report.status == Exit.AGREE, [*drawn(report.tally.first[0], report.semantics)]
    assert report.tally.counts.total() == len(EVERY) + plan.lives
    skipped = report.tally.counts[Standing.SKIPPED]
    assert dict(report.tally.reasons) == {"a slave's medium is replaced while nobody uses the store": skipped}
    assert report.tally.counts[Standing.AGREES] > 0.9 * report.tally.counts.total()


def test_this_cluster_is_found_out_when_it_acknowledges_what_is_in_memory_only() -> None:
    examination = Examination([*CLUSTER, "flush_before_ack"], 60)
    judgement = judge_program(SMOKE["nothing is acknowledged before a majority has flushed it"], examination)
    examination.close()
    assert broken([judgement]) == {"every_majority_of_intact_media_yields_what_was_acknowledged"}


@pytest.mark.parametrize("how", WRONG)
def test_a_wrong_cluster_breaks_its_sentence_and_no_step_can_be_spared(how: str) -> None:
    report = examined(how)
    assert report.status == Exit.DIFFER
    assert WRONG[how] in broken(found(report))
    assert not report.unstable
    assert not report.tally.like
    examination = Examination([*PORT, how], 30)
    for judgement in found(report):
        scenario, steps = judgement.asked
        assert len(judgement.replies) == len(steps)
        for n in range(len(steps)):
            less = judge_program(Program(scenario, steps[:n] + steps[n + 1 :]), examination)
            assert less.breach is None or less.breach.rules[0] not in judgement.breach.rules[:1]  # type: ignore[union-attr]  # there is one
    examination.close()


@pytest.mark.parametrize("how", ["unflushed", "votes-at-once"])
def test_random_programs_find_it_too(how: str) -> None:
    examination = Examination([*PORT, how], 30)
    judgement = search(examination, 200, 1, lambda _: None)
    examination.close()
    assert judgement is not None
    assert judgement.standing is Standing.DIFFERS
    assert len(judgement.asked.steps) <= 8


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("silent", "does not answer: no line within 2 s"),
        ("dies", "ended: exit status 3"),
        ("wrong-count", "answers with what is no answer: the status of 0 nodes, expected 1"),
        ("wrong-ending", "answers with what is no answer: done, expected acknowledged or refused or unknown"),
    ],
)
def test_what_breaks_the_protocol_is_told_from_what_differs(how: str, said: str) -> None:
    examination = Examination([*PORT, how], 2 if how == "silent" else 30)
    judgement = judge_program(next(iter(SMOKE.values())), examination)
    examination.close()
    assert judgement.standing is Standing.MISBEHAVED
    assert str(judgement.reply) == said


def test_what_goes_wrong_again_and_again_is_counted_but_told_once() -> None:
    report = examined("dies")
    assert report.tally.counts[Standing.MISBEHAVED] == len(SMOKE)
    assert [(len(it.program.scenario.nodes), len(it.asked.steps)) for it in found(report)] == [(1, 1), (3, 1), (3, 1)]


def test_what_was_found_before_it_was_given_up_is_told() -> None:
    examination = Examination([*PORT, "dies"], 30)
    judgement = search(examination, 20, 1, lambda _: None)
    examination.close()
    assert examination.restarts > RESTARTS
    assert judgement is not None
    assert judgement.standing is Standing.MISBEHAVED
    with pytest.raises(GivenUp):
        judge_program(judgement.program, examination)


def whoever(*capabilities: str) -> Examination:
    """An examination of one that is not asked, as its judge is another one."""
    who = Introduction(1, "nobody", "none", "1", ["scenarios"], "seed", [*capabilities])  # type: ignore[list-item]  # some
    return cast("Examination", SimpleNamespace(introduction=who))


@pytest.mark.parametrize("capabilities", [[], ["clients"], ["replace"], ["clients", "replace"]])
def test_only_what_is_declared_is_asked(monkeypatch: pytest.MonkeyPatch, capabilities: list[str]) -> None:
    asked: list[Program] = []

    def judge(program: Program, _: object) -> ScenarioJudgement:
        asked.append(program)
        return ScenarioJudgement(program, (), Came("done"), Standing.AGREES)

    monkeypatch.setattr(scenario_questions, "judge_program", judge)
    search(whoever(*capabilities), 60, 1, lambda _: None)
    told = smoke(whoever(*capabilities).introduction.capabilities)
    for programs in (asked, told.values()):
        steps = [step for program in programs for step in program.steps]
        for kind in (Put, Get):
            assert any(isinstance(it, kind) and it.client for it in steps) == ("clients" in capabilities)
        assert any(isinstance(step, Replace) for step in steps) == ("replace" in capabilities)
    assert len(told) == len(SMOKE) + len(TWO_CLIENTS) * ("clients" in capabilities) + len(NEW_MEDIA) * (
        "replace" in capabilities
    )
    assert not any(isinstance(step, Replace) for it in examined("one-client").tally.first for step in it.asked.steps)  # type: ignore[union-attr]  # scenarios


def test_a_scenario_without_a_step_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Program] = []

    def judge(program: Program, _: object) -> ScenarioJudgement:
        asked.append(program)
        return ScenarioJudgement(program, (), Came("done"), Standing.AGREES)

    monkeypatch.setattr(scenario_questions, "judge_program", judge)
    assert search(whoever(), 60, 1, lambda _: None) is None
    assert asked
    assert all(program.steps for program in asked)


def test_what_is_skipped_is_counted_with_its_reason() -> None:
    report = examined("skip")
    assert report.status == Exit.AGREE
    assert dict(report.tally.reasons) == {"files are not removed yet": 3}


def test_a_cluster_that_never_acknowledged_a_put_is_not_called_right() -> None:
    report = examined("puts-nothing")
    assert report.status == Exit.UNDECIDED
    assert report.stopped == "no put was acknowledged: what the cluster keeps cannot be judged"


def test_an_implementation_of_one_part_is_asked_nothing_of_the_others() -> None:
    assert not any("scenarios" in name for name in examined("").tally.campaigns if name == "smoke")
    decisions = [sys.executable, str(Path(__file__).with_name("ports") / "port.py"), "seed"]
    report = examine(decisions, Plan(slots=0, lives=0, timeout=30))
    assert not any("scenarios" in name for name in report.tally.campaigns)


# ---- the judge


def judged(*story: tuple[Step, Came], scenario: ScenarioQuestion = THREE) -> Breach | None:
    """Nothing is wrong before the last step; what is there."""
    ghost = Ghost(scenario)
    for step, came in story[:-1]:
        assert ghost.judge(step, came) is None
    return ghost.judge(*story[-1])


def put(content: str, ended: str = "acknowledged") -> tuple[Step, Came]:
    return Put("a", content), Came(ended)  # type: ignore[arg-type]  # one of them


def get(content: str | None) -> tuple[Step, Came]:
    return Get("a"), Came("read", content)


def quietly(step: Step) -> tuple[Step, Came]:
    return step, Came("done")


def shown(*nodes: str) -> tuple[Step, Came]:
    return Status(), Came("shown", nodes=[*nodes])  # type: ignore[list-item]  # one of them


DOUBTFUL = (quietly(Fail(1, "flush")), quietly(Fail(2, "flush")))


RETURNED = (quietly(Fail(0)), quietly(Fail(1)), quietly(Reconnect(0)), quietly(Reconnect(1)))


def test_what_came_to_an_unknown_end_may_be_seen_or_not_and_at_any_time() -> None:
    doubt = (put("1"), *DOUBTFUL, put("2", "unknown"))
    assert judged(*doubt, get("1")) is None
    assert judged(*doubt, get("2")) is None
    assert judged(*doubt, get("1"), get("2")) is None
    back = judged(*doubt, get("2"), get("1"))
    assert back is not None
    assert (back.expected, back.got) == ("'2'", "'1'")


def test_what_a_later_version_was_acknowledged_without_is_never_seen() -> None:
    doubt = (put("1"), *DOUBTFUL, put("2", "unknown"), (Put("b", "3"), Came("acknowledged")))
    assert judged(*doubt, get("1")) is None
    assert judged(*doubt, get("2")) is None
    late = judged(*doubt, get("1"), get("2"))
    assert late is not None
    assert late.rules[0].name == "acknowledged_versions_are_nested"


def test_of_several_doubtful_changes_some_may_be_seen_in_their_order() -> None:
    doubt = (*DOUBTFUL, put("1", "unknown"), put("2", "unknown"), put("3", "unknown"))
    assert judged(*doubt, get("2"), get("3")) is None
    assert judged(*doubt, get(None), get("1"), get("3")) is None
    assert judged(*doubt, get("2"), get("1")) is not None
    assert judged(*doubt, get("3"), get("2")) is not None


@pytest.mark.parametrize(
    ("story", "rule"),
    [
        ((put("1"), get(None)), "a_hard_read_returns_everything_acknowledged"),
        ((put("1"), put("2"), get("1")), "a_hard_read_returns_everything_acknowledged"),
        ((put("1"), quietly(Crash(0)), get(None)), "every_majority_of_intact_media_yields_what_was_acknowledged"),
        ((put("1"), (Remove("a"), Came("acknowledged")), get("1")), "a_hard_read_returns_everything_acknowledged"),
        ((put("1"), get("2")), "a_mixture_of_versions_never_looks_synchronized"),
        ((quietly(Fail(0)), quietly(Fail(1)), put("1", "refused"), quietly(Reconnect(0)), get("1")), "C33"),
        ((quietly(Fail(0)), quietly(Fail(1)), put("1")), "C34"),
        ((quietly(Fail(0)), quietly(Fail(1)), get(None)), "C34"),
        ((quietly(Fail(0)), put("1", "refused")), "C05"),
        ((quietly(Fail(0)), put("1", "unknown")), "C05"),
        ((quietly(Fail(0)), (Get("a"), Came("refused"))), "C02"),
        ((quietly(Fail(0)), (Resync(), Came("refused"))), "C97"),
        ((quietly(Resync()), shown("synchronized", "synchronized", "behind")), "C97"),
        ((quietly(Fail(0)), quietly(Fail(1)), quietly(Crash(0, "flush")), put("1")), "C34"),
        ((*RETURNED, quietly(Resync()), quietly(Fail(2)), put("1", "refused")), "C05"),
        ((quietly(Fail(0)), put("1"), shown(*["synchronized"] * 3)), "a_node_declared_synchronized_is"),
        ((put("1"), quietly(Replace(0)), get(None)), "every_majority_of_intact_media_yields_what_was_acknowledged"),
        ((put("1"), quietly(Replace(0)), (Get("a"), Came("refused"))), "C02"),
        ((put("1"), quietly(Replace(0)), put("2", "refused")), "C05"),
        ((quietly(Fail(1)), quietly(Replace(0)), put("1")), "C34"),
        ((quietly(Fail(1)), quietly(Fail(2)), quietly(Replace(0)), quietly(Reconnect(1)), get(None)), "C34"),
        ((quietly(Fail(1)), quietly(Replace(0)), shown("synchronized", "away", "synchronized")),
         "a_node_declared_synchronized_is"),
        ((quietly(Replace(0)), quietly(Resync()), shown("behind", "synchronized", "synchronized")), "C97"),
        ((put("1"), quietly(Replace(0)), quietly(Resync()), quietly(Replace(1)), get(None)),
         "every_majority_of_intact_media_yields_what_was_acknowledged"),
        ((put("1"), quietly(Replace(0)), shown(*["synchronized"] * 3), quietly(Replace(1)), get(None)),
         "every_majority_of_intact_media_yields_what_was_acknowledged"),
        ((*[quietly(Replace(n)) for n in range(3)], quietly(Fail(0)), quietly(Fail(1)), put("1")), "C34"),
    ],
)  # fmt: skip
def test_each_answer_that_is_wrong_breaks_its_sentence(story: tuple[tuple[Step, Came], ...], rule: str) -> None:
    breach = judged(*story)
    assert breach is not None
    assert breach.rules[0].name == rule


@pytest.mark.parametrize(
    "story",
    [
        (quietly(Fail(0)), shown("synchronized", "synchronized", "synchronized")),
        (quietly(Fail(0)), put("1"), quietly(Reconnect(0)), shown("synchronized", "synchronized", "synchronized")),
        (quietly(Fail(0)), put("1"), quietly(Reconnect(0)), shown("behind", "synchronized", "synchronized")),
        (quietly(Fail(0)), quietly(Fail(1)), put("1", "refused"), (Get("a"), Came("refused"))),
        (quietly(Fail(0)), quietly(Fail(1)), (Resync(), Came("refused"))),
        (quietly(Fail(0)), quietly(Reconnect(0)), quietly(Fail(1)), put("1", "refused")),
        (quietly(Fail(0, "resync")), quietly(Fail(1, "flush")), put("1", "unknown"), (Get("a"), Came("refused"))),
        (quietly(Fail(0)), quietly(Resync()), quietly(Reconnect(0)), shown("behind", "synchronized", "synchronized")),
        (quietly(Resync()), put("1"), shown("synchronized", "synchronized", "behind")),
        (quietly(Fail(0, "resync")), (Resync(), Came("refused"))),
        (quietly(Resync()), quietly(Fail(1)), shown("behind", "away", "synchronized")),
        (quietly(Fail(0)), quietly(Fail(1)), quietly(Resync()), shown("away", "away", "behind")),
        (*RETURNED, quietly(Fail(2)), put("1", "refused")),
        (quietly(Fail(0)), shown(*["synchronized"] * 3), quietly(Reconnect(0)), quietly(Fail(1)), put("1", "refused")),
        (quietly(Fail(0)), (Remove("a"), Came("acknowledged")), shown(*["synchronized"] * 3)),
        (put("1"), quietly(Replace(0)), quietly(Replace(1)), get(None)),  # too many are lost
        (put("1"), quietly(Replace(0)), quietly(Replace(1)), (Resync(), Came("refused"))),
        (quietly(Fail(1)), quietly(Replace(0)), (Resync(), Came("refused"))),
        (quietly(Fail(1)), quietly(Replace(0)), (Get("a"), Came("refused"))),
        (quietly(Replace(0)), quietly(Fail(1)), put("1")),  # it may have been filled before
        (quietly(Replace(0)), quietly(Fail(1)), put("1", "refused")),
        (quietly(Replace(0)), shown(*["synchronized"] * 3)),
    ],
)
def test_what_nobody_promised_is_not_judged(story: tuple[tuple[Step, Came], ...]) -> None:
    assert judged(*story) is None


def test_new_media_that_are_called_synchronized_have_to_serve() -> None:
    story = (put("1"), quietly(Replace(0)), shown(*["synchronized"] * 3), quietly(Fail(1)))
    assert judged(*story, get("1")) is None
    breach = judged(*story, (Get("a"), Came("refused")))
    assert breach is not None
    assert [rule.name for rule in breach.rules] == ["C02", "a_node_declared_synchronized_is"]


def test_a_node_that_is_called_synchronized_has_to_serve() -> None:
    story = (quietly(Fail(0)), put("1"), quietly(Reconnect(0)), shown(*["synchronized"] * 3), quietly(Fail(1)))
    assert judged(*story, get("1")) is None
    breach = judged(*story, (Get("a"), Came("refused")))
    assert breach is not None
    assert [rule.name for rule in breach.rules] == ["C02", "a_node_declared_synchronized_is"]


def test_slaves_are_no_masters() -> None:
    scenario = ScenarioQuestion(["master", "master", "slave"], 2)
    assert judged(quietly(Fail(2)), put("1"), scenario=scenario) is None
    breach = judged(quietly(Fail(1)), put("1"), scenario=scenario)
    assert breach is not None
    assert breach.rules[0].name == "C34"


def test_what_goes_wrong_in_another_way_is_not_the_smaller_one() -> None:
    program = Program(THREE, (Fail(0), Status()))

    def judge(smaller: Program) -> ScenarioJudgement:
        rule = (CURRENT if len(smaller.steps) == 2 else QUORUM,)
        replies = (Came("done"),) * len(smaller.steps)
        return ScenarioJudgement(smaller, replies, Came("done"), Standing.DIFFERS, Breach(rule, "", ""))

    assert smallest(judge(program), judge).program.steps == program.steps
    assert smallest(judge(Program(THREE, (Fail(0),))), judge).program == Program(ScenarioQuestion(["master"], 1), ())


# ---- records


def test_divergences_are_kept_drawn_and_replayed(tmp_path: Path) -> None:
    report = examined("reused-tid")
    divergences = records(report, [*PORT, "reused-tid"], "conform ...")
    schema = json.loads((ROOT / "docs" / "reference" / "divergence.schema.json").read_text())
    paths = save(divergences, tmp_path)
    assert len({*paths}) == len(divergences) >= 2
    for path, again in read(tmp_path):
        jsonschema.validate(json.loads(path.read_text()), schema)
        assert isinstance(again, ScenarioDivergence)
        drawing = picture(again, str(path))
        assert len(drawing.columns) == len(again.question.scenario.nodes)
        assert all(len(step.cells) == len(drawing.columns) for step in drawing.steps)
        assert [step.kind for step in drawing.steps] == [""] * (len(again.question.steps) - 1) + ["got"]
        assert drawing.rules
        assert again.rules[0].endswith(")")
    assert [it.fate for it in replay(read(tmp_path), [], 30)] == [Fate.FAILS] * len(paths)
    assert [it.fate for it in replay(read(tmp_path), PORT, 30)] == [Fate.FIXED] * len(paths)
    junit.write(tmp_path / "junit.xml", report, divergences)
    assert "a_tid_has_one_content" in (tmp_path / "junit.xml").read_text()
    assert page(report, divergences, []).count("<section>") == len(divergences)


def test_a_step_that_is_not_answered_is_drawn_too() -> None:
    [divergence, *_] = records(examined("dies"), PORT, "conform ...")
    assert isinstance(divergence, ScenarioDivergence)
    assert picture(divergence, "").steps[-1].name == "put a 'a1'"
    assert picture(divergence, "").what == "ended: exit status 3"
    assert "another way" not in picture(structs.replace(divergence, stable=None), "").what
    assert "another way" in picture(structs.replace(divergence, stable=False), "").what


def test_all_that_is_said_has_the_published_form() -> None:
    published = json.loads((ROOT / "docs" / "reference" / "conform.schema.json").read_text())
    schema = jsonschema.Draft202012Validator(published)
    endings = {"read": Came("read", None), "shown": Came("shown", nodes=["away"])}
    said: list[msgspec.Struct] = [RunScenario(1, THREE)]
    said += [RunStep(2, step) for step in {type(step): step for it in EVERY.values() for step in it.steps}.values()]
    said += [Stepped(3, endings[it] if it in endings else Came(it)) for ended in ENDINGS.values() for it in ended]
    said += [Stepped(4, skipped="not yet"), Stepped(5, error="no memory")]
    for message in said:
        assert schema.is_valid(json.loads(msgspec.json.encode(message)))
    assert not schema.is_valid({"run": 1, "step": {"do": "explode", "node": 1}})


@pytest.mark.parametrize(
    ("came", "why"),
    [
        ({"ended": "read"}, "`content`"),
        ({"ended": "acknowledged", "content": "a"}, "`content`"),
        ({"ended": "shown"}, "`nodes`"),
        ({"ended": "done", "nodes": []}, "`nodes`"),
    ],
)
def test_an_answer_that_says_too_much_or_too_little_is_refused(came: dict[str, object], why: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=why):
        msgspec.convert({"run": 1, "result": came}, Stepped)


@pytest.mark.parametrize(("nodes", "pfs_nmasters"), [(["slave", "master"], 1), (["slave"], 1), (["master"] * 2, 1)])
def test_a_cluster_that_cannot_be_is_refused(nodes: list[str], pfs_nmasters: int) -> None:
    with pytest.raises(msgspec.ValidationError, match="Expected"):
        msgspec.convert({"nodes": nodes, "pfs_nmasters": pfs_nmasters}, ScenarioQuestion)


def test_a_stored_program_about_a_node_that_is_not_there_is_refused(tmp_path: Path) -> None:
    [path, *_] = save(records(examined("forgets"), PORT, "conform ..."), tmp_path)
    path.write_text(path.read_text().replace('"node": 2', '"node": 3').replace('"node": 0', '"node": 3'))
    with pytest.raises(Unreadable, match="Expected steps about nodes that are in `scenario`"):
        list(read(path))


def test_replay_says_what_it_got(tmp_path: Path) -> None:
    [path, *_] = save(records(examined("forgets"), [*PORT, "forgets"], "conform ..."), tmp_path)
    finished = subprocess.run([PROGRAM, "replay", "--json", path], capture_output=True, text=True, check=False)
    assert finished.returncode == Exit.DIFFER
    [told] = json.loads(finished.stdout)["divergences"]
    assert (told["fate"], told["got"]) == ("fails", "synchronized")


def test_every_scenario_that_tells_has_its_own_story_and_ends_with_a_look() -> None:
    assert len({msgspec.json.encode([*it]) for it in EVERY.values()}) == len(EVERY)
    for program in EVERY.values():
        assert isinstance(program.steps[-1], Get | Status)
        contents = [step.content for step in program.steps if isinstance(step, Put)]
        assert len({*contents}) == len(contents)


def test_the_command_line_draws_nodes_as_columns_and_steps_as_rows(tmp_path: Path) -> None:
    words = ["conform", "--lives", "0", "--", *PORT, "forgets"]
    finished = subprocess.run([PROGRAM, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == Exit.DIFFER
    assert "                  node 0        node 1        node 2\n" in finished.stdout
    assert "    > status      synchronized  synchronized  synchronized\n" in finished.stdout
    assert (
        "    expected node 2 not synchronized: it is away, and missed a change, got synchronized\n" in finished.stdout
    )


def test_in_the_page_only_what_differs_is_red() -> None:
    report = examined("forgets")
    [section] = page(report, records(report, PORT, "conform ...")[:1], []).split("<section>")[1:]
    shown = next(row for row in section.split("<tr") if '<th scope="row">status<' in row)
    cells = re.findall("<td(.*?)>(.*?)</td>", shown)
    assert cells == [("", "synchronized"), ("", "synchronized"), (' class="got"', "synchronized")]
    read = page(examined("stale"), records(examined("stale"), PORT, "conform ...")[:1], [])
    last = [row for row in read.split("<tr") if '<th scope="row">' in row and "<td" in row]
    assert any(re.search('<td>[^<]*</td><td class="remark got">', row) for row in last)
    assert 'class="got"><th' not in read


def test_a_picture_shows_whose_media_are_new_and_which_client_did_it() -> None:
    program = Program(THREE, (Replace(1), Put("a", "a1", 1)))
    drawing = [*rows(program, (Came("done"), Came("acknowledged")))]
    assert [(row.name, row.cells) for row in drawing] == [
        ("replace 1", ["", "emptied", ""]), ("put a 'a1', client 1", ["", "", ""]),
    ]  # fmt: skip


def test_a_picture_shows_who_is_there() -> None:
    program = Program(THREE, (Fail(0), Crash(1, "flush"), Reconnect(0), Get("a")))
    drawing = [*rows(program, (Came("done"), Came("done"), Came("done"), Came("read", "1")))]
    assert [row.cells for row in drawing] == [
        ["away", "", ""], ["away", "leaving", ""], ["there", "leaving", ""], ["", "leaving", ""],
    ]  # fmt: skip
    assert [row.result for row in drawing] == ["", "", "", "'1'"]


def test_every_sentence_is_one_of_the_specification() -> None:
    assert all(it.standing in GOOD for it in found(examined()))
    rules = {rule for how in WRONG for it in found(examined(how)) if it.breach for rule in it.breach.rules}
    for rule in rules:
        assert rule.claims
        assert str(rule).endswith(")")
